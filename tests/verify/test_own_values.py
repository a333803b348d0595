"""Intervals of shares and plain means of the second author."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from core.statistics import kept_within, mean_of, share_estimate, too_few, wilson
from core.verify.own.values import (
    Z,
    aimed,
    inside,
    middle,
    missing,
    plain_mean,
    share_of,
    small_note,
    student,
    value,
    wilson_ends,
)


def test_wilson_of_counts() -> None:
    for n in (1, 2, 7, 30, 1000):
        for x in sorted({0, 1, n // 3, n - 1, n}):
            own = binomtest(x, n).proportion_ci(0.95, "wilson")
            np.testing.assert_allclose(wilson_ends(x, n), (own.low, own.high), rtol=1e-12, atol=1e-12)
            assert share_of(x, n) == pytest.approx(share_estimate(x, n).to_json(), rel=1e-12)
    assert wilson_ends(0, 5)[0] == 0.0 and wilson_ends(5, 5)[1] == 1.0


def test_wilson_of_what_is_no_count() -> None:
    """Expected rows may be any number; fewer than one count as one."""
    for x, n in ((0.3, 0.7), (0.0, 0.4), (2.5, 3.5), (0, 0), (1e-9, 50.0), (0.4, 0.4)):
        np.testing.assert_allclose(wilson_ends(x, n), wilson(x, n), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(wilson_ends(3, 10, norm.ppf(0.95)), wilson(3, 10, 0.9), rtol=1e-12)


def test_constants_and_words() -> None:
    assert pytest.approx(norm.ppf(0.975), abs=1e-12) == Z
    assert student(5) == pytest.approx(student_t.ppf(0.975, 4), rel=1e-12)
    assert share_of(0, 0) == share_estimate(0, 0).to_json() == missing("no row with a known group")
    assert aimed(value(1.0)) == {"estimate": 1.0, "lo": None, "hi": None, "n": None, "target": "not applicable"}
    for n in (0, 29, 30, 31):
        own = share_estimate(1, 4)
        assert small_note(own.to_json(), n) == too_few(own, n).to_json()
    assert small_note(missing("x"), 3) == missing("x")


BOUNDS = [(-math.inf, math.inf), (0.0, math.inf), (-math.inf, 0.0), (0.0, 1.0), (-1.0, 1.0), (-0.3, 0.7), (2.0, 5.0)]


@pytest.mark.parametrize("within", BOUNDS)
def test_ends_stay_within_the_possible_values(within: tuple[float, float]) -> None:
    least, most = within
    rng = np.random.default_rng(0)
    for mean in (-2.0, -1.0, -0.3, 0.0, 0.01, 0.4, 0.7, 0.99, 1.0, 2.0, 3.3, 5.0, 6.0):
        for down, up in rng.random((5, 2)) * rng.choice([0.01, 0.3, 2.0], size=(5, 1)):
            own = inside(mean, mean - down, mean + up, least, most)
            np.testing.assert_allclose(own, kept_within(mean, mean - down, mean + up, within), rtol=1e-9, atol=1e-12)


def test_a_share_is_turned_by_the_arcsine() -> None:
    """At 1/4 the angle is 30 degrees and its slope sqrt(3)/2: an end .1 away lies 2 * .1 / sqrt(3) of an angle away."""
    lo, hi = inside(0.25, 0.15, 0.35, 0.0, 1.0)
    turned = [math.sin(math.pi / 6 + side * 0.2 / math.sqrt(3)) ** 2 for side in (-1, 1)]
    assert (lo, hi) == pytest.approx(turned, rel=1e-12)
    assert inside(4.0, 3.0, 5.0, 0.0) == pytest.approx((1.75**2, 2.25**2), rel=1e-12)


@pytest.mark.parametrize("within", [(0.0, 1.0), (-1.0, 1.0), (0.0, 2.0)])
def test_plain_means(within: tuple[float, float]) -> None:
    for values in ([0.1, 0.5, 0.6], [0.0, 1.0], [0.2, 0.2], [1.0, 1.0, 1.0], [0.0, 0.0], [0.9, 0.95, 1.0, 1.0]):
        own = mean_of(values, within).to_json()
        assert plain_mean(values, *within) == pytest.approx(own, rel=1e-9, abs=1e-12)


def test_the_middle_of_draws() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 40, 41, 1000, 1001):
        drawn = rng.normal(size=n)
        np.testing.assert_allclose(middle(drawn), np.quantile(drawn, [0.025, 0.975]), rtol=1e-12)
