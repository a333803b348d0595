"""Blind and biased draws from a finite gallery, tests of all groups together, and corrections for many tests."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from core.verify.own.values import TAIL

EXACT_OUTCOMES = 200_000
MOST_DRAWN = 19_999
EQUAL = 1e-9
WANTED_P = 1e-3


@lru_cache(maxsize=4096)
def _outcomes(n: int, total: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Possible numbers of rows of a group with n of `total` among k drawn ones, and ln of their chances.

    From the ratio of neighbours, P(x + 1) / P(x) = (n - x) (k - x) / ((x + 1) (total - n - k + x + 1)).
    """
    x = np.arange(max(0, k - total + n), min(n, k) + 1, dtype=np.float64)
    step = x[:-1]
    ratio = np.log((n - step) * (k - step)) - np.log((step + 1) * (total - n - k + step + 1))
    log = np.concatenate([[0.0], np.cumsum(ratio)])
    log -= log.max()
    return x, log - math.log(math.fsum(np.exp(log)))


def _tails(x: np.ndarray, log: np.ndarray, seen: int) -> tuple[float, float]:
    """P(X <= seen) and P(X >= seen)."""
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    return float(chance[x <= seen].sum()), float(chance[x >= seen].sum())


@lru_cache(maxsize=65_536)
def two_sided(seen: int, n: int, total: int, k: int) -> float:
    """Exact p of a blind draw: twice the smaller tail of the hypergeometric distribution, at most 1."""
    return min(1.0, 2 * min(_tails(*_outcomes(n, total, k), seen)))


@lru_cache(maxsize=65_536)
def biased_ends(seen: int, n: int, total: int, k: int) -> tuple[float, float]:
    """Mean number of rows of the group at the odds w under which the observation is at either 2.5 % point.

    The draws of odds w have chances proportional to P(x) w^x; ln w is found by bisection. An observation at the edge of
    what is possible is its own end there.
    """
    x, log = _outcomes(n, total, k)
    lo = float(x[0]) if seen <= x[0] else _mean_at(x, log, _odds(x, log, seen, upper=True))
    hi = float(x[-1]) if seen >= x[-1] else _mean_at(x, log, _odds(x, log, seen, upper=False))
    return lo, hi


def _odds(x: np.ndarray, log: np.ndarray, seen: int, upper: bool) -> float:
    """ln w at which the upper (lower) tail from the observation on has a chance of .025."""
    counted = x >= seen if upper else x <= seen

    def rises(t: float) -> bool:
        weight = log + t * x
        chance = np.exp(weight - weight.max())
        # the upper tail grows with w, the lower one falls
        return bool((chance[counted].sum() / chance.sum() > TAIL) == upper)

    low, high = -1.0, 1.0
    while rises(low):
        low *= 2
    while not rises(high):
        high *= 2
    for _ in range(60):
        at = (low + high) / 2
        low, high = (low, at) if rises(at) else (at, high)
    return (low + high) / 2


def _mean_at(x: np.ndarray, log: np.ndarray, t: float) -> float:
    weight = log + t * x
    chance = np.exp(weight - weight.max())
    return float((chance * x).sum() / chance.sum())


def blind_points(n: int, total: int, k: int) -> tuple[float, float]:
    """The 2.5 % and 97.5 % points of a blind draw: the smallest numbers with so much chance up to them.

    Chances within 1e-12 of each other are equal.
    """
    x, log = _outcomes(n, total, k)
    up_to = np.cumsum(np.exp(log))
    return tuple(float(x[min(int((up_to < tail - 1e-12).sum()), len(x) - 1)]) for tail in (TAIL, 1 - TAIL))  # type: ignore[return-value]


# --------------------------------------------------------------------------------------------- all groups at once


