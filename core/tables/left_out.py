"""What was given and did not come in: its name and the reason, for every door in the same words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

NAMES_SHOWN = 5
"""Names that a line gives before it counts the rest."""


class LeftOut(NamedTuple):
    """One row, file or picture that was given and is not in what was made of it."""

    name: str
    reason: str
    """Reads on after the name and a colon, without the name: "empty (0 bytes)"."""

    @classmethod
    def of(cls, name: str, message: str) -> "LeftOut":
        """From a message that begins with the name: "b.jpg is damaged (cut short)" -> "damaged (cut short)"."""
        rest = message.removeprefix(name).lstrip(" :") if message.startswith(name) else message
        return cls(name, rest.removeprefix("is "))

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "reason": self.reason}

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def left_out_of(value: Iterable[Mapping[str, Any]]) -> tuple[LeftOut, ...]:
    """What a manifest lists."""
    return tuple(LeftOut(str(one["name"]), str(one["reason"])) for one in value)


def left_out_lines(items: Sequence[LeftOut], shown: int = NAMES_SHOWN) -> Iterator[str]:
    """What was left out in words: a line with the number, then one a reason with its first names."""
    if not items:
        return
    yield f"left out: {len(items):,} of what was given"
    by_reason: dict[str, list[str]] = {}
    for name, reason in items:
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
        yield f"  {', '.join(names[:shown])}{more}: {reason}"
