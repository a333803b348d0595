"""What a benchmark measures on: a world (gallery, model, SAEs), a protocol with its columns, and the cell it fills."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from core.config import HALVES, Half, InputError, Progress, Side, digest_of, one_of
from core.gallery import Gallery, open_gallery
from core.metrics.targets import Target
from core.ranking import Bench, RankRequest
from core.registry import Registry
from core.statistics import Band, Estimate
from core.zeroshot import PromptSet

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.benchmark.arms import ReadyArm
    from core.saes.checkpoint import SAEFile

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a cell is measured on besides its method. Equal worlds have equal digests."""

    gallery: Gallery
    attribute: str
    prompts: tuple[str, ...]
    """Queries whose skew the methods are to lower."""
    saes: Mapping[Side, "SAEFile"] = field(default_factory=dict)
    backbone: "Backbone | None" = None
    controls: tuple[str, ...] = ()
    """Queries that should not lean anyway."""
    relevant: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What rows a query names, where the gallery's table says it: {query: {column: group}}; for precision."""
    class_prompts: PromptSet | None = None
    k: int = 100
    target: Target = "gallery"
    half: Half = "evaluation"
    where: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    bench: Bench = field(default_factory=Bench)

    def __post_init__(self) -> None:
        one_of(self.half, HALVES, "half")
        # the order in which queries are given plays no part
        object.__setattr__(self, "prompts", tuple(sorted(set(self.prompts))))
        object.__setattr__(self, "controls", tuple(sorted(set(self.controls))))
        if not self.prompts:
            raise InputError("a benchmark needs at least one query; give --prompts FILE with a list of them")

    @cached_property
    def probe(self) -> Gallery:
        """The gallery whose probe half finds neurons and fits methods."""
        partner = self.gallery.manifest.get("probe_gallery")
        return open_gallery(partner) if partner is not None else self.gallery

    def request(self, **choices: Any) -> RankRequest:
        """A request on this world's rows; its query is a stand-in where many are asked."""
        common = {"attribute": self.attribute, "query": "benchmark", "k": self.k, "target": self.target}
        common |= {"half": self.half, "where": self.where, "seed": self.seed}
        return RankRequest(**(common | choices))

    @cached_property
    def digest(self) -> str:
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "gallery": self.gallery.digest,
            "probe": self.probe.digest,
            "attribute": self.attribute,
            "prompts": list(self.prompts),
            "controls": list(self.controls),
            "relevant": {text: dict(self.relevant[text]) for text in sorted(self.relevant)},
            "classes": self.class_prompts.digest if self.class_prompts else None,
            "saes": {side: self.saes[side].digest for side in sorted(self.saes)},
            "model": self.backbone.weights_digest if self.backbone is not None else None,
            "k": self.k,
            "target": self.target if isinstance(self.target, str) else dict(self.target),
            "half": self.half,
            "where": dict(self.where),
            "seed": self.seed,
        }


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
    """The first column's number for every query."""

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
    known = (value["estimate"], *(value.get(name) for name in ("lo", "hi", "n", "reason")))
    if "null" not in value:
        return Estimate(*known)
    band = Band(*value["null"], value["null_mean"])
    return Estimate(*known, null=band, null_side=value.get("null_side"))


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
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Fields of the world that the protocol fixes unless they are given."""

    @abstractmethod
    def measure(self, world: World, arm: "ReadyArm", progress: Progress | None = None) -> Cell: ...


PROTOCOLS: Registry[type[Protocol]] = Registry("protocol", "core.benchmark")
