"""What an engine answered: ids in order, and everything that was strange about them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from core.config import InputError


@dataclass(frozen=True)
class Answer:
    """One list, as it came."""

    query: str
    asked: int
    """Results that were asked for."""
    ids: tuple[str, ...] = ()
    tries: int = 1
    at: str = ""
    """When, UTC."""
    failed: str | None = None
    """Why there is no list, in words."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ids": list(self.ids)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Answer":
        return cls(**{**value, "ids": tuple(value["ids"])})


@dataclass(frozen=True)
class Answers:
    """The lists of one engine, by query."""

    lists: Mapping[str, Answer] = field(default_factory=dict)

    def __getitem__(self, query: str) -> Answer:
        return self.lists[query]


def ids_at(answer: Any, path: str) -> tuple[str, ...]:
    """The ids at a path of an answer: names with dots, * or [] for every entry; InputError saying where it ends.

    A number is an id as its digits. Nothing there is an empty list; something else there is refused.
    """
    steps = [step for step in path.removeprefix("$").replace("[*]", ".*").replace("[]", ".*").split(".") if step]
    found: list[Any] = [answer]
    walked: list[str] = []
    for step in steps:
        walked.append(step)
        below: list[Any] = []
        for one in found:
            if step == "*":
                if not isinstance(one, list):
                    raise InputError(f"the answer has no list at {'.'.join(walked[:-1]) or 'its top'} ({_short(one)})")
                below += one
            elif isinstance(one, Mapping) and step in one:
                below.append(one[step])
            elif isinstance(one, list) and step.isdigit() and int(step) < len(one):
                below.append(one[int(step)])
            else:
                raise InputError(f"the answer has nothing at {'.'.join(walked)} ({_short(one)})")
        found = below
    if len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    strange = next((one for one in found if isinstance(one, bool) or not isinstance(one, str | int)), None)
    if strange is not None:
        raise InputError(f"the answer has {_short(strange)} at {path}; expected ids")
    return tuple(str(one) for one in found)


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 60 else f"{said[:60]}..."


@dataclass(frozen=True)
class Placed:
    """A list among the searched rows."""

    places: tuple[int, ...]
    """Places in the searched rows, best first; each once."""
    duplicate: int
    """Ids that came again."""
    unknown: tuple[str, ...]
    """Ids that the gallery does not have."""
    outside: int
    """Ids of the gallery that are not among the searched rows."""


def placed(ids: Sequence[str], searched: Mapping[str, int], known: Mapping[str, int]) -> Placed:
    """Where the ids of a list lie.

    Parameters
    ----------
    searched : id -> place among the searched rows.
    known : id -> row of the gallery.
    """
    places, seen, unknown, duplicate, outside = [], set(), [], 0, 0
    for one in ids:
        if one in seen:
            duplicate += 1
            continue
        seen.add(one)
        if one in searched:
            places.append(searched[one])
        elif one in known:
            outside += 1
        else:
            unknown.append(one)
    return Placed(tuple(places), duplicate, tuple(unknown), outside)
