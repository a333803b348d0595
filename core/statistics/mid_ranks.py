"""Ranks of numbers, equal ones sharing the mean of their places."""

import numpy as np


def mid_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 1, float64 (n,): 1 + (smaller ones) + (equal ones - 1) / 2.

    NaN anywhere makes every rank NaN, for nothing then has a place.
    """
    values = np.asarray(values)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    if len(ordered) and ordered[-1] != ordered[-1]:
        return np.full(len(values), np.nan)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    ends = np.append(starts[1:], len(ordered))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + 1 + ends) / 2.0, ends - starts)
    return ranks
