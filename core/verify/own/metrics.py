"""The four ranking metrics, term by term, of counts and of lists."""

import math
from collections.abc import Sequence

import numpy as np

NAMES = ("max_skew", "min_skew", "ndkl", "kl")
RANGES = {
    "max_skew": (0.0, math.inf),
    "min_skew": (-math.inf, 0.0),
    "ndkl": (0.0, math.inf),
    "kl": (0.0, math.inf),
}
FLOOR = 1e-10
"""Smallest ratio of shares whose logarithm a divergence takes."""


def of_counts(name: str, counts: np.ndarray, target: Sequence[float] | np.ndarray) -> np.ndarray:
    """max_skew, min_skew or kl of counts (..., G)."""
    counts = np.asarray(counts, dtype=np.float64)
    known = sum((counts[..., g] for g in range(len(target))), np.zeros(counts.shape[:-1]))
    answer = np.full(known.shape, {"max_skew": -math.inf, "min_skew": math.inf, "kl": 0.0}[name])
    for g, asked in enumerate(target):
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "kl":
                ratio = counts[..., g] / (known * asked)
                answer = answer + np.where(ratio > 0, ratio * asked * np.log(np.maximum(ratio, FLOOR)), 0.0)
                continue
            # a group that is not there counts as one row of those that are
            skew = np.log(np.where(counts[..., g] == 0, 1.0, counts[..., g])) - np.log(known * asked)
        answer = np.maximum(answer, skew) if name == "max_skew" else np.minimum(answer, skew)
    return np.where(known > 0, answer, np.nan)


def ndkl_of(lists: np.ndarray, target: Sequence[float] | np.ndarray) -> np.ndarray:
    """NDKL of lists (..., rows) of group numbers, -1 unknown: rank by rank, each list with its own running counts.

    KL of the shares c / i of the first i known rows is (sum_g c ln(c / t_g)) / i - ln i; a row that comes in changes
    one term of the sum, so that each rank adds what its own group's term grows by.
    """
    lists = np.atleast_2d(lists)
    shape, k, lists = lists.shape[:-1], lists.shape[-1], lists.reshape(-1, lists.shape[-1])
    bits = k.bit_length()
    whole = np.arange(k + 2, dtype=np.float64)
    c_ln_c = whole * np.log(np.maximum(whole, 1.0))
    # what the term of a group grows by when one more row of it comes in (G, rows of it so far)
    growth = np.diff(c_ln_c)[:k] - np.log(np.asarray(target, dtype=np.float64))[:, None]
    found = np.empty(len(lists))
    complete = (lists >= 0).all(axis=1)
    some = np.flatnonzero(complete)
    ranks = np.arange(1, k + 1)
    weight = math.log(2) / np.log(ranks + 1.0)
    # what grows at a rank is part of the divergence of that rank and of all later ones
    onwards = np.cumsum((weight / ranks)[::-1])[::-1]
    together = len(growth) * bits < 64
    for few in (some[start : start + 128] for start in range(0, len(some), 128)):
        own = lists[few].astype(np.int64)
        if together:
            # the running counts of all groups in one whole number, of which each row reads its own group's bits
            place = own * bits
            so_far = (np.cumsum(np.left_shift(1, place), axis=1) >> place & (1 << bits) - 1) - 1
        else:
            so_far = np.zeros(own.shape, dtype=np.int64)
            for g in range(len(growth)):
                so_far += (own == g) * (np.cumsum(own == g, axis=1) - 1)
        grown = growth.take(own * k + so_far) @ onwards - float(weight @ np.log(ranks))
        found[few] = np.maximum(grown, 0.0) / weight.sum()
    for i in np.flatnonzero(~complete):
        found[i] = ndkl_of(lists[i][lists[i] >= 0], target)[0] if (lists[i] >= 0).any() else math.nan
    return found.reshape(shape)


def of_lists(name: str, lists: np.ndarray, target: Sequence[float] | np.ndarray) -> np.ndarray:
    """Any of the metrics, of lists (..., rows) of group numbers; -1 is unknown."""
    lists = np.asarray(lists)
    if name == "ndkl":
        found = ndkl_of(lists, target)
        return found if lists.ndim > 1 else found[0]
    return of_counts(name, counted(lists, len(target)), target)


def counted(lists: np.ndarray, n_groups: int) -> np.ndarray:
    """Rows of each group (..., G)."""
    lists = np.asarray(lists)
    counts = np.zeros((*lists.shape[:-1], n_groups), dtype=np.int64)
    for g in range(n_groups):
        counts[..., g] = (lists == g).sum(axis=-1)
    return counts
