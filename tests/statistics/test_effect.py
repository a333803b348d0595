"""What an edit did: p of hand-worked exchanges, the group it is about, and every direction."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom

from core.statistics import Estimate, Exchange, direction_of, effect_of, exchange_p, group_p, lean_of, share_changes

SEARCHED = (500, 500)


def leans(exchange: Exchange, searched: tuple = SEARCHED):
    return lean_of(searched, exchange.before), lean_of(searched, exchange.after)


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 8])
def test_the_p_of_an_effect_is_that_of_its_exchange_by_hand(rows: int) -> None:
    """r rows of one group leave and r of the other enter: 2 / C(2r, r), for the whole and for either group."""
    exchange = Exchange((rows, 0), (0, rows), (60, 40 - rows))
    found = effect_of(*leans(exchange), exchange, (0.5, 0.5))
    by_hand = 2 / math.comb(2 * rows, rows)
    assert found.p == pytest.approx(by_hand) and found.smallest_p == pytest.approx(by_hand)
    assert found.p_group == pytest.approx((by_hand, by_hand))
    assert found.at_smallest and found.knowable == (by_hand <= 0.05)
    assert [one.estimate for one in found.shares] == pytest.approx([-rows / 100, rows / 100])
    assert list(found.shares) == share_changes(exchange) and found.exchange == exchange


def test_the_p_of_several_groups_is_fishers_for_each() -> None:
    exchange = Exchange((9, 5, 2), (2, 8, 6), (20, 40, 20))
    found = effect_of(*leans(exchange, (300, 300, 400)), exchange, (0.3, 0.3, 0.4))
    for g, p in enumerate(found.p_group):
        table = [[exchange.enters[g], 16 - exchange.enters[g]], [exchange.leaves[g], 16 - exchange.leaves[g]]]
        tails = [fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
        assert p == pytest.approx(min(1.0, 2 * min(tails))) == group_p(exchange, g)
    assert (found.p, found.smallest_p) == exchange_p(exchange)
    assert found.p > found.smallest_p and not found.at_smallest


def test_a_family_makes_the_drawn_p_of_many_groups_finer() -> None:
    """Seven groups and 120 exchanged rows are drawn: with 66 tests the smallest p still reaches .001 / 66."""
    exchange = Exchange((40, 10, 10, 0, 0, 0, 0), (0, 0, 0, 20, 20, 10, 10), (10,) * 7)
    both = leans(exchange, (300,) * 7)
    alone, family = (effect_of(*both, exchange, (1 / 7,) * 7, tests) for tests in (1, 66))
    assert alone.p == alone.smallest_p == 1 / 20_000 and family.smallest_p == 1 / 66_000


def test_three_rows_can_never_be_told_from_chance_and_four_can() -> None:
    for rows, known in ((3, False), (4, True)):
        exchange = Exchange((rows, 0), (0, rows), (40, 40))
        assert effect_of(*leans(exchange), exchange, (0.5, 0.5)).knowable is known


def test_the_group_is_the_one_that_led_before_else_the_one_that_changed_most() -> None:
    exchange = Exchange((0, 20, 2), (20, 0, 2), (10, 60, 8))
    before, after = leans(exchange, (300, 300, 400))
    assert before.leading == 1
    assert effect_of(before, after, exchange, (0.3, 0.3, 0.4)).group == 1
    # nobody leads: .30, .30, .40 as in the gallery; of what moves group 2 departs by most standard errors of a draw
    exchange = Exchange((4, 6, 10), (14, 2, 4), (26, 24, 30))
    before, after = leans(exchange, (300, 300, 400))
    assert before.leading is None
    together = np.add(exchange.leaves, exchange.enters)
    blind = [hypergeom(40, n, 20) for n in together]
    scores = [abs(x - one.mean()) / one.std() for x, one in zip(exchange.enters, blind, strict=True)]
    found = effect_of(before, after, exchange, (0.3, 0.3, 0.4))
    assert found.group == int(np.argmax(scores)) == 0
    assert found.leading_before is None and found.leading_after is None


def test_the_group_that_changed_most_is_in_standard_errors_and_not_in_rows() -> None:
    """A rare group that loses four rows of four changes by more errors than a common one that gains six of sixty."""
    exchange = Exchange((25, 21, 4), (31, 19, 0), (20, 20, 10))
    before, after = leans(exchange, (450, 400, 150))
    together = np.add(exchange.leaves, exchange.enters)
    scores = [
        abs(x - hypergeom(100, n, 50).mean()) / hypergeom(100, n, 50).std()
        for x, n in zip(exchange.enters, together, strict=True)
    ]
    assert int(np.argmax(scores)) == 2 and int(np.argmax(np.abs(exchange.changes))) == 0
    found = effect_of(replace(before, p=1.0), after, exchange, (0.4, 0.4, 0.2))
    assert found.group == 2


def test_where_nothing_was_exchanged_the_group_is_the_one_whose_share_changed_most() -> None:
    exchange = Exchange((0, 0), (0, 0), (55, 45))
    found = effect_of(*leans(exchange), exchange, (0.5, 0.5))
    assert found.p == 1.0 and found.group == 0 and found.direction == found.lean_direction == "no change beyond chance"
    # rows that only leave change shares too, and nothing can be tested: 40 of 60 and 40 of 50
    shorter = Exchange((0, 10), (0, 0), (40, 10))
    found = effect_of(*leans(shorter), shorter, (0.5, 0.5))
    assert found.p == 1.0 and found.shares[0].estimate == pytest.approx(40 / 50 - 40 / 60)
    assert effect_of(*leans(Exchange((0, 0), (5, 5), (0, 0))), Exchange((0, 0), (5, 5), (0, 0)), (0.5, 0.5)) is None


def share(value: float, reach: float = 0.05) -> Estimate:
    return Estimate(value, value - reach, value + reach, 100)


@pytest.mark.parametrize(
    ("before", "after", "asked", "p", "direction"),
    [
        (share(0.9), share(0.7), 0.5, 0.05, "towards"),
        (share(0.9), share(0.7), 0.5, 0.0501, "no change beyond chance"),
        (share(0.9), share(0.1), 0.5, 0.001, "past"),
        (share(0.9), share(0.4), 0.5, 0.001, "past"),
        # the sign changed and the target is still inside: as near as can be told
        (share(0.9), share(0.46), 0.5, 0.001, "towards"),
        (share(0.9), share(0.95), 0.5, 0.001, "away"),
        (share(0.1), share(0.05), 0.5, 0.001, "away"),
        (share(0.1), share(0.3), 0.5, 0.001, "towards"),
        (share(0.1), share(0.8), 0.5, 0.001, "past"),
        # it began at the target
        (share(0.52), share(0.5), 0.5, 0.001, "away"),
        (share(0.55), share(0.5), 0.5, 0.001, "away"),
        (share(0.45), share(0.51), 0.5, 0.001, "away"),
        # as far as before, on the same side
        (share(0.75), share(0.75), 0.5, 0.001, "away"),
        # not past: the far end of the interval is the target itself
        (share(0.75), Estimate(0.375, 0.25, 0.5, 9), 0.5, 0.001, "towards"),
        (share(0.25), Estimate(0.625, 0.5, 0.75, 9), 0.5, 0.001, "towards"),
        # turned exactly round, with the target inside the interval
        (share(0.75), Estimate(0.25, 0.1, 0.6, 9), 0.5, 0.001, "away"),
        (share(0.9), share(0.5), 0.5, 0.001, "towards"),
        (share(0.9), Estimate.missing("because"), 0.5, 0.001, "no change beyond chance"),
        (Estimate.missing("because"), share(0.9), 0.5, 0.001, "no change beyond chance"),
        # without an interval nothing shows that it began at the target
        (Estimate(0.5), share(0.7), 0.5, 0.001, "away"),
        (Estimate(0.6), share(0.52), 0.5, 0.001, "towards"),
    ],
)
def test_directions(before: Estimate, after: Estimate, asked: float, p: float, direction: str) -> None:
    assert direction_of(before, after, asked, p) == direction


def test_the_target_and_the_base_share_may_see_different_directions() -> None:
    """90 of 100 before, 30 after, of a gallery with a fifth: towards that, and past the even target."""
    exchange = Exchange((60, 0), (0, 60), (30, 10))
    found = effect_of(*leans(exchange, (400, 1600)), exchange, (0.5, 0.5))
    assert (found.direction, found.lean_direction) == ("past", "towards")
    assert found.leading_before == found.group == 0 and found.leading_after == 0


def test_the_spread_of_a_share_is_widest_in_the_middle() -> None:
    """Of 40 exchanged rows 32 are of the first group: 4 more than expected is 10 of sqrt(.8 x .2), 2 fewer of four
    rows is 6.7 of sqrt(.1 x .9).
    """
    exchange = Exchange((12, 4, 4), (20, 0, 0), (20, 30, 30))
    before, after = leans(exchange, (300, 300, 300))
    assert effect_of(replace(before, p=1.0), after, exchange, (1 / 3,) * 3).group == 0


def test_a_group_that_was_not_exchanged_has_not_changed() -> None:
    exchange = Exchange((2, 2, 0), (2, 2, 0), (20, 20, 20))
    before, after = leans(exchange, (300, 300, 300))
    assert effect_of(replace(before, p=1.0), after, exchange, (1 / 3,) * 3).group == 0


def test_the_borders_of_what_can_be_known() -> None:
    exchange = Exchange((4, 0), (0, 4), (40, 40))
    found = effect_of(*leans(exchange), exchange, (0.5, 0.5))
    assert replace(found, smallest_p=0.05).knowable and not replace(found, smallest_p=0.0501).knowable
    assert not replace(found, p=1.01 * found.smallest_p).at_smallest
