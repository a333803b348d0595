"""A biased draw from a finite gallery: Fisher's noncentral hypergeometric distribution, its test and inversion.

K of N searched rows are retrieved, k of them of a group that has n of the N. Blind to the group, k is hypergeometric; a
query that prefers the group w to 1 draws

    P_w(X = x) proportional to C(n, x) C(N - n, K - x) w^x,      x from max(0, K - N + n) to min(n, K).

The gallery is finite, and so is what can be said: where all of a group is retrieved the interval ends there.
Source: Fisher 1935; Fog 2008 (doi 10.1080/03610910701790236).
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy
from scipy.special import gammaln

from core.statistics.estimates import LEVEL

TAIL = (1 - LEVEL) / 2
STEEPEST = 1e3
"""Largest |ln w| that is looked at: beyond it a tail of .025 would need more rows than there are."""
SAME = 1e-12
"""Chances that differ by less are the same."""


def blind_p(retrieved: int, group: int, searched: int, k: int) -> float:
    """Exact two-sided p of a blind draw: twice the smaller tail of the hypergeometric distribution, at most 1.

    Parameters
    ----------
    retrieved : rows of the group among the k retrieved ones.
    group : rows of the group among the searched ones.
    searched : N, all searched rows.
    k : K, rows retrieved.
    """
    below, above = _blind_tails(int(retrieved), int(group), int(searched), int(k))
    return min(1.0, 2.0 * min(below, above))


def biased_means(retrieved: int, group: int, searched: int, k: int) -> tuple[float, float]:
    """Expected rows of the group under the least and the most biased draw that the observation does not contradict.

    The ends are E_w[X] at the w with P_w(X >= retrieved) = .025 and at the one with P_w(X <= retrieved) = .025, full
    tails; an observation at the edge of what is possible has w = 0 or infinity there. The mean of a blind draw,
    k group / searched, lies strictly inside exactly where `blind_p` exceeds .05.
    """
    return _biased_means(int(retrieved), int(group), int(searched), int(k))


def blind_points(group: int, searched: int, k: int) -> tuple[int, int]:
    """2.5 % and 97.5 % points of the group's rows among k drawn blindly: the smallest x with P(X <= x) at least that.

    A chance within 1e-12 of a point is that point: 1 of 40 rows is .025, whatever its rounding.

    Parameters are those of `blind_p`.
    """
    return _blind_points(int(group), int(searched), int(k))


@lru_cache(maxsize=65_536)
def _blind_points(group: int, searched: int, k: int) -> tuple[int, int]:
    x, base = _support(group, searched, k)
    below = np.cumsum(_weights(x, base, 0.0))
    lo, hi = np.searchsorted(below / below[-1], (TAIL - SAME, 1.0 - TAIL - SAME))
    return int(x[lo]), int(x[hi])


@lru_cache(maxsize=65_536)
def _blind_tails(retrieved: int, group: int, searched: int, k: int) -> tuple[float, float]:
    """P(X <= retrieved) and P(X >= retrieved) of a blind draw."""
    x, base = _support(group, searched, k)
    return _tails(x, base, 0.0, retrieved)


@lru_cache(maxsize=65_536)
def _biased_means(retrieved: int, group: int, searched: int, k: int) -> tuple[float, float]:
    x, base = _support(group, searched, k)
    blind, (below, above) = k * group / searched, _blind_tails(retrieved, group, searched, k)
    lo, hi = float(x[0]), float(x[-1])
    if retrieved > x[0]:
        lo = _mean(x, base, _root(lambda t: _tails(x, base, t, retrieved)[1], above > TAIL))
        lo = min(lo, blind) if above > TAIL else max(lo, blind)
    if retrieved < x[-1]:
        hi = _mean(x, base, -_root(lambda t: _tails(x, base, -t, retrieved)[0], below > TAIL))
        hi = max(hi, blind) if below > TAIL else min(hi, blind)
    return lo, hi


def _root(tail: Callable[[float], float], negative: bool) -> float:
    """ln w at which a tail that grows with ln w is .025, below 0 or above it."""
    step, sign = 1.0, -1.0 if negative else 1.0
    while step < STEEPEST and (tail(sign * step) > TAIL) == negative:
        step *= 2.0
    return float(
        scipy.optimize.brentq(lambda t: math.log(max(tail(t), 1e-300) / TAIL), *sorted((0.0, sign * step)), xtol=1e-12)
    )


def _support(group: int, searched: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Possible numbers of retrieved rows of the group, and ln of C(n, x) C(N - n, K - x) without its constant."""
    x = np.arange(max(0, k - (searched - group)), min(group, k) + 1, dtype=np.float64)
    other = searched - group
    base = -(gammaln(x + 1) + gammaln(group - x + 1) + gammaln(k - x + 1) + gammaln(other - k + x + 1))
    return x, base - base.max()


def _weights(x: np.ndarray, base: np.ndarray, log_odds: float) -> np.ndarray:
    log_weight = base + log_odds * x
    return np.exp(log_weight - log_weight.max())


def _tails(x: np.ndarray, base: np.ndarray, log_odds: float, at: int) -> tuple[float, float]:
    """P(X <= at) and P(X >= at), each summed over its own terms: neither is the other's rounding."""
    weight, place = _weights(x, base, log_odds), int(at - x[0])
    total = weight.sum()
    return float(weight[: place + 1].sum() / total), float(weight[place:].sum() / total)


def _mean(x: np.ndarray, base: np.ndarray, log_odds: float) -> float:
    weight = _weights(x, base, log_odds)
    return float(weight @ x / weight.sum())
