"""What is drawn, fitted and inverted of many small inputs, as recorded: both sides of every border among them."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import statistics
from core.config import InputError
from core.metrics import RANKING_METRICS
from core.statistics.areas import area, bounded_limits, correlation, mean_area, placements
from core.statistics.clusters import _without_replacement
from core.statistics.estimates import Estimate
from core.statistics.gaps import _drawn
from core.statistics.inversion import _different
from core.statistics.leakages import _splits
from core.statistics.mean_leans import _by_classes, _opened, _widened, permuted_means
from core.statistics.mid_ranks import mid_ranks
from core.statistics.paired import resampled_counts, row_weights, weighted_lists
from tests.as_recorded import Recording, told
from tests.statistics.test_recorded_tests import FREE, HALF, INF, THIRDS, ends

RECORDED = Recording(Path(__file__).with_name("recorded_draws.json"))
METRIC = {name: RANKING_METRICS.get(name)() for name in ("max_skew", "min_skew", "kl", "ndkl")}


# -- null bands --------------------------------------------------------------------------------------------------------


def banded(name: str, counts: list[int], k: int) -> Any:
    target = np.array(counts) / sum(counts)
    band = statistics.null_band(METRIC[name], counts, k, target.tolist(), 80, 1)
    values = statistics.null_values(METRIC[name], counts, k, target.tolist(), 40, 2)
    p = [
        statistics.null_p(METRIC[name], value, counts, k, target.tolist(), 1) for value in (-0.5, 0.0, 0.3, 2.0, np.nan)
    ]
    return [band.to_json(), told(values), p]


RECORDED.case(
    banded, [(name, c, k) for name in METRIC for c, k in (([6, 4], 3), ([6, 4], 10), ([30, 20, 10], 12), ([9], 4))]
)
RECORDED.case(banded, [("kl", [20] * 6, 30), ("max_skew", [20] * 6, 30)])


# -- areas -------------------------------------------------------------------------------------------------------------


def areas(seed: int, n: int, step: float, positives: int) -> Any:
    rng = np.random.default_rng(seed)
    positive = np.arange(n) < positives
    x = np.round((rng.normal(size=n) + positive) / step) * step
    other = x + step * (rng.random(n) < 0.2)
    found: list[Any] = [mid_ranks(x), statistics.auc(x, positive), ends(statistics.auc_estimate(x, positive))]
    found += [ends(statistics.auc_difference(x, y, positive)) for y in (x, other, -x)]
    one, two_ = area(x, positive), area(other, positive)
    if one is None or two_ is None:
        return [*found, one is None, two_ is None]
    whole = mean_area([one, two_])
    found += [list(map(told, placements(x, positive))), whole.value, whole.lo, whole.hi, told(whole.parts)]
    return [*found, correlation(np.stack([one.parts, two_.parts, 0 * one.parts]), 0.3)]


RECORDED.case(
    areas,
    [
        (0, 12, 0.5, 5),
        (1, 30, 0.1, 15),
        (2, 30, 5.0, 9),
        (3, 9, 50.0, 4),
        (4, 8, 0.1, 0),
        (5, 8, 0.1, 8),
        (6, 6, 0.1, 1),
        (7, 40, 1.0, 38),
    ],
)


def limits(values: list[float], unseen: float, inflation: float) -> Any:
    x = np.array(values)
    return bounded_limits(float(x.mean()), x, 0.0, 1.0, unseen, inflation)


RECORDED.case(
    limits,
    [
        ([0.2, 0.9, 0.4], 2.5, 1.0),
        ([0.5, 0.5], 2.5, 2.0),
        ([0.0, 1.0], 1.0, 1.0),
        ([0.0, 0.0], 2.5, 1.0),
        ([0.9, 1.0, 1.0], 1.0, 1.5),
    ],
)


# -- probes ------------------------------------------------------------------------------------------------------------


def read(seed: int, groups: int, d: int, still: int) -> Any:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(70) % groups)
    x = rng.normal(size=(70, d)) + np.eye(max(groups, d))[labels][:, :d]
    x[:, :still] = 2.0 + 1e-9 * rng.normal(size=(70, still))
    after = x - np.outer(x[:, -1], np.eye(d)[-1])
    found = [statistics.telling(x).shape, told(np.round(statistics.probe_scores(x, labels, 5, 1), 4))]
    found += [ends(one) for one in (*statistics.leakage(x, after, labels, 2), *statistics.leakage(x, x, labels))]
    half = np.where(np.arange(70) % 7 == 0, -1, labels)
    found.append(ends(statistics.held_out_leakage(x[::2], half[::2], x[1::2], half[1::2])))
    return [*found, told(np.round(statistics.probe_weights(x, labels == 0), 5))]


def unreadable() -> Any:
    x = np.random.default_rng(0).normal(size=(12, 2))
    found: list[Any] = []
    for labels in ([0] * 12, [0] * 8 + [1] * 4, [0] * 7 + [1] * 5, [0, 1] * 6):
        found.append(ends(statistics.leakage_estimate(x, np.array(labels))))
        found.append([ends(one) for one in statistics.leakage(x, x, np.array(labels))])
        found.append(ends(statistics.held_out_leakage(x, np.array(labels), x, np.array([0, 1] * 6))))
    for positive in (np.ones(12, bool), np.zeros(12, bool)):
        try:
            found.append(statistics.probe_weights(x, positive).shape)
        except InputError as error:
            found.append(str(error))
    return found


RECORDED.case(read, [(0, 2, 4, 0), (1, 3, 5, 1), (2, 2, 3, 2)])
RECORDED.case(unreadable)


def folded(labels: list[int], folds: int) -> Any:
    return [test for _, test in _splits(np.array(labels), folds, 3)]


RECORDED.case(folded, [([0, 1] * 6, 3), ([1, 1, 0, 0, 1, 0, 2, 2, 2, 1], 3)])


# -- clusters ----------------------------------------------------------------------------------------------------------


def clustered(n_groups: int, sizes: list[int], mixed: bool, k: int) -> Any:
    rng = np.random.default_rng(len(sizes) + k)
    clusters = np.repeat(np.arange(len(sizes)) + 3, sizes)
    own = rng.integers(0, n_groups, len(sizes))
    groups = rng.integers(-1, n_groups, len(clusters)) if mixed else np.repeat(own, sizes)
    top = np.argsort(-(rng.normal(size=len(sizes) + 3)[clusters] + 0.3 * rng.normal(size=len(clusters))))[:k]
    p, each = statistics.cluster_p(groups, clusters, top, n_groups, 150, 1)
    return [p, each, statistics.design_effect(clusters[top], groups[top], clusters, groups)]


SAME, FEW, MANY = [3] * 40, [2] * 6 + [9] * 5 + [30], list(range(1, 25)) * 2
RECORDED.case(clustered, [(g, s, m, k) for g, s, m, k in product((2, 3), (SAME, FEW, MANY), (False, True), (1, 25))])
RECORDED.case(clustered, [(2, SAME, False, 120), (1, SAME, False, 12), (2, SAME, False, 0), (4, [1] * 30, True, 12)])


def without(seed: int, many: int) -> Any:
    left = np.random.default_rng(seed).integers(0, 9, (5, 3)) + 3
    return _without_replacement(left, many, np.random.default_rng(1))


RECORDED.case(without, [(0, 4), (1, 9), (2, 0)])


# -- lists of prompts --------------------------------------------------------------------------------------------------


def prompted(n_groups: int, prompts: int, k: int, effect: float, strength: float) -> Any:
    rng = np.random.default_rng(prompts + k)
    n = 90
    groups = rng.integers(-1, n_groups, n)
    scores = rng.normal(size=(2, prompts, n)) + strength * (groups == 0)
    rankings = np.argsort(-scores, axis=-1)[..., : min(n, statistics.depth_for(k))]
    counts = np.bincount(groups[groups >= 0], minlength=n_groups).tolist()
    draws = statistics.list_draws(rankings, groups, k, n_groups, 40, 4)
    shares, tops = draws.shares, rankings[..., :k]
    leans = [statistics.mean_lean(tops[i], groups, shares[:, i], counts, 2, 1, effect) for i in (0, 1)]
    found: list[Any] = []
    for lean in leans:
        found += [[ends(one) for one in (*lean.points, *lean.shares)], lean.base, lean.p, lean.p_group, lean.p_adjusted]
        found += [lean.departure, lean.smallest_p, lean.leading, lean.small, lean.beyond_chance]
    target = [1 / n_groups] * n_groups
    change = statistics.mean_effect(*leans, tuple(tops), groups, shares[:, 1] - shares[:, 0], target, 2, 1)
    if change is not None:
        found += [[ends(one) for one in change.changes], change.p, change.p_group, change.smallest_p, change.group]
        found += [change.leading_before, change.leading_after, change.direction, change.lean_direction]
    for metric in (METRIC["max_skew"], METRIC["ndkl"]):
        values = draws.values(metric, np.array(target))
        found.append(
            ends(statistics.mean_estimate(metric(groups[tops[0]], np.array(target)), values[:, 0], 5, metric.range))
        )
        band, null = statistics.null_of_mean(metric, tops[0], groups, np.array(target), 30, 6)
        found.append([band.to_json(), told(null)])
    return found


RECORDED.case(
    prompted,
    [
        (2, 4, 12, 1.0, 0.8),
        (3, 3, 20, 1.0, 0.5),
        (3, 1, 15, 1.0, -0.5),
        (2, 3, 12, 3.0, 0.9),
        (3, 5, 12, 2.0, 1.2),
        (2, 2, 90, 1.0, 0.0),
        (2, 2, 1, 1.0, 0.0),
        (3, 6, 30, 1.0, 3.0),
    ],
)


def luck(sizes: list[int], rows: int, seed: int) -> Any:
    weights = np.round(np.random.default_rng(seed).normal(size=rows), 1)
    found = permuted_means(weights, np.array(sizes), len(sizes), 20, seed)
    return [told(found), told(_by_classes(weights, np.array(sizes), 20, np.random.default_rng(seed)))]


RECORDED.case(luck, [([6, 5], 4, 0), ([9, 3, 4], 16, 1), ([5, 0, 5], 3, 2)])


def opened(lo: float | None, hi: float | None) -> Any:
    value = Estimate(0.5, lo, hi, 3)
    return [ends(_opened(value, np.array([0.3, 0.8]))), ends(_widened(value, 2.0)), ends(_widened(value, 9.0))]


RECORDED.case(opened, [(0.5, 0.5), (0.4, 0.6), (0.5 - 1e-8, 0.9), (None, None), (0.1, 0.5)])


def resampled(seed: int, k: int, n_groups: int) -> Any:
    rng = np.random.default_rng(seed)
    groups, weights = rng.integers(-1, n_groups, 60), row_weights(7, 60, seed)
    found = [told(weights), told(resampled_counts(weights[:, :k].T.astype(np.float32), groups, k, n_groups))]
    found.append(weighted_lists(groups[:12], weights[:, :12], min(k, 9)))
    first, second = rng.permutation(60), rng.permutation(60)
    pairs = statistics.paired_draws(first, second, groups, k, 30, seed)
    found += [told(pairs.before), told(pairs.after), pairs.exchanged, pairs.widening]
    target, metric = np.full(n_groups, 1 / n_groups), METRIC["ndkl"]
    return [*found, ends(statistics.metric_difference(metric, pairs, groups[first[:k]], groups[second[:k]], target))]


RECORDED.case(resampled, [(0, 5, 2), (1, 12, 3), (2, 30, 2), (3, 1, 2)])


def resampled_prompts(prompts: int, within: tuple[float, float]) -> Any:
    rng = np.random.default_rng(prompts)
    observed, drawn = rng.random(prompts), rng.random((30, 1)) * 0.2 + rng.random((30, prompts)) * 0.3
    return [
        statistics.over_prompts(observed, drawn, 3, within),
        ends(statistics.mean_estimate(observed, drawn, 3, within)),
    ]


RECORDED.case(resampled_prompts, [(1, FREE), (2, (0.0, 1.0)), (5, (0.0, INF)), (9, (-1.0, 1.0))])


# -- test inversion ----------------------------------------------------------------------------------------------------


def inverted(ranked: list[int], target: list[float], draws: int) -> Any:
    return [statistics.metric_interval(metric, np.array(ranked), target, draws, 2) for metric in METRIC.values()]


RECORDED.case(
    inverted,
    [
        ([0], HALF, 30),
        ([0, 1], HALF, 30),
        ([-1, -1], HALF, 30),
        ([0] * 9, HALF, 60),
        ([0] * 8 + [1] * 30, HALF, 60),
        ([0] * 10 + [1, 0] * 10, [0.3, 0.7], 60),
        ([2, 1, 0] * 4, THIRDS, 60),
        ([0] * 6 + [1, 2] * 8, THIRDS, 60),
        ([0, 1, 0, 0, 1, 0, 0, 0, 1, 0], [0.9, 0.1], 60),
        ([3, 3, 3, 1], [0.25] * 4, 40),
    ],
)


def different(seed: int, k: int, groups: int) -> Any:
    counts = np.random.default_rng(seed).multinomial(k, np.full(groups, 1 / groups), size=30)
    found, times = _different(counts, k)
    return [found, times]


RECORDED.case(different, [(0, 3, 2), (1, 4, 3), (2, 40, 4), (3, 60, 12)])


# -- gaps --------------------------------------------------------------------------------------------------------------


def picked(right: list[int], n: list[int]) -> Any:
    found: list[Any] = []
    for function in (statistics.accuracy_gap, statistics.gap_to_smallest, statistics.smallest_accuracy):
        try:
            one = function(np.array(right), np.array(n), 60, 1)
            found.append([ends(one), one.corrected, list(one.to_json())])
        except InputError as error:
            found.append(str(error))
    return found


RECORDED.case(
    picked,
    [
        ([], []),
        ([3], [5]),
        ([0, 3], [0, 5]),
        ([3, 3], [5, 5]),
        ([5, 0], [5, 5]),
        ([1, 2, 3], [9, 9, 9]),
        ([0, 0, 0], [4, 5, 6]),
        ([4, 5, 6], [4, 5, 6]),
        ([7, 30, 4, 12], [9, 40, 8, 12]),
        ([900, 850], [1000, 1000]),
        ([6, 2], [5, 5]),
        ([-1, 2], [5, 5]),
        ([1.5, 2], [5, 5]),
        ([1, 2], [5, 5, 5]),
        ([np.nan, 2], [5, 5]),
    ],
)


def binomial(rates: list[float], n: list[int]) -> Any:
    uniforms = (np.random.default_rng(1).permutation(40) + 0.5) / 40
    return _drawn(np.array(rates), np.array(n, dtype=float), np.tile(uniforms, (len(n), 1)))


RECORDED.case(
    binomial, [([0.3, 0.0, 1.0], [9, 9, 9]), ([0.2, 0.7], [4000, 3000]), ([0.01, 0.99], [500, 500]), ([0.5], [1600])]
)


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()