def together_p(
    sizes: Sequence[int], seen: Sequence[int], tests: int = 1, left_too: bool = False
) -> tuple[float, float]:
    """p of a blind draw of all groups at once, and the smallest p that was possible; see "p of a lean".

    Parameters
    ----------
    sizes, seen : rows of each group that are drawn from, and those drawn.
    tests : findings of the family, which sets the number of draws.
    left_too : G of the table of the drawn and the left rows.
    """
    pairs = [(n, x) for n, x in zip(sizes, seen, strict=True) if n]
    own = tuple(n for n, _ in pairs)
    total, k = sum(own), sum(x for _, x in pairs)
    if len(own) < 2 or k in (0, total):
        return 1.0, 1.0
    if len(own) == 2:
        edges = (max(0, k - own[1]), min(own[0], k))
        return two_sided(pairs[0][1], own[0], total, k), min(two_sided(x, own[0], total, k) for x in edges)
    g = sum(_part_of_g(np.array([x]), n, total, k, left_too)[0] for n, x in pairs)
    if math.comb(k + len(own) - 1, len(own) - 1) <= EXACT_OUTCOMES:
        values, chances = _every_g(own, k, left_too)
        as_large = [math.fsum(chances[values >= at - EQUAL]) for at in (g, float(values.max()))]
        return min(as_large[0], 1.0), as_large[1]
    draws = max(MOST_DRAWN, math.ceil(tests / WANTED_P) - 1)
    return float(1 + (_drawn_g(own, k, draws, left_too) >= g - EQUAL).sum()) / (1 + draws), 1 / (1 + draws)


def _part_of_g(x: np.ndarray, n: int, total: int, k: int, left_too: bool) -> np.ndarray:
    """What a group adds to G: 2 x ln(x / expected), and the same of the rows that stay behind."""

    def term(count: np.ndarray, drawn: int) -> np.ndarray:
        count = np.asarray(count, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(count) + math.log(total) - math.log(drawn) - math.log(n)
            return np.where(count > 0, 2 * count * logs, 0.0)

    return term(x, k) + (term(n - np.asarray(x), total - k) if left_too else 0.0)


@lru_cache(maxsize=32)
def _every_g(sizes: tuple[int, ...], k: int, left_too: bool) -> tuple[np.ndarray, np.ndarray]:
    """G and chance of every outcome, group by group: what is left for the groups that follow is carried along."""
    total, behind = sum(sizes), sum(sizes)
    left, g, log = np.array([k]), np.zeros(1), np.zeros(1)
    for n in sizes:
        behind -= n
        made = []
        for rows in np.unique(left):
            at = left == rows
            # of `rows` drawn from this group and those after it, x are its own
            x, log_x = _outcomes(n, n + behind, int(rows)) if behind else (np.array([float(rows)]), np.zeros(1))
            added = _part_of_g(x, n, total, k, left_too)
            made.append([(a[at][:, None] + b).ravel() for a, b in ((rows - left, rows - x), (g, added), (log, log_x))])
        left, g, log = (np.concatenate(column) for column in zip(*made, strict=True))
        left = left.astype(np.int64)
    return g, np.exp(log)


@lru_cache(maxsize=32)
def _drawn_g(sizes: tuple[int, ...], k: int, draws: int, left_too: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    cells = rng.multivariate_hypergeometric(np.array(sizes), k, size=draws, method="marginals")
    total = sum(sizes)
    return np.sum([_part_of_g(cells[:, g], n, total, k, left_too) for g, n in enumerate(sizes)], axis=0)


# ----------------------------------------------------------------------------------------------------- many tests


def holm_adjusted(p: Sequence[float]) -> list[float]:
    """Sorted p times m, m - 1, ..., 1, made rising, at most 1."""
    adjusted, reached = [0.0] * len(p), 0.0
    for place, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        reached = max(reached, (len(p) - place) * p[i])
        adjusted[i] = min(reached, 1.0)
    return adjusted


def false_discovery(p: Sequence[float]) -> list[float]:
    """Sorted p times m / rank, made rising from the largest, at most 1 (Benjamini and Hochberg)."""
    adjusted, reached = [0.0] * len(p), 1.0
    for rank, i in reversed(list(enumerate(sorted(range(len(p)), key=lambda i: p[i]), 1))):
        reached = min(reached, p[i] * len(p) / rank)
        adjusted[i] = reached
    return adjusted
