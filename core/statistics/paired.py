"""Differences of ordered metrics before and after an edit: the same gallery rows are resampled for both rankings."""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.statistics.bands import Metric
from core.statistics.estimates import DRAWS, LEVEL, Estimate, widening

FEWEST = 5
"""Exchanged rows below which an interval is not widened further: with two rows it would be nine times as wide."""
KEPT = 1 << 21
"""Weights (draws times rows) above which they are drawn anew; so many bytes are kept of a seed at most."""


@dataclass(frozen=True, eq=False)
class PairedDraws:
    """The two top-k lists of one query, before and after an edit, over resamples of the gallery's rows."""

    before: np.ndarray
    """Group numbers (draws, k), best first."""
    after: np.ndarray
    exchanged: int
    """Rows that only one of the two lists holds: what a difference rests on."""
    seed: int

    @property
    def widening(self) -> float:
        """Factor for the deviations of a difference that rests on few rows: Student's quantile over the normal one."""
        return widening(max(self.exchanged, FEWEST))

    def values(self, metric: Metric, target: np.ndarray) -> np.ndarray:
        """The metric before and after (2, draws) in every resample."""
        return np.stack([metric(self.before, target), metric(self.after, target)])


def paired_draws(
    before: np.ndarray, after: np.ndarray, groups: np.ndarray, k: int, draws: int = DRAWS, seed: int = 0
) -> PairedDraws:
    """Top-k lists before and after over resamples of the same gallery rows: a row has the same weight in both.

    The rows' weights are independent Poisson(1), which is the bootstrap of a large gallery, and a row of weight w
    stands w times in its place of both rankings. Only rows near the top can matter, so the rankings are cut at
    `depth_for(k)`; a list that runs short (a small gallery) is filled up with unknown.

    Parameters
    ----------
    before, after : row numbers (depth,), best first, the same depth, at least min(depth_for(k), rows).
    groups : group number of every row of the gallery; -1 unknown.
    """
    before, after = np.asarray(before), np.asarray(after)
    union, place = np.unique(np.concatenate([before, after]), return_inverse=True)
    weights = row_weights(draws, len(union), seed)
    first, second = (
        weighted_lists(groups[rows], weights[:, columns], k)
        for rows, columns in ((before, place[: len(before)]), (after, place[len(before) :]))
    )
    return PairedDraws(first, second, len(np.setxor1d(before[:k], after[:k])), seed)


def row_weights(draws: int, rows: int, seed: int) -> np.ndarray:
    """Weights of so many rows (draws, rows), uint8, read-only: default_rng(seed).poisson(1.0) draw by draw."""
    return (_stream(seed) if draws * rows <= KEPT else _Stream(seed)).first(draws * rows).reshape(draws, rows)


class _Stream:
    """The weights of a seed in the order in which they are drawn, made as far as somebody asked for them."""

    def __init__(self, seed: int) -> None:
        self._rng, self._lock = np.random.default_rng(seed), threading.Lock()
        self._drawn = np.zeros(0, dtype=np.uint8)

    def first(self, n: int) -> np.ndarray:
        with self._lock:
            if len(self._drawn) < n:
                more = self._rng.poisson(1.0, size=n - len(self._drawn)).astype(np.uint8)
                self._drawn = np.concatenate([self._drawn, more])
                self._drawn.setflags(write=False)
            return self._drawn[:n]


_stream = lru_cache(maxsize=16)(_Stream)


def resampled_counts(weights: np.ndarray, groups: np.ndarray, k: int, n_groups: int) -> np.ndarray:
    """Rows of each group (draws, G) in the top k of resamples, float32, whole but for the edge.

    A resample of more or fewer than k rows moves the edge of the top k. The rows that fall out or come in count with
    the shares of the groups around the edge, not with the labels of the few rows that happen to lie there: those would
    add noise that galleries do not have, and intervals would be too wide.

    Parameters
    ----------
    weights : of the first k rows (k, draws).
    groups : group numbers along the ranking (depth,), beyond the k-th row as far as is known.
    """
    is_group = (groups[:, None] == np.arange(n_groups)).astype(np.float32)
    width = 3 * math.isqrt(k) + 10
    edge = is_group[max(k - width, 0) : k + width].mean(axis=0)
    missing = len(weights) - weights.sum(axis=0)
    return np.maximum(weights.T @ is_group[: len(weights)] + missing[:, None] * edge, 0.0)


def depth_for(k: int) -> int:
    """Rows of a ranking that a resampled top k can reach (beyond six standard deviations)."""
    return k + 6 * math.isqrt(k) + 20


def weighted_lists(groups: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """First k entries (draws, k) of the lists in which entry j of `groups` stands weights[:, j] times; rest -1."""
    draws = len(weights)
    own = np.append(groups, -1)
    # the entry that stands at a rank is the first one that does not end before it: the ends up to each rank are counted
    ends = np.minimum(weights.cumsum(axis=1, dtype=np.int64), k)
    ends += np.arange(0, draws * (k + 1), k + 1)[:, None]
    counted = np.bincount(ends.ravel(), minlength=draws * (k + 1)).reshape(draws, k + 1)[:, :k]
    return own.astype(np.int8 if own.max() < 128 else np.int64).take(counted.cumsum(axis=1))


def metric_difference(
    metric: Metric, pairs: PairedDraws, before: np.ndarray, after: np.ndarray, target: np.ndarray
) -> Estimate:
    """Metric after minus metric before, with a bias-corrected interval over paired draws.

    Metrics are biased upward near no bias, and more so after an edit that works: the draws' mean error against the
    observed difference is taken off. Negative where the edit lowers the metric.
    """
    if not ((before >= 0).any() and (after >= 0).any()):
        return Estimate.missing("no row with a known group")
    observed = float(metric(after, target) - metric(before, target))
    old, new = pairs.values(metric, target)
    drawn = new - old
    lo, hi = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - np.nanmean(drawn)
    lo, hi = (observed + pairs.widening * end for end in (lo, hi))
    return Estimate(observed, min(float(lo), observed), max(float(hi), observed), int((after >= 0).sum()))
