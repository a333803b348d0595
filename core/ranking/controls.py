"""Beside every effect: the original, the SAE by itself, and random neurons of the same number and firing rate."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit, InputError, Side
from core.gallery import Gallery
from core.interventions import matched_random_edits
from core.metrics import RANKING_METRICS
from core.ranking.bench import Bench
from core.ranking.material import Queries, SAEs, embed_query, embed_texts, part_codes, sae_of, select_part
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA, Part
from core.ranking.steps import intervene, metric_estimate
from core.statistics import (
    Estimate,
    depth_for,
    list_draws,
    mean_estimate,
    metric_difference,
    null_of_mean,
    paired_draws,
    with_null,
)

if TYPE_CHECKING:
    from core.backbones.base import Backbone

Progress = Callable[[int, int, str], None]
PROJECTION, PROJECTION_METHOD = "mean-difference projection", "mean-difference"
MEAN_NULL_DRAWS = 200
"""Permutations behind the null band of a mean: all prompts are counted again in each."""


@dataclass(frozen=True, eq=False)
class ControlArm:
    """One arm of the comparison over all prompts."""

    name: str
    max_skew: Estimate
    """Mean MaxSkew over the prompts with interval and null band; with one prompt its own."""
    change: Estimate
    """Against the original, paired over prompts and images."""
    by_prompt: tuple[float, ...]
    cosine: float
    """Mean cosine of the items before and after."""
    rows_changed: int
    edits: Mapping[Side, Edit]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "max_skew": self.max_skew.to_json(),
            "change": self.change.to_json(),
            "by_prompt": list(self.by_prompt),
            "cosine": self.cosine,
            "rows_changed": self.rows_changed,
            "edits": {side: edit.to_json() for side, edit in self.edits.items()},
        }


@dataclass(frozen=True, eq=False)
class ControlsResult:
    """Whether the chosen neurons do more than any neurons, and more than the SAE by itself."""

    request: RankRequest
    prompts: tuple[str, ...]
    original: ControlArm
    reconstruction_only: ControlArm
    chosen: ControlArm
    random: tuple[ControlArm, ...]
    """One arm a draw of matched random neurons."""
    projection: ControlArm | None = None
    """Mean-difference projection, plain and a strong rival; None where it cannot be made."""
    projection_reason: str | None = None
    """Why there is no projection."""

    @property
    def band(self) -> tuple[float, float]:
        """Smallest and largest mean MaxSkew among the random draws."""
        values = [arm.max_skew.estimate for arm in self.random]
        return min(values), max(values)

    @property
    def p_value(self) -> float:
        """(1 + draws that lower MaxSkew as far as the chosen neurons do) / (1 + draws)."""
        as_low = sum(arm.max_skew.estimate <= self.chosen.max_skew.estimate for arm in self.random)
        return (1 + as_low) / (1 + len(self.random))

    def to_json(self) -> dict[str, Any]:
        lo, hi = self.band
        mean = float(np.mean([arm.max_skew.estimate for arm in self.random]))
        return {
            "schema": SCHEMA,
            **self.request.to_json(),
            "prompts": list(self.prompts),
            "original": self.original.to_json(),
            "reconstruction_only": self.reconstruction_only.to_json(),
            "chosen": self.chosen.to_json(),
            "projection": self.projection.to_json()
            if self.projection
            else {"estimate": None, "reason": self.projection_reason},
            "random": {
                "draws": [arm.to_json() for arm in self.random],
                "mean": mean,
                "lo": lo,
                "hi": hi,
                "n": len(self.random),
                "p": self.p_value,
            },
        }


def controls(
    gallery: Gallery,
    request: RankRequest,
    backbone: "Backbone | None" = None,
    saes: SAEs | None = None,
    prompts: Sequence[str] | None = None,
    draws: int = 20,
    exclude: Mapping[Side, Collection[int]] | None = None,
    bench: Bench | None = None,
    progress: Progress | None = None,
) -> ControlsResult:
    """Mean MaxSkew@k of the original, the SAE's reconstruction, the chosen neurons, matched random neurons, and the
    projection that removes the difference of the groups' means (fitted on labels of the probe half).

    Parameters
    ----------
    prompts : the queries to average over; None: the request's own.
    draws : random sets of neurons, matched in number and firing rate on the searched items (for edited queries: on
        the prompts).
    exclude : neurons that are not drawn besides the chosen ones, by side.

    Raises
    ------
    InputError : the request switches no neuron, or too few other live neurons are there.
    """
    if not any(edit.neurons for edit in request.edits.values()):
        raise InputError("controls compare switched neurons with random ones; choose at least one neuron first")
    bench, saes = bench or Bench(), saes or {}
    part = select_part(gallery, request, bench)
    if prompts:
        queries = embed_texts(prompts, gallery, request, backbone, saes, bench)
    else:
        queries = embed_query(gallery, request, backbone, saes, bench)
    randoms = _random_edits(gallery, part, queries, request, saes, draws, exclude or {}, bench)
    plan = [("original", "identity", request.edits), ("reconstruction only", "reconstruction-only", request.edits)]
    plan.append(("chosen neurons", request.method, request.edits))
    plan += [(f"random neurons {i}", request.method, edits) for i, edits in enumerate(randoms, 1)]
    asked = _Asked(gallery, part, queries, request, saes, bench)
    arms = []
    for done, (name, method, edits) in enumerate(plan):
        if progress:
            progress(done, len(plan) + 1, name)
        arms.append(asked.arm(name, method, edits))
    for arm in arms:
        if arm.max_skew.estimate is None:
            raise InputError(f"{arm.name} cannot be compared: {arm.max_skew.reason}; choose a larger k or other rows")
    if progress:
        progress(len(plan), len(plan) + 1, PROJECTION)
    projection, why = asked.projection()
    if progress:
        progress(len(plan) + 1, len(plan) + 1, "controls")
    named = tuple(prompts) if prompts else (request.query or "query embedding",)
    return ControlsResult(request, named, *arms[:3], tuple(arms[3:]), projection, why)


class _Asked:
    """All prompts under one arm after another; the original's rankings are kept, as every arm is compared with it."""

    def __init__(
        self,
        gallery: Gallery,
        part: Part,
        queries: Queries,
        request: RankRequest,
        saes: SAEs,
        bench: Bench,
    ) -> None:
        self.gallery, self.part, self.queries, self.request = gallery, part, queries, request
        self._saes, self._bench = saes, bench
        self._original: np.ndarray | None = None

    def arm(self, name: str, method: str, edits: Mapping[Side, Edit]) -> ControlArm:
        """One method on all prompts."""
        request, part, k = replace(self.request, edits=edits), self.part, self.request.k
        items, vectors = intervene(self.gallery, part, self.queries, request, method, self._saes, self._bench)
        depth = min(depth_for(k), part.n)
        rankings = np.stack([items.index.search(vector, depth).rows for vector in vectors])
        if self._original is None:
            self._original = rankings
        values = RANKING_METRICS.get("max_skew")()(part.labels[rankings[:, :k]], part.target)
        skew, change = self._estimates(rankings, values)
        return ControlArm(
            name, skew, change, tuple(map(float, values)), items.mean_cosine, len(items.changed), request.edits
        )

    def projection(self) -> tuple[ControlArm | None, str | None]:
        """The mean-difference arm of the gallery's side, or why there is none."""
        try:
            return self.arm(PROJECTION, PROJECTION_METHOD, {}), None
        except InputError as error:
            return None, str(error)

    def _estimates(self, rankings: np.ndarray, values: np.ndarray) -> tuple[Estimate, Estimate]:
        """MaxSkew with interval and null band, and its change against the original."""
        part, request, metric = self.part, self.request, RANKING_METRICS.get("max_skew")()
        tops = rankings[:, : request.k]
        if len(rankings) == 1:
            ranked = part.labels[tops[0]]
            skew = metric_estimate("max_skew", ranked, part.target, part.counts, request.seed, request.null_draws)
            was = part.labels[self._original[0]]
            pairs = paired_draws(
                self._original[0], rankings[0], part.labels, request.k, request.null_draws, request.seed
            )
            return skew, metric_difference(metric, pairs, was[: request.k], ranked, part.target)
        before = metric(part.labels[self._original[:, : request.k]], part.target)
        both = np.stack([self._original, rankings])
        draws = list_draws(both, part.labels, request.k, len(part.groups), request.null_draws, request.seed)
        old, new = np.moveaxis(draws.values(metric, part.target), 1, 0)
        skew = mean_estimate(values, new, request.seed, metric.range)
        if skew.estimate is None:
            return skew, skew
        band, _ = null_of_mean(metric, tops, part.labels, part.target, MEAN_NULL_DRAWS, request.seed)
        return with_null(metric, skew, band), mean_estimate(values - before, new - old, request.seed)


def _random_edits(
    gallery: Gallery,
    part: Part,
    queries: Queries,
    request: RankRequest,
    saes: SAEs,
    draws: int,
    exclude: Mapping[Side, Collection[int]],
    bench: Bench,
) -> list[dict[Side, Edit]]:
    """Random partners of every side's edit, drawn together."""
    by_side = {}
    for side, edit in request.edits.items():
        if side == gallery.side:
            codes = part_codes(gallery, part, sae_of(side, saes), bench)
        else:
            codes = queries.material.require_codes()
        by_side[side] = matched_random_edits(codes, edit, draws, request.seed, exclude.get(side, ()))
    return [{side: edits[i] for side, edits in by_side.items()} for i in range(draws)]
