"""What other draws of a random method would answer: one seed is one draw, so its result stands beside their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.interventions import INTERVENTIONS
from core.metrics import RANKING_METRICS
from core.ranking.arms import intervene
from core.ranking.fitting import Fitter
from core.ranking.queries import Queries
from core.ranking.request import RankRequest
from core.ranking.rows import Part
from core.retrieval import unit_query
from core.scene import Scene

SEEDS = 5
"""Draws that are looked at, the request's own and those of the next seeds."""


@dataclass(frozen=True)
class Spread:
    """Shares of the top k and its MaxSkew, of each seed."""

    seeds: tuple[int, ...]
    shares: Mapping[str, tuple[float, ...]]
    max_skew: tuple[float, ...]

    def sentence(self, method: str, k: int) -> str:
        """The line beside the result."""
        told = ", ".join(
            f"{group} {100 * np.mean(of):.0f} % ({100 * min(of):.0f} to {100 * max(of):.0f})"
            for group, of in self.shares.items()
        )
        return (
            f"{INTERVENTIONS.get(method).title} draws at random: over seeds {self.seeds[0]} to {self.seeds[-1]} the "
            f"mean shares of the top {k}, with their range, are {told}; this answer is that of seed {self.seeds[0]}"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "seeds": list(self.seeds),
            "shares": {group: _summary(of) for group, of in self.shares.items()},
            "max_skew": _summary(self.max_skew),
        }


def _summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation over seeds (n - 1) and every value."""
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "values": [float(v) for v in values]}


def seed_spread(scene: Scene, part: Part, request: RankRequest, query: Queries, n: int = SEEDS) -> Spread | None:
    """The top k of `n` seeds; None for a method that draws nothing, or where a list holds no known group."""
    if not INTERVENTIONS.get(request.method).random:
        return None
    seeds = tuple(range(request.seed, request.seed + n))
    metric, counts, skews = RANKING_METRICS.get("max_skew")(), [], []
    for seed in seeds:
        asked = replace(request, seed=seed)
        items, vectors = intervene(scene, part, asked, replace(query, fitter=Fitter(scene, asked)))
        items.require(request.k)
        ranked = part.labels[items.index.search(unit_query(vectors[0], items.index.d), request.k).rows]
        known = ranked[ranked >= 0]
        if not len(known):
            return None
        counts.append(np.bincount(known, minlength=len(part.groups)) / len(known))
        skews.append(float(metric(ranked, part.target)))
    shares = {group: tuple(float(one[g]) for one in counts) for g, group in enumerate(part.groups)}
    return Spread(seeds, shares, tuple(skews))
