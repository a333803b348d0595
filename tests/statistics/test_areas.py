"""AUC: the number, the limits against second implementations and published values, and exact coverage."""

import math
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from core.statistics import auc, auc_difference, auc_estimate
from core.statistics.areas import area, mean_area

rows_of_both_kinds = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({positive for _, positive in rows}) == 2
)


def fired(ones: int, n_pos: int, others: int, n_neg: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores 0 and 1 with that many ones of each kind, and which rows are positive."""
    scores = np.zeros(n_pos + n_neg)
    scores[:ones] = 1
    scores[n_pos : n_pos + others] = 1
    return scores, np.arange(n_pos + n_neg) < n_pos


def by_pairs(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float, float]:
    """The docstring's formula, from the matrix of all pairs."""
    compared = np.heaviside(scores[:, None] - scores[None, :], 0.5)
    value = compared[positive][:, ~positive].mean()
    squares = [0.0, 0.0]
    for kind, every in ((positive, compared[:, ~positive].mean(axis=1)), (~positive, compared[positive].mean(axis=0))):
        n, (a, b) = kind.sum(), (every.min(), every.max())
        if a == b:
            a, b = 0.0, 1.0
        m, s = (value - a) / (b - a), np.var(every[kind]) / (b - a) ** 2
        z2 = norm.ppf(0.975) ** 2
        w = z2 / (n + z2)
        ends = [value - w * (value - a), value + w * (b - value)]
        if np.ptp(every[kind]):
            count = n / ((n * min(s / m / (1 - m), 1) + 2.5) / (n + 2.5))
            roots = np.roots([1 + z2 / count, -2 * m - z2 / count, m * m])  # (m - x)^2 = z^2 x (1 - x) / count
            ends = [a + (b - a) * end for end in (min(roots.real), max(roots.real))]
        places, counts = np.unique(every[~kind], return_counts=True)
        place, share = places[counts.argmax()], counts.max() / (~kind).sum()
        further = share * abs(value - place) * w
        if every[kind].min() > place:
            ends[0] = min(ends[0], value - further)
        if every[kind].max() < place:
            ends[1] = max(ends[1], value + further)
        squares = [square + (value - end) ** 2 for square, end in zip(squares, ends, strict=True)]
    return value, max(value - math.sqrt(squares[0]), 0.0), min(value + math.sqrt(squares[1]), 1.0)


# -------------------------------------------------------------------------------------------------- the number


@given(rows_of_both_kinds)
@settings(max_examples=100, deadline=None)
def test_auc_is_the_share_of_pairs(rows):
    scores, positive = np.array([s for s, _ in rows], dtype=float), np.array([p for _, p in rows])
    pairs = np.sign(scores[positive][:, None] - scores[~positive][None, :])
    assert auc(scores, positive) == pytest.approx(((pairs + 1) / 2).mean(), abs=1e-12)
    estimate = auc_estimate(scores, positive)
    assert estimate.estimate == auc(scores, positive)
    assert 0.0 <= estimate.lo <= estimate.estimate <= estimate.hi <= 1.0


def test_auc_of_one_kind_says_why():
    one = np.ones(3, dtype=bool)
    assert math.isnan(auc(np.arange(3.0), ~one))
    missing = {"estimate": None, "reason": "rows of both kinds are needed"}
    assert auc_estimate(np.arange(3.0), one).to_json() == missing
    assert auc_difference(np.arange(3.0), np.arange(3.0), one).to_json() == missing


# --------------------------------------------------------------------------------------------------- the limits


@given(rows_of_both_kinds, st.booleans())
@settings(max_examples=150, deadline=None)
def test_limits_are_those_of_the_formula_on_all_pairs(rows, continuous):
    scores, positive = np.array([s for s, _ in rows], dtype=float), np.array([p for _, p in rows])
    if continuous:
        scores += np.linspace(0, 0.5, len(scores))
    found = auc_estimate(scores, positive)
    assert (found.estimate, found.lo, found.hi) == pytest.approx(by_pairs(scores, positive), abs=1e-7)


@pytest.mark.parametrize(
    ("first", "second", "lo", "hi"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_a_neuron_that_is_on_or_off_has_newcombes_interval(first, second, lo, hi):
    """A = .5 + (p1 - p0) / 2, so that the ends are half those of Newcombe 1998, table II, method 10."""
    found = auc_estimate(*fired(*first, *second))
    assert found.estimate == pytest.approx(0.5 + (first[0] / first[1] - second[0] / second[1]) / 2)
    assert (2 * found.lo - 1, 2 * found.hi - 1) == pytest.approx((lo, hi), abs=1e-4)


@given(rows_of_both_kinds)
@settings(max_examples=60, deadline=None)
def test_turned_round_scores_turn_the_interval_round(rows):
    scores, positive = np.array([s for s, _ in rows], dtype=float), np.array([p for _, p in rows])
    found = auc_estimate(scores, positive)
    for turned in (auc_estimate(-scores, positive), auc_estimate(scores, ~positive)):
        assert (1 - turned.hi, 1 - turned.lo) == pytest.approx((found.lo, found.hi), abs=1e-9)


def test_the_ends_are_exact_and_equal_scores_have_a_width():
    positive = np.arange(60) >= 30
    right, wrong = auc_estimate(np.arange(60.0), positive), auc_estimate(-np.arange(60.0), positive)
    assert right.hi == 1.0 and wrong.lo == 0.0
    # each part has the lower limit of 30 of 30, 30 / (30 + 1.96^2), on a scale that starts at half a row
    loss = (1 - 0.5 / 30) * 3.8415 / 33.8415
    assert right.lo == pytest.approx(1 - math.hypot(loss, loss), abs=1e-4)
    flat = auc_estimate(np.zeros(60), positive)
    assert flat.estimate == 0.5 and flat.lo == pytest.approx(0.5 - 0.5 * math.hypot(*[3.8415 / 33.8415] * 2), abs=1e-4)


def test_a_neuron_that_no_row_of_the_rare_group_fires():
    found = auc_estimate(*fired(0, 40, 20, 1960))
    assert found.estimate == pytest.approx(0.4949, abs=1e-4)
    assert found.hi > 0.53 and found.lo > 0.49


# ---------------------------------------------------------------------------------------------------- coverage


@lru_cache
def exact(n_pos: int, n_neg: int, p_pos: float, p_neg: float) -> tuple[float, float]:
    """Chance that the interval of an on/off neuron holds the truth, and its mean half width over 1.96 sd of A."""
    truth, likely = 0.5 + (p_pos - p_neg) / 2, 1e-5
    ranges = [
        range(int(binom.ppf(likely, n, p)), int(binom.ppf(1 - likely, n, p)) + 1)
        for n, p in ((n_pos, p_pos), (n_neg, p_neg))
    ]
    covered = width = total = 0.0
    for ones, others in product(*ranges):
        weight = binom.pmf(ones, n_pos, p_pos) * binom.pmf(others, n_neg, p_neg)
        if weight < 1e-7:
            continue
        found = auc_estimate(*fired(ones, n_pos, others, n_neg))
        covered += weight * (found.lo - 1e-12 <= truth <= found.hi + 1e-12)
        width += weight * (found.hi - found.lo) / 2
        total += weight
    sd = math.sqrt(p_pos * (1 - p_pos) / n_pos + p_neg * (1 - p_neg) / n_neg) / 2
    return covered / total, width / total / 1.96 / sd


@pytest.mark.parametrize(
    ("rows", "rates", "least", "most"),
    [
        ((40, 1960), (0.01, 0.01), 0.93, 0.965),
        ((20, 980), (0.01, 0.01), 0.935, 0.965),
        ((20, 980), (0.96, 0.006), 0.935, 0.965),
        ((40, 600), (0.05, 0.05), 0.935, 0.97),
        ((40, 120), (0.3, 0.3), 0.945, 0.955),
        ((40, 40), (0.3, 0.3), 0.945, 0.955),
        ((40, 120), (0.9, 0.05), 0.945, 0.965),
    ],
)
def test_exact_coverage_of_a_neuron_that_is_on_or_off(rows, rates, least, most):
    """No simulation: all counts, each with its probability."""
    assert least <= exact(*rows, *rates)[0] <= most


def test_width_is_that_of_the_spread_where_counts_are_large():
    """A tenth too narrow or too wide would be seen: 1.96 standard deviations of A are known."""
    assert exact(40, 120, 0.3, 0.3)[1] == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize(
    ("truth", "n_pos", "n_neg", "most"), [(0.5, 100, 100, 0.97), (0.9, 40, 600, 0.97), (0.977, 30, 300, 0.985)]
)
def test_coverage_of_normal_scores(truth, n_pos, n_neg, most):
    rng, positive = np.random.default_rng(7), np.arange(n_pos + n_neg) < n_pos
    shift, hits = norm.ppf(truth) * math.sqrt(2), []
    for _ in range(800):
        found = auc_estimate(rng.standard_normal(n_pos + n_neg) + shift * positive, positive)
        hits.append(found.lo <= truth <= found.hi)
    assert 0.935 <= np.mean(hits) <= most


@pytest.mark.parametrize("truth", [0.7, 0.95])
def test_width_of_normal_scores(truth):
    """Mean half width against the spread of A in 1,000 samples (known to 2.3 %)."""
    rng, positive = np.random.default_rng(8), np.arange(200) < 80
    shift = norm.ppf(truth) * math.sqrt(2)
    found = [auc_estimate(rng.standard_normal(200) + shift * positive, positive) for _ in range(1000)]
    widths = [(one.hi - one.lo) / 2 / 1.96 for one in found]
    assert np.mean(widths) / np.std([one.estimate for one in found]) == pytest.approx(1.02, abs=0.05)


# -------------------------------------------------------------------------------------------------- differences


def test_difference_covers():
    rng, positive, hits = np.random.default_rng(9), np.arange(150) < 60, []
    for _ in range(800):
        before = rng.normal(size=150) + positive
        after = before - 0.5 * positive + 0.3 * rng.normal(size=150)
        found = auc_difference(before, after, positive)
        hits.append(found.lo <= norm.cdf(0.5 / math.sqrt(2.09)) - norm.cdf(1 / math.sqrt(2)) <= found.hi)
    assert 0.935 <= np.mean(hits) <= 0.965


def test_switching_a_rare_neuron_off_covers_where_no_positive_fires_it():
    """Before: it fires on 1 % of either kind; after: never. The truth of the difference is 0."""
    covered = 0.0
    for ones, others in product(range(5), range(5, 40)):
        scores, positive = fired(ones, 40, others, 1960)
        found = auc_difference(scores, np.zeros(2000), positive)
        covered += binom.pmf(ones, 40, 0.01) * binom.pmf(others, 1960, 0.01) * (found.lo <= 0 <= found.hi)
    assert 0.925 <= covered <= 0.97


def test_difference_is_the_estimates_apart_and_nothing_where_no_row_moves():
    rng, positive = np.random.default_rng(2), np.arange(80) < 30
    before, after = rng.normal(size=(2, 80))
    found = auc_difference(before, after, positive)
    assert found.estimate == auc(after, positive) - auc(before, positive)
    assert found.lo <= found.estimate <= found.hi
    idle = auc_difference(before, np.exp(before), positive)
    assert (idle.estimate, idle.lo, idle.hi) == (0.0, 0.0, 0.0)


# -------------------------------------------------------------------------------------------------------- means


def test_a_mean_of_one_auc_is_that_auc_and_of_two_alike_is_as_wide():
    rng, positive = np.random.default_rng(3), np.arange(90) < 40
    scores = rng.normal(size=90) + positive
    one, other = area(scores, positive), area(-scores, ~positive)
    for found in (mean_area([one]), mean_area([one, one]), mean_area([one, other])):
        assert (found.value, found.lo, found.hi) == pytest.approx((one.value, one.lo, one.hi))
    # two groups against each other: independent samples of scores are narrower by the square root of two
    apart = mean_area([one, area(rng.normal(size=90) + positive, positive)])
    assert apart.hi - apart.lo == pytest.approx((one.hi - one.lo) / math.sqrt(2), rel=0.15)


def by_the_docstring(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Limits of `auc_estimate`, one step after another, with placements from all pairs of rows."""
    above = np.heaviside(scores[:, None] - scores[None, :], 0.5)
    share_below, share_above = above[:, ~positive].mean(axis=1), above[positive].mean(axis=0)
    area, z2, gaps = float(share_below[positive].mean()), norm.ppf(0.975) ** 2, []
    for every, own in ((share_below, positive), (share_above, ~positive)):
        mine, others, n = every[own], every[~own].tolist(), int(own.sum())
        a, b = (0.0, 1.0) if every.min() == every.max() == 0.5 else (every.min(), every.max())
        w = z2 / (n + z2)
        if mine.min() == mine.max():
            low, high = area - w * (area - a), area + w * (b - area)
        else:
            m = (area - a) / (b - a)
            rows = n / min((n * mine.var() / ((b - a) ** 2 * m * (1 - m)) + 2.5) / (n + 2.5), 1.0)
            half = math.sqrt(z2 * (m * (1 - m) / rows + z2 / (4 * rows**2)))
            low, high = (a + (b - a) * (m + z2 / (2 * rows) + sign * half) / (1 + z2 / rows) for sign in (-1, 1))
        commonest = max(sorted(set(others)), key=others.count)
        tied = others.count(commonest) / len(others)
        if all(mine > commonest):
            low = min(low, area - tied * w * (area - commonest))
        if all(mine < commonest):
            high = max(high, area + tied * w * (commonest - area))
        gaps.append((area - low, high - area))
    return area - math.hypot(*(g[0] for g in gaps)), area + math.hypot(*(g[1] for g in gaps))


def sided(positives: int, zeros: int, spread: int, sign: int, above: bool) -> tuple[np.ndarray, np.ndarray]:
    """One kind lies wholly beside the commonest score of the other, and among its few other scores."""
    first = 1 + np.arange(positives) / positives
    second = np.concatenate([np.zeros(zeros), 1.003 + np.arange(spread) / max(spread, 1)])
    scores = sign * np.concatenate([first, second])
    positive = np.arange(len(scores)) < positives
    return scores, positive if above else ~positive


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("counts", [(4, 60, 4), (6, 40, 40), (30, 90, 10), (5, 50, 0), (3, 3, 3), (40, 6, 1)])
def test_the_limits_are_those_of_the_docstring(counts: tuple, sign: int, above: bool) -> None:
    scores, positive = sided(*counts, sign, above)
    lo, hi = by_the_docstring(scores, positive)
    found = auc_estimate(scores, positive)
    assert (found.lo, found.hi) == pytest.approx((max(lo, 0.0), min(hi, 1.0)), abs=1e-9)
    # a row that is tied with the commonest score shows that rows can be
    tied = np.where(np.arange(len(scores)) == 0, 0.0, scores)
    lo, hi = by_the_docstring(tied, positive)
    found = auc_estimate(tied, positive)
    assert (found.lo, found.hi) == pytest.approx((max(lo, 0.0), min(hi, 1.0)), abs=1e-9)
    other = np.round(np.random.default_rng(1).normal(size=len(scores)) + positive, 1)
    lo, hi = by_the_docstring(other, positive)
    found = auc_estimate(other, positive)
    assert (found.lo, found.hi) == pytest.approx((max(lo, 0.0), min(hi, 1.0)), abs=1e-9)
