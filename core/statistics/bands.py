"""Null bands and intervals of ranking metrics.

A metric is passed in as an object: a callable on ranked group numbers (..., rows), `from_counts` on group counts
(..., G), and the facts `ordered` (does order matter) and `bias_direction` (+1, -1: where bias lies; 0: neither).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from core.statistics.estimates import DRAWS, LEVEL, Band, Estimate, wilson


class Metric(Protocol):
    """What a null band and an interval need to know of a metric; hashable."""

    name: str
    ordered: bool
    bias_direction: int

    def __call__(self, ranked: np.ndarray, target: np.ndarray) -> np.ndarray: ...

    def from_counts(self, counts: np.ndarray, target: np.ndarray) -> np.ndarray: ...


def null_band(
    metric: Metric, counts: Sequence[int], k: int, target: Sequence[float], draws: int = DRAWS, seed: int = 0
) -> Band:
    """The metric of k rows drawn without replacement from rows with the given group counts: no bias at all.

    Labels are permuted over the searched rows, so that the counts in the top k are multivariate hypergeometric; for
    an ordered metric the drawn rows are also shuffled. The band is the middle 95 % of the draws. Equal arguments
    give equal bands (and are remembered).

    Parameters
    ----------
    counts : searched rows of each group (G,), known groups only.
    k : rows with a known group among the retrieved ones, at most sum(counts).
    """
    return _null_band(metric, tuple(map(int, counts)), int(k), tuple(map(float, target)), int(draws), int(seed))


@lru_cache(maxsize=4096)
def _null_band(
    metric: Metric, counts: tuple[int, ...], k: int, target: tuple[float, ...], draws: int, seed: int
) -> Band:
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(counts, k, size=draws, method="marginals")
    values = _values(metric, drawn, np.asarray(target), rng)
    lo, hi = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Band(float(lo), float(hi), float(values.mean()), draws, seed)


def with_null(metric: Metric, value: Estimate, band: Band) -> Estimate:
    """The estimate with its null band, and where it lies: "inside" the band, "beyond" it on the side of more bias, or
    "nearer" to the target than retrieval blind to labels is (an unbalanced gallery and a uniform target give that).
    """
    assert value.estimate is not None
    above, below = value.estimate > band.hi, value.estimate < band.lo
    more, less = (below, above) if metric.bias_direction < 0 else (above, below)
    return replace(value, null=band, null_side="beyond" if more else "nearer" if less else "inside")


def _values(metric: Metric, counts: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The metric of each row of drawn counts (draws, G); for an ordered metric in a random order."""
    if not metric.ordered:
        return metric.from_counts(counts, target)
    draws, n_groups = counts.shape
    ranked = np.repeat(np.tile(np.arange(n_groups, dtype=np.int8), draws), counts.ravel()).reshape(draws, -1)
    return metric(rng.permuted(ranked, axis=1), target)


def metric_interval(
    metric: Metric, ranked: np.ndarray, target: Sequence[float], draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a bias metric of one ranked list (k,), whose unknown rows (-1) are left out.

    The top k is seen as a sample of what the query retrieves. A percentile bootstrap does not cover here: MaxSkew,
    KL and NDKL cannot be negative and are biased upward near no bias. Instead

    max_skew, min_skew : the groups' Wilson limits carried through the formula (`_skew_interval`); nothing is drawn.
    other metrics of counts : percentiles over resamples of the smoothed counts, less the resamples' bias; the
        interval is about the metric of the true shares.
    ordered metrics : percentiles over lists drawn from shares smoothed along the ranking; the interval is about the
        metric's mean at this k, which keeps the bias of a finite list. Compare both with the null band.

    Simulated coverage (tests) is 93 % or more for 2 and 7 groups at k = 100. Inside the null band it says little: say
    "not distinguishable from no bias" there. The interval always holds the estimate. NaN where no group is known.
    """
    target = np.asarray(target, dtype=np.float64)
    ranked = np.asarray(ranked)
    ranked = ranked[ranked >= 0]
    if len(ranked) == 0:
        return math.nan, math.nan
    counts = np.bincount(ranked, minlength=len(target))
    if metric.name in ("max_skew", "min_skew"):
        return _skew_interval(metric.name, counts, target)
    rng = np.random.default_rng(seed)
    if metric.ordered:
        values, bias = metric(_similar_lists(ranked, len(target), draws, rng), target), 0.0
    else:
        smoothed = (counts + 0.5) / (counts + 0.5).sum()
        values = metric.from_counts(rng.multinomial(len(ranked), smoothed, size=draws), target)
        bias = float(values.mean() - metric.from_counts(smoothed, target))
    estimate = float(metric(ranked, target))
    lo, hi = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - bias
    if metric.bias_direction > 0:
        lo = max(lo, 0.0)
    return min(float(lo), estimate), max(float(hi), estimate)


def _skew_interval(name: str, counts: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Limits of max_g (or min_g) ln(p_g / q_g).

    The far end takes the extreme over the groups of ordinary Wilson limits: it can only miss if the limit of the
    truly extreme group misses. The near end takes the extreme over G limits at error .05/G each: near no bias, where
    any of them may miss, the far end never does. With 2 groups these are the ordinary limits.
    """
    n = int(counts.sum())
    near = 1 - 0.05 * 2 / max(len(counts), 2)
    floor = 1.0 / n  # the zero rule of the metric: a share below 1/k counts as 1/k
    lo_far, hi_far = (np.log(np.maximum(end, floor) / target) for end in wilson(counts, n))
    lo_near, hi_near = (np.log(np.maximum(end, floor) / target) for end in wilson(counts, n, near))
    if name == "max_skew":
        return max(float(lo_near.max()), 0.0), float(hi_far.max())
    return float(lo_far.min()), min(float(hi_near.min()), 0.0)


def _similar_lists(ranked: np.ndarray, n_groups: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Lists (draws, k) like this one: at every rank groups are drawn by the shares seen around it.

    "Around" is a Gaussian of one octave in rank, with two rows' worth of the overall shares added: wide enough that
    a pure list still varies, narrow enough to keep a trend along the ranking (coverage was tuned by simulation).
    """
    k = len(ranked)
    octave = np.log2(np.arange(1, k + 1))
    kernel = np.exp(-0.5 * (octave[:, None] - octave[None, :]) ** 2)
    is_group = ranked[:, None] == np.arange(n_groups)
    overall = (is_group.sum(axis=0) + 0.5) / (k + 0.5 * n_groups)
    around = (kernel @ is_group + 2.0 * overall) / (kernel.sum(axis=1, keepdims=True) + 2.0)
    # half a row of every group somewhere in the list, as in the smoothed counts
    half_rows = 0.5 * n_groups / (k + 0.5 * n_groups)
    around = (1.0 - half_rows) * around + half_rows / n_groups
    upper = np.cumsum(around, axis=1)
    chance = rng.random((draws, k))
    lists = np.zeros((draws, k), dtype=np.int8 if n_groups < 128 else np.int64)
    for g in range(n_groups - 1):
        lists += chance > upper[:, g]
    return lists
