"""A protocol with its columns, and the cell that it fills."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from core.benchmark.arms import ReadyArm
from core.benchmark.world import World
from core.config import InputError, Progress
from core.registry import Registry
from core.statistics import Band, Estimate

SCHEMA = 2


@dataclass(frozen=True)
class Column:
    """One metric of a protocol: its key, its heading, which way is better and in how many digits it is read."""

    key: str
    title: str
    better: str
    """ "lower", "higher" or "nearer to .5"."""
    words: str
    """What the number is, in a sentence."""
    digits: int = 3


@dataclass(frozen=True)
class Cell:
    """The numbers of one method on one gallery, or the reason why it has none."""

    arm: str
    gallery: str
    values: Mapping[str, Estimate] = field(default_factory=dict)
    refused: str | None = None
    notes: tuple[str, ...] = ()
    by_prompt: Mapping[str, float] = field(default_factory=dict)
    """The skew's number for every query."""

    def to_json(self) -> dict[str, Any]:
        return {
            "arm": self.arm,
            "gallery": self.gallery,
            "values": {key: estimate.to_json() for key, estimate in self.values.items()},
            "refused": self.refused,
            "notes": list(self.notes),
            "by_prompt": dict(self.by_prompt),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Cell":
        """A cell as `to_json` wrote it; InputError where it is another document."""
        try:
            values = {key: _estimate(e) for key, e in value["values"].items()}
            notes = tuple(value["notes"])
            return cls(value["arm"], value["gallery"], values, value["refused"], notes, dict(value["by_prompt"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"this is no benchmark cell ({error} is missing); run the benchmark again") from None


def _estimate(value: Mapping[str, Any]) -> Estimate:
    """An estimate as its `to_json` wrote it."""
    lo, hi, n, reason = (value.get(name) for name in ("lo", "hi", "n", "reason"))
    known = Estimate(value["estimate"], lo=lo, hi=hi, n=n, reason=reason)
    if "null" not in value:
        return known
    null_lo, null_hi = value["null"]
    band = Band(lo=null_lo, hi=null_hi, mean=value["null_mean"])
    return replace(known, null=band, null_side=value.get("null_side"))


class Protocol(ABC):
    """A registered way to measure a method. Pure: equal worlds and arms give equal cells, in whatever order."""

    title: ClassVar[str]
    words: ClassVar[str]
    """What is measured and how intervals are made, in two or three sentences."""
    columns: ClassVar[tuple[Column, ...]]
    skew: ClassVar[str]
    """Key of the column that is the gain, for the trade-off plot."""
    cost: ClassVar[str]
    """Key of the column that is the price."""
    ranks: ClassVar[str] = "area"
    """Key of the column that methods are ranked by."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Fields of the world that the protocol fixes unless they are given."""

    @abstractmethod
    def measure(self, world: World, arm: ReadyArm, progress: Progress | None = None) -> Cell: ...


PROTOCOLS: Registry[type[Protocol]] = Registry("protocol", "core.benchmark")
