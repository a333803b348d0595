"""Paired resamples of two rankings against loops over their rows, and how deep a ranking must be known."""

import math

import numpy as np
import pytest
from scipy.stats import poisson

from core.metrics import RANKING_METRICS
from core.statistics import PairedDraws, depth_for, metric_difference, paired_draws
from core.statistics.paired import resampled_counts, row_weights, weighted_lists

SKEW, MIN_SKEW, NDKL = (RANKING_METRICS.get(name)() for name in ("max_skew", "min_skew", "ndkl"))


@pytest.mark.parametrize("k", [1, 2, 5, 10, 30, 100, 1000, 10_000])
def test_a_resample_never_runs_out_of_rows(k: int) -> None:
    """The weights of so many rows are Poisson: that they do not add up to k happens in fewer than one of 10^8."""
    assert poisson.cdf(k - 1, depth_for(k)) < 1e-8
    # and no deeper than about six standard deviations of it
    assert depth_for(k) - k <= 6 * math.sqrt(k) + 20


def test_depths_by_hand() -> None:
    assert [depth_for(k) for k in (0, 1, 4, 100, 120, 1000)] == [20, 27, 36, 180, 200, 1206]


def literal_list(groups: list[int], weights: list[int], k: int) -> list[int]:
    found = [g for g, w in zip(groups, weights, strict=True) for _ in range(w)][:k]
    return found + [-1] * (k - len(found))


def test_weighted_lists_are_rows_repeated() -> None:
    rng = np.random.default_rng(0)
    groups, weights = np.append(rng.integers(-1, 3, 11), 2), rng.poisson(1.0, (40, 12))
    weights[-1, -1] = 1
    found = weighted_lists(groups, weights, 10)
    assert found.tolist() == [literal_list(groups.tolist(), w, 10) for w in weights.tolist()]
    assert (found == -1).any() and weighted_lists(groups, np.zeros((2, 12), int), 3).tolist() == [[-1] * 3] * 2


def test_a_row_has_one_weight_in_both_rankings() -> None:
    """Drawn once for every row that either ranking holds, in the order of the row numbers."""
    groups = np.random.default_rng(1).integers(0, 3, 60)
    before, after = np.arange(5, 45), np.arange(50, 10, -1)
    found = paired_draws(before, after, groups, 9, draws=30, seed=4)
    weights = np.random.default_rng(4).poisson(1.0, (30, 46))
    for d in range(30):
        for rows, lists in ((before, found.before), (after, found.after)):
            assert lists[d].tolist() == literal_list(groups[rows].tolist(), weights[d, rows - 5].tolist(), 9)
    assert found.exchanged == len(set(range(5, 14)) ^ set(range(50, 41, -1))) == 18 and found.seed == 4


def test_what_a_difference_of_few_rows_is_widened_by() -> None:
    """t(.975, m - 1) / 1.96 sqrt(m / (m - 1)); from tables 2.776 for five rows, and so for fewer, 2.023 for forty."""
    widths = [PairedDraws(np.empty(0), np.empty(0), m, 0).widening for m in (0, 4, 5, 6, 40)]
    assert widths == pytest.approx([1.5838, 1.5838, 1.5838, 1.4367, 1.0451], abs=1e-4)


