"""One exact test for all groups at once: is a draw of rows blind to them?"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from core.statistics.biased_draw import blind_p

EXACT_CELLS = 200_000
"""Up to so many possible draws their chances are summed (some 20 ms); beyond, draws are made."""
OMNIBUS_DRAWS = 19_999
"""Draws where sums are too long: the smallest p is 1 in 20,000."""
FAMILY_P = 1e-3
"""What the smallest p must still reach after the correction of its family."""
EQUAL = 1e-9
"""Values of the statistic that differ by less are equal."""


def omnibus_p(
    searched: Sequence[int], drawn: Sequence[int], tests: int = 1, seed: int = 0, both: bool = False
) -> tuple[float, float]:
    """p of a draw that is blind to groups, and the smallest p that any draw of as many rows could have given.

    Two groups: the exact two-sided p of either, twice the smaller tail. More: the chance of a G at least as large,

        G = 2 sum_g k_g ln(k_g / (K p_g)),     p_g = n_g / N, 0 ln 0 = 0,

    exact where at most EXACT_CELLS draws are possible, else (1 + b) / (1 + B) of B multivariate hypergeometric draws,
    B at least OMNIBUS_DRAWS and enough that the smallest p, times `tests`, still reaches .001. Equal arguments give
    equal p. 1 and 1 where only one outcome is possible.

    Parameters
    ----------
    searched : rows of each group (G,) that are drawn from.
    drawn : rows of each group (G,) among the drawn ones.
    tests : size of the family that p will be corrected with.
    both : take the G of the table {drawn, left} x groups; the rows that stay behind add their part.
    """
    there = [g for g, n in enumerate(searched) if n > 0]
    sizes, k = tuple(int(searched[g]) for g in there), int(sum(drawn))
    total = sum(sizes)
    if len(sizes) < 2 or k in (0, total):
        return 1.0, 1.0
    if len(sizes) == 2:
        ends = (max(0, k - sizes[1]), min(sizes[0], k))
        return blind_p(int(drawn[there[0]]), sizes[0], total, k), min(blind_p(x, sizes[0], total, k) for x in ends)
    draws = max(OMNIBUS_DRAWS, math.ceil(tests / FAMILY_P) - 1)
    values, above, exact = _distribution(sizes, k, draws, int(seed), both)
    g = float(_statistic(np.array([[drawn[i] for i in there]]), sizes, k, both)[0])
    if not exact:
        return (1.0 + _at_least(values, above, g)) / (1.0 + draws), 1.0 / (1.0 + draws)
    return min(_at_least(values, above, g), 1.0), _at_least(values, above, float(values[-1]))


def _at_least(values: np.ndarray, above: np.ndarray, g: float) -> float:
    """Chance, or number of draws, of a G of at least g."""
    place = int(np.searchsorted(values, g - EQUAL, side="left"))
    return float(above[place]) if place < len(values) else 0.0


@lru_cache(maxsize=64)
def _distribution(
    sizes: tuple[int, ...], k: int, draws: int, seed: int, both: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Rising values of G, and for each the chance (exact) or the number of draws of at least as much."""
    exact = math.comb(k + len(sizes) - 1, len(sizes) - 1) <= EXACT_CELLS
    if exact:
        cells = possible_draws(sizes, k)
        weight = np.exp(_log_chances(cells, sizes, k))
    else:
        rng = np.random.default_rng(seed)
        cells = rng.multivariate_hypergeometric(np.array(sizes), k, size=draws, method="marginals")
        weight = np.ones(draws)
    values = _statistic(cells, sizes, k, both)
    order = np.argsort(values, kind="stable")
    return values[order], np.cumsum(weight[order][::-1])[::-1], exact


def _statistic(cells: np.ndarray, sizes: tuple[int, ...], k: int, both: bool) -> np.ndarray:
    """G of each draw (cells, G), from one table of x ln(x / expected) a group."""
    total = sum(sizes)
    value = np.zeros(len(cells))
    for g, n in enumerate(sizes):
        x = np.arange(min(n, k) + 1, dtype=np.float64)
        term = x * np.log(np.maximum(x, 1e-300) * total / (k * n))
        if both:
            rest = n - x
            term += rest * np.log(np.maximum(rest, 1e-300) * total / ((total - k) * n))
        value += 2.0 * term[cells[:, g]]
    return value


def _log_chances(cells: np.ndarray, sizes: tuple[int, ...], k: int) -> np.ndarray:
    """ln of the multivariate hypergeometric chance of each draw."""
    total = sum(sizes)
    value = np.full(len(cells), -(gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1)))
    for g, n in enumerate(sizes):
        x = np.arange(min(n, k) + 1, dtype=np.float64)
        value += (gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1))[cells[:, g]]
    return value


def possible_draws(sizes: Sequence[int], k: int) -> np.ndarray:
    """Every way (cells, G) to draw k rows from groups of these sizes."""
    cells = np.zeros((1, 0), dtype=np.int64)
    for g, size in enumerate(sizes[:-1]):
        left = k - cells.sum(axis=1)
        least = np.maximum(left - sum(sizes[g + 1 :]), 0)
        times = np.minimum(left, size) - least + 1
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times) + np.repeat(least, times)
        cells = np.column_stack([np.repeat(cells, times, axis=0), within])
    return np.column_stack([cells, k - cells.sum(axis=1)])
