"""Lean and distance: the scenes worked out beside, and what must hold for any target, sizes and k."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from core.statistics import (
    blind_p,
    blind_shares,
    distance_of,
    holm,
    lean_of,
    lean_of_clusters,
    most_ahead,
    omnibus_p,
    share_bounds,
)


def test_the_commander_leans_male_whatever_is_asked_for() -> None:
    """207 men and 1,000 women searched, 63 men of 100 retrieved."""
    lean = lean_of((1000, 207), (37, 63))
    male = lean.groups[1]
    assert male.ratio.estimate == pytest.approx(63 / 100 / (207 / 1207)) == pytest.approx(3.673, abs=5e-4)
    assert male.ratio.lo == pytest.approx(3.124, abs=1e-3) and male.ratio.hi == pytest.approx(4.186, abs=1e-3)
    assert lean.leading == 1 and lean.beyond_chance and lean.p == pytest.approx(2 * hypergeom.sf(62, 1207, 207, 100))
    away = distance_of(lean, (0.5, 0.5))[1]
    assert away.difference.estimate == pytest.approx(0.13)
    assert (away.composition, away.model) == pytest.approx((-0.3285, 0.4585), abs=1e-4)
    # the interval of the distance is that of the share, moved
    assert away.difference.lo == pytest.approx(male.share.lo - 0.5) and away.difference.hi == pytest.approx(
        male.share.hi - 0.5
    )


def test_ten_hats_of_ten() -> None:
    lean = lean_of((197, 1819), (10, 0))
    assert lean.groups[0].ratio.estimate == pytest.approx(10.23, abs=0.01) and lean.leading == 0 and lean.p < 1e-9
    assert lean.at_smallest and lean.knowable


def test_a_target_that_is_met_is_no_distance_and_still_a_lean() -> None:
    lean = lean_of((630, 370), (100, 0))
    assert lean.beyond_chance and lean.leading == 0
    assert distance_of(lean, (1.0, 0.0))[0].difference.estimate == 0.0


def test_a_rare_group_without_anybody_is_never_ahead() -> None:
    """Two in a hundred, twenty retrieved, none of them: .4 were to be expected."""
    lean = lean_of((20, 980), (0, 20))
    assert not lean.beyond_chance and lean.leading is None
    assert lean.groups[0].departure < 0 and lean.groups[0].ratio.estimate == 0.0 and lean.groups[0].ratio.hi > 1
    far = lean_of((100, 900, 40), (0, 100, 0))
    assert far.leading == 1 and far.worst_pair is not None and far.worst_pair[0] == 1


def test_everything_retrieved_is_not_computed_and_its_shares_stay() -> None:
    lean = lean_of((50, 50), (50, 50))
    assert lean.p is None and lean.beyond_chance is None and lean.leading is None
    assert lean.reason == "everything was retrieved"
    assert [one.share.estimate for one in lean.groups] == [0.5, 0.5] and lean.groups[0].ratio.estimate is None
    assert lean.groups[0].ratio.reason == "everything was retrieved"


@pytest.mark.parametrize(
    ("searched", "retrieved", "reason"), [((5, 5), (0, 0), "no retrieved"), ((9,), (3,), "only one group")]
)
def test_what_cannot_be_asked_says_why(searched: tuple, retrieved: tuple, reason: str) -> None:
    lean = lean_of(searched, retrieved)
    assert lean.p is None and reason in lean.reason and lean.groups[0].points.estimate is None
    assert distance_of(lean, [1 / len(searched)] * len(searched)) is not None


def test_a_group_that_was_not_searched_has_no_ratio_and_takes_no_part() -> None:
    with_empty, without = lean_of((60, 0, 40), (9, 0, 1)), lean_of((60, 40), (9, 1))
    assert with_empty.groups[1].ratio.estimate is None and "searched" in with_empty.groups[1].ratio.reason
    assert with_empty.p == without.p and with_empty.groups[2] == without.groups[1]


def test_groups_are_named_only_where_all_together_and_they_themselves_reject() -> None:
    lean = lean_of((300,) * 7, (40, 10, 10, 10, 10, 10, 10))
    own = [blind_p(x, 300, 2100, 100) for x in (40, 10)]
    assert lean.groups[0].p == own[0] and lean.leading == 0
    assert [one.p_adjusted for one in lean.groups] == pytest.approx(holm([own[0], *[own[1]] * 6]).tolist())
    assert lean.p == omnibus_p((300,) * 7, (40, 10, 10, 10, 10, 10, 10))[0]
    # many groups that each depart a little: together they reject, none of them by itself
    quiet = lean_of((300,) * 7, (22, 21, 20, 10, 9, 9, 9))
    assert quiet.beyond_chance and quiet.leading is None
    # a group below thirty rows takes part and never leads
    small = lean_of((25, 500, 500), (20, 40, 40))
    assert small.beyond_chance and small.leading is None and small.groups[0].departure > 10
    assert small.groups[0].share.note is not None


def test_two_groups_are_one_test() -> None:
    lean = lean_of((40, 60), (9, 6))
    assert lean.p == lean.groups[0].p == lean.groups[1].p == lean.groups[0].p_adjusted == lean.groups[1].p_adjusted
    assert lean.groups[0].departure == pytest.approx(-lean.groups[1].departure)


def test_departure_is_in_standard_errors_of_a_blind_draw() -> None:
    one = lean_of((30, 70), (9, 11)).groups[0]
    blind = hypergeom(100, 30, 20)
    assert one.departure == pytest.approx((9 - blind.mean()) / blind.std())


counts = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), min_size=2, max_size=6)


@settings(max_examples=120, deadline=None)
@given(counts, st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6))
def test_nothing_of_a_lean_depends_on_the_target_and_the_split_is_exact(pairs: list, weights: list) -> None:
    searched = [a + b for a, b in pairs]
    retrieved = [a for a, _ in pairs]
    lean = lean_of(searched, retrieved)
    total, k = sum(searched), sum(retrieved)
    target = np.array(weights[: len(pairs)]) / sum(weights[: len(pairs)])
    if k == 0:
        return
    for one, away, asked in zip(lean.groups, distance_of(lean, target), target, strict=True):
        assert away.composition + away.model == pytest.approx(away.difference.estimate, abs=1e-12)
        assert away.difference.estimate == pytest.approx(one.retrieved / k - asked, abs=1e-12)
        assert 0 <= one.share.lo <= one.share.estimate <= one.share.hi <= 1
    # against the searched rows' own shares, distance and lean are one number with one interval
    for one, away in zip(lean.groups, distance_of(lean, np.array(searched) / total), strict=True):
        if one.points.estimate is not None:
            assert (away.difference.estimate, away.difference.lo, away.difference.hi) == pytest.approx(
                (one.points.estimate, one.points.lo, one.points.hi), abs=1e-12
            )
            assert one.ratio.estimate * one.base_share == pytest.approx(one.share.estimate)
            assert (one.ratio.lo < 1 < one.ratio.hi) == (one.p > 0.05) or one.ratio.lo == one.ratio.hi or one.p == 1


def test_findings_where_there_is_no_lean_are_one_in_twenty() -> None:
    """Blind draws of seven groups: the family-wise rate over the groups of one list stays below 5 %."""
    rng = np.random.default_rng(11)
    sizes = (300, 200, 150, 120, 100, 80, 50)
    drawn = rng.multivariate_hypergeometric(sizes, 50, size=3000, method="marginals")
    leans = [lean_of(sizes, x) for x in drawn.tolist()]
    error = 3 * math.sqrt(0.05 * 0.95 / 3000)
    assert abs(np.mean([lean.p <= 0.05 for lean in leans]) - 0.05) < error
    assert np.mean([lean.leading is not None for lean in leans]) <= 0.05 + error


def test_blind_shares_are_the_quantiles_of_a_blind_draw() -> None:
    for (mean, lo, hi), n in zip(blind_shares((30, 70), 20), (30, 70), strict=True):
        blind = hypergeom(100, n, 20)
        assert mean == n / 100
        assert blind.cdf(lo * 20) >= 0.025 > blind.cdf(lo * 20 - 1) and blind.cdf(hi * 20) >= 0.975 > blind.cdf(
            hi * 20 - 1
        )


def test_unknown_rows_bound_the_shares() -> None:
    assert share_bounds([6, 2], 2) == [(0.6, 0.8), (0.2, 0.4)]
    assert share_bounds([0, 0], 0) == []


def test_rows_that_belong_together_make_a_lean_less_sure() -> None:
    """Ten pictures of each of ten people: the ratio stays, its p is that of ten people, its interval is wider."""
    lean = lean_of((500, 500), (80, 20))
    wide = lean_of_clusters(lean, 0.11, (0.11, 0.11), 1e-4, 10.0)
    assert wide.p == wide.groups[0].p_adjusted == 0.11 and not wide.beyond_chance and wide.design_effect == 10.0
    for one, other in zip(lean.groups, wide.groups, strict=True):
        assert other.ratio.estimate == one.ratio.estimate
        assert other.share.lo < one.share.lo and other.share.hi > one.share.hi
        assert other.ratio.lo <= 1 <= other.ratio.hi
    sure = lean_of_clusters(lean, 0.01, (0.01, 0.01), 1e-4, 4.0)
    assert sure.leading == 0 and sure.groups[0].ratio.lo > 1 > sure.groups[1].ratio.hi
    half = sure.groups[0].share.hi - sure.groups[0].share.lo
    assert half == pytest.approx(2 * (lean.groups[0].share.hi - lean.groups[0].share.lo), rel=0.15)
    assert lean_of_clusters(lean_of((5, 5), (5, 5)), 0.01, (0.01, 0.01), 1e-4, 4.0).p is None


def test_the_worst_pair_is_who_departs_most_to_either_side() -> None:
    lean = lean_of((1000, 207), (37, 63))
    assert (lean.leading, lean.worst_pair) == (1, (1, 0))
    several = lean_of((300, 300, 300, 300), (60, 45, 5, 10))
    assert several.leading == 0 and several.worst_pair == (0, 2)
    assert all(several.groups[g].p_adjusted <= 0.05 for g in (2, 3))
    level = lean_of((500, 500), (51, 49))
    assert level.leading is None and level.worst_pair == (0, 1)
    assert lean_of((500, 500), (50, 50)).worst_pair is None
    # of groups below thirty rows nothing is named
    assert lean_of((20, 29), (20, 1)).worst_pair is None and lean_of((20, 29), (20, 1)).beyond_chance


def with_departures(*departures: float, p: float = 0.01):
    lean = lean_of((300,) * len(departures), (5 * len(departures), *[4] * (len(departures) - 1)))
    groups = [replace(one, departure=d, p_adjusted=p) for one, d in zip(lean.groups, departures, strict=True)]
    return replace(lean, groups=tuple(groups), p=p, smallest_p=p)


def test_who_leads_has_a_departure_of_the_right_sign_and_a_p_of_its_own() -> None:
    lean = with_departures(0.5, 0.2, -0.3, -0.6)
    assert (lean.leading, lean.worst_pair) == (0, (0, 3))
    assert with_departures(0.0, -0.5).leading is None
    assert with_departures(0.5, 0.0).worst_pair is None and with_departures(0.0, -0.5).worst_pair is None
    assert with_departures(0.5, -0.5, p=0.05).leading == 0
    late = with_departures(0.5, -0.5, p=0.051)
    assert not late.beyond_chance and not late.knowable and late.leading is None
    own = replace(lean, groups=tuple(replace(one, p_adjusted=0.06) for one in lean.groups))
    assert own.beyond_chance and own.leading is None


def test_borders() -> None:
    assert lean_of((29, 71), (3, 7)).groups[0].small and not lean_of((30, 70), (3, 7)).groups[0].small
    assert with_departures(0.5, -0.5, p=0.05).beyond_chance and with_departures(0.5, -0.5, p=0.05).knowable
    # one row of two equal groups: p is 1 whoever it is
    lean = lean_of((5, 5), (1, 0))
    assert lean.p == lean.smallest_p == 1.0 and not lean.knowable and lean.at_smallest
    assert not replace(lean, p=0.5, smallest_p=0.4).at_smallest
    untested = lean_of((5, 5), (0, 0))
    assert not untested.at_smallest and not untested.knowable


def test_what_was_not_tested_still_says_who_was_searched() -> None:
    lean = lean_of((50, 30), (50, 30))
    facts = [(one.searched, one.retrieved, one.base_share, one.departure, one.p) for one in lean.groups]
    assert facts == [(50, 50, 50 / 80, 0.0, None), (30, 30, 30 / 80, 0.0, None)]
    share = lean.groups[1].share
    assert (share.estimate, share.lo, share.hi, share.n) == (30 / 80, 30 / 80, 30 / 80, 80)
    assert [(one.searched, one.retrieved) for one in lean_of((5, 7), (0, 0)).groups] == [(5, 0), (7, 0)]
    nobody = lean_of((0, 0), (0, 0)).groups[0]
    assert (nobody.base_share, nobody.share.estimate) == (0.0, None)
    gone = lean_of((40, 0, 60), (9, 0, 1)).groups[1]
    assert (gone.searched, gone.retrieved, gone.base_share, gone.small) == (0, 0, 0.0, True)
    assert lean_of((40, 60), (9, 1), 3).groups[0].share.n == 10


def test_the_group_that_a_comparison_is_about_is_ahead_whether_beyond_chance_or_not() -> None:
    assert most_ahead((500, 500), (49, 51)) == 1 and most_ahead((1000, 207), (37, 63)) == 1
    # 25 rows are too few to be looked at, unless all are
    assert most_ahead((25, 500, 500), (20, 40, 41)) == 2 and most_ahead((25, 29), (20, 1)) == 0
    assert most_ahead((29, 30, 941), (20, 2, 78)) == 1


def test_a_mean_share_and_its_bounds_of_one_group() -> None:
    (only,) = blind_shares((30,), 20)
    assert only == (1.0, 1.0, 1.0) and share_bounds([0], 3) == [(0.0, 1.0)] and share_bounds([3], 0) == [(1.0, 1.0)]