@pytest.mark.parametrize("k", [4, 30])
def test_counts_of_resamples_are_those_of_a_loop(k: int) -> None:
    """What is missing to k rows, or is too much, counts with the mean shares around the edge."""
    rng = np.random.default_rng(2)
    groups, weights = rng.integers(-1, 3, 90), rng.poisson(1.0, (k, 25)).astype(np.float32)
    width = 3 * int(math.sqrt(k)) + 10
    around = groups[max(0, k - width) : k + width].tolist()
    found = resampled_counts(weights, groups, k, 3)
    for d in range(25):
        for g in range(3):
            own = sum(float(weights[i, d]) for i in range(k) if groups[i] == g)
            moved = (k - float(weights[:, d].sum())) * around.count(g) / len(around)
            assert found[d, g] == pytest.approx(max(own + moved, 0.0), abs=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("metric", [SKEW, MIN_SKEW, NDKL], ids=lambda m: m.name)
def test_a_difference_has_the_bias_of_its_draws_taken_off(metric) -> None:
    """The middle 95 % of the draws, moved so that their mean is the observed difference, and widened."""
    rng = np.random.default_rng(3)
    groups, target = rng.integers(0, 3, 400), np.array([0.5, 0.3, 0.2])
    before = np.argsort(groups + rng.normal(size=400))[: depth_for(40)]
    after = np.argsort(rng.normal(size=400))[: depth_for(40)]
    pairs = paired_draws(before, after, groups, 40, draws=300, seed=1)
    tops = groups[before[:40]], groups[after[:40]]
    found = metric_difference(metric, pairs, *tops, target)
    drawn = np.sort(
        [float(metric(b, target)) - float(metric(a, target)) for a, b in zip(pairs.before, pairs.after, strict=True)]
    )
    assert found.estimate == pytest.approx(float(metric(tops[1], target)) - float(metric(tops[0], target)))
    ends = [np.interp(q * 299, np.arange(300), drawn) - drawn.mean() for q in (0.025, 0.975)]
    expected = [found.estimate + pairs.widening * end for end in ends]
    assert (found.lo, found.hi) == pytest.approx(expected) and found.n == 40
    assert abs(drawn.mean() - found.estimate) > 1e-3, "there is a bias to take off"


def test_a_difference_holds_what_was_observed_and_counts_known_rows() -> None:
    before, after = np.array([0, 0, 1, -1]), np.array([0, 1, 1, -1])
    # draws that all lie at one value: an interval without width, at the observed difference
    same = PairedDraws(np.array([before] * 5), np.array([after] * 5), 2, 0)
    found = metric_difference(SKEW, same, before, after, np.array([0.5, 0.5]))
    assert found.lo == pytest.approx(found.estimate) == found.hi and found.n == 3
    unknown = np.full(4, -1)
    for pair in ((unknown, after), (before, unknown)):
        assert metric_difference(SKEW, same, *pair, np.array([0.5, 0.5])).reason == "no row with a known group"
    # one draw far off: the mean of the draws lies outside of their middle, the observed value stays inside
    lists = np.array([before] * 199 + [[0, 0, 0, 0]])
    skewed = PairedDraws(np.array([before] * 200), lists, 2, 0)
    for pair in ((skewed, before, before), (PairedDraws(lists, np.array([before] * 200), 2, 0), before, before)):
        found = metric_difference(SKEW, *pair, np.array([0.5, 0.5]))
        assert found.lo <= 0.0 <= found.hi
    assert np.isfinite(found.lo)


def test_draws_without_a_known_row_are_left_out() -> None:
    before, after = np.array([0, 1, 1]), np.array([0, 0, 1])
    pairs = PairedDraws(np.array([before] * 9 + [[-1] * 3]), np.array([after] * 10), 2, 0)
    found = metric_difference(SKEW, pairs, before, after, np.array([0.3, 0.7]))
    assert found.lo == pytest.approx(found.estimate) == found.hi


def test_a_list_of_the_first_group_alone_is_known() -> None:
    first = np.zeros(3, dtype=int)
    pairs = PairedDraws(np.array([first] * 4), np.array([first] * 4), 0, 0)
    found = metric_difference(SKEW, pairs, first, first, np.array([0.5, 0.5]))
    assert (found.estimate, found.n) == (0.0, 3)


def test_weights_do_not_depend_on_what_was_asked_before() -> None:
    """However many rows are asked for, and in whatever order: the draws of a seed from the first one on."""
    for draws, rows in ((3, 5), (40, 7), (2, 3), (10, 30)):
        own = np.random.default_rng(77).poisson(1.0, size=(draws, rows))
        found = row_weights(draws, rows, 77)
        assert found.shape == (draws, rows) and (found == own).all() and not found.flags.writeable
