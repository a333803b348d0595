"""One question about one picture, before and after an edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.config import InputError
from core.lvlm import doors
from core.lvlm.answering import Pictures, answers, free_answer, prepare
from core.lvlm.model import Lvlm
from core.lvlm.questions import LETTERS, Question
from core.lvlm.refusals import require_askable

if TYPE_CHECKING:
    from PIL.Image import Image

OPTIONS = ("yes", "no", "unsure")
MOST = 300
"""Characters of a question."""


@dataclass(frozen=True)
class Answer:
    """What was answered: the share of every option, and the mass that the options hold together."""

    options: dict[str, float]
    mass: float
    free: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"options": self.options, "mass": self.mass} | ({} if self.free is None else {"free": self.free})


def checked_question(model: Lvlm, question: str, uploaded: bool = False) -> str:
    """The question, ready to be asked; InputError where it is empty, too long, unknown to the model, or refused."""
    text = " ".join(question.split())
    if not any(one.isalpha() for one in text):
        raise InputError(f"the question was {question!r}; expected words, for example 'is this person smiling?'")
    if len(text) > MOST:
        raise InputError(f"the question has {len(text)} characters; ask in at most {MOST}")
    if uploaded:
        require_askable(text)
    model.require_known(text)
    return text


def options_of(model: Lvlm, question: str) -> Question:
    """The question with yes, no and unsure as answers; with options of its own where it lists them: "... A. x B. y"."""
    parts = question.split(" A. ", 1)
    if len(parts) == 2:
        rest, options = parts[1], []
        for letter in LETTERS[1:]:
            head, found, tail = rest.partition(f" {letter}. ")
            options.append(head.strip())
            if not found:
                break
            rest = tail
        letters = LETTERS[: len(options)]
        if len(options) >= 2 and all(options):
            return Question("asked", question, tuple(options), letters)
    text = question if model.known_words is not None else f"{question} Answer with one word: yes, no or unsure."
    return Question("asked", text, OPTIONS, OPTIONS)


def ask(
    model: Lvlm,
    picture: Image | Pictures,
    question: str,
    edits: Sequence[doors.Edit | None] = (None,),
    uploaded: bool = False,
    free: Image | None = None,
) -> list[Answer]:
    """The answer under each edit (None: as the model is); the picture goes through the tower once.

    Parameters
    ----------
    uploaded : the picture is somebody's own: questions about who a person is are refused.
    free : the picture again, where the model also answers in its own words.
    """
    text = checked_question(model, question, uploaded)
    asked = options_of(model, text)
    prepared = picture if isinstance(picture, Pictures) else prepare(model, [picture])[0]
    found = []
    for edit in edits:
        scores = answers(prepared, [[asked]], edit)
        shares = dict(zip(asked.answers, scores.renormalised[0].tolist(), strict=True))
        said = free_answer(model, free, text, edit) if free is not None else None
        found.append(Answer(shares, float(scores.mass[0]), said))
    return found
