"""What tests, shares, gaps and means say of many small inputs, as recorded: both sides of every border among them."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import statistics
from core.metrics import RANKING_METRICS
from core.statistics import Exchange, lean_of
from core.statistics.estimates import Band, Estimate, widening
from core.statistics.omnibus import omnibus_p, possible_draws
from core.statistics.two_means import welch
from tests.as_recorded import Recording

RECORDED = Recording(Path(__file__).with_name("recorded_tests.json"))
METRIC = {name: RANKING_METRICS.get(name)() for name in ("max_skew", "min_skew", "kl", "ndkl")}


def ends(one: Estimate) -> list[Any]:
    return [one.estimate, one.lo, one.hi, one.n, one.reason, one.note]


def of_lean(lean: statistics.Lean) -> list[Any]:
    groups = [
        [
            *map(ends, (g.share, g.ratio, g.points)),
            g.searched,
            g.retrieved,
            g.base_share,
            g.p,
            g.p_adjusted,
            g.departure,
            g.small,
        ]
        for g in lean.groups
    ]
    facts = [lean.beyond_chance, lean.at_smallest, lean.knowable, lean.leading, lean.worst_pair]
    return [lean.p, lean.smallest_p, lean.reason, lean.design_effect, facts, groups]


# -- leans -------------------------------------------------------------------------------------------------------------

COUNTS = [
    ((29, 71), (12, 8)),
    ((30, 70), (12, 8)),
    ((40, 60), (16, 4)),
    ((40, 60), (0, 12)),
    ((40, 60), (40, 12)),
    ((5, 1), (1, 0)),
    ((5, 0), (2, 0)),
    ((6, 4), (6, 4)),
    ((6, 4), (0, 0)),
    ((0, 0), (0, 0)),
    ((30, 30, 40), (9, 1, 2)),
    ((50, 0, 40), (9, 0, 1)),
    ((31, 30, 29, 40), (12, 3, 3, 1)),
    ((400, 300, 500, 200), (10, 20, 30, 5)),
    ((1, 1), (1, 0)),
    ((2, 1, 1), (1, 1, 0)),
]


def leaning(searched: tuple[int, ...], retrieved: tuple[int, ...]) -> Any:
    lean, n = lean_of(searched, retrieved, 3), len(searched)
    found: list[Any] = [of_lean(lean)]
    for p, effect in ((0.03, 2.0), (0.2, 5.5)):
        found.append(of_lean(statistics.lean_of_clusters(lean, p, [p] * n, 1e-3, effect)))
    target = [(g + 1) / sum(range(1, n + 1)) for g in range(n)]
    for one in statistics.distance_of(lean, target):
        found.append([one.target, ends(one.difference), one.composition, one.model])
    if sum(searched):
        found.append(statistics.most_ahead(searched, retrieved))
        found.append(statistics.blind_shares(searched, max(sum(retrieved), 1)))
    return [*found, statistics.share_bounds(retrieved, 3), statistics.share_bounds(retrieved, 0)]


RECORDED.case(leaning, COUNTS)


def drawn_blind(n: int, total: int) -> Any:
    found: list[Any] = []
    for k in sorted({1, 2, total // 3, total - 1, total}):
        low = max(0, k - total + n)
        for x in range(low, min(n, k) + 1):
            found += [statistics.blind_p(x, n, total, k), *statistics.biased_means(x, n, total, k)]
    return found


RECORDED.case(drawn_blind, [(1, 2), (3, 7), (10, 40), (39, 40), (12, 24)])


def together(sizes: list[int], seen: list[int], tests: int, both: bool) -> Any:
    return omnibus_p(sizes, seen, tests, both=both)


RECORDED.case(
    together,
    [
        ([6, 4], [4, 1], 1, False),
        ([60, 40, 30], [14, 3, 2], 1, True),
        ([60, 40, 30], [14, 3, 2], 60, False),
        ([30, 30, 30, 30, 30], [12, 3, 5, 4, 6], 1, False),
        ([300, 30, 0, 9], [30, 3, 0, 3], 1, True),
        ([9, 9], [9, 9], 1, False),
        ([9, 9], [0, 0], 1, True),
        ([7, 0], [3, 0], 1, False),
    ],
)


def ways(sizes: list[int], k: int) -> Any:
    return possible_draws(sizes, k)


RECORDED.case(ways, [([3, 2], 3), ([2, 0, 3], 2), ([1, 1, 1], 3), ([4], 2), ([2, 2], 0)])


# -- exchanges, rates --------------------------------------------------------------------------------------------------


def changed(before: tuple[int, ...], after: tuple[int, ...], stays: tuple[int, ...], target: list[float]) -> Any:
    exchange, searched = Exchange(before, after, stays), tuple(60 + 20 * g for g in range(len(stays)))
    leans = lean_of(searched, exchange.before), lean_of(searched, exchange.after)
    effect = statistics.effect_of(*leans, exchange, target, 2)
    found = [exchange.before, exchange.after, exchange.changes, statistics.exchange_p(exchange, 2)]
    if effect is not None:
        found += [effect.p, effect.smallest_p, effect.p_group, [ends(one) for one in effect.shares], effect.knowable]
        found += [effect.leading_before, effect.leading_after, effect.group, effect.direction, effect.lean_direction]
        found += [effect.at_smallest]
    found += [ends(statistics.metric_change(metric, exchange, target, 60, 3)) for metric in list(METRIC.values())[:3]]
    return found


HALF, THIRDS = [0.5, 0.5], [0.2, 0.3, 0.5]
RECORDED.case(
    changed,
    [
        ((20, 0), (0, 20), (20, 10), HALF),
        ((20, 0), (10, 10), (20, 10), HALF),
        ((20, 2), (8, 14), (20, 10), [0.2, 0.8]),
        ((2, 0), (0, 2), (3, 3), HALF),
        ((3, 0), (0, 3), (0, 0), [0.9, 0.1]),
        ((0, 0), (0, 0), (7, 3), HALF),
        ((0, 0), (0, 0), (0, 0), HALF),
        ((4, 4), (0, 0), (0, 0), HALF),
        ((0, 0), (2, 1), (3, 0), HALF),
        ((9, 1, 2), (1, 9, 2), (10, 10, 10), THIRDS),
        ((9, 1, 0), (0, 0, 12), (30, 5, 0), THIRDS),
        ((1, 1, 1), (1, 1, 1), (5, 5, 5), THIRDS),
        ((0, 5, 5), (5, 5, 0), (0, 0, 0), THIRDS),
    ],
)


def lists_exchanged(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    groups = rng.integers(-1, 3, 40)
    found = statistics.exchange_of(rng.permutation(40)[:12], rng.permutation(40)[: 9 + 3 * seed], groups, 3)
    return [found.leaves, found.enters, found.stays]


RECORDED.case(lists_exchanged, [(0,), (1,)])


def moved(gained: int, lost: int, n: int) -> Any:
    one = statistics.paired_rate_change(gained, lost, n)
    return [one.to_json(), statistics.paired_share_interval(gained, lost, max(n, 1))]


RECORDED.case(moved, [(g, x, n) for g, x, n in product((0, 1, 6, 9), (0, 1, 3), (0, 9, 40)) if g + x <= n or n == 0])


def relevance(leaves: tuple[int, int], enters: tuple[int, int], stays: tuple[int, int]) -> Any:
    return statistics.exchanged_rate_change(leaves, enters, stays).to_json()


RECORDED.case(
    relevance, [((9, 1), (1, 9), (5, 5)), ((0, 0), (0, 3), (4, 4)), ((1, 1), (0, 0), (0, 0)), ((2, 1), (1, 2), (0, 9))]
)


def apart(hits: list[int], of: list[int]) -> Any:
    found = statistics.rate_gap(hits, of, 60, 2)
    return [found.to_json([f"g{g}" for g in range(len(of))]), found.corrected, found.high, found.low, found.p]


RECORDED.case(
    apart,
    [
        ([29, 10], [30, 30]),
        ([28, 10], [29, 30]),
        ([10, 10, 9], [30, 30, 27]),
        ([0, 0], [40, 50]),
        ([40, 50], [40, 50]),
        ([3, 0, 4], [5, 0, 9]),
        ([3], [9]),
        ([0, 3], [0, 9]),
        ([30, 20, 33, 5], [60, 40, 70, 40]),
    ],
)


def two(first: int, n_first: int, second: int, n_second: int) -> Any:
    with np.errstate(all="ignore"):
        return [
            f(first, n_first, second, n_second, level)
            for f in (statistics.rate_difference, statistics.rate_ratio)
            for level in (0.95, 0.9)
        ]


RECORDED.case(
    two, [(3, 9, 5, 12), (0, 9, 5, 12), (3, 9, 0, 12), (9, 9, 12, 12), (0, 4, 0, 5), (1, 40, 39, 40), (20, 40, 10, 20)]
)


def welched(seed: int, n: int, m: int, spread: float) -> Any:
    rng = np.random.default_rng(seed)
    found = welch(rng.normal(0.3, 1, n) * spread, rng.normal(0, 2, m) * spread)
    return [ends(found.difference), found.t, found.df, found.p]


RECORDED.case(welched, [(0, 9, 7, 1), (1, 2, 2, 1), (2, 1, 4, 1), (3, 0, 4, 1), (4, 3, 0, 1), (5, 5, 5, 0)])


def impact(n: list[int], count: list[int], unknown: tuple[int, int] | None) -> Any:
    found = statistics.impact_of(n, count, unknown)
    rows = [
        [
            [row.n, row.count, row.rate, row.share, row.under_2_percent, row.benchmark, ends(row.ratio), row.z, row.p],
            [row.needed_for_four_fifths, row.below_four_fifths],
        ]
        for row in found.rows
    ]
    return [found.benchmark_rate, rows]


RECORDED.case(
    impact,
    [
        ([50, 50], [10, 20], None),
        ([50, 50], [16, 20], (10, 3)),
        ([2, 98], [2, 9], None),
        ([1, 99], [1, 9], None),
        ([2, 97], [2, 9], (1, 1)),
        ([20, 30, 0], [0, 0, 0], None),
        ([20, 30, 0], [20, 6, 0], (0, 0)),
        ([20, 30], [20, 30], (5, 5)),
        ([0, 0], [0, 0], (5, 5)),
        ([40, 40, 40], [10, 8, 7], None),
        ([30, 30], [9, 9], None),
    ],
)


# -- one number --------------------------------------------------------------------------------------------------------


def shared(x: int, n: int) -> Any:
    share = statistics.share_estimate(x, n)
    noted = [
        ends(statistics.too_few(share, 29)),
        ends(statistics.too_few(share, 30)),
        ends(statistics.too_few(share, 3, 4)),
    ]
    return [ends(share), noted, [statistics.wilson(x, n, level) for level in (0.5, 0.95, 0.99)], share.to_json()]


RECORDED.case(shared, [(0, 0), (0, 1), (1, 1), (0, 9), (4, 9), (9, 9), (500, 1000)])


def quantiles() -> Any:
    return [[statistics.student(n), widening(n)] for n in (2, 3, 5, 30, 1000)]


RECORDED.case(quantiles)


def placed(estimate: float, name: str) -> Any:
    found = statistics.with_null(METRIC[name], Estimate(estimate, 0.1, 0.9, 12), Band(0.2, 0.6, 0.3))
    return [found.to_json(), found.distinguishable, found.null.to_json() if found.null else None]


RECORDED.case(
    placed, [(x, name) for name in ("max_skew", "min_skew") for x in (0.1, 0.2 - 1e-8, 0.2, 0.6, 0.6 + 1e-8, 0.7)]
)


def averaged(values: list[float], within: tuple[float, float]) -> Any:
    return [ends(statistics.mean_of(values, within)), statistics.kept_within(0.4, 0.1, 0.9, within)]


FREE, INF = (-np.inf, np.inf), np.inf
RECORDED.case(
    averaged,
    [
        ([], FREE),
        ([0.4], FREE),
        ([0.4], (0.0, 1.0)),
        ([0.4, np.nan], FREE),
        ([0.1, 0.4, 0.9], FREE),
        ([0.1, 0.4, 0.9], (0.0, 1.0)),
        ([0.9, 0.4, 0.1], (0.0, INF)),
        ([0.1, 0.4, 0.9], (-INF, 1.0)),
        ([-0.2, 0.4, 0.9], (-1.0, 1.0)),
        ([1.0, 1.0, 1.0], (0.0, 1.0)),
        ([0.0, 0.0], (0.0, 1.0)),
        ([-1.0, -1.0], (-1.0, 1.0)),
        ([0.0, 0.0], (0.0, INF)),
        ([0.5, 0.5], (0.0, 1.0)),
        ([0.0, 0.0, 1.0], (0.0, 1.0)),
        ([0.0, 0.0, 0.1], (0.0, 1.0)),
        ([3.0, 9.0], (4.0, 6.0)),
    ],
)


def adjusted(p: list[float]) -> Any:
    found: list[Any] = [statistics.holm(p), statistics.benjamini_hochberg(p)]
    for name in statistics.CORRECTIONS:
        one = statistics.corrected(p, name)
        found.append([one.p, one.adjusted, one.m, one.method, one.findings])
    return found


RECORDED.case(
    adjusted,
    [([0.01, 0.04, 0.03, np.nan, 0.5],), ([],), ([np.nan],), ([0.9, 0.8],), ([0.02, 0.02, 0.02],), ([0.0, 1.0],)],
)


def turned(values: list[float]) -> Any:
    found, p = statistics.sign_flips(values, 400, 1)
    return [ends(found), p]


RNG = np.random.default_rng(4)
RECORDED.case(
    turned,
    [
        ([],),
        ([np.inf, 1.0],),
        ([1.0],),
        ([1.0, 2.0, 3.0, 4.0, 5.0],),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0],),
        ([0.0] * 7,),
        ([-1.0, 1.0, -2.0, 2.0, 0.5, 3.0, 4.0],),
        (RNG.normal(0.5, 1, 16).tolist(),),
        (RNG.normal(0.5, 1, 17).tolist(),),
        (RNG.normal(0.1, 1, 60).tolist(),),
    ],
)


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()
