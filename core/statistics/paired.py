"""Differences before and after an edit: the same gallery rows are resampled for both rankings."""

import math
from dataclasses import dataclass

import numpy as np

from core.statistics.bands import Metric
from core.statistics.estimates import DRAWS, LEVEL, Estimate


@dataclass(frozen=True)
class PairedDraws:
    """The two top-k lists of one query, before and after an edit, over resamples of the gallery's rows."""

    before: np.ndarray
    """Group numbers (draws, k), best first."""
    after: np.ndarray
    seed: int


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
    weights = np.random.default_rng(seed).poisson(1.0, size=(draws, len(union)))
    split = len(before)
    lists = (
        _weighted_lists(groups[rows], weights[:, columns], k)
        for rows, columns in ((before, place[:split]), (after, place[split:]))
    )
    return PairedDraws(*lists, seed=seed)


def depth_for(k: int) -> int:
    """Rows of a ranking that a resampled top k can reach (beyond six standard deviations)."""
    return k + 6 * math.isqrt(k) + 20


def _weighted_lists(groups: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """First k entries (draws, k) of the lists in which entry j of `groups` stands weights[:, j] times; rest -1."""
    draws, depth = weights.shape
    repeated = np.append(np.repeat(np.broadcast_to(groups, (draws, depth)).ravel(), weights.ravel()), -1)
    length = weights.sum(axis=1)
    start = np.cumsum(length) - length
    rank = np.arange(k)
    index = np.where(rank < length[:, None], start[:, None] + rank, len(repeated) - 1)
    return repeated[index]


def share_differences(pairs: PairedDraws, before: np.ndarray, after: np.ndarray, n_groups: int) -> list[Estimate]:
    """Share after minus share before of each group in the top k, with the percentile interval over paired draws.

    `before`, `after` are the observed group numbers (k,). In [-1, 1]; 0: the edit changes nothing about this group.
    Missing where a list holds no known group.
    """
    if not ((before >= 0).any() and (after >= 0).any()):
        return [Estimate.missing("no row with a known group")] * n_groups
    observed = _shares(after[None], n_groups) - _shares(before[None], n_groups)
    drawn = _shares(pairs.after, n_groups) - _shares(pairs.before, n_groups)
    lo, hi = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    n = int((after >= 0).sum())
    return [Estimate(*map(float, values), n=n) for values in zip(observed[0], lo, hi, strict=True)]


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
    drawn = metric(pairs.after, target) - metric(pairs.before, target)
    lo, hi = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - (np.nanmean(drawn) - observed)
    return Estimate(observed, min(float(lo), observed), max(float(hi), observed), int((after >= 0).sum()))


def _shares(ranked: np.ndarray, n_groups: int) -> np.ndarray:
    """Shares over the known rows (draws, G) of lists (draws, k); NaN where a list has none."""
    counts = np.stack([np.count_nonzero(ranked == g, axis=-1) for g in range(n_groups)], axis=-1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts / counts.sum(axis=-1, keepdims=True)
