"""A benchmark: methods x metrics on one gallery by a protocol, one file a method."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import HALVES, InputError, digest_of, one_of, own_folder
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.jobs.scenes import SceneOrder

if TYPE_CHECKING:
    from core.benchmark import World


@dataclass(frozen=True, kw_only=True)
class BenchmarkOrder(SceneOrder):
    """What is measured on what."""

    protocol: str
    methods: tuple[str, ...]
    attribute: str | None = None
    prompts: tuple[str, ...] = ()
    k: int | None = None
    half: str = "evaluation"
    where: Mapping[str, str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        one_of(self.half, HALVES, "half")
        if not self.methods:
            raise InputError("a benchmark needs at least one method")


@KINDS.register("benchmark")
class Benchmark(JobKind):
    """Resumed at the last method that was measured."""

    title, action, Order = "Benchmark", "benchmark", BenchmarkOrder
    priority = 5
    needs_gpu = False

    def subject(self, order: BenchmarkOrder) -> str:
        return f"{Path(order.gallery).name}, {order.protocol}, {len(order.methods)} methods"

    def place(self, order: BenchmarkOrder) -> Path:
        return own_folder() / "benchmarks" / digest_of([str(getattr(order, name)) for name in _FIELDS])[:24]

    def check(self, order: BenchmarkOrder) -> None:
        from core.benchmark import PROTOCOLS, find_arm
        from core.gallery import open_gallery

        PROTOCOLS.get(order.protocol)
        for name in order.methods:
            find_arm(name)
        open_gallery(order.gallery)

    def run(self, order: BenchmarkOrder, work: Work) -> Made:
        from core.benchmark import run_benchmark

        out = self.place(order)
        run_benchmark(
            order.protocol, [self._world(order)], list(order.methods), out, resume=True, progress=work.progress
        )
        return Made(f"{len(order.methods)} methods", out)

    def _world(self, order: BenchmarkOrder) -> "World":
        from core.benchmark.worlds import usual_world

        chosen: dict[str, Any] = {"prompts": order.prompts or None, "k": order.k, "half": order.half}
        chosen |= {"where": dict(order.where or {}), "seed": order.seed}
        return usual_world(order.scene(), order.protocol, order.attribute, **chosen)


_FIELDS = tuple(BenchmarkOrder.__dataclass_fields__)
