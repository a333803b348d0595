"""One list by the second author: metrics term by term, their intervals, lean, distance, impact."""

import math

import numpy as np
import pytest

from core.metrics import RANKING_METRICS
from core.statistics import (
    Metric,
    blind_shares,
    distance_of,
    impact_of,
    lean_of,
    metric_interval,
    null_band,
    share_bounds,
    with_null,
)
from core.statistics.estimates import Estimate
from core.verify.own import inversion
from core.verify.own.inversion import metric_ends, top_and_rest, trend
from core.verify.own.lists import (
    blind_draw,
    distance,
    impact,
    lean_document,
    list_document,
    metric_value,
    untested,
    worst_pair,
)
from core.verify.own.metrics import counted, of_counts, of_lists
from core.verify.own.searched import Searched

NAMES = ("max_skew", "min_skew", "ndkl", "kl")


def metric(name: str) -> Metric:
    return RANKING_METRICS.get(name)()


# ------------------------------------------------------------------------------------------------ metrics


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", [(0.5, 0.5), (0.2, 0.8), (0.1, 0.3, 0.6), (0.25, 0.25, 0.25, 0.25), (1e-4, 0.9999)])
def test_metrics_of_lists(name: str, target: tuple[float, ...]) -> None:
    rng = np.random.default_rng(len(target))
    for k in (1, 2, 3, 8, 40):
        lists = rng.integers(-1, len(target), size=(30, k))
        lists[0], lists[1], lists[2] = -1, 0, len(target) - 1
        with np.errstate(all="ignore"):
            first = metric(name)(lists, np.array(target))
        np.testing.assert_allclose(of_lists(name, lists, target), first, rtol=1e-12, atol=1e-12)
        one = of_lists(name, lists[5], target)
        assert np.shape(one) == () and one == pytest.approx(float(first[5]), rel=1e-12, nan_ok=True)


def test_metrics_by_hand() -> None:
    """Three of four rows where half are asked for: skews ln 1.5 and ln .5, KL .75 ln 1.5 + .25 ln .5."""
    assert of_counts("max_skew", [3, 1], (0.5, 0.5)) == pytest.approx(math.log(1.5))
    assert of_counts("min_skew", [3, 1], (0.5, 0.5)) == pytest.approx(math.log(0.5))
    assert of_counts("kl", [3, 1], (0.5, 0.5)) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert of_counts("min_skew", [4, 0], (0.5, 0.5)) == pytest.approx(math.log(0.25 / 0.5))
    assert np.isnan(of_counts("kl", [0, 0], (0.5, 0.5)))
    second = (0.5 * math.log(0.5 / 0.5) * 2) / math.log2(3)
    third = (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)) / 2
    whole = 1 + 1 / math.log2(3) + 1 / 2
    assert of_lists("ndkl", np.array([0, -1, 1, 0]), (0.5, 0.5)) == pytest.approx(
        (math.log(2) + second + third) / whole
    )
    assert counted(np.array([[0, 1, 1, -1], [2, 2, 2, 0]]), 3).tolist() == [[1, 2, 0], [1, 0, 3]]


# ------------------------------------------------------------------------------------------------ inversion

