"""What an edit did to one list: exact p by hand, intervals of one family with it, and their coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from core.metrics import RANKING_METRICS
from core.statistics import (
    Exchange,
    effect_of,
    exchange_of,
    exchange_p,
    group_p,
    lean_of,
    metric_change,
    paired_share_interval,
    share_changes,
)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 8])
def test_all_rows_one_way_have_two_chances_of_so_many(rows: int) -> None:
    """r rows of g leave and r others enter: 2 / C(2r, r), which is 1, .333, .100, .0286, .0079, .0022, ..."""
    exchange = Exchange((rows, 0), (0, rows), (50 - rows, 50))
    p, smallest = exchange_p(exchange)
    assert p == pytest.approx(2 / math.comb(2 * rows, rows) if rows > 1 else 1.0) == smallest
    change = share_changes(exchange)[0]
    assert change.estimate == pytest.approx(-rows / 100)
    assert (change.hi < 0) == (p <= 0.05) and change.lo < change.estimate <= change.hi


def test_p_is_fishers_for_two_groups_and_for_one_against_the_rest() -> None:
    exchange = Exchange((7, 5, 2), (2, 9, 3), (10, 40, 20))
    for g in range(3):
        table = [[exchange.enters[g], 14 - exchange.enters[g]], [exchange.leaves[g], 14 - exchange.leaves[g]]]
        tails = [fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
        assert group_p(exchange, g) == pytest.approx(min(1.0, 2 * min(tails)))
    merged = Exchange((7, 7), (2, 12), (10, 60))
    assert exchange_p(merged)[0] == pytest.approx(group_p(exchange, 0))


def test_the_exchange_counts_known_rows_that_only_one_list_holds() -> None:
    groups = np.array([0, 0, 1, 1, -1, 0, 1, -1])
    found = exchange_of(np.array([0, 1, 2, 4]), np.array([2, 0, 6, 7]), groups, 2)
    assert found == Exchange((1, 0), (0, 1), (1, 1))
    assert found.before == (2, 1) and found.after == (1, 2)
    assert found.changes == pytest.approx([1 / 3 - 2 / 3, 2 / 3 - 1 / 3])


@settings(max_examples=150, deadline=None)
@given(*[st.tuples(*[st.integers(0, 12)] * 3) for _ in range(2)], st.tuples(*[st.integers(0, 25)] * 3))
def test_an_interval_holds_0_exactly_where_p_exceeds_a_twentieth(leaves: tuple, enters: tuple, stays: tuple) -> None:
    exchange = Exchange(leaves, enters, stays)
    if not (sum(exchange.before) and sum(exchange.after)):
        assert all(change.estimate is None for change in share_changes(exchange))
        return
    for g, change in enumerate(share_changes(exchange)):
        assert -1 <= change.lo <= change.estimate <= change.hi <= 1
        assert (change.lo <= 0 <= change.hi) == (group_p(exchange, g) > 0.05)
    turned = share_changes(Exchange(enters, leaves, stays))
    for there, back in zip(share_changes(exchange), turned, strict=True):
        assert (back.estimate, back.lo, back.hi) == pytest.approx((-there.estimate, -there.hi, -there.lo), abs=1e-9)


@pytest.mark.parametrize(("won", "lost", "n"), [(9, 3, 44), (4, 0, 100), (0, 0, 10), (30, 12, 60), (0, 10, 10)])
def test_the_paired_interval_solves_its_equation(won: float, lost: float, n: float) -> None:
    """At either end the constrained likelihood of (won, lost, rest) makes the score exactly 1.96 standard errors."""
    lo, hi = paired_share_interval(won, lost, n)
    for end in (lo, hi):
        if abs(end) == 1:
            continue
        q = np.linspace(max(0.0, -end), 1.0, 2_000_001)
        q = q[(q + end <= 1) & (1 - 2 * q - end >= 0)]
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = sum(
                np.where(count > 0, count * np.log(chance), 0.0)
                for count, chance in ((won, q + end), (lost, q), (n - won - lost, 1 - 2 * q - end))
            )
        best = q[int(np.nanargmax(likelihood))]
        score = (won - lost - n * end) / math.sqrt(n * (2 * best + end - end**2))
        assert abs(score) == pytest.approx(1.96, abs=0.01)


def test_nothing_exchanged_keeps_a_width() -> None:
    """Zero of ten may be as much as .28 of other people, as the rule of Wilson says of 0 of 10."""
    lo, hi = paired_share_interval(0, 0, 10)
    assert hi == pytest.approx(1.96**2 / (10 + 1.96**2), abs=1e-3) == -lo
    assert hi == pytest.approx(binomtest(0, 10).proportion_ci(method="wilson").high, abs=1e-3)


# ------------------------------------------------------------------------------------------------ direction

SEARCHED = (500, 500)


def effect(leaves: tuple, enters: tuple, stays: tuple, target: tuple = (0.5, 0.5), searched: tuple = SEARCHED):
    exchange = Exchange(leaves, enters, stays)
    leans = [lean_of(searched, counts) for counts in (exchange.before, exchange.after)]
    return effect_of(*leans, exchange, target)


def test_ninety_men_that_become_ten_are_an_effect_past_the_target() -> None:
    found = effect((85, 5), (5, 85), (5, 5))
    assert (found.direction, found.lean_direction) == ("past", "past") and found.p < 1e-30
    assert (found.leading_before, found.leading_after, found.group) == (0, 1, 0)
    change = found.shares[0]
    assert change.estimate == pytest.approx(-0.80) and -0.89 < change.lo < -0.85 and -0.74 < change.hi < -0.68


@pytest.mark.parametrize(
    ("leaves", "enters", "stays", "target", "direction"),
    [
        ((40, 0), (0, 40), (50, 10), (0.5, 0.5), "towards"),
        ((48, 0), (0, 48), (42, 10), (0.5, 0.5), "towards"),  # 42 of 100: past by so little that the interval holds .5
        ((2, 0), (0, 2), (88, 10), (0.5, 0.5), "no change beyond chance"),
        ((0, 20), (20, 0), (65, 15), (0.5, 0.5), "away"),
        ((0, 30), (30, 0), (50, 20), (0.5, 0.5), "away"),  # it began at the target
        ((40, 0), (0, 40), (50, 10), (0.9, 0.1), "away"),  # of 90 asked for, 50 are left
        ((0, 0), (0, 0), (60, 40), (0.5, 0.5), "no change beyond chance"),
    ],
)
def test_directions(leaves: tuple, enters: tuple, stays: tuple, target: tuple, direction: str) -> None:
    assert effect(leaves, enters, stays, target).direction == direction


def test_the_lean_may_fall_while_the_distance_grows() -> None:
    """63 men of 100 where 17 % are searched, 24 after: nearer to who is there, and further from even shares."""
    found = effect((45, 3), (6, 42), (18, 34), (0.5, 0.5), (207, 1000))
    assert found.lean_direction == "towards" and found.direction == "past"
    assert found.group == 0 == found.leading_before


def test_three_exchanged_rows_can_show_nothing() -> None:
    assert not effect((3, 0), (0, 3), (40, 57)).knowable
    assert effect((4, 0), (0, 4), (40, 56)).knowable and effect((4, 0), (0, 4), (40, 56)).at_smallest


def test_without_a_leading_group_the_direction_is_about_the_largest_change() -> None:
    found = effect((0, 0, 12), (0, 12, 0), (34, 30, 24), (1 / 3,) * 3, (300, 300, 300))
    assert found.leading_before is None and found.group in (1, 2) and found.direction == "away"


def test_lists_without_known_rows_have_no_effect() -> None:
    assert effect((0, 0), (0, 0), (0, 0)) is None


# ------------------------------------------------------------------------------------------------- coverage


def exchanges(
    shares: list, n: int, k: int, before: list, after: list, together: float, repeats: int, seed: int
) -> list:
    """Exchanges of galleries of known truth: scores of n rows under two arms, correlated, with a lean of each group."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(repeats):
        labels = rng.choice(len(shares), size=n, p=shares)
        noise = rng.normal(size=(2, n))
        noise[1] = together * noise[0] + math.sqrt(1 - together**2) * noise[1]
        tops = [
            np.argpartition(-(np.array(lean)[labels] + e), k)[:k]
            for lean, e in zip((before, after), noise, strict=True)
        ]
        found.append(exchange_of(*tops, labels, len(shares)))
    return found


