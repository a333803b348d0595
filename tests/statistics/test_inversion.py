"""NDKL of lists that lean at their top: an upper end that says something, and coverage that stays."""

import math

import numpy as np
import pytest

from core.metrics import RANKING_METRICS
from core.statistics import metric_interval
from core.statistics.inversion import _different

NDKL = RANKING_METRICS.get("ndkl")()
HALF = np.array([0.5, 0.5])
LARGEST = np.log(2)


def lists(chance: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((repeats, len(chance))) > chance).astype(int)


def block(k: int, top: int, share: float) -> np.ndarray:
    return np.where(np.arange(k) < top, share, 0.5)


def trend(k: int, start: float, slope: float) -> np.ndarray:
    return 1 / (1 + np.exp(slope * np.log2(np.arange(1, k + 1)) - start))


def test_ten_of_one_group_on_top_then_alternating():
    ranked = np.concatenate([np.zeros(10, dtype=int), np.tile([1, 0], 45)])
    value = float(NDKL(ranked, HALF))
    lo, hi = metric_interval(NDKL, ranked, HALF)
    assert 0.05 < lo < value < hi < 0.4
    other = metric_interval(NDKL, 1 - ranked, HALF)
    assert other == pytest.approx((lo, hi), abs=0.03)


def test_the_same_kind_of_list_of_three_groups():
    ranked = np.concatenate([np.zeros(12, dtype=int), np.tile([1, 2, 0], 30)])
    lo, hi = metric_interval(NDKL, ranked, np.full(3, 1 / 3))
    assert lo < float(NDKL(ranked, np.full(3, 1 / 3))) < hi < 0.75 * np.log(3)


@pytest.mark.parametrize(
    ("name", "chance"),
    [
        ("level", np.full(100, 0.65)),
        ("level, short", np.full(20, 0.8)),
        ("trend", trend(100, 1.6, 0.35)),
        ("steep", trend(100, 3.0, 0.6)),
        ("steep, short", trend(20, 3.0, 0.6)),
        ("top of 5", block(100, 5, 0.95)),
        ("top of 10", block(100, 10, 0.95)),
        ("top of 10, short", block(20, 10, 0.95)),
        ("pure top", block(100, 10, 1.0)),
    ],
)
def test_coverage(name, chance):
    truth = float(NDKL(lists(chance, 6000, 1), HALF).mean())
    found = np.array([metric_interval(NDKL, ranked, HALF, draws=200) for ranked in lists(chance, 40, 2)])
    missed = ((found[:, 0] > truth) | (found[:, 1] < truth)).sum()
    assert missed <= 6  # 2 are meant; more than 6 in .3 % of runs


@pytest.mark.parametrize("chance", [trend(100, 3.0, 0.6), block(100, 10, 1.0)], ids=["steep", "pure top"])
def test_the_upper_end_is_not_the_largest_possible_value(chance):
    ends = [metric_interval(NDKL, ranked, HALF, draws=200)[1] for ranked in lists(chance, 30, 3)]
    assert np.mean(np.array(ends) > LARGEST - 1e-6) <= 0.3
    assert np.median(ends) < 0.45


def test_a_pure_list_may_reach_the_largest_possible_value():
    lo, hi = metric_interval(NDKL, np.zeros(40, dtype=int), HALF)
    assert hi == pytest.approx(LARGEST) and lo > 0.3


def test_a_list_that_leans_at_its_top_has_an_end_below_the_largest_possible_value() -> None:
    """63 of 100 where half is asked for, more of them at the top: the level list of that share cannot show so much."""
    rng = np.random.default_rng(3)
    metric = RANKING_METRICS.get("ndkl")()
    for _ in range(5):
        ranked = (rng.random(100) > 0.5 + 0.42 * np.exp(-np.arange(100) / 22)).astype(int)
        lo, hi = metric_interval(metric, ranked, [0.5, 0.5])
        estimate = float(metric(ranked, np.array([0.5, 0.5])))
        assert lo < estimate < hi < min(3.5 * estimate, 0.9 * math.log(2))


@pytest.mark.parametrize(("groups", "k"), [(2, 100), (3, 40), (9, 200), (12, 60)])
def test_lists_of_the_same_counts_are_one(groups, k):
    """Counted in a table, sorted, and where their number fits no whole number left as they are."""
    rng = np.random.default_rng(groups)
    drawn = rng.multinomial(k, rng.dirichlet(np.full(groups, 0.3)), size=50)
    different, times = _different(drawn, k)
    times = np.ones(len(drawn), dtype=int) if times is None else times
    expected, often = np.unique(drawn, axis=0, return_counts=True)
    if len(different) == len(drawn):
        different, times = np.unique(different, axis=0, return_counts=True)
    order = np.lexsort(different.T[::-1])
    assert (different[order] == expected).all() and (times[order] == often).all()
