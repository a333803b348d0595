"""Beside every effect: the original, the SAE by itself, and random neurons of the same number and firing rate."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import Edit, InputError, Progress, Side
from core.metrics import RANKING_METRICS
from core.metrics.base import count_groups
from core.ranking.arms import (
    EDITED,
    ORIGINAL,
    PROJECTION,
    PROJECTION_METHOD,
    RANDOM_DRAWS,
    RECONSTRUCTION,
    Arm,
    all_arms,
    intervene,
)
from core.ranking.changes import list_change
from core.ranking.fitting import Fitter
from core.ranking.items import Items
from core.ranking.measures import asks_gallery_shares, list_numbers
from core.ranking.queries import Queries, embed_query, embed_texts
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA
from core.ranking.rows import part_of
from core.scene import Scene
from core.statistics import (
    Estimate,
    depth_for,
    list_draws,
    mean_estimate,
    most_ahead,
    null_of_mean,
    with_null,
)

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
        return min(self._drawn), max(self._drawn)

    @property
    def _drawn(self) -> list[float]:
        """Lean in points of every random draw."""
        drawn = [arm.points.estimate for arm in self.random if arm.points.estimate is not None]
        assert len(drawn) == len(self.random), "an arm that cannot be compared is refused before"
        return drawn

    @property
    def p_value(self) -> float:
        """(1 + draws that leave as small a lean as the chosen neurons do) / (1 + draws)."""
        as_small = sum(arm.size <= self.chosen.size for arm in self.random)
        return (1 + as_small) / (1 + len(self.random))

    def to_json(self) -> dict[str, Any]:
        lo, hi = self.band
        mean = float(np.mean(self._drawn))
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
    scene: Scene,
    request: RankRequest,
    prompts: Sequence[str] | None = None,
    draws: int = RANDOM_DRAWS,
    exclude: Mapping[Side, Collection[int]] | None = None,
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
    queries = embed_texts(scene, request, prompts) if prompts else embed_query(scene, request)
    asked = _AllPrompts(scene, request, queries)
    plan = all_arms(scene, request, lambda: queries, draws, exclude)
    arms: dict[str, ControlArm] = {}
    why = Fitter(scene, request).missing(PROJECTION_METHOD)
    for done, arm in enumerate(plan):
        if progress:
            progress(done, len(plan), arm.name)
        try:
            arms[arm.name] = asked.arm(arm)
        except InputError as error:
            if arm.name != PROJECTION:
                raise
            why = str(error)
    for name, compared in arms.items():
        if compared.max_skew.estimate is None and name != PROJECTION:
            raise InputError(f"{name} cannot be compared: {compared.max_skew.reason}; choose a larger k or other rows")
    if progress:
        progress(len(plan), len(plan), "controls")
    projection = arms.pop(PROJECTION, None)
    named = tuple(prompts) if prompts else (request.query or "query embedding",)
    groups = part_of(scene, request).groups
    return ControlsResult(
        request,
        named,
        group=" and ".join(dict.fromkeys(groups[g] for g in asked.groups)),
        original=arms.pop(ORIGINAL),
        reconstruction_only=arms.pop(RECONSTRUCTION),
        chosen=arms.pop(EDITED),
        random=tuple(arms.values()),
        projection=projection,
        projection_reason=why if projection is None else None,
    )


class _AllPrompts:
    """All prompts under one arm after another; the original's rankings are kept, as every arm is compared with it."""

    def __init__(self, scene: Scene, request: RankRequest, queries: Queries) -> None:
        self.scene, self.request, self.queries = scene, request, queries
        self.part = part_of(scene, request)
        items, vectors = intervene(scene, self.part, Arm(ORIGINAL, "identity", {}).of(request), queries)
        self._original = self._searched(items, vectors)
        self.groups = self._leading()

    def _searched(self, items: Items, vectors: np.ndarray) -> np.ndarray:
        """Places of the first rows of every prompt (prompts, depth), best first."""
        depth = min(depth_for(self.request.k), self.part.n)
        return np.stack([items.index.search(vector, depth).rows for vector in vectors])

    def arm(self, arm: Arm) -> ControlArm:
        """One arm on all prompts."""
        part, k = self.part, self.request.k
        items, vectors = intervene(self.scene, part, arm.of(self.request), self.queries)
        rankings = self._original if arm.name == ORIGINAL else self._searched(items, vectors)
        values = RANKING_METRICS.get("max_skew")()(part.labels[rankings[:, :k]], part.target)
        points, moved, skew, change = self._estimates(rankings, values)
        return ControlArm(
            arm.name,
            points,
            self._size(rankings),
            moved,
            skew,
            change,
            tuple(map(float, values)),
            items.mean_cosine,
            len(items.changed),
            arm.edits,
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

    def _estimates(self, rankings: np.ndarray, values: np.ndarray) -> tuple[Estimate, Estimate, Estimate, Estimate]:
        """Lean in points and MaxSkew, each with its change against the original."""
        part, request, metric = self.part, self.request, RANKING_METRICS.get("max_skew")()
        seed, draws = request.seed, request.null_draws
        if len(rankings) == 1:
            pair = (self._original[0], rankings[0])
            was, now = (list_numbers(part.labels[ranked[: request.k]], part, seed, draws) for ranked in pair)
            same = rankings is self._original
            change = list_change(was, now, pair, part, request.k, seed=seed, draws=draws, same=same)
            g = self.groups[0]
            points = now.lean.groups[g].points
            return points, change.shares[part.groups[g]], now.metrics["max_skew"], change.metrics["max_skew"]
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
        prompts, leading = np.arange(len(self.groups)), np.array(self.groups)
        counts = count_groups(part.labels[tops], len(part.groups))
        observed = (counts / counts.sum(axis=-1, keepdims=True))[:, prompts, leading]
        drawn = draws_of.shares[:, :, prompts, leading]
        base = np.array(part.counts)[self.groups] / sum(part.counts)
        return (
            mean_estimate(observed[1] - base, drawn[:, 1] - base, seed),
            mean_estimate(observed[1] - observed[0], drawn[:, 1] - drawn[:, 0], seed),
            skew,
            mean_estimate(values - before, new - old, seed),
        )
