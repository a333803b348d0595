"""Intervals cover, null bands are what permuting labels gives, AUC is exact."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from core import statistics
from core.metrics import RANKING_METRICS
from core.statistics import Band, Estimate, bands, metric_interval, null_band, null_p, wilson

METRIC = {name: RANKING_METRICS.get(name)() for name in ("max_skew", "min_skew", "kl", "ndkl")}
HALF = np.array([0.5, 0.5])


# ---------------------------------------------------------------------------------------------------- Wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=100, deadline=None)
def test_wilson_is_scipys(case):
    successes, n = case
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    lo, hi = wilson(successes, n)
    assert (float(lo), float(hi)) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert lo <= successes / n <= hi


def test_wilson_is_vectorised_and_knows_no_data():
    lo, hi = wilson(np.array([0, 3, 5, 0]), np.array([5, 5, 5, 0]))
    assert lo[0] == 0.0 and hi[2] == 1.0 and (lo <= hi).all()
    assert (lo[3], hi[3]) == (0.0, 1.0)


# ------------------------------------------------------------------------------------------------- null band


def test_null_band_of_many_groups_is_far_from_zero():
    # 14 groups, k = 50: the mean MaxSkew without any bias is .67
    band = null_band(METRIC["max_skew"], [1000] * 14, 50, [1 / 14] * 14)
    assert band.mean == pytest.approx(0.67, abs=0.02)
    assert band.lo > 0.2 and band.hi < 1.2


@pytest.mark.parametrize("name", list(METRIC))
def test_null_band_is_what_permuted_labels_give(name):
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    target = np.array([0.6, 0.3, 0.1])
    rng = np.random.default_rng(5)
    permuted = np.stack([rng.permutation(labels)[:25] for _ in range(4000)])
    lo, hi = np.quantile(METRIC[name](permuted, target), [0.025, 0.975])
    band = null_band(METRIC[name], [60, 30, 10], 25, target, draws=4000)
    spread = hi - lo
    assert band.lo == pytest.approx(lo, abs=0.12 * spread)
    assert band.hi == pytest.approx(hi, abs=0.12 * spread)


@pytest.mark.parametrize("name", ["max_skew", "min_skew", "kl"])
def test_null_band_of_everything_is_a_point(name):
    band = null_band(METRIC[name], [60, 40], 100, [0.6, 0.4])
    assert band.lo == pytest.approx(0.0, abs=1e-12) and band.hi == pytest.approx(0.0, abs=1e-12)


def test_null_band_is_reproducible_remembered_and_fast():
    bands._null_band.cache_clear()
    start = time.perf_counter()
    first = null_band(METRIC["ndkl"], [9000, 11000], 100, HALF)
    fresh = time.perf_counter() - start
    start = time.perf_counter()
    assert null_band(METRIC["ndkl"], [9000, 11000], 100, HALF, seed=0) is first
    assert time.perf_counter() - start < 0.002
    assert fresh < 0.5  # some 10 ms on a quiet core
    assert null_band(METRIC["ndkl"], [9000, 11000], 100, HALF, seed=1) != first


def test_where_an_estimate_lies():
    band = Band(0.1, 0.3, 0.2)
    for name, value, side in (
        ("max_skew", 0.31, "beyond"),
        ("max_skew", 0.3, "inside"),
        ("max_skew", 0.05, "nearer"),
        ("min_skew", 0.05, "beyond"),
        ("min_skew", 0.35, "nearer"),
    ):
        placed = statistics.with_null(METRIC[name], Estimate(value, value, value, 10), band)
        assert (placed.null_side, placed.distinguishable) == (side, side == "beyond")


@pytest.mark.parametrize(
    ("counts", "k", "exact"), [([900, 900], 24_999, True), ([300] * 3, 222, True), ([300] * 3, 223, False)]
)
def test_chances_are_summed_where_at_most_25000_draws_are_possible(counts, k, exact):
    """k + 1 of two groups, (k + 2) (k + 1) / 2 of three: 24,976 for k = 222 and 25,200 for 223."""
    counts = [max(counts[0], k)] * len(counts)
    target = tuple(1 / len(counts) for _ in counts)
    values, chances = bands._null_distribution(METRIC["kl"], tuple(counts), k, target, 0)
    assert (chances is not None) is exact
    if exact:
        assert chances.sum() == pytest.approx(1.0) and len(values) == (24_976 if len(counts) == 3 else k + 1)


def test_the_smallest_p_of_draws_is_one_more_than_all():
    counts = [300] * 8
    for name, smallest in (("kl", 1 / 20_001), ("ndkl", 1 / 2001)):
        assert null_p(METRIC[name], 9.0, counts, 60, [1 / 8] * 8) == smallest
        assert null_p(METRIC[name], -1.0, counts, 60, [1 / 8] * 8) == 1.0
    assert math.isnan(null_p(METRIC["kl"], math.inf, counts, 60, [1 / 8] * 8))
    assert null_p(METRIC["kl"], 0.0, [9], 3, [1.0]) == 1.0


def test_a_metric_without_a_direction_has_more_where_it_is_larger():
    """(M - W) / (M + W) of 4 of 10 and 10: hypergeometric, the chance of as many of the first group."""
    metric = RANKING_METRICS.get("bias_at_k")()
    for x in range(5):
        value = float(metric.from_counts(np.array([x, 4 - x]), HALF))
        assert null_p(metric, value, [10, 10], 4, HALF) == pytest.approx(hypergeom.sf(x - 1, 20, 10, 4))
    assert statistics.with_null(metric, Estimate(0.4), Band(-0.3, 0.3, 0.0)).null_side == "beyond"
    assert statistics.with_null(metric, Estimate(-0.4), Band(-0.3, 0.3, 0.0)).null_side == "nearer"


def test_a_band_says_what_it_was_drawn_with():
    band = null_band(METRIC["kl"], [30, 20], 10, HALF, draws=50, seed=7)
    assert (band.draws, band.seed) == (50, 7)


# -------------------------------------------------------------------------------------- coverage of intervals


def covered(name: str, shares: np.ndarray, k: int, repeats: int, seed: int = 0) -> float:
    """Share of simulated top-k lists whose interval holds the true value."""
    rng = np.random.default_rng(seed)
    target = np.full(len(shares), 1 / len(shares))
    lists = rng.choice(len(shares), p=shares, size=(repeats, k))
    metric = METRIC[name]
    if metric.ordered:
        truth = float(metric(rng.choice(len(shares), p=shares, size=(5000, k)), target).mean())
    elif name == "kl":
        truth = float(metric.from_counts(shares, target))
    else:
        skew = np.log(np.maximum(shares, 1 / k) / target)
        truth = float(skew.max() if name == "max_skew" else skew.min())
    hits = 0
    for ranked in lists:
        lo, hi = metric_interval(metric, ranked, target, draws=300)
        hits += lo - 1e-9 <= truth <= hi + 1e-9
    return hits / repeats


@pytest.mark.parametrize("name", list(METRIC))
@pytest.mark.parametrize("p", [0.5, 0.7, 0.9])
def test_interval_covers_two_groups(name, p):
    # 95 % is meant; 120 repeats have a standard error of 2 %. `tests.benchmarks coverage` measures it properly
    assert covered(name, np.array([p, 1 - p]), k=100, repeats=60 if name == "ndkl" else 120) >= 0.89


@pytest.mark.parametrize("name", list(METRIC))
@pytest.mark.parametrize("shares", [[0.4] + [0.1] * 6, [0.7] + [0.05] * 6], ids=["mild", "strong"])
def test_interval_covers_seven_groups(name, shares):
    # 40 repeats have a standard error of 3.4 %
    assert covered(name, np.array(shares), k=100, repeats=40 if name == "ndkl" else 100) >= 0.85


def test_seven_equal_groups_are_mostly_not_distinguishable():
    """No bias and 7 groups, where a percentile bootstrap never covers: the band says so, the interval nearly covers."""
    shares = np.full(7, 1 / 7)
    assert covered("max_skew", shares, 100, 100) >= 0.88
    assert covered("kl", shares, 100, 100) >= 0.88
    lists = np.random.default_rng(1).choice(7, size=(300, 100))
    band = null_band(METRIC["max_skew"], [5000] * 7, 100, shares)
    above = METRIC["max_skew"](lists, shares) > band.hi
    assert above.mean() <= 0.06


@pytest.mark.parametrize("name", list(METRIC))
def test_interval_holds_the_estimate_and_stays_open_on_pure_lists(name):
    for ranked in (np.zeros(40, dtype=int), np.zeros(100, dtype=int), np.tile([0, 1], 20), np.array([0, 1, 1, -1, -1])):
        lo, hi = metric_interval(METRIC[name], ranked, HALF)
        assert lo - 1e-12 <= float(METRIC[name](ranked, HALF)) <= hi + 1e-12
        assert hi > lo
    assert math.isnan(metric_interval(METRIC[name], np.array([-1]), HALF)[0])


# --------------------------------------------------------------------------------------- paired differences


def test_no_change_has_no_difference():
    groups = np.random.default_rng(0).integers(-1, 2, size=500)
    rows = np.random.default_rng(1).permutation(500)[:200]
    pairs = statistics.paired_draws(rows, rows, groups, 50)
    for metric in (m for m in METRIC.values() if m.ordered):
        difference = statistics.metric_difference(metric, pairs, groups[rows[:50]], groups[rows[:50]], HALF)
        assert (difference.estimate, difference.lo, difference.hi) == (0.0, 0.0, 0.0)


def test_paired_draws_keep_order_and_weights():
    rows = np.arange(30)
    pairs = statistics.paired_draws(rows, rows[::-1].copy(), rows, 30, draws=50, seed=3)
    for before, after in zip(pairs.before, pairs.after, strict=True):
        known = before[before >= 0]
        assert (np.diff(known) >= 0).all() and (np.diff(after[after >= 0]) <= 0).all()
        if len(known) < 30:
            np.testing.assert_array_equal(np.sort(known), np.sort(after[after >= 0]))


# --------------------------------------------------------------------------------------------------- Estimate


def test_estimates_as_json():
    assert Estimate(0.5, 0.4, 0.6, 10).to_json() == {"estimate": 0.5, "lo": 0.4, "hi": 0.6, "n": 10}
    assert Estimate.missing("because").to_json() == {"estimate": None, "reason": "because"}
    with_band = statistics.with_null(METRIC["kl"], Estimate(0.5, 0.4, 0.6, 10), Band(0.1, 0.2, 0.15)).to_json()
    assert with_band["null"] == [0.1, 0.2] and with_band["distinguishable"] is True
    assert statistics.share_estimate(0, 0).estimate is None
    assert statistics.share_estimate(3, 4).estimate == 0.75


def test_every_group_of_a_blind_list_counts_however_many_there_are():
    even = np.full(140, 1 / 140)
    band = null_band(METRIC["ndkl"], [1] * 140, 140, even)
    expected = float(METRIC["ndkl"](np.arange(140), even))
    assert (band.lo, band.hi) == pytest.approx((expected, expected)), "a list of everybody once is alike in any order"
