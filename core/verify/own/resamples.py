"""Resampled rows and prompts: the interval of a mean over prompts."""

import math
from functools import lru_cache

import numpy as np

from core.verify.own.values import DRAWS, Value, Z, inside, middle, missing, student, value

NOBODY = "a prompt retrieves no row with a known group"


def resampled_counts(rankings: np.ndarray, labels: np.ndarray, k: int, n_groups: int, seed: int) -> np.ndarray:
    """Rows of each group in the top k of resamples, float32 (draws, arms, prompts, G).

    Every row that any ranking holds has a weight of default_rng(seed).poisson(1), in order of row number, the same
    everywhere. The first k rows count by their weights; what they are short of (or over) k counts with the shares of
    the groups within 3 isqrt(k) + 10 rows of the k-th. All in float32, in which whole numbers are exact.
    """
    rows = np.unique(rankings)
    weights = np.random.default_rng(seed).poisson(1.0, size=(DRAWS, len(rows))).astype(np.float32)
    width = 3 * math.isqrt(k) + 10
    counts = np.empty((*rankings.shape[:2], DRAWS, n_groups), dtype=np.float32)
    for arm, prompt in np.ndindex(rankings.shape[:2]):
        ranking = rankings[arm, prompt]
        own, groups = weights[:, np.searchsorted(rows, ranking[:k])], labels[ranking]
        short = np.float32(own.shape[1]) - own.sum(axis=1)
        around = groups[max(k - width, 0) : k + width]
        for g in range(n_groups):
            edge = np.float32((around == g).sum()) / np.float32(len(around))
            counts[arm, prompt, :, g] = np.maximum(own[:, groups[:k] == g].sum(axis=1) + short * edge, 0)
    return np.moveaxis(counts, 2, 0)


def over_prompts(
    seen: np.ndarray, drawn: np.ndarray, seed: int, least: float = -math.inf, most: float = math.inf
) -> Value:
    """Mean over prompts with the interval over prompts and rows like these.

    Parameters
    ----------
    seen, drawn : value of each prompt (prompts,), and over resamples of the rows (draws, prompts).
    """
    seen, drawn = np.asarray(seen, dtype=np.float64), np.asarray(drawn, dtype=np.float64)
    if not np.isfinite(seen).all():
        return missing(NOBODY)
    n, mean = len(seen), float(seen.mean())
    noise = drawn - np.nanmean(drawn, axis=0)
    common = np.where(np.isnan(noise), 0.0, noise).sum(axis=1) / n
    off = common
    if n > 1:
        # the rows' noise of single prompts is in the spread of the prompts already: what they share is added
        whole, own = float(common.var()), float(np.nanvar(noise, axis=0).sum()) / n**2
        # rounded: the root makes much of the last digit where nothing is shared
        kept = math.sqrt(min(max(round(1 - own / (whole if whole > 0 else 1.0), 12), 0.0), 1.0))
        prompts = chosen(n, len(drawn), seed) @ (seen - mean) / n
        off = student(n) / Z * math.sqrt(n / (n - 1)) * prompts + kept * common
    lo, hi = (mean + end for end in middle(off))
    return value(mean, *inside(mean, lo, hi, least, most), n)


@lru_cache(maxsize=4)
def chosen(n: int, draws: int, seed: int) -> np.ndarray:
    """How often each of n prompts stands in a resample of them (draws, n)."""
    return np.random.default_rng([seed, 1]).multinomial(n, np.full(n, 1 / n), size=draws)


def rows_alone(seen: np.ndarray, drawn: np.ndarray) -> Value:
    """Mean over these very prompts, with the interval of other rows."""
    if not np.isfinite(seen).all():
        return missing(NOBODY)
    mean, means = float(seen.mean()), np.nanmean(np.asarray(drawn, dtype=np.float64), axis=1)
    lo, hi = (end - float(means.mean()) + mean for end in middle(means))
    return value(mean, max(min(lo, mean), 0.0), min(max(hi, mean), 1.0), len(seen))
