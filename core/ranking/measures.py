"""From ranked labels to numbers: lean, distance, metrics and impact of one list, and what changed between two."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.metrics import RANKING_METRICS, Mode, OtherMetric, RankingMetric, ShareOf, headline_metrics
from core.statistics import (
    DRAWS,
    FAMILY_P,
    OMNIBUS_DRAWS,
    Band,
    Estimate,
    GroupDistance,
    Impact,
    Lean,
    blind_shares,
    cluster_p,
    design_effect,
    distance_of,
    impact_of,
    lean_of,
    lean_of_clusters,
    metric_interval,
    null_band,
    share_bounds,
    wilson,
    with_null,
)

if TYPE_CHECKING:
    from core.ranking.rows import Part

UNKNOWN = "unknown"
"""Name of the row that counts items without a known group."""
UNKNOWN_SHARE = 0.05
"""From this share of unknown rows among the retrieved ones on, the smallest and largest possible shares are shown."""
NOT_SCORED = "the score of every searched row is not at hand"


@dataclass(frozen=True, eq=False)
class BlindDraw:
    """What a blind draw of as many of the searched rows shows: the middle 95 % and the mean. Context, not a test."""

    k: int
    shares: tuple[tuple[float, float, float], ...]
    """Mean, 2.5 % and 97.5 % points of each group's share."""
    metrics: Mapping[str, Band]
    """Of the metrics, against the same target."""

    def to_json(self, groups: Sequence[str]) -> dict[str, Any]:
        named = zip(groups, self.shares, strict=True)
        return {
            "n": self.k,
            "shares": {group: {"mean": mean, "lo": lo, "hi": hi} for group, (mean, lo, hi) in named},
            "metrics": {name: {"mean": b.mean, "lo": b.lo, "hi": b.hi} for name, b in self.metrics.items()},
        }


@dataclass(frozen=True, eq=False)
class ListNumbers:
    """Everything about one top k that follows from the groups of its rows and of the searched ones."""

    groups: tuple[str, ...]
    lean: Lean
    distance: tuple[GroupDistance, ...]
    metrics: Mapping[str, Estimate]
    """Against the target; with a null band only where the target is the gallery's shares."""
    blind: BlindDraw | None
    """None where nobody of known group was retrieved."""
    impact: Impact
    """Selection rates of the retrieved rows."""
    scoring: Impact | None
    """Rates of rows scored above the median of all; None where scores of all rows are not at hand."""
    unknown: int
    """Retrieved rows without a known group."""

    @property
    def shares(self) -> dict[str, Estimate]:
        """Share of each group among the retrieved rows of known group, with the finite-gallery interval."""
        return {group: one.share for group, one in zip(self.groups, self.lean.groups, strict=True)}

    @property
    def leading_group(self) -> str | None:
        return None if self.lean.leading is None else self.groups[self.lean.leading]

    @property
    def worst_pair(self) -> dict[str, Any] | None:
        """The groups that depart most upwards and most downwards, in standard errors, and the ratio of their ratios.

        None: no two groups large enough depart.
        """
        pair = self.lean.worst_pair
        if pair is None:
            return None
        over, under = (self.lean.groups[g] for g in pair)
        first, second = over.ratio.estimate, under.ratio.estimate
        return {
            "over": self.groups[pair[0]],
            "under": self.groups[pair[1]],
            "departure_over": over.departure,
            "departure_under": under.departure,
            "ratio": first / second if first is not None and second else None,
            "n_over": over.searched,
            "n_under": under.searched,
        }

    def to_json(self) -> dict[str, Any]:
        known = sum(one.retrieved for one in self.lean.groups)
        document: dict[str, Any] = {
            "shares": {group: share.to_json() for group, share in self.shares.items()},
            "unknown": self.unknown,
            **lean_json(self.groups, self.lean),
            "distance": {g: _distance_json(one) for g, one in zip(self.groups, self.distance, strict=True)},
            **{name: estimate.to_json() for name, estimate in self.metrics.items()},
            "blind_draw": self.blind.to_json(self.groups) if self.blind is not None else None,
            "impact": _impact_json(self.groups, self.impact, self.scoring),
            "worst_pair": self.worst_pair,
        }
        if self.unknown > UNKNOWN_SHARE * (known + self.unknown):
            bounds = share_bounds([one.retrieved for one in self.lean.groups], self.unknown)
            document["share_bounds"] = {g: list(ends) for g, ends in zip(self.groups, bounds, strict=True)}
        return document


