"""What a cell is measured on besides its method: a scene, its queries and how they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.config import HALVES, Half, InputError, digest_of, one_of
from core.gallery import Gallery
from core.metrics.targets import Target
from core.ranking import RankRequest
from core.scene import Scene
from core.zeroshot import PromptSet


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a cell is measured on besides its method. Equal worlds have equal digests."""

    scene: Scene
    attribute: str
    prompts: tuple[str, ...]
    """Queries whose skew the methods are to lower."""
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

    def __post_init__(self) -> None:
        one_of(self.half, HALVES, "half")
        # the order in which queries are given plays no part
        object.__setattr__(self, "prompts", tuple(sorted(set(self.prompts))))
        object.__setattr__(self, "controls", tuple(sorted(set(self.controls))))
        if not self.prompts:
            raise InputError("a benchmark needs at least one query; give --prompts FILE with a list of them")

    @property
    def gallery(self) -> Gallery:
        return self.scene.gallery

    def request(self) -> RankRequest:
        """A request on this world's rows; its query is a stand-in where many are asked."""
        return RankRequest(
            self.attribute, "benchmark", k=self.k, target=self.target, half=self.half, where=self.where, seed=self.seed
        )

    @cached_property
    def digest(self) -> str:
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "gallery": self.gallery.digest,
            "probe": self.scene.probe.digest,
            "attribute": self.attribute,
            "prompts": list(self.prompts),
            "controls": list(self.controls),
            "relevant": {text: dict(self.relevant[text]) for text in sorted(self.relevant)},
            "classes": self.class_prompts.digest if self.class_prompts else None,
            "saes": {side: self.scene.saes[side].digest for side in sorted(self.scene.saes)},
            "model": self.scene.model.weights_digest if self.scene.model is not None else None,
            "k": self.k,
            "target": self.target if isinstance(self.target, str) else dict(self.target),
            "half": self.half,
            "where": dict(self.where),
            "seed": self.seed,
        }
