"""Means of what cannot be negative: inside the possible values, covering for skewed values of few prompts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.statistics import kept_within, mean_estimate, mean_of, over_prompts, wilson

POSITIVE = (0.0, math.inf)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_an_interval_holds_the_mean_and_stays_within(values):
    for within in ((0.0, 1.0), POSITIVE, (-math.inf, 1.0), (-2.0, 3.0)):
        found = mean_of(values, within)
        assert within[0] - 1e-12 <= found.lo <= found.estimate + 1e-12
        assert found.estimate - 1e-12 <= found.hi <= within[1] + 1e-12


def test_without_ends_it_is_students():
    values = np.random.default_rng(0).normal(size=9)
    found = mean_of(values)
    expected = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert (found.lo, found.hi) == pytest.approx(expected)


def test_a_mirrored_range_mirrors_the_interval_and_far_from_the_ends_nothing_changes():
    values = np.array([0.1, 0.2, 0.6])
    for within, mirrored in ((POSITIVE, (-math.inf, 0.0)), ((0.0, 2.0), (-2.0, 0.0))):
        found, other = mean_of(values, within), mean_of(-values, mirrored)
        assert (found.lo, found.hi) == pytest.approx((-other.hi, -other.lo))
    near, far = mean_of(values + 1000, POSITIVE), mean_of(values + 1000)
    assert (near.lo, near.hi) == pytest.approx((far.lo, far.hi), rel=1e-6)


def test_three_prompts_of_a_skew_by_hand():
    """Student gives -.088 to .461 about .145: half .2745 and so on; here on the square-root scale."""
    values = np.array([0.02, 0.12, 0.295])
    half = stats.sem(values) * stats.t.ppf(0.975, 2)
    root = math.sqrt(values.mean())
    found = mean_of(values, POSITIVE)
    assert mean_of(values).lo < 0
    assert found.lo == pytest.approx(max(root - half / (2 * root), 0) ** 2)
    assert found.hi == pytest.approx((root + half / (2 * root)) ** 2)


@pytest.mark.parametrize(
    ("name", "draw", "truth", "most"),
    [
        ("max_skew", lambda rng, shape: np.log(1 + rng.random(shape) ** 2), math.log(2) - 2 + math.pi / 2, 0.10),
        ("half normal", lambda rng, shape: np.abs(rng.normal(size=shape)), math.sqrt(2 / math.pi), 0.075),
        ("exponential", lambda rng, shape: rng.exponential(size=shape), 1.0, 0.12),
    ],
)
@pytest.mark.parametrize("n", [3, 5, 20])
def test_skewed_values_are_covered_better_than_by_student(name, draw, truth, most, n):
    samples = draw(np.random.default_rng(n), (1500, n))
    missed = dict.fromkeys((POSITIVE, (-math.inf, math.inf)), 0)
    for within in missed:
        for values in samples:
            found = mean_of(values, within)
            missed[within] += not found.lo <= truth <= found.hi
    assert missed[POSITIVE] / 1500 <= most
    assert missed[POSITIVE] <= missed[(-math.inf, math.inf)] + 15


@pytest.mark.parametrize("n", [2, 7, 400])
def test_nothing_observed_is_not_nothing_possible(n):
    for value, within in ((0.0, (0.0, 1.0)), (1.0, (0.0, 1.0)), (0.0, (0.0, math.log(2)))):
        found = mean_of(np.full(n, value), within)
        lo, hi = (within[1] * float(end) for end in wilson(n * (value == 1.0), n))
        assert (found.lo, found.hi) == pytest.approx((lo, hi)) and found.hi > found.lo
    share = wilson(0, n)
    assert share[0] == 0 and share[1] > 0


def test_means_over_prompts_stay_within_and_cover():
    """Prompts with skews near 0, whose images are drawn anew."""
    rng, hits = np.random.default_rng(5), 0
    for seed in range(200):
        own = rng.exponential(0.2, size=4)
        noise = rng.normal(0, 0.02, size=(300, 4))
        lo, hi = over_prompts(own, own + noise, seed, POSITIVE)
        assert 0 <= lo <= own.mean() <= hi
        hits += lo <= 0.2 <= hi
    assert hits >= 174  # an exponential of four is hard: .91; plain resampling reaches .86
    observed = np.array([0.0, 0.1, 0.335])
    found = mean_estimate(observed, observed + rng.normal(0, 0.02, size=(300, 3)), 0, POSITIVE)
    assert found.lo >= 0 and found.n == 3


def test_ends_of_arrays_are_kept_one_by_one():
    mean, lo, hi = np.array([0.5, 0.0, 0.2]), np.array([0.4, -0.1, -0.3]), np.array([0.6, 0.1, 0.7])
    low, high = kept_within(mean, lo, hi, POSITIVE)
    for i in range(3):
        assert (low[i], high[i]) == pytest.approx([float(end) for end in kept_within(mean[i], lo[i], hi[i], POSITIVE)])
    assert (low >= 0).all() and (high >= mean).all()


@pytest.mark.parametrize(
    ("given", "within", "expected"),
    [
        ((0.0, -0.2, 0.3), (0.0, 1.0), (0.0, 0.3)),
        ((1.0, 0.8, 1.2), (0.0, 1.0), (0.8, 1.0)),
        ((0.0, -0.2, 0.3), POSITIVE, (0.0, 0.3)),
        ((0.0, -0.2, 0.3), (-math.inf, 0.0), (-0.2, 0.0)),
        # outside of the possible values, as a skew of a short list may be: it reaches no further out than it is
        ((1.2, 1.0, 1.5), (0.0, 1.0), (1.0, 1.2)),
        ((-0.5, -0.8, -0.1), (0.0, 1.0), (-0.5, -0.1)),
        ((0.4, -9.0, 9.0), (-math.inf, math.inf), (-9.0, 9.0)),
    ],
)
def test_a_mean_at_an_end_is_only_kept_from_reaching_out(given, within, expected):
    assert tuple(map(float, kept_within(*given, within))) == pytest.approx(expected, abs=1e-15)
    assert tuple(map(float, kept_within(*given))) == given[1:]


def test_between_two_ends_it_is_the_arcsine_by_hand():
    """A mean of 2 on 1 to 5 is a share of 1/4, arcsin 1/2 = pi/6; an end .5 away is .125 / (2 sqrt(3/16)) of it."""
    lo, hi = kept_within(2.0, 1.5, 2.5, (1.0, 5.0))
    step = 0.125 / (2 * math.sqrt(3 / 16))
    assert (float(lo), float(hi)) == pytest.approx([1 + 4 * math.sin(math.pi / 6 + s * step) ** 2 for s in (-1, 1)])
    far = kept_within(2.0, -90.0, 90.0, (1.0, 5.0))
    assert tuple(map(float, far)) == pytest.approx((1.0, 5.0))


def test_what_has_no_mean_says_why():
    assert mean_of([]).reason == "there is nothing to average"
    assert mean_of([0.1, math.nan]).reason == mean_of([math.inf]).reason == "a query has no value"
    one = mean_of([0.3])
    assert (one.estimate, one.lo, one.n) == (0.3, None, 1)
    # all at one end of a finite range, or all alike elsewhere
    assert mean_of([0.0, 0.0, 0.0], (0.0, math.inf)).hi == 0.0
    alike = mean_of([0.5, 0.5, 0.5], (0.0, 1.0))
    assert (alike.lo, alike.hi) == pytest.approx((0.5, 0.5))
    ends = mean_of([3.0, 3.0], (1.0, 3.0))
    assert (ends.lo, ends.hi) == pytest.approx([1 + 2 * float(end) for end in wilson(2, 2)])


def test_whatever_the_order_of_the_values_the_same_bits():
    values = np.random.default_rng(1).exponential(size=301) * 10.0 ** np.random.default_rng(2).integers(-6, 6, 301)
    assert all(mean_of(np.random.default_rng(i).permutation(values)) == mean_of(values) for i in range(5))


def test_an_upper_end_mirrors_a_lower_one():
    values = np.array([0.1, 0.7, 1.9])
    found, other = mean_of(values, (-math.inf, 2.0)), mean_of(-values, (-2.0, math.inf))
    assert (found.lo, found.hi) == pytest.approx((-other.hi, -other.lo)) and found.hi <= 2.0
