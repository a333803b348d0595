"""What a protocol is: how a word becomes questions about a picture, and whose probability is compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from core.lvlm.book import Book
from core.lvlm.questions import Question
from core.registry import Registry


class Protocol(ABC):
    """One way of asking. A picture and a word give a fixed number of questions; their probabilities are averaged."""

    title: ClassVar[str]
    plain: ClassVar[str]
    """What is asked, in two sentences."""
    paper: ClassVar[str]
    answers: ClassVar[tuple[str, ...]]
    """What can be answered; the first is the one whose probability is compared between groups."""
    per_word: ClassVar[int] = 1
    """Questions of a picture and a word."""
    needs_scenes: ClassVar[bool] = False
    """True where pictures are compared inside scenes (`--together`)."""

    @abstractmethod
    def questions(self, word: str, picture: int, seed: int, book: Book, closed: bool) -> list[Question]:
        """The questions of a picture (its number in the audit) and a word, drawn from (seed, picture, word) alone."""

    def words(self, words: Sequence[str]) -> list[str]:
        """What is compared, from the words that were given: the words themselves."""
        return list(words)


PROTOCOLS: Registry[type[Protocol]] = Registry("protocol", "core.lvlm.protocols")


def draws(seed: int, picture: int, word: str) -> np.random.Generator:
    """The generator of one picture and word: whatever else is asked, the same draws."""
    return np.random.default_rng([seed, picture, *word.encode()])


def kind_of(closed: bool) -> str:
    return "closed" if closed else "open"


def instructed(text: str, book: Book, how: str, closed: bool) -> str:
    """The text with the instruction how to answer; a model with a closed word list was taught it."""
    return text if closed else f"{text} {book.instructions[how]}"
