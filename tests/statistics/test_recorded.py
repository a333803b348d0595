"""Numbers that are defined by how they are simulated or searched, as recorded: that no digit moves by a slip.

That they are right is what the other tests here say, by coverage and defining properties; those have room for noise, in
which a small slip hides.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import statistics
from core.metrics import RANKING_METRICS
from core.statistics import Estimate, Exchange, depth_for
from tests.as_recorded import Recording

RECORDED = Recording(Path(__file__).with_name("recorded.json"))
METRIC = {name: RANKING_METRICS.get(name)() for name in ("max_skew", "min_skew", "kl", "ndkl")}
case = RECORDED.case


# -- gaps: few rows, many groups, large groups, a rare one, all alike, all right, two alike ----------------------------

COUNTS = [
    ([180, 150], [200, 200]),
    ([95, 16], [100, 20]),
    ([28, 5], [30, 9]),
    ([10, 10], [20, 20]),
    ([40, 18, 90, 55], [50, 20, 100, 70]),
    ([720, 170, 13], [800, 180, 20]),
    ([27] * 14, [30] * 14),
    ([26, 28, 20, 25, 29, 27, 24, 22, 30, 27, 26, 21, 28, 18], [30] * 14),
    ([270, 178, 133, 90, 72, 45, 26], [300, 200, 150, 100, 80, 50, 40]),
    ([4200, 900, 2600], [6000, 1500, 4000]),
    ([30, 41, 12], [30, 41, 12]),
    ([0, 3, 1, 0], [12, 30, 25, 0]),
    ([19, 20, 3], [20, 20, 20]),
]


def picked(right: list[int], n: list[int]) -> list[Any]:
    found = [f(right, n, draws=300) for f in (statistics.accuracy_gap, statistics.gap_to_smallest)]
    found.append(statistics.smallest_accuracy(right, n, draws=300))
    return [[one.estimate, one.lo, one.hi, one.corrected, one.n] for one in found]


case(picked, COUNTS)


# -- test inversion: level lists, trends, tops, seven groups, unknown rows, pure and short lists -----------------------


def drawn_list(chances: np.ndarray, seed: int) -> np.ndarray:
    upper = np.cumsum(chances, axis=1)[:, :-1]
    return (np.random.default_rng(seed).random(len(chances))[:, None] > upper).sum(axis=1)


def two(top: float, rest: float, k: int, b: int = 10) -> np.ndarray:
    first = np.where(np.arange(k) < b, top, rest)
    return np.stack([first, 1 - first], axis=1)


def lists() -> list[tuple[np.ndarray, list[float]]]:
    half, seven = [0.5, 0.5], [1 / 7] * 7
    leaning = np.tile([0.4] + [0.1] * 6, (80, 1))
    return [
        (drawn_list(two(0.6, 0.6, 60), 0), half),
        (drawn_list(two(0.9, 0.9, 30), 1), half),
        (drawn_list(two(1.0, 0.5, 100), 2), half),
        (drawn_list(two(0.95, 0.3, 60), 3), [0.3, 0.7]),
        (np.concatenate([np.zeros(12, int), np.tile([1, 2, 0], 30)]), [1 / 3] * 3),
        (drawn_list(leaning, 4), seven),
        (drawn_list(np.full((50, 7), 1 / 7), 5), seven),
        (np.tile([0, 1], 20), half),
        (np.zeros(25, int), half),
        (np.array([0, 1, 1, -1, 0, 0, -1, 0]), [0.4, 0.6]),
        (np.array([2, 0, 1]), [0.7, 0.1, 0.1, 0.1]),
        (drawn_list(np.linspace([0.8, 0.1, 0.1], [0.2, 0.5, 0.3], 70), 6), [0.3, 0.4, 0.3]),
    ]


def inverted(ranked: np.ndarray, target: list[float]) -> list[Any]:
    return [statistics.metric_interval(metric, ranked, target, draws=240, seed=3) for metric in METRIC.values()]


case(inverted, lists())


# -- areas under curves, with ties, ends and rare kinds ----------------------------------------------------------------


def scored(seed: int, n: int, share: float, shift: float, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = np.arange(n) < max(1, int(share * n))
    x = rng.normal(size=n) + shift * positive
    return (np.maximum(np.round(x, 1), 0.0) if ties else x), positive


AREAS = [
    (0, 200, 0.5, 0.6, False),
    (1, 120, 0.1, 2.0, False),
    (2, 300, 0.05, 0.0, True),
    (3, 60, 0.5, 4.5, False),
    (4, 60, 0.3, -3.0, True),
    (5, 40, 0.02, 1.0, False),
    (6, 90, 0.4, 9.0, True),
    (7, 90, 0.4, -9.0, True),
]


def area(*given: Any) -> list[Any]:
    x, positive = scored(*given)
    other = x + np.random.default_rng(9).normal(size=len(x)) * 0.5
    few = x.copy()
    few[:3] += 0.7
    changes = [statistics.auc_difference(x, after, positive) for after in (other, few)]
    sparse = statistics.auc_estimate(np.where(np.arange(len(x)) % 11 == 0, x, 0.0), positive)
    return [ends(one) for one in (statistics.auc_estimate(x, positive), *changes, sparse)]


def ends(found: Estimate) -> list[Any]:
    return [found.estimate, found.lo, found.hi, found.n]


case(area, AREAS)


# -- linear probes -----------------------------------------------------------------------------------------------------


def embedded(seed: int, n: int, d: int, groups: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % (groups + 1)) % groups
    return rng.normal(size=(n, d)) + shift * np.eye(max(groups, d))[labels][:, :d], labels


def probed(*given: Any) -> list[Any]:
    x, labels = embedded(*given)
    after = x.copy()
    after[:, 0] = 0.3
    found = statistics.leakage(x, after, labels)
    held = statistics.held_out_leakage(x[::2], labels[::2], x[1::2], labels[1::2])
    return [*map(ends, found), ends(held), ends(statistics.leakage_estimate(x, labels))]


case(probed, [(0, 90, 6, 2, 0.0), (1, 120, 8, 2, 1.2), (2, 120, 5, 3, 0.9), (3, 60, 4, 2, 6.0)])


# -- clusters ----------------------------------------------------------------------------------------------------------


def clustered(kind: str, n_groups: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    number = rng.integers(1, 5, 120) if kind == "unequal" else np.full(120, 3)
    if kind == "rare sizes":
        number = rng.integers(1, 40, 40)
    clusters = np.repeat(np.arange(len(number)) * 7, number)
    label = rng.integers(-1 if kind == "unequal" else 0, n_groups, len(number))
    mixed = kind in ("mixed", "rare sizes")
    groups = rng.integers(-1 if seed else 0, n_groups, len(clusters)) if mixed else np.repeat(label, number)
    score = rng.normal(size=len(number)).repeat(number) + 0.5 * rng.normal(size=len(clusters)) + 0.25 * (groups == 0)
    top = np.argsort(-score)[:60]
    p, own = statistics.cluster_p(groups, clusters, top, n_groups, draws=999, seed=2)
    return [p, own.tolist(), statistics.design_effect(clusters[top], groups[top], clusters, groups)]


case(
    clustered,
    [(k, g, s) for s, k in enumerate(("equal", "unequal", "mixed", "rare sizes", "rare sizes")) for g in (2, 3)],
)


# -- lists of prompts --------------------------------------------------------------------------------------------------


def prompts(n_groups: int, seed: int, strength: float, after: float) -> list[Any]:
    """Leans and their change over five prompts that share people."""
    rng = np.random.default_rng(seed)
    n, k = 300, 25
    groups = rng.integers(-1 if seed else 0, n_groups, n)
    own = 0.7 * rng.normal(size=n) + rng.normal(size=(5, n))
    scores = np.stack([own + strength * (groups == 0), own + after * (groups == 0)])
    rankings = np.argsort(-scores, axis=-1)[..., : depth_for(k)]
    counts = np.bincount(groups[groups >= 0], minlength=n_groups)
    draws = statistics.list_draws(rankings, groups, k, n_groups, draws=200, seed=4)
    shares, tops = draws.shares, rankings[..., :k]
    leans = [statistics.mean_lean(tops[i], groups, shares[:, i], counts.tolist(), seed=1) for i in (0, 1)]
    drawn = shares[:, 1] - shares[:, 0]
    effect = statistics.mean_effect(*leans, tuple(tops), groups, drawn, [1 / n_groups] * n_groups, seed=1)
    target = counts / counts.sum()
    found: list[Any] = []
    for lean in leans:
        found += [[ends(one) for one in (*lean.points, *lean.shares)], lean.p, lean.p_group, lean.p_adjusted]
        found += [lean.departure, lean.smallest_p, lean.leading, lean.base]
    found += [[ends(one) for one in effect.changes], effect.p, effect.p_group, effect.smallest_p, effect.group]
    found += [effect.direction, effect.lean_direction, effect.leading_before, effect.leading_after]
    for metric in (METRIC["max_skew"], METRIC["ndkl"]):
        values = draws.values(metric, target)
        observed = metric(groups[tops[0]], target)
        found.append(ends(statistics.mean_estimate(observed, values[:, 0], 5, metric.range)))
        band, null = statistics.null_of_mean(metric, tops[0], groups, target, draws=60, seed=6)
        found.append([band.lo, band.hi, band.mean, float(null.std())])
    found.append(statistics.over_prompts(np.array([0.3]), values[:, 0, :1], 1))
    return found


case(prompts, [(2, 0, 0.9, 0.1), (3, 1, 0.5, -0.6), (3, 0, 0.0, 0.1), (4, 2, 0.8, 0.8)])


# -- one list ----------------------------------------------------------------------------------------------------------

EXCHANGES = [
    Exchange((7, 5, 2), (2, 9, 3), (10, 40, 20)),
    Exchange((20, 0), (0, 20), (30, 50)),
    Exchange((0, 3), (4, 1), (40, 60)),
    Exchange((0, 0), (0, 0), (12, 18)),
    Exchange((0, 4), (0, 0), (20, 10)),
    Exchange((1, 0), (0, 1), (3, 5)),
]


def exchanged(exchange: Exchange) -> list[Any]:
    n = len(exchange.leaves)
    changes = [ends(one) for one in statistics.share_changes(exchange)]
    metrics = [
        ends(statistics.metric_change(METRIC[name], exchange, np.arange(1, n + 1) / sum(range(1, n + 1)), 300, 2))
        for name in ("max_skew", "min_skew", "kl")
    ]
    return [changes, metrics, statistics.exchange_p(exchange)]


case(exchanged, [(one,) for one in EXCHANGES])


def rated(found: list[int], of: list[int]) -> list[Any]:
    gap = statistics.rate_gap(found, of, draws=300, seed=1)
    return [ends(gap.gap), gap.corrected, gap.high, gap.low, gap.p, gap.gap.note]


case(rated, [([56, 48], [70, 80]), ([30, 20, 41], [60, 60, 64]), ([9, 0, 1], [9, 40, 30]), ([5, 5, 0], [10, 10, 0])])


def turned(n: int) -> list[Any]:
    found, p = statistics.sign_flips(np.random.default_rng(n).normal(0.1, 1, n), seed=2)
    return [ends(found), p]


case(turned, [(8,), (40,), (3000,)])


def banded(name: str, counts: list[int], k: int) -> list[Any]:
    target = (np.array(counts) / sum(counts)).tolist()
    band = statistics.null_band(METRIC[name], counts, k, target, draws=300, seed=1)
    return [band.lo, band.hi, band.mean, [statistics.null_p(METRIC[name], v, counts, k, target) for v in (0.2, 0.9)]]


case(banded, [(name, counts, 20) for name in METRIC for counts in ([60, 40], [50, 30, 15, 5], [20] * 7)])


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()