SCENES = {
    "a strong edit, arms hardly alike": ([0.5, 0.5], 800, 100, [1.2, 0], [-0.2, 0], 0.5),
    "an edit that turns the lean round": ([0.5, 0.5], 800, 100, [1.0, 0], [-1.0, 0], 0.3),
    "no change, arms not alike": ([0.5, 0.5], 800, 100, [0.5, 0], [0.5, 0], 0.0),
    "an unbalanced gallery": ([0.17, 0.83], 603, 100, [1.3, 0], [0.4, 0], 0.6),
    "a rare group": ([0.02, 0.98], 1000, 100, [1.5, 0], [0.5, 0], 0.8),
    "ten places": ([0.5, 0.5], 500, 10, [1.0, 0], [-0.5, 0], 0.5),
    "seven groups": ([1 / 7] * 7, 1000, 100, [0.8, 0.4, 0, 0, 0, 0, -0.4], [0.2, 0.1, 0, 0, 0.3, 0, 0], 0.6),
}


@pytest.mark.parametrize("scene", SCENES)
def test_intervals_of_a_change_cover(scene: str) -> None:
    repeats = 600
    found = exchanges(*SCENES[scene], repeats, seed=17)
    changes = np.array([one.changes for one in found])
    intervals = np.array([[(c.lo, c.hi) for c in share_changes(one)] for one in found])
    truth = changes.mean(axis=0)
    inside = (intervals[..., 0] <= truth + 1e-9) & (truth - 1e-9 <= intervals[..., 1])
    error = 3 * math.sqrt(0.94 * 0.06 / repeats)
    assert inside.mean(axis=0).min() >= 0.94 - error
    if scene not in ("ten places", "a rare group", "seven groups"):
        assert inside.mean() <= 0.975 + error
    metric = RANKING_METRICS.get("max_skew")()
    drawn = [metric_change(metric, one, SCENES[scene][0], 300, seed=i) for i, one in enumerate(found[:400])]
    mean = float(np.mean([c.estimate for c in drawn]))
    assert np.mean([c.lo <= mean <= c.hi for c in drawn]) >= 0.94 - 3 * math.sqrt(0.94 * 0.06 / 400)


def test_a_change_that_is_none_is_rarely_found() -> None:
    found = exchanges([0.3, 0.7], 500, 60, [0.4, 0], [0.4, 0], 0.2, 600, seed=4)
    assert np.mean([exchange_p(one)[0] <= 0.05 for one in found]) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 600)
    # and one that is there is found: a ratio of 1.6 against 1
    moved = exchanges([0.5, 0.5], 800, 100, [1.0, 0], [0.0, 0], 0.5, 100, seed=5)
    assert np.mean([exchange_p(one)[0] <= 0.05 for one in moved]) > 0.9