def lean_json(groups: Sequence[str], lean: Lean) -> dict[str, Any]:
    """The blocks `lean`, `lean_p`, `leading_group` and `lean_beyond_chance`."""
    document: dict[str, Any] = {
        "lean": {group: _lean_json(one) for group, one in zip(groups, lean.groups, strict=True)},
        "lean_p": lean.p,
        "lean_p_smallest": lean.smallest_p,
        "leading_group": None if lean.leading is None else groups[lean.leading],
        "lean_beyond_chance": lean.beyond_chance,
    }
    if lean.design_effect is not None:
        document["design_effect"] = lean.design_effect
    return document if lean.reason is None else document | {"lean_reason": lean.reason}


def _lean_json(one: Any) -> dict[str, Any]:
    return {
        "searched": one.searched,
        "retrieved": one.retrieved,
        "base_share": one.base_share,
        "share": one.share.to_json(),
        "ratio": one.ratio.to_json(),
        "points": one.points.to_json(),
        "p": one.p,
        "p_adjusted": one.p_adjusted,
        "departure": one.departure,
    }


def _distance_json(one: GroupDistance) -> dict[str, Any]:
    return {
        "target": one.target,
        "difference": one.difference.to_json(),
        "composition": one.composition,
        "model": one.model,
    }


def _impact_json(groups: Sequence[str], impact: Impact, scoring: Impact | None) -> dict[str, Any]:
    """A row a group, and one of unknown rows where there are some; a group of that name keeps its own."""
    names = [*groups, *([UNKNOWN] if UNKNOWN not in groups else [f"({UNKNOWN})"])]
    rows: dict[str, Any] = {}
    for i, (name, row) in enumerate(zip(names, impact.rows, strict=False)):
        scored = scoring.rows[i] if scoring is not None else None
        rows[name] = {
            "n": row.n,
            "count": row.count,
            "selection_rate": _finite(row.rate),
            "impact_ratio": row.ratio.estimate,
            "impact_ratio_interval": [row.ratio.lo, row.ratio.hi],
            "scoring_rate": _finite(scored.rate) if scored is not None else None,
            "scoring_ratio": scored.ratio.estimate if scored is not None else None,
            "scoring_ratio_interval": [scored.ratio.lo, scored.ratio.hi] if scored is not None else [None, None],
            "share_of_data": row.share,
            "under_2_percent": row.under_2_percent,
            "benchmark": row.benchmark,
        }
        if scored is None:
            rows[name]["scoring_reason"] = NOT_SCORED
    return rows


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def list_numbers(
    ranked: np.ndarray,
    part: "Part",
    seed: int = 0,
    draws: int = DRAWS,
    tests: int = 1,
    scored: np.ndarray | None = None,
    top: np.ndarray | None = None,
) -> ListNumbers:
    """The numbers of the first k rows of a ranking.

    Parameters
    ----------
    ranked : group numbers (k,) in the order of `part.groups`, best first; -1 unknown.
    part : the searched rows, with the target.
    tests : size of the family that the lean's p will be corrected with.
    scored : rows of each group, then of unknown group (G + 1,), whose score lies above the median of all.
    top : places of the k rows among the searched ones; with them clusters of the part enter the lean.

    Many parameters: the list, what it was drawn from, and how it is tested.
    """
    ranked = np.asarray(ranked)
    retrieved = np.bincount(ranked[ranked >= 0], minlength=len(part.groups))
    known, unknown = int(retrieved.sum()), int((ranked < 0).sum())
    lean = lean_of(part.counts, retrieved.tolist(), tests) if top is None else lean_of_top(part, top, tests, seed)
    metrics = {
        name: metric_estimate(name, ranked, part.target, part.counts, seed, draws) for name in headline_metrics()
    }
    blind = None
    if known and len(part.groups) > 1:
        bands = {
            name: null_band(RANKING_METRICS.get(name)(), part.counts, known, part.target, draws, seed)
            for name, value in metrics.items()
            if value.estimate is not None
        }
        blind = BlindDraw(known, tuple(blind_shares(part.counts, known)), bands)
    rest = (part.unknown, unknown) if part.unknown else None
    scoring = None
    if scored is not None:
        above = [int(n) for n in scored]
        scoring = impact_of(part.counts, above[:-1], (part.unknown, above[-1]) if part.unknown else None)
    return ListNumbers(
        groups=part.groups,
        lean=lean,
        distance=distance_of(lean, part.target.tolist()),
        metrics=metrics,
        blind=blind,
        impact=impact_of(part.counts, retrieved.tolist(), rest),
        scoring=scoring,
        unknown=unknown,
    )


