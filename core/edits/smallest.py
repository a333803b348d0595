"""The smallest edit: which few neurons, and how strongly, bring a query's skew under a target at the least drift."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.config import Edit, InputError, Progress
from core.edits.probe_set import ProbeSet
from core.edits.score_gap import ScoreGap, least_drift, score_gap_of
from core.metrics import RANKING_METRICS
from core.statistics import Band, auc, null_band

PRICES = np.geomspace(0.15, 4.0, 20)
"""Points of a path: what closing the whole gap is worth, in units of what it would cost without limits."""
KEEPS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Weights of the explicit queries' own gaps that are tried where there are explicit queries."""


@dataclass(frozen=True)
class PathPoint:
    """One edit on the way from no edit to the strongest one, as the probe rows see it."""

    edit: Edit
    skew: float
    """Mean MaxSkew@k over the queries."""
    expected: float
    """Mean over the queries and resamples of the probe rows: what the choice looks at."""
    cosine: float
    """Mean cosine of the probe rows before and after."""
    explicit: tuple[float, ...] = ()
    """AUC of each explicit query for its group."""

    def to_json(self) -> dict[str, Any]:
        return {
            "edit": self.edit.to_json(),
            "neurons": len(self.edit.neurons),
            "skew": self.skew,
            "expected": self.expected,
            "cosine": self.cosine,
            "explicit": list(self.explicit),
        }


@dataclass(frozen=True)
class SmallestEdit:
    """The path of a search, and the point that it would take."""

    points: tuple[PathPoint, ...]
    """From no edit on, by falling cosine; only those that no other point beats in everything."""
    chosen: int
    """Place of the cheapest point under the target, or of the one with the least skew where none is."""
    target_skew: float
    trials: int
    """Edits whose ranking was looked at."""
    null: Band
    """MaxSkew@k of a blind draw of the probe rows. Context, not a test."""
    k: int
    n: int
    """Probe rows."""

    def under(self, target_skew: float) -> "SmallestEdit":
        """The same path with the choice for another target."""
        return replace(self, target_skew=target_skew, chosen=_choose(self.points, target_skew))

    @property
    def point(self) -> PathPoint:
        return self.points[self.chosen]

    @property
    def reached(self) -> bool:
        """Whether the chosen point is under the target on the probe rows."""
        return self.point.expected <= self.target_skew

    def to_json(self) -> dict[str, Any]:
        return {
            "target_skew": self.target_skew,
            "reached": self.reached,
            "chosen": self.chosen,
            "trials": self.trials,
            "k": self.k,
            "n": self.n,
            "null": [self.null.lo, self.null.hi],
            "null_mean": self.null.mean,
            "path": [point.to_json() for point in self.points],
        }


def smallest_edit(
    probe: ProbeSet,
    queries: np.ndarray,
    target_skew: float,
    size: int = 16,
    explicit: Sequence[tuple[np.ndarray, int]] = (),
    progress: Progress | None = None,
) -> SmallestEdit:
    """Search on the probe rows for one edit that serves all of the given unit queries (m, d).

    Every switched neuron is moved towards its mean over the probe rows, which takes away what it tells the rows apart
    by and disturbs them least. For rising prices of the score gap (`core.edits.score_gap`) the cheapest edit of at most
    `size` neurons is found and its exact ranking looked at. Chosen is, among the points whose expected skew is under
    the target, the one that hurts least: the highest mean AUC of the explicit queries where there are any, else the
    highest cosine.

    Parameters
    ----------
    explicit : queries that name a group, with the group's place: an edit for all queries should leave them alone.
    """
    groups = [probe.leading_group(query) for query in queries]
    gap = score_gap_of(probe, list(queries), groups, explicit)
    points, trials = [_point(probe, queries, explicit, Edit())], 1
    keeps = KEEPS if explicit else (0.0,)
    for round_, keep in enumerate(keeps):
        strengths = np.zeros(len(gap.neurons))
        for step, price in enumerate(_price_of_the_gap(gap) * PRICES):
            if progress:
                progress(round_ * len(PRICES) + step, len(keeps) * len(PRICES), "smallest edit")
            strengths = least_drift(gap, price, size, keep, strengths)
            if strengths.any():
                with suppress(InputError):  # an edit that leaves nothing of some row is no edit
                    points.append(_point(probe, queries, explicit, edit_of(gap, strengths)))
                trials += 1
    if progress:
        progress(len(keeps) * len(PRICES), len(keeps) * len(PRICES), "smallest edit")
    kept = _unbeaten(points)
    part = probe.part
    null = null_band(RANKING_METRICS.get("max_skew")(), part.counts, min(probe.k, sum(part.counts)), part.target)
    return SmallestEdit(tuple(kept), _choose(kept, target_skew), target_skew, trials, null, probe.k, part.n)


def edit_of(gap: ScoreGap, strengths: np.ndarray) -> Edit:
    """The edit of some candidates' strengths: each neuron moves that far towards its probe mean."""
    on = np.flatnonzero(strengths)
    return Edit(
        tuple(gap.neurons[on].tolist()),
        strengths=tuple(np.round(strengths[on], 4).tolist()),
        gammas=tuple(np.round(gap.means[on], 6).tolist()),
    )


def _price_of_the_gap(gap: ScoreGap) -> float:
    """The price at which strengths without limits would close the whole gap: 1 / (gains' drift^-1 gains)."""
    ridge = 1e-6 * max(float(np.trace(gap.drift)), 1e-12) * np.eye(len(gap.neurons))
    unlimited = float(gap.gains @ np.linalg.solve(gap.drift + ridge, gap.gains)) if len(gap.neurons) else 0.0
    return 1.0 / unlimited if unlimited > 0 else 0.0


def _point(probe: ProbeSet, queries: np.ndarray, explicit: Sequence[tuple[np.ndarray, int]], edit: Edit) -> PathPoint:
    """What an edit does to the probe rows, exactly."""
    engine, labels = probe.engine, probe.part.labels
    skews = np.mean([probe.skews(engine.scores(query, edit)) for query in queries], axis=0)
    known = labels >= 0
    aucs = tuple(auc(engine.scores(query, edit)[known], labels[known] == group) for query, group in explicit)
    moved = 0.0 if edit.changes_nothing else float((1.0 - engine.edited(edit).cosines).sum())
    return PathPoint(edit, float(skews[0]), float(skews[1]), 1.0 - moved / probe.part.n, aucs)


def _unbeaten(points: list[PathPoint]) -> list[PathPoint]:
    """Points that no other one equals or beats in expected skew, cosine and explicit AUC; by falling cosine."""

    def worth(point: PathPoint) -> tuple[float, ...]:
        return (-point.expected, point.cosine, float(np.mean(point.explicit)) if point.explicit else 0.0)

    def beaten(point: PathPoint) -> bool:
        mine = worth(point)
        return any(
            all(a >= b for a, b in zip(worth(other), mine, strict=True)) and worth(other) != mine for other in points
        )

    unique = {worth(point): point for point in points}
    return sorted((point for point in unique.values() if not beaten(point)), key=lambda point: -point.cosine)


def _choose(points: Sequence[PathPoint], target_skew: float) -> int:
    """The point under the target that hurts least; where there is none, the one with the least expected skew."""
    under = [i for i, point in enumerate(points) if point.expected <= target_skew]
    if not under:
        return min(range(len(points)), key=lambda i: points[i].expected)
    return max(under, key=lambda i: (float(np.mean(points[i].explicit or (0.0,))), points[i].cosine))
