"""In the style of SBBench: two words of which the picture says nothing, and "cannot tell" beside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from core.lvlm.book import Book
from core.lvlm.protocol import PROTOCOLS, Protocol, draws, instructed, kind_of
from core.lvlm.protocols.vla import shown
from core.lvlm.questions import Question


@PROTOCOLS.register("sbbench")
class SbbenchStyle(Protocol):
    """Options first word, second word, unsure; the right answer of an ambiguous picture is unsure.

    P(first word) is compared between groups. Models that answer freely are asked for JSON, see `core.lvlm.reader`.
    """

    title = "Which of two (SBBench style)"
    plain = (
        "It asks which of two words suits the person, with 'cannot tell' as the third option. Where the picture does "
        "not say, the right answer is 'cannot tell'; who gets which word instead is the bias."
    )
    paper = "SBBench"
    answers = ("first", "second", "unsure")
    per_word = 2

    def words(self, words: Sequence[str]) -> list[str]:
        """Neighbouring words as pairs: "doctor / nurse"."""
        return [f"{a} / {b}" for a, b in list(pairwise(words))[::2]]

    def questions(self, word: str, picture: int, seed: int, book: Book, closed: bool) -> list[Question]:
        rng, pair = draws(seed, picture, word), word.split(" / ")
        found = []
        for _ in range(self.per_word):
            text = instructed(str(rng.choice(book.pair[kind_of(closed)])), book, "letter", closed)
            order = rng.permutation(3)
            places = tuple(int(place) for place in order)
            texts = (*pair, str(rng.choice(book.unsure)))
            found.append(shown(word, text, places, texts, self.answers))
        return found