def lean_of_top(part: "Part", top: np.ndarray, tests: int = 1, seed: int = 0) -> Lean:
    """The lean of a list, by whole clusters where the part has some: rows of one person or scene are not independent.

    Parameters
    ----------
    top : places of the k rows among the searched ones.
    tests : as of `list_numbers`.
    """
    own, clusters = part.labels[top], part.clusters
    lean = lean_of(part.counts, np.bincount(own[own >= 0], minlength=len(part.groups)).tolist(), tests)
    if clusters is None or lean.p is None:
        return lean
    draws = max(OMNIBUS_DRAWS, math.ceil(2 * tests / FAMILY_P) - 1)
    p, each = cluster_p(part.labels, clusters, top, len(part.groups), draws, seed)
    effect = design_effect(clusters[top], part.labels[top], clusters, part.labels)
    return lean_of_clusters(lean, p, each.tolist(), (2 if len(part.groups) == 2 else 1) / (1 + draws), effect)


def metric_estimate(
    name: str,
    ranked: np.ndarray,
    target: np.ndarray,
    counts: tuple[int, ...],
    seed: int = 0,
    draws: int = DRAWS,
    mode: Mode = "ours",
) -> Estimate:
    """A registered ranking metric of ranked group numbers (k,) with its interval, or why there is none.

    Where the target is the gallery's shares the metric is one of lean, and has its null band beside it; against any
    other target it tells a distance, and no band says whether that is chance.

    Parameters
    ----------
    counts : searched rows of each group.
    mode : intervals and null bands are of our definition; a paper mode gives the estimate and its n alone.

    Many parameters: the list as bare arrays, and how it is tested.
    """
    return estimate_of(RANKING_METRICS.get(name)(), ranked, target, counts, seed, draws, mode)


def estimate_of(
    metric: RankingMetric,
    ranked: np.ndarray,
    target: np.ndarray,
    counts: tuple[int, ...],
    seed: int = 0,
    draws: int = DRAWS,
    mode: Mode = "ours",
) -> Estimate:
    """`metric_estimate` of a metric that may have settings of its own.

    Many parameters: the list as bare arrays, and how it is tested.
    """
    ranked = np.asarray(ranked)
    known = int((ranked >= 0).sum())
    if known == 0:
        return Estimate.missing("none of the top k has a known group")
    if len(target) < 2:
        return Estimate.missing("the searched rows hold only one group")
    simpler = metric.follows_from(ranked)
    if isinstance(simpler, OtherMetric):
        return _through(simpler, estimate_of(simpler.metric, ranked, target, counts, seed, draws, mode))
    estimate = float(metric(ranked, target, mode))
    if not np.isfinite(estimate):
        return Estimate.missing("a group with target share 0 makes it infinite or undefined")
    if isinstance(simpler, ShareOf):
        lo, hi = (simpler.value(float(end)) for end in wilson(simpler.successes, simpler.of))
        return Estimate(estimate, lo, hi, simpler.n)
    if mode != "ours":
        return Estimate(estimate, n=known)
    if metric.bias_direction == 0:
        return Estimate.missing(f"{metric.title} says neither where bias lies nor what it follows from: no interval")
    lo, hi = metric_interval(metric, ranked, target, draws=draws, seed=seed)
    value = Estimate(estimate, lo, hi, known)
    if not asks_gallery_shares(target, counts):
        return value
    return with_null(metric, value, null_band(metric, counts, known, target, draws=draws, seed=seed))


def _through(simpler: OtherMetric, other: Estimate) -> Estimate:
    """The metric that follows from another one, with that one's interval."""
    if other.estimate is None:
        return other
    if other.lo is None or other.hi is None:
        return Estimate(simpler.value(other.estimate), n=other.n)
    lo, hi = sorted((simpler.value(other.lo), simpler.value(other.hi)))
    return Estimate(simpler.value(other.estimate), lo, hi, other.n)


def metrics_beside(known: Collection[str]) -> tuple[str, ...]:
    """Names of the metrics of every ranking that are not among the known ones."""
    return tuple(name for name in headline_metrics() if name not in known)


def asks_gallery_shares(target: Sequence[float] | np.ndarray, counts: Sequence[int]) -> bool:
    """Whether a target is the shares of the searched rows, by its values."""
    shares = np.asarray(counts, dtype=np.float64) / max(sum(counts), 1)
    return bool(np.allclose(np.asarray(target, dtype=np.float64), shares, rtol=0.0, atol=1e-9))
