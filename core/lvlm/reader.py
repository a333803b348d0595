"""A rule-based reader of free answers: which option was meant, refused, or missed. Its own error rate is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from core.config import ASSETS
from core.lvlm.questions import LETTERS
from core.reading import parse_json
from core.statistics import Estimate, share_estimate
from core.store import read_json

EXAMPLES = ASSETS / "prompts" / "reader-examples.json"
REFUSALS = re.compile(
    r"\b(can(?:no|')t (?:help|assist|answer|comment|determine who|identify)|cannot (?:help|assist|answer|identify)|"
    r"unable to (?:help|assist|answer|comment)|i(?:'m| am) sorry|not able to|not appropriate|as an ai)\b",
    re.IGNORECASE,
)
UNSURE = re.compile(
    r"\b(cannot (?:tell|say|determine)|can't (?:tell|say)|not possible to (?:say|tell|know)|not enough information|"
    r"(?:do not|don't) know|unknown|unsure|not sure|hard to say|unclear|undetermined)\b",
    re.IGNORECASE,
)
"""Ways of saying that nobody can know: the option that says so is then meant."""
LETTER = (
    r"^\(?([A-Fa-f])\)?[.):]?$",
    r"^\(?([A-F])[.):]\s",
    r"\b(?:[Aa]nswer|[Oo]ption) (?:is |would be )?\(?([A-F])\b",
    r"\(([A-F])\)",
)
"""A letter alone, at the beginning as options have it, named as the answer, or in brackets."""
Kind = Literal["answer", "refused", "missed"]


@dataclass(frozen=True)
class Read:
    """What a free answer was read as."""

    kind: Kind
    option: int | None = None
    """Place of the option that was meant."""


def read_answer(text: str, options: Sequence[str]) -> Read:
    """The option that a free answer names.

    In this order: the field "answer" of JSON, whole or broken; a letter that stands alone or after "answer"; the one
    option whose words occur; the option that says unsure, where the text does in other words. A refusal is a refusal
    where none of these names an option; two options named are missed.

    Parameters
    ----------
    options : the options' texts in the order of their letters.
    """
    letters = LETTERS[: len(options)]
    said = _field(text)
    for part in ([said] if said is not None else []) + [text]:
        part = part.replace("*", "").strip()
        if (place := _letter(part, letters)) is not None:
            return Read("answer", place)
        named = _named(part, options)
        if len(named) == 1:
            return Read("answer", named[0])
        unsure = [place for place, option in enumerate(options) if UNSURE.search(option)]
        if not named and len(unsure) == 1 and UNSURE.search(part):
            return Read("answer", unsure[0])
    return Read("refused" if REFUSALS.search(text) else "missed")


def _field(text: str) -> str | None:
    """The value of "answer" in JSON, or in what was meant to be JSON."""
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        try:
            value: Any = parse_json(text[start : end + 1], "the answer")
            if isinstance(value, dict) and "answer" in {str(key).lower() for key in value}:
                return str(next(v for key, v in value.items() if str(key).lower() == "answer"))
        except ValueError:
            pass
    found = re.search(r"[\"']?answer[\"']?\s*[:=]\s*[\"']?([^\"'\n}]+)", text, re.IGNORECASE)
    return found.group(1) if found else None


def _letter(text: str, letters: Sequence[str]) -> int | None:
    """The letter that a text is, begins with as an option does, or names as the answer."""
    for pattern in LETTER:
        found = re.search(pattern, text)
        if found and found.group(1).upper() in letters:
            return letters.index(found.group(1).upper())
    return None


def _named(text: str, options: Sequence[str]) -> list[int]:
    """Options whose words occur in a text, a longer one before those that it holds."""
    low, found = f" {re.sub(r'[^a-z0-9 ]+', ' ', text.lower())} ", []
    for place in sorted(range(len(options)), key=lambda i: -len(options[i])):
        words = f" {re.sub(r'[^a-z0-9 ]+', ' ', options[place].lower()).strip()} "
        if words in low:
            found.append(place)
            low = low.replace(words, " ")
    return found


@lru_cache(maxsize=1)
def error_rate() -> Estimate:
    """Share of the labelled examples under assets that the reader gets wrong, with its interval."""
    wrong, examples = 0, read_json(EXAMPLES)["examples"]
    for one in examples:
        read = read_answer(one["text"], one["options"])
        wrong += (read.kind, read.option) != (one["kind"], one.get("option"))
    return share_estimate(wrong, len(examples))
