"""Blind and biased draws of the second author: against scipy, the first author, and every case of small galleries."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import false_discovery_control, hypergeom, multivariate_hypergeom

from core.statistics import biased_means, holm, omnibus_p
from core.verify.own.chance import (
    biased_ends,
    blind_points,
    false_discovery,
    holm_adjusted,
    together_p,
    two_sided,
)

SMALL = [
    (x, n, total, k)
    for total in range(2, 7)
    for n in range(1, total + 1)
    for k in range(1, total + 1)
    for x in range(max(0, k - total + n), min(n, k) + 1)
]
LARGE = [(3, 40, 400, 20), (0, 300, 1000, 50), (50, 900, 1000, 50), (700, 20_000, 50_000, 2000), (1, 1, 90, 45)]


@pytest.mark.parametrize("case", LARGE)
def test_a_large_draw(case: tuple[int, int, int, int]) -> None:
    check(*case)


def test_every_draw_of_a_small_gallery() -> None:
    for case in SMALL:
        check(*case)


def check(x: int, n: int, total: int, k: int) -> None:
    drawn = hypergeom(total, n, k)
    tails = drawn.cdf(x), drawn.sf(x - 1)
    assert two_sided(x, n, total, k) == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-9)
    np.testing.assert_allclose(biased_ends(x, n, total, k), biased_means(x, n, total, k), rtol=1e-8, atol=1e-9)
    assert blind_points(n, total, k) == tuple(drawn.ppf([0.025, 0.975]))


def test_the_ends_of_a_biased_draw_leave_2_5_percent_on_either_side() -> None:
    """Their odds are found again from the mean they say, then the tails beyond the observation are summed."""
    x, n, total, k = 7, 15, 60, 20
    support = np.arange(0, 16)
    base = hypergeom.pmf(support, total, n, k)
    for end, beyond in zip(biased_ends(x, n, total, k), (support >= x, support <= x), strict=True):
        grid = np.linspace(-4, 4, 20_001)
        weight = base * np.exp(np.outer(grid, support))
        means = (weight * support).sum(axis=1) / weight.sum(axis=1)
        at = int(np.abs(means - end).argmin())
        assert weight[at, beyond].sum() / weight[at].sum() == pytest.approx(0.025, rel=5e-3)


@pytest.mark.parametrize(
    ("sizes", "seen"),
    [
        ((3, 4, 2), (2, 1, 1)),
        ((3, 0, 4, 2), (2, 0, 1, 1)),
        ((5, 5, 5), (0, 5, 5)),
        ((2, 2, 1), (2, 2, 0)),
        ((30, 20, 10, 5), (3, 2, 1, 4)),
        ((6, 9), (4, 2)),
        ((6, 0, 9), (6, 0, 0)),
        ((7,), (3,)),
        ((4, 4, 4), (0, 0, 0)),
        ((4, 4, 4), (4, 4, 4)),
    ],
)
@pytest.mark.parametrize("left_too", [False, True])
def test_all_groups_at_once_by_every_outcome(sizes: tuple[int, ...], seen: tuple[int, ...], left_too: bool) -> None:
    """Sum of the chances of all outcomes with a G at least as large, scipy's chances and G from its definition."""
    k, total = sum(seen), sum(sizes)
    p, smallest = together_p(sizes, seen, left_too=left_too)
    if sum(n > 0 for n in sizes) < 2 or k in (0, total):
        assert (p, smallest) == (1.0, 1.0)
        return
    outcomes = [c for c in product(*(range(n + 1) for n in sizes)) if sum(c) == k]
    chances = multivariate_hypergeom.pmf(outcomes, sizes, k)
    if sum(n > 0 for n in sizes) == 2:
        at = next(i for i, n in enumerate(sizes) if n)
        both = [hypergeom.cdf(c[at], total, sizes[at], k) for c in outcomes]
        after = [hypergeom.sf(c[at] - 1, total, sizes[at], k) for c in outcomes]
        every = {c[at]: min(1.0, 2 * min(a, b)) for c, a, b in zip(outcomes, both, after, strict=True)}
        assert p == pytest.approx(every[seen[at]], rel=1e-9)
        assert smallest == pytest.approx(min(every[min(every)], every[max(every)]), rel=1e-9)
        return
    g = np.array([likelihood_ratio(c, sizes, left_too) for c in outcomes])
    own = likelihood_ratio(seen, sizes, left_too)
    assert p == pytest.approx(chances[g >= own - 1e-9].sum(), rel=1e-9)
    assert smallest == pytest.approx(chances[g >= g.max() - 1e-9].sum(), rel=1e-9)


def likelihood_ratio(counts: tuple[int, ...], sizes: tuple[int, ...], left_too: bool) -> float:
    parts = [(counts, sum(counts))]
    if left_too:
        parts.append((tuple(n - x for n, x in zip(sizes, counts, strict=True)), sum(sizes) - sum(counts)))
    total = sum(sizes)
    return sum(
        2 * x * math.log(x * total / (of * n)) for part, of in parts for x, n in zip(part, sizes, strict=True) if x > 0
    )


@pytest.mark.parametrize("left_too", [False, True])
@pytest.mark.parametrize("tests", [1, 25])
def test_all_groups_at_once_where_draws_are_made(left_too: bool, tests: int) -> None:
    sizes = (900, 500, 300, 200, 90, 60, 30)
    for seen in ((40, 30, 20, 5, 3, 1, 1), (45, 25, 15, 8, 4, 2, 1), (10, 10, 20, 20, 20, 10, 10)):
        assert together_p(sizes, seen, tests, left_too) == pytest.approx(
            omnibus_p(sizes, seen, tests, both=left_too), rel=1e-9
        )


def test_the_smallest_drawn_p_still_reaches_a_thousandth_after_its_correction() -> None:
    sizes, seen = (900, 500, 300, 200, 90, 60, 30), (0, 0, 0, 10, 40, 30, 20)
    for tests, draws in ((1, 19_999), (20, 19_999), (30, 29_999)):
        assert together_p(sizes, seen, tests) == (1 / (1 + draws), 1 / (1 + draws))


def test_corrections_of_many_p() -> None:
    assert holm_adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_adjusted([0.5, 0.6, 0.001, 0.001]) == pytest.approx([1.0, 1.0, 0.004, 0.004])
    assert false_discovery([0.01, 0.04, 0.03, 0.9]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.9])
    rng = np.random.default_rng(0)
    for m in range(1, 12):
        p = np.round(rng.random(m), 2)
        np.testing.assert_allclose(holm_adjusted(p), holm(p), rtol=1e-12)
        np.testing.assert_allclose(false_discovery(p), false_discovery_control(p), rtol=1e-12)
