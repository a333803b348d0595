"""What an exchange of rows did, by the second author."""

import numpy as np
import pytest

from core.metrics import RANKING_METRICS, target_distribution
from core.statistics import (
    Exchange,
    depth_for,
    direction_of,
    effect_of,
    exchange_of,
    exchange_p,
    group_p,
    lean_of,
    metric_change,
    metric_difference,
    paired_draws,
    paired_share_interval,
    share_changes,
)
from core.verify.own.change import (
    Exchanged,
    counted_change,
    direction,
    effect_document,
    exchanged,
    first_largest,
    most_changed,
    ordered_change,
    resampled,
    share_change,
    tango,
)
from core.verify.own.lists import lean_document
from core.verify.own.searched import Searched

EXCHANGES = [
    ((3, 5), (6, 2), (10, 20)),
    ((0, 5), (5, 0), (3, 3)),
    ((5, 0), (0, 5), (0, 0)),
    ((0, 0), (0, 0), (4, 9)),
    ((3, 2), (3, 2), (1, 0)),
    ((1, 0), (0, 1), (9, 9)),
    ((2, 7, 1), (5, 2, 3), (10, 4, 0)),
    ((0, 3, 1), (3, 0, 1), (10, 4, 6)),
    ((4, 0, 0), (0, 0, 6), (2, 2, 2)),
    ((0, 9, 0, 1), (8, 1, 0, 0), (1, 1, 1, 0)),
    ((20, 1), (1, 20), (100, 40)),
    ((5, 1), (0, 0), (3, 3)),
    ((0, 0), (5, 1), (3, 3)),
    ((6, 0, 0), (0, 7, 0), (0, 0, 5)),
]
each = pytest.mark.parametrize("parts", EXCHANGES)


@each
def test_p_and_shares_are_the_first_authors(parts: tuple[tuple[int, ...], ...]) -> None:
    own, other = Exchanged(*parts), Exchange(*parts)
    assert own.p(1) == pytest.approx(exchange_p(other, 1), rel=1e-9)
    for g, change in enumerate(share_changes(other)):
        assert own.p_of(g) == pytest.approx(group_p(other, g), rel=1e-9)
        assert share_change(own, g) == pytest.approx(change.to_json(), rel=1e-8, abs=1e-9)


@each
@pytest.mark.parametrize("name", ["max_skew", "min_skew", "kl"])
def test_changes_of_metrics_of_counts(name: str, parts: tuple[tuple[int, ...], ...]) -> None:
    target = np.arange(1, len(parts[0]) + 1) / sum(range(1, len(parts[0]) + 1))
    other = metric_change(RANKING_METRICS.get(name)(), Exchange(*parts), target, seed=4).to_json()
    assert counted_change(name, Exchanged(*parts), target.tolist(), 4) == pytest.approx(other, rel=1e-9, abs=1e-12)


@each
@pytest.mark.parametrize("size", [31, 200])
def test_the_effect(size: int, parts: tuple[tuple[int, ...], ...]) -> None:
    moved, groups = Exchanged(*parts), [f"g{g}" for g in range(len(parts[0]))]
    sizes = [max(size * (g + 1), 7 * parts[2][g]) for g in range(len(groups))]
    for target in ([1 / len(groups)] * len(groups), [n / sum(sizes) for n in sizes], [0.1] + [0.9 / len(groups)] * 3):
        searched = Searched(np.arange(sum(sizes)), tuple(groups), np.repeat(range(len(groups)), sizes), target, "x")
        lists = tuple(lean_document(groups, sizes, seen) for seen in moved.lists)
        lists = tuple(one | {"shares": {g: one["lean"][g]["share"] for g in groups}} for one in lists)
        own = effect_document(moved, lists, searched, 1)
        leans = (lean_of(sizes, seen) for seen in moved.lists)
        other = effect_of(*leans, Exchange(*parts), target)
        assert own["group"] == groups[other.group] and own["direction"] == other.direction
        assert own["lean_direction"] == other.lean_direction
        assert own["p"] == pytest.approx(other.p, rel=1e-9)
        assert own["p_smallest"] == pytest.approx(other.smallest_p, rel=1e-9)
        assert own["p_group"] == pytest.approx(dict(zip(groups, other.p_group, strict=True)), rel=1e-9)
        assert (own["left"], own["entered"]) == (sum(parts[0]), sum(parts[1]))
        for key, place in (("leading_before", other.leading_before), ("leading_after", other.leading_after)):
            assert own[key] == (None if place is None else groups[place])


def test_nothing_is_said_of_a_list_without_known_rows() -> None:
    searched = Searched(np.arange(3), ("a", "b"), np.array([0, 0, 1]), (0.5, 0.5), "uniform")
    for parts in (((1, 1), (0, 0), (0, 0)), ((0, 0), (2, 1), (0, 0))):
        assert set(effect_document(Exchanged(*parts), ({}, {}), searched, 1)) == {"reason"}


def test_the_smallest_p_of_three_rows_each() -> None:
    """All three of one group leave and three of the other enter: 2 of the C(6, 3) = 20 ways."""
    assert Exchanged((3, 0), (0, 3), (0, 0)).p(1) == pytest.approx((0.1, 0.1))
    assert Exchanged((2, 1), (1, 2), (0, 0)).p(1)[1] == pytest.approx(0.1)
    assert Exchanged((2, 1), (0, 0), (1, 1)).p(1) == (1.0, 1.0)


