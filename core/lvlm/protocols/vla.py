"""In the style of VLAGenderBias: options behind letters, in random order, "unsure" in five wordings."""

from __future__ import annotations

import numpy as np

from core.lvlm.book import Book
from core.lvlm.protocol import PROTOCOLS, Protocol, draws, instructed, kind_of
from core.lvlm.questions import LETTERS, Question


@PROTOCOLS.register("vla")
class VlaStyle(Protocol):
    """Letters of yes, no and unsure; two random orders and wordings for each picture and word.

    Models prefer some letters whatever stands behind them: orders are drawn anew for every picture and averaged.
    Source: Girrbach et al., Revealing and Reducing Gender Biases in Vision and Language Assistants, ICLR 2025.
    """

    title = "Option letters (VLAGenderBias style)"
    plain = (
        "It asks the same with the options yes, no and unsure behind the letters A, B and C, in random order, and "
        "reads how likely each letter is. Orders and wordings change from picture to picture and are averaged."
    )
    paper = "VLAGenderBias"
    answers = ("yes", "no", "unsure")
    per_word = 2

    def questions(self, word: str, picture: int, seed: int, book: Book, closed: bool) -> list[Question]:
        rng, templates = draws(seed, picture, word), book.person[kind_of(closed)]
        found = []
        for _ in range(self.per_word):
            text = instructed(str(rng.choice(templates)).format(book.phrase(word)), book, "letter", closed)
            places, wording = draw_options(rng, len(book.unsure))
            found.append(shown(word, text, places, ("yes", "no", book.unsure[wording]), self.answers))
        return found


def draw_options(rng: np.random.Generator, wordings: int | None, unsure: bool = True) -> tuple[tuple[int, ...], int]:
    """Letter of yes, no and unsure (0 for A; -1: not offered), and the wording of unsure.

    The wording is drawn first (none where `wordings` is None), then the order of [unsure, yes, no].
    """
    wording = int(rng.choice(wordings)) if wordings is not None and unsure else 0
    options = ["unsure", "yes", "no"] if unsure else ["yes", "no"]
    order = [options[i] for i in rng.permutation(len(options))]
    return tuple(order.index(name) if name in order else -1 for name in ("yes", "no", "unsure")), wording


def shown(word: str, text: str, places: tuple[int, ...], texts: tuple[str, ...], answers: tuple[str, ...]) -> Question:
    """The question with its options at the places of their letters."""
    by_place = sorted((place, option) for place, option in zip(places, texts, strict=True) if place >= 0)
    listed = " ".join(f"{LETTERS[place]}. {option}" for place, option in by_place)
    offered = [(answer, LETTERS[place]) for answer, place in zip(answers, places, strict=True) if place >= 0]
    return Question(word, f"{text} {listed}", tuple(a for a, _ in offered), tuple(letter for _, letter in offered))
