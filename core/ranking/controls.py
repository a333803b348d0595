"""Beside every effect: the original, the SAE by itself, and random neurons of the same number and firing rate."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit, InputError, Progress, Side
from core.gallery import Gallery
from core.interventions import matched_random_edits
from core.metrics import RANKING_METRICS
from core.metrics.base import count_groups
from core.ranking.bench import Bench
from core.ranking.material import Queries, SAEs, embed_query, embed_texts, part_codes, sae_of, select_part
from core.ranking.measures import asks_gallery_shares, list_change, list_numbers
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA, Part
from core.ranking.steps import intervene
from core.statistics import (
    Estimate,
    depth_for,
    list_draws,
    mean_estimate,
    most_ahead,
    null_of_mean,
    with_null,
)

if TYPE_CHECKING:
    from core.backbones.base import Backbone

PROJECTION, PROJECTION_METHOD = "mean-difference projection", "mean-difference"
MEAN_NULL_DRAWS = 200
"""Permutations behind the null band of a mean: all prompts are counted again in each."""


@dataclass(frozen=True, eq=False)
class ControlArm:
    """One arm of the comparison over all prompts."""

    name: str
    points: Estimate
    """Lean in points towards the group that the original leads with, mean over the prompts, each with its own group; 0
    is no lean, below 0 the lean has turned round."""
    size: float
    """The same without signs, so that a lean that turned round does not make up for one that is left."""
    points_change: Estimate
    """Of the lean in points against the original, paired."""
    max_skew: Estimate
    """Mean MaxSkew over the prompts with interval; with one prompt its own. A null band only where the target is the
    gallery's shares."""
    change: Estimate
    """Of MaxSkew against the original, paired over prompts and images."""
    by_prompt: tuple[float, ...]
    cosine: float
    """Mean cosine of the items before and after."""
    rows_changed: int
    edits: Mapping[Side, Edit]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "points": self.points.to_json(),
            "points_change": self.points_change.to_json(),
            "size": self.size,
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
    group: str
    """The group that the comparison is about: the one that the original leads with, else the one that departs most;
    several names where prompts lead with different groups."""
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
        """Smallest and largest lean in points among the random draws."""
        values = [arm.points.estimate for arm in self.random]
        return min(values), max(values)

    @property
    def p_value(self) -> float:
        """(1 + draws that leave as small a lean as the chosen neurons do) / (1 + draws)."""
        as_small = sum(arm.size <= self.chosen.size for arm in self.random)
        return (1 + as_small) / (1 + len(self.random))

    def to_json(self) -> dict[str, Any]:
        lo, hi = self.band
        mean = float(np.mean([arm.points.estimate for arm in self.random]))
        return {
            "schema": SCHEMA,
            **self.request.to_json(),
            "prompts": list(self.prompts),
            "group": self.group,
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
    """Lean and MaxSkew of the original, the SAE's reconstruction, the chosen neurons, matched random neurons, and the
    projection that removes the difference of the groups' means (fitted on labels of the probe half).

    The lean is in points, s_g - p_g, of the group that each prompt's original leads with, mean over the prompts.

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
    return ControlsResult(
        request,
        named,
        " and ".join(dict.fromkeys(part.groups[g] for g in asked.groups)),
        *arms[:3],
        tuple(arms[3:]),
        projection,
        why,
    )


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
        self.groups: list[int] = []

    def arm(self, name: str, method: str, edits: Mapping[Side, Edit]) -> ControlArm:
        """One method on all prompts."""
        request, part, k = replace(self.request, edits=edits), self.part, self.request.k
        items, vectors = intervene(self.gallery, part, self.queries, request, method, self._saes, self._bench)
        depth = min(depth_for(k), part.n)
        rankings = np.stack([items.index.search(vector, depth).rows for vector in vectors])
        if self._original is None:
            self._original = rankings
            self.groups = self._leading()
        values = RANKING_METRICS.get("max_skew")()(part.labels[rankings[:, :k]], part.target)
        points, moved, skew, change = self._estimates(rankings, values)
        return ControlArm(
            name,
            points,
            self._size(rankings),
            moved,
            skew,
            change,
            tuple(map(float, values)),
            items.mean_cosine,
            len(items.changed),
            request.edits,
        )

    def _size(self, rankings: np.ndarray) -> float:
        """Mean over prompts of the lean in points without its sign."""
        labels, part = self.part.labels[rankings[:, : self.request.k]], self.part
        counts = count_groups(labels, len(part.groups))[np.arange(len(labels)), self.groups]
        base = np.array(part.counts)[self.groups] / sum(part.counts)
        return float(np.abs(counts / np.maximum((labels >= 0).sum(axis=1), 1) - base).mean())

    def _leading(self) -> list[int]:
        """For each prompt the group with the original's largest departure from a blind draw, in standard errors."""
        tops = self.part.labels[self._original[:, : self.request.k]]
        return [most_ahead(self.part.counts, count_groups(top, len(self.part.groups)).tolist()) for top in tops]

    def projection(self) -> tuple[ControlArm | None, str | None]:
        """The mean-difference arm of the gallery's side, or why there is none."""
        try:
            return self.arm(PROJECTION, PROJECTION_METHOD, {}), None
        except InputError as error:
            return None, str(error)

    def _estimates(self, rankings: np.ndarray, values: np.ndarray) -> tuple[Estimate, Estimate, Estimate, Estimate]:
        """Lean in points and MaxSkew, each with its change against the original."""
        part, request, metric = self.part, self.request, RANKING_METRICS.get("max_skew")()
        seed, draws = request.seed, request.null_draws
        if len(rankings) == 1:
            both = (self._original[0], rankings[0])
            old, new = (list_numbers(part.labels[one[: request.k]], part, seed, draws) for one in both)
            same = rankings is self._original
            change = list_change(old, new, both, part, request.k, seed=seed, draws=draws, same=same)
            g = self.groups[0]
            points = new.lean.groups[g].points
            return points, change.shares[part.groups[g]], new.metrics["max_skew"], change.metrics["max_skew"]
        both = np.stack([self._original, rankings])
        tops = both[..., : request.k]
        draws_of = list_draws(both, part.labels, request.k, len(part.groups), draws, seed)
        before = metric(part.labels[tops[0]], part.target)
        old, new = np.moveaxis(draws_of.values(metric, part.target), 1, 0)
        skew = mean_estimate(values, new, seed, metric.range)
        if skew.estimate is None:
            return skew, skew, skew, skew
        if asks_gallery_shares(part.target, part.counts):
            skew = with_null(
                metric, skew, null_of_mean(metric, tops[1], part.labels, part.target, MEAN_NULL_DRAWS, seed)[0]
            )
        own = np.arange(len(self.groups)), np.array(self.groups)
        counts = count_groups(part.labels[tops], len(part.groups))
        observed = (counts / counts.sum(axis=-1, keepdims=True))[:, *own]
        drawn = draws_of.shares[:, :, *own]
        base = np.array(part.counts)[self.groups] / sum(part.counts)
        return (
            mean_estimate(observed[1] - base, drawn[:, 1] - base, seed),
            mean_estimate(observed[1] - observed[0], drawn[:, 1] - drawn[:, 0], seed),
            skew,
            mean_estimate(values - before, new - old, seed),
        )


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