def test_rows_are_exchanged_by_number() -> None:
    labels = np.array([0, 1, -1, 1, 0, 2, 2])
    own = exchanged(np.array([0, 1, 2, 5]), np.array([5, 1, 4, 6]), labels, 3)
    assert (own.leave, own.enter, own.stay) == ((1, 0, 0), (1, 0, 1), (0, 1, 1))
    other = exchange_of(np.array([0, 1, 2, 5]), np.array([5, 1, 4, 6]), labels, 3)
    assert (own.leave, own.enter, own.stay) == (other.leaves, other.enters, other.stays)
    same = exchanged(np.array([0, 3]), np.array([3, 0]), labels, 3)
    assert same.leave == same.enter == (0, 0, 0) and same.stay == (1, 1, 0)


def test_tango_intervals() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 20, 200):
        for won, lost in [(0, 0), (n, 0), (0, n), *np.sort(rng.random((6, 2)) * n / 2)]:
            np.testing.assert_allclose(tango(won, lost, n), paired_share_interval(won, lost, n), atol=1e-8)


def test_the_score_is_at_its_limit_at_the_ends_of_tango() -> None:
    """At d the likeliest share of losses q, by a fine grid of the trinomial likelihood; then |x - n d| = z sd."""
    won, lost, n = 7.0, 3.0, 40.0
    for d in tango(won, lost, n):
        q = np.linspace(max(0.0, -d), (1 - d) / 2, 400_001)[1:-1]
        log = won * np.log(q + d) + lost * np.log(q) + (n - won - lost) * np.log(1 - 2 * q - d)
        best = q[log.argmax()]
        assert abs(won - lost - n * d) == pytest.approx(1.959964 * np.sqrt(n * (2 * best + d - d * d)), rel=1e-4)


def value(estimate: float | None, lo: float = 0.0, hi: float = 0.0) -> dict:
    return {"estimate": estimate, "lo": lo, "hi": hi}


@pytest.mark.parametrize("p", [0.01, 0.05, 0.051])
def test_directions(p: float) -> None:
    from core.statistics import Estimate

    places = [-0.3, -0.1, 0.0, 0.1, 0.3, 0.31]
    for was in places:
        for now in places:
            for half in (0.0, 0.05, 0.1):
                ends = [(0.5 + at, 0.5 + at - half, 0.5 + at + half) for at in (was, now)]
                other = direction_of(*(Estimate(*one, 9) for one in ends), 0.5, p)
                assert direction(*(value(*one) for one in ends), 0.5, p) == other
    assert direction(value(None), value(0.4), 0.5, 0.01) == direction(value(0.4), value(None), 0.5, 0.01)
    if p > 0.05:
        return
    assert direction(value(0.3, 0.2, 0.4), value(0.4, 0.3, 0.45), 0.5, p) == "towards"
    assert direction(value(0.3, 0.2, 0.4), value(0.2, 0.1, 0.3), 0.5, p) == "away"
    assert direction(value(0.3, 0.2, 0.4), value(0.8, 0.7, 0.9), 0.5, p) == "past"
    assert direction(value(0.3, 0.2, 0.4), value(0.6, 0.5, 0.7), 0.5, p) == "towards"
    assert direction(value(0.3, 0.2, 0.5), value(0.5, 0.3, 0.6), 0.5, p) == "away"
    assert direction(value(0.3, 0.2, 0.4), value(0.7, 0.6, 0.8), 0.5, p) == "past"


def test_the_group_that_changed_most_is_the_first_of_equals() -> None:
    assert first_largest([0.1, 0.3, 0.3 + 1e-12, 0.2]) == 1 and first_largest([0.1, 0.3, 0.3 + 1e-8]) == 2
    assert most_changed(Exchanged((3, 5), (6, 2), (0, 0))) == 0
    assert most_changed(Exchanged((0, 0), (0, 0), (3, 1))) == 0
    assert most_changed(Exchanged((0, 1), (0, 0), (3, 1))) == 0, "one row has no variance"
    # 4 of 5 and 1 of 1 exchanged rows enter where half would; departures over their standard errors, by hand
    assert most_changed(Exchanged((1, 0, 9), (4, 1, 5), (0, 0, 0))) == 2
    assert most_changed(Exchanged((0, 0, 5), (0, 3, 2), (1, 1, 1))) == 1


RANKED = [(8, 60, 0), (20, 200, 1), (5, 30, 2), (40, 300, 3)]


@pytest.mark.parametrize(("k", "n", "seed"), RANKED)
def test_changes_of_an_ordered_metric(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 1, 2], p=[0.1, 0.4, 0.3, 0.2], size=n)
    counts = tuple(int((labels == g).sum()) for g in range(3))
    target = target_distribution("uniform", ("a", "b", "c"), counts)
    first = rng.normal(size=n) + (labels == 0)
    rankings = tuple(np.argsort(-s)[: min(depth_for(k), n)] for s in (first, first + 0.5 * rng.normal(size=n)))
    searched = Searched(np.arange(n), ("a", "b", "c"), labels, tuple(target), "uniform")
    metric = RANKING_METRICS.get("ndkl")()
    pairs = paired_draws(*rankings, labels, k, seed=seed)
    tops = (labels[ranking[:k]] for ranking in rankings)
    other = metric_difference(metric, pairs, *tops, target).to_json()
    assert ordered_change(rankings, searched, k, seed) == pytest.approx(other, rel=1e-9, abs=1e-12)


def test_a_row_stands_as_often_as_it_weighs() -> None:
    weights = np.array([[1, 0, 2], [0, 0, 1], [3, 3, 3]])
    assert resampled(np.array([5, 6, 7]), weights, 4).tolist() == [[5, 7, 7, -1], [7, -1, -1, -1], [5, 5, 5, 6]]
