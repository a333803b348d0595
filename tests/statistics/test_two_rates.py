"""Intervals of two rates beside each other: published examples, ends, agreement of both forms, coverage."""

import numpy as np
import pytest
from scipy.stats import binom

from core.statistics import rate_difference, rate_ratio


@pytest.mark.parametrize(
    ("counts", "lo", "hi"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),  # Newcombe 1998, table II, method 10, examples a to h
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
        ((10, 10, 0, 10), 0.6075, 1.0000),
    ],
)
def test_the_difference_is_the_published_one(counts, lo, hi):
    assert rate_difference(*counts) == (pytest.approx(lo, abs=6e-5), pytest.approx(hi, abs=6e-5))


def tables(size: int = 4000) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    n, m = rng.integers(1, 300, size), rng.integers(1, 300, size)
    return [rng.integers(0, n + 1), n, rng.integers(0, m + 1), m]


def test_ratio_and_difference_agree_whether_there_is_any():
    first, n, second, m = tables()
    (lo, hi), (low, high) = rate_difference(first, n, second, m), rate_ratio(first, n, second, m)
    assert np.array_equal(lo > 0, low > 1) and np.array_equal(hi < 0, high < 1)
    assert (lo > 0).any() and (hi < 0).any()
    p, q = first / n, second / m
    assert ((lo <= p - q) & (p - q <= hi) & (lo >= -1) & (hi <= 1)).all()
    some = q > 0
    ratio = p[some] / q[some]
    assert (low[some] <= ratio + 1e-12).all() and (ratio <= high[some] + 1e-12).all() and (low >= 0).all()


def test_turned_round_the_difference_is_negative_and_the_ratio_inverse():
    first, n, second, m = tables()
    (lo, hi), (back_lo, back_hi) = rate_difference(first, n, second, m), rate_difference(second, m, first, n)
    np.testing.assert_allclose(lo, -back_hi, atol=1e-12)
    np.testing.assert_allclose(hi, -back_lo, atol=1e-12)
    (low, high), (back_low, back_high) = rate_ratio(first, n, second, m), rate_ratio(second, m, first, n)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(low, 1 / back_high, rtol=1e-9)
        np.testing.assert_allclose(high, 1 / back_low, rtol=1e-9)


def test_rates_of_nought_have_an_end_that_says_so():
    assert rate_ratio(30, 40, 0, 500)[1] == np.inf and rate_ratio(30, 40, 0, 500)[0] > 50
    assert rate_ratio(0, 40, 3, 50)[0] == 0 and 0 < rate_ratio(0, 40, 3, 50)[1] < np.inf
    assert rate_ratio(0, 5, 0, 5) == (0, np.inf)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (30, 200), (200, 30), (60, 60), (100, 500)])
def test_the_truth_is_inside_in_95_of_100(n, m):
    """Exact sums over all tables, mean over truths: a single pair of rates is the accident of a discrete case."""
    x, y = np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij")
    (lo, hi), (low, high) = rate_difference(x, n, y, m), rate_ratio(x, n, y, m)
    inside = []
    for p, q in np.random.default_rng(0).uniform(0.02, 0.98, size=(40, 2)):
        weight = binom.pmf(x, n, p) * binom.pmf(y, m, q)
        gap, ratio = p - q, p / q
        inside.append([weight[(lo <= gap) & (gap <= hi)].sum(), weight[(low <= ratio) & (ratio <= high)].sum()])
    assert (np.mean(inside, axis=0) > 0.94).all() and (np.mean(inside, axis=0) < 0.965).all()


def test_another_level_is_wider():
    narrow, wide = rate_difference(60, 100, 30, 100), rate_difference(60, 100, 30, 100, 0.99)
    assert wide[0] < narrow[0] and narrow[1] < wide[1]
