"""Our own questions, as they lie under assets/prompts: templates, wordings of "unsure", and the ability set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.config import ASSETS, InputError, lacking_key
from core.store import read_json

BOOK = ASSETS / "prompts" / "questions.json"


@dataclass(frozen=True)
class Ability:
    """One question of the ability set: what is seen, whose right answer a gallery's column tells."""

    kind: str
    column: str
    question: Mapping[str, str]
    answers: Mapping[str, str]
    """Value of the column -> right answer."""


@dataclass(frozen=True)
class Book:
    """All texts, for models that know every word ("open") and for one with a closed word list ("closed")."""

    person: Mapping[str, Sequence[str]]
    pair: Mapping[str, Sequence[str]]
    unsure: tuple[str, ...]
    instructions: Mapping[str, str]
    adjectives: frozenset[str]
    words: tuple[str, ...]
    ability: tuple[Ability, ...]
    bare: bool = False
    """True where templates hold the word as it is, without an article of ours."""

    def phrase(self, word: str) -> str:
        """The word as it stands in a question: with its article unless it is an adjective."""
        from core.avatars.world import WORD_OF

        if self.bare or word in self.adjectives or (word in WORD_OF and WORD_OF[word].kind == "adjective"):
            return word
        return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"


@lru_cache(maxsize=4)
def read_book(path: Path = BOOK) -> Book:
    """The questions of a file in the layout of ours; InputError naming what is missing."""
    document: Any = read_json(path)
    try:
        return Book(
            {kind: tuple(texts) for kind, texts in document["person"].items()},
            {kind: tuple(texts) for kind, texts in document["pair"].items()},
            tuple(document["unsure"]),
            dict(document["instructions"]),
            frozenset(document["adjectives"]),
            tuple(document["words"]),
            tuple(Ability(**one) for one in document["ability"]),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no file of questions{lacking_key(error)}; expected the layout of {BOOK.name}"
        ) from None
