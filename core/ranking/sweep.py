"""A number of the ranking along a scale: what each strength, each alpha or each k would show, from the live engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from core.config import Edit, InputError, Progress, Side, one_of
from core.metrics import RANKING_METRICS
from core.ranking.items import Items, baseline_items
from core.ranking.live_items import engine_for, live_items
from core.ranking.measures import lean_json, lean_of_top, metric_estimate
from core.ranking.queries import Queries, embed_query
from core.ranking.request import RankRequest
from core.ranking.rows import Part, part_of
from core.retrieval import require_k
from core.scene import Scene
from core.statistics import Estimate, Lean

Over = Literal["strength", "alpha", "k"]
OVERS: tuple[Over, ...] = ("strength", "alpha", "k")
METHOD = "neuron-edit"


@dataclass(frozen=True)
class SweepPoint:
    """The top k at one place of the scale."""

    value: float
    """The strength, the alpha or the k."""
    before: Estimate
    after: Estimate
    groups: tuple[str, ...]
    lean_before: Lean
    lean_after: Lean
    cosine: float
    """Mean cosine of the searched items before and after; 1 where nothing moves."""

    @property
    def shares(self) -> dict[str, Estimate]:
        """Share of each group after the edit."""
        return {group: one.share for group, one in zip(self.groups, self.lean_after.groups, strict=True)}

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "before": self.before.to_json() | lean_json(self.groups, self.lean_before),
            "after": self.after.to_json() | lean_json(self.groups, self.lean_after),
            "shares": {group: share.to_json() for group, share in self.shares.items()},
            "cosine": self.cosine,
        }


@dataclass(frozen=True)
class Sweep:
    """Points by rising value, of one question."""

    over: Over
    metric: str
    request: RankRequest
    n: int
    """Searched rows."""
    target: tuple[float, ...]
    """Target share of each group."""
    points: tuple[SweepPoint, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "over": self.over,
            "metric": self.metric,
            "request": self.request.digest,
            "n": self.n,
            "points": [point.to_json() for point in self.points],
        }


def sweep(
    scene: Scene,
    request: RankRequest,
    over: Over,
    values: Sequence[float],
    metric: str = "max_skew",
    progress: Progress | None = None,
) -> Sweep:
    """A metric of group counts at every value, before and after the request's edits; each point is a `rank` of its own.

    Parameters
    ----------
    over : "strength" scales every edit, "alpha" carries them out in the blend form, "k" cuts the same two rankings.
    values : strengths and alphas in [0, 1], or numbers of retrieved items; repeats count once.

    Raises
    ------
    InputError : another method than neuron editing, no edit, no value, a value out of range, a metric of order.
    """
    places = _places(request, over, values, metric)
    part = part_of(scene, request)
    deepest = int(places[-1]) if over == "k" else request.k
    require_k(deepest, part.n)
    arms = _Arms(scene, part, embed_query(scene, request))
    reader = _Reader(part, request, metric)
    before, _ = arms.ranked({}, deepest)
    after, cosine = arms.ranked(request.edits, deepest, progress) if over == "k" else (before, 1.0)
    points = []
    for done, value in enumerate(places):
        k = int(value) if over == "k" else request.k
        if over != "k":
            after, cosine = arms.ranked(_moved(request.edits, over, value), k, progress)
        points.append(
            SweepPoint(
                value=value,
                before=reader.estimate(before[:k]),
                after=reader.estimate(after[:k]),
                groups=part.groups,
                lean_before=reader.lean(before[:k]),
                lean_after=reader.lean(after[:k]),
                cosine=cosine,
            )
        )
        if progress:
            progress(done + 1, len(places), f"sweep over {over}")
    return Sweep(over, metric, request, part.n, tuple(part.target.tolist()), tuple(points))


def _places(request: RankRequest, over: str, values: Sequence[float], metric: str) -> list[float]:
    """The values, rising, without repeats; InputError for what cannot be swept."""
    one_of(over, OVERS, "scale of a sweep")
    if RANKING_METRICS.get(metric).ordered:
        raise InputError(f"{metric} depends on the order of the list; a sweep takes a metric of group counts")
    if request.method != METHOD or not any(edit.neurons for edit in request.edits.values()):
        raise InputError("a sweep needs an edit of neurons: choose neuron editing and switch at least one neuron")
    places = sorted({float(value) for value in values})
    if not places:
        raise InputError(f"no value was given to sweep over {over}; give at least one")
    wrong = [v for v in places if not (v >= 1 and v == int(v) if over == "k" else 0 <= v <= 1)]
    if wrong:
        expected = "whole numbers of at least 1" if over == "k" else "numbers from 0 to 1"
        raise InputError(f"the {over} to sweep over was {wrong[0]:g}; expected {expected}")
    return places


def _moved(edits: Mapping[Side, Edit], over: str, value: float) -> dict[Side, Edit]:
    if over == "strength":
        return {side: replace(edit, strength=value) for side, edit in edits.items()}
    return {side: replace(edit, form="blend", alpha=value) for side, edit in edits.items()}


@dataclass(frozen=True)
class _Arms:
    """Rankings of one query under any edits; only the engine's own memory is used, for the edits are many."""

    scene: Scene
    part: Part
    queries: Queries

    def ranked(self, edits: Mapping[Side, Edit], k: int, progress: Progress | None = None) -> tuple[np.ndarray, float]:
        """The first k searched rows, and the mean cosine of the items before and after."""
        of_queries = edits.get("text") if self.scene.gallery.side == "image" else None
        vector = self.queries.vectors(METHOD if of_queries else "identity", of_queries)[0]
        items = self._items(edits.get(self.scene.gallery.side), progress)
        return items.index.search(vector, k).rows, items.mean_cosine

    def _items(self, edit: Edit | None, progress: Progress | None) -> Items:
        baseline = baseline_items(self.scene, self.part)
        if edit is None or edit.changes_nothing:
            return baseline
        engine, material = engine_for(self.scene, self.part)
        return live_items(engine, material, baseline, edit, edit.digest, progress)


class _Reader:
    """Numbers of a top k; equal group counts are measured once."""

    def __init__(self, part: Part, request: RankRequest, metric: str) -> None:
        self._part, self._request, self._metric = part, request, metric
        self._known: dict[tuple[int, ...], Estimate] = {}
        self._leans: dict[bytes, Lean] = {}

    def _counts(self, rows: np.ndarray) -> tuple[int, ...]:
        """Rows of each group, then of unknown group."""
        counts = np.bincount(self._part.labels[rows] + 1, minlength=len(self._part.groups) + 1)
        return (*counts[1:].tolist(), int(counts[0]))

    def estimate(self, rows: np.ndarray) -> Estimate:
        """The metric with its interval, as `rank` gives it."""
        counts, request = self._counts(rows), self._request
        if counts not in self._known:
            self._known[counts] = metric_estimate(
                self._metric,
                self._part.labels[rows],
                self._part.target,
                self._part.counts,
                request.seed,
                request.null_draws,
            )
        return self._known[counts]

    def lean(self, rows: np.ndarray) -> Lean:
        """As `rank` gives it; equal lists are tested once."""
        key = np.sort(rows).tobytes()
        if key not in self._leans:
            self._leans[key] = lean_of_top(self._part, rows, seed=self._request.seed)
        return self._leans[key]