LISTS = {
    "even": [0, 1] * 10,
    "two of three": [0, 0, 1] * 8,
    "one alone": [0] * 20,
    "the other alone": [1] * 12,
    "short": [0, 1, 1],
    "one row": [1],
    "a top and a rest": [0] * 16 + [1, 0, 1, 1] * 10,
    "a trend": [0] * 6 + [0, 0, 1] * 4 + [0, 1] * 6 + [1, 1, 0] * 5,
    "a trend against": [1, 1, 0, 1, 0, 0] + [0, 0, 1] * 4 + [0] * 14,
    "three groups": [0, 0, 1, 0, 2, 0, 0, 1, 0, 0, 1, 2, 0, 0, 0],
    "three of one": [2] * 9,
    "four with a top": [3] * 10 + [0, 1, 2, 3, 1, 1, 0, 2] * 5,
    "long": [0, 1, 1, 0, 0] * 30,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ranked", LISTS)
def test_intervals_of_metrics(name: str, ranked: str) -> None:
    known = np.array(LISTS[ranked])
    groups = max(int(known.max()) + 1, 2)
    for target in ([1 / groups] * groups, [(g + 1) / (groups * (groups + 1) / 2) for g in range(groups)]):
        own = metric_ends(name, known, tuple(target), 3)
        np.testing.assert_allclose(own, metric_interval(metric(name), known, target, seed=3), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_intervals_of_drawn_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, k = int(rng.integers(2, 6)), int(rng.choice([5, 20, 60, 150]))
    chance = rng.dirichlet(np.ones(groups), size=2)
    known = np.concatenate([rng.choice(groups, p=chance[0], size=k // 4), rng.choice(groups, p=chance[1], size=k)])
    target = rng.dirichlet(np.full(groups, 4.0))
    for name in NAMES:
        own = metric_ends(name, known, tuple(target), seed)
        np.testing.assert_allclose(own, metric_interval(metric(name), known, target, seed=seed), rtol=1e-7, atol=1e-9)


def test_a_top_is_told_from_a_rest() -> None:
    q = np.array([0.5, 0.5])
    assert top_and_rest(np.array([0, 1] * 20), q) is None and top_and_rest(np.array([0, 0]), q) is None
    found = top_and_rest(np.array([0] * 8 + [0, 1, 1] * 10), q)
    # the eight first are the top: 8.5 of 9 rows with half a row of every group more
    np.testing.assert_allclose(found[:8], np.log(np.array([8.5, 0.5]) / 9 / q)[None].repeat(8, 0))
    assert (found[8:] == found[8]).all() and found[8, 0] != found[0, 0]


def test_a_trend_is_a_logistic_line_in_log_rank() -> None:
    """The two lines' scores, with half a row more at the middle and a normal prior of the slope, are 0."""
    known = np.array([0] * 6 + [0, 0, 1] * 4 + [0, 1] * 6 + [1, 1, 0] * 5)
    lines = trend(known, np.array([0.3, 0.7]))
    odds = np.log(lines[:, 0] / lines[:, 1])
    z = np.log2(np.arange(1, len(known) + 1))
    slope = np.polyfit(z, odds, 1)[0]
    assert np.ptp(odds - slope * z) < 1e-9 and slope < -0.1
    level = (odds - slope * z).mean() + slope * z.mean()
    p, off = lines[:, 0], z - z.mean()
    seen = known == 0
    assert abs((seen - p) @ off - slope / inversion.SLOPE**2) < 1e-6
    assert abs((seen - p).sum() + 1.0 * (0.5 - 1 / (1 + np.exp(-level)))) < 1e-6


# ------------------------------------------------------------------------------------------------ lean

LEANS = [
    ((60, 40), (12, 8)),
    ((60, 40), (20, 0)),
    ((300, 29), (12, 8)),
    ((30, 29, 200), (9, 9, 2)),
    ((100, 100, 100), (2, 10, 18)),
    ((100, 31, 200), (0, 10, 10)),
    ((3, 4), (1, 1)),
    ((3, 4), (3, 4)),
    ((30,), (4,)),
    ((30, 30), (0, 0)),
    ((40, 40, 40, 40), (10, 10, 0, 0)),
    ((40, 40, 40, 40), (0, 0, 10, 10)),
    ((2, 98), (1, 9)),
    ((1, 60, 60), (1, 3, 4)),
]


@pytest.mark.parametrize(("sizes", "seen"), LEANS)
def test_leans(sizes: tuple[int, ...], seen: tuple[int, ...]) -> None:
    names = [f"g{g}" for g in range(len(sizes))]
    own, first = lean_document(names, sizes, seen, 6), lean_of(sizes, seen, 6)
    assert own["lean_p"] == (None if first.p is None else pytest.approx(first.p, rel=1e-9))
    assert own["lean_p_smallest"] == pytest.approx(first.smallest_p, rel=1e-9)
    assert own["leading_group"] == (None if first.leading is None else names[first.leading])
    assert own["lean_beyond_chance"] == first.beyond_chance and own.get("lean_reason") == first.reason
    target = np.arange(1, len(sizes) + 1) / sum(range(1, len(sizes) + 1))
    for name, group, away, asked in zip(names, first.groups, distance_of(first, target), target, strict=True):
        one = own["lean"][name]
        assert (one["searched"], one["retrieved"]) == (group.searched, group.retrieved)
        assert one["base_share"] == pytest.approx(group.base_share)
        for key in ("share", "ratio", "points"):
            equal(one[key], getattr(group, key).to_json())
        for key in ("p", "p_adjusted", "departure"):
            other = getattr(group, key)
            assert one[key] == (None if other is None else pytest.approx(other, rel=1e-9, abs=1e-12))
        far = distance(one, float(asked))
        equal(far["difference"], away.difference.to_json())
        for key in ("composition", "model"):
            other = getattr(away, key)
            assert far[key] == (None if other is None else pytest.approx(other, rel=1e-9, abs=1e-12))
    pair, other = worst_pair(own["lean"]), first.worst_pair
    assert (pair is None) == (other is None)
    if pair is not None:
        over, under = (first.groups[g] for g in other)
        assert (pair["over"], pair["under"]) == tuple(names[g] for g in other)
        assert (pair["n_over"], pair["n_under"]) == (over.searched, under.searched)
        assert pair["departure_over"] == pytest.approx(over.departure) and over.departure > 0
        assert pair["departure_under"] == pytest.approx(under.departure) and under.departure < 0
        ratios = [one.ratio.estimate for one in (over, under)]
        assert pair["ratio"] == (pytest.approx(ratios[0] / ratios[1]) if ratios[1] else None)


def equal(own: dict, other: dict) -> None:
    assert set(own) == set(other)
    for key, one in other.items():
        assert own[key] == (pytest.approx(one, rel=1e-9, abs=1e-12) if isinstance(one, float) else one)


def test_a_gallery_of_nobody() -> None:
    assert untested(0, 0, 0, 0, "none")["base_share"] == 0.0
    assert worst_pair({}) is None


@pytest.mark.parametrize(("over", "under", "there"), [(1.0, -0.1, True), (1.0, 0.0, False), (0.0, -1.0, False)])
def test_a_pair_departs_to_both_sides(over: float, under: float, there: bool) -> None:
    ratio = {"ratio": {"estimate": 0.5}, "searched": 30}
    pair = worst_pair({"a": ratio | {"departure": under}, "b": ratio | {"departure": over}})
    assert (pair is not None) is there
    if there:
        assert (pair["over"], pair["under"], pair["ratio"]) == ("b", "a", 1.0)


# ------------------------------------------------------------------------------------------------ impact, whole list


@pytest.mark.parametrize(
    ("sizes", "seen", "unknown"),
    [
        ((60, 40), (12, 8), (0, 0)),
        ((60, 40), (12, 8), (10, 3)),
        ((300, 29, 5), (12, 8, 4), (0, 0)),
        ((1, 49), (1, 9), (0, 0)),
        ((1, 50), (1, 9), (0, 0)),
        ((98, 2), (10, 1), (0, 0)),
        ((60, 40), (0, 0), (5, 2)),
        ((60, 40), (12, 0), (0, 0)),
        ((50, 50), (10, 10), (0, 0)),
        ((20, 20, 20), (20, 3, 0), (0, 0)),
    ],
)
def test_impact(sizes: tuple[int, ...], seen: tuple[int, ...], unknown: tuple[int, int]) -> None:
    names = tuple(f"g{g}" for g in range(len(sizes)))
    labels = np.repeat(np.arange(-1, len(sizes)), (unknown[0], *sizes))
    searched = Searched(np.arange(len(labels)), names, labels, (0.5,) * len(sizes), "x")
    own = impact(searched, seen, unknown[1])
    other = impact_of(sizes, seen, unknown if unknown[0] else None)
    assert list(own) == [*names, *(["unknown"] if unknown[0] else [])]
    for one, row in zip(own.values(), other.rows, strict=True):
        assert (one["n"], one["count"], one["benchmark"]) == (row.n, row.count, row.benchmark)
        assert one["selection_rate"] == pytest.approx(row.rate) and one["share_of_data"] == pytest.approx(row.share)
        assert one["under_2_percent"] == row.under_2_percent
        for got, first in zip(
            (one["impact_ratio"], *one["impact_ratio_interval"]),
            (row.ratio.estimate, row.ratio.lo, row.ratio.hi),
            strict=True,
        ):
            assert got == (None if first is None else pytest.approx(first, rel=1e-9))


def test_a_category_called_unknown_keeps_its_name() -> None:
    labels = np.array([0, 0, 1, -1])
    searched = Searched(np.arange(4), ("known", "unknown"), labels, (0.5, 0.5), "x")
    assert list(impact(searched, (1, 1), 1)) == ["known", "unknown", "(unknown)"]


@pytest.mark.parametrize("unknown", [0, 1, 2, 5])
def test_a_list_with_its_metrics_bands_and_bounds(unknown: int) -> None:
    rng = np.random.default_rng(unknown)
    labels = np.concatenate([rng.choice(3, p=[0.5, 0.3, 0.2], size=200), np.full(40, -1)])
    places = np.concatenate([rng.permutation(200)[: 20 - unknown], np.arange(200, 200 + unknown)])
    counts = [int((labels == g).sum()) for g in range(3)]
    for target, named in (([n / 200 for n in counts], "gallery"), ([1 / 3] * 3, "uniform")):
        searched = Searched(np.arange(240), ("a", "b", "c"), labels, tuple(target), named)
        found = list_document(places, searched, 2, 4)
        known = labels[places][labels[places] >= 0]
        assert found["unknown"] == unknown
        for name in NAMES:
            value = float(metric(name)(known, np.array(target)))
            first = Estimate(value, *metric_interval(metric(name), known, target, seed=4), len(known))
            band = null_band(metric(name), counts, len(known), target, seed=4)
            if named == "gallery":
                first = with_null(metric(name), first, band)
            other = first.to_json() | {"target": named}
            assert set(found[name]) == set(other)
            for key, one in other.items():
                assert found[name][key] == (one if isinstance(one, str | bool) else pytest.approx(one, rel=1e-7))
            lo_hi = found["blind_draw"]["metrics"][name]
            assert lo_hi == pytest.approx({"lo": band.lo, "hi": band.hi, "mean": band.mean}, rel=1e-9)
        assert found["blind_draw"]["n"] == len(known)
        shares = found["blind_draw"]["shares"]
        for group, (mean, lo, hi) in zip("abc", blind_shares(counts, len(known)), strict=True):
            assert shares[group] == pytest.approx({"mean": mean, "lo": lo, "hi": hi})
        assert ("share_bounds" in found) == (unknown > 1)
        if unknown > 1:
            seen = [int((known == g).sum()) for g in range(3)]
            assert list(found["share_bounds"].values()) == [pytest.approx(p) for p in share_bounds(seen, unknown)]


def test_lists_of_which_nothing_can_be_said() -> None:
    labels = np.array([0, 1, -1, -1])
    searched = Searched(np.arange(4), ("a", "b"), labels, (0.5, 0.5), "uniform")
    assert "none" in metric_value("kl", labels[2:], searched, 0)["reason"]
    assert blind_draw(searched, 0, {}, 0) is None
    alone = Searched(np.arange(2), ("a",), np.array([0, 0]), (1.0,), "uniform")
    assert "only one group" in metric_value("kl", np.array([0]), alone, 0)["reason"]
    assert blind_draw(alone, 1, {}, 0) is None
