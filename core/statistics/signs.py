"""A mean over pairs or scenes, tested by turning signs: exact where the signs can be listed."""

import math
from collections.abc import Sequence

import numpy as np

from core.statistics.estimates import LEVEL, Estimate

LISTED = 16
"""Up to so many differences all 2^n signs are listed; more are drawn."""
DRAWS = 19_999
FEWEST_DRAWS, MOST_SIGNS = 1_999, 40_000_000
"""So many signs are drawn in all (a fifth of a second), but never fewer patterns."""
BLOCK_SIGNS = 1 << 19
"""Signs that are drawn at a time: 4 MB of numbers, which stay in a processor's cache."""


def sign_flips(differences: Sequence[float] | np.ndarray, draws: int = DRAWS, seed: int = 0) -> tuple[Estimate, float]:
    """Mean of paired differences with its 95 % interval, and the two-sided p of a mean of 0.

    H0: x_i and -x_i are equally likely. With A = sum x and a = sum s_i x_i under signs s, p = share of sign patterns
    with |a| >= |A|; all 2^n of them up to LISTED differences, else the observed one and `draws` drawn ones, so that
    p = (1 + b) / (1 + draws); beyond 2,000 differences fewer are drawn. The interval holds every theta with
    p(x - theta) > .05: a pattern with both signs counts at theta exactly where theta lies between the mean of the x it
    turns and the mean of those it leaves, and a pattern with one sign counts everywhere. So the interval holds 0
    exactly where p > .05. Under six differences no p reaches .05 and there is no interval, which is said. Pairs are
    taken as independent, with differences that are symmetric about their mean. Missing where there are none or one is
    not finite (p NaN).

    Parameters
    ----------
    differences : (n,), one a pair or scene, in any order.

    Source: Fisher 1935; Hartigan 1969 (subset means).
    """
    x = np.sort(np.asarray(differences, dtype=np.float64).ravel())
    n = len(x)
    if not n or not np.isfinite(x).all():
        return Estimate.missing("a difference is not finite" if n else "there is nothing to average"), math.nan
    low, high = _between(x, draws, seed)
    slack = 1e-12 * float(np.abs(x).max())
    p = float(((low <= slack) & (high >= -slack)).mean())
    mean = float(x.mean())
    last = math.floor((1 - LEVEL) * len(low) + 1e-9)
    lo = float(np.partition(low, last)[last])
    hi = float(np.partition(high, len(high) - 1 - last)[len(high) - 1 - last])
    if math.isinf(lo) or math.isinf(hi):
        return Estimate(mean, n=n, note=f"no 95 % interval: {n} differences are too few, 6 are needed"), p
    return Estimate(mean, min(lo, mean), max(hi, mean), n), p


def _between(x: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """For every sign pattern the smaller and the larger of its two subset means; all values for a single sign."""
    n, total = len(x), float(x.sum())
    if n <= LISTED:
        turned, count = np.zeros(1), np.zeros(1)
        for value in x.tolist():
            turned, count = np.concatenate([turned, turned + value]), np.concatenate([count, count + 1])
    else:
        rng, sums, counts = np.random.default_rng(seed), [np.zeros(1)], [np.zeros(1)]
        draws = min(draws, max(FEWEST_DRAWS, MOST_SIGNS // n))
        block = max(1, BLOCK_SIGNS // n)
        for start in range(0, draws, block):
            rows = min(block, draws - start)
            bits = rng.integers(256, size=(rows, -(-n // 8)), dtype=np.uint8)
            signs = np.unpackbits(bits, axis=1, count=n)
            sums.append(signs.astype(np.float64) @ x)
            counts.append(signs.sum(axis=1, dtype=np.int64).astype(np.float64))
        turned, count = np.concatenate(sums), np.concatenate(counts)
    both = (count > 0) & (count < n)
    of, rest = turned / np.maximum(count, 1), (total - turned) / np.maximum(n - count, 1)
    return np.where(both, np.minimum(of, rest), -np.inf), np.where(both, np.maximum(of, rest), np.inf)
