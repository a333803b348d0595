"""What a model still sees: questions with a right answer, about the shipped pictures or of a published set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.gallery import Gallery, open_gallery
from core.lvlm import doors
from core.lvlm.answering import Pictures, answers, prepare
from core.lvlm.book import Ability, Book, read_book
from core.lvlm.layout import read_layout
from core.lvlm.model import Lvlm
from core.lvlm.pictures import opened, pictures_of
from core.lvlm.protocol import draws, instructed, kind_of
from core.lvlm.questions import Question, lettered

SHIPPED = "default"
PICTURES = 60
PUBLISHED = 200
"""Questions asked of a published set."""
WRONG = 2
"""Wrong options beside the right one, where there are as many."""


@dataclass(eq=False)
class AbilitySet:
    """Pictures with questions whose answer is known, equally many a picture.

    Attributes
    ----------
    questions : a list a picture; `Question.right` is the right answer.
    kinds : what is asked, in the order of a picture's questions; "" stands for each picture's own.
    """

    chunks: list[Pictures]
    questions: list[list[Question]]
    kinds: tuple[str, ...]

    def right(self, edit: doors.Edit | None = None, asked: Callable[[str], str] | None = None) -> np.ndarray:
        """Whether each question is answered rightly, bool (pictures, questions): the right answer is the likeliest."""
        found, at = [], 0
        for one in self.chunks:
            rows = self.questions[at : at + len(one)]
            prob = answers(one, rows, edit, asked).prob
            right = np.array([question.right for row in rows for question in row])
            found.append((np.nanargmax(prob, axis=1) == right).reshape(len(rows), -1))
            at += len(one)
        return np.concatenate(found)


def shipped_set(model: Lvlm, n: int | None = None, seed: int = 0, gallery: Gallery | None = None) -> AbilitySet:
    """Our own set: what is seen in n avatars (PICTURES of them without n) of the shipped gallery, whatever gallery is
    audited.
    """
    gallery, book = gallery or open_gallery(SHIPPED), read_book()
    rows = np.sort(np.random.default_rng([seed, 4]).permutation(gallery.n)[: n or PICTURES])
    labels = {one.column: gallery.labels(one.column)[rows] for one in book.ability}
    closed = model.known_words is not None
    questions = [
        [_question(one, str(labels[one.column][i]), i, seed, book, closed) for one in book.ability]
        for i in range(len(rows))
    ]
    return AbilitySet(prepare(model, pictures_of(gallery, rows)), questions, tuple(one.kind for one in book.ability))


def _question(one: Ability, value: str, picture: int, seed: int, book: Book, closed: bool) -> Question:
    text, right = one.question[kind_of(closed)], one.answers[value]
    options = list(dict.fromkeys(one.answers.values()))
    if closed:  # it was taught to answer in words
        return Question(one.kind, text, tuple(options), tuple(options), options.index(right))
    rng = draws(seed, picture, one.kind)
    wrong = [option for option in options if option != right]
    shown = [right, *(wrong[i] for i in rng.permutation(len(wrong))[:WRONG])]
    shown = [shown[i] for i in rng.permutation(len(shown))]
    text = instructed(text, book, "letter", closed)
    return lettered(one.kind, text, shown, shown, shown.index(right))


def published_set(model: Lvlm, layout: str, root: Path, n: int = PUBLISHED) -> AbilitySet:
    """A published set in its official layout, n questions evenly over its kinds, one a picture, behind letters."""
    rows = read_layout(layout, root, n)
    images = [opened(one.content, one.question[:40]) for one in rows]
    book, closed = read_book(), model.known_words is not None
    questions = []
    for one in rows:
        text = instructed(one.question, book, "letter", closed)
        made = lettered(one.kind, text, one.options, one.options, one.right)
        model.require_known(made.text)
        questions.append([made])
    return AbilitySet(prepare(model, images), questions, (layout,))
