"""Rates by group: paired changes against McNemar's enumeration, gaps that know that their groups were picked."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, hypergeom

from core.statistics import exchanged_rate_change, lean_of, paired_rate_change, rate_difference, rate_gap

SMALL = list(product(range(7), range(7)))


@pytest.mark.parametrize(("gained", "lost"), SMALL)
def test_the_p_of_a_paired_change_is_mcnemars(gained: int, lost: int) -> None:
    found = paired_rate_change(gained, lost, 20)
    expected = binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert found.p == pytest.approx(expected)
    assert found.change.estimate == pytest.approx((gained - lost) / 20)
    assert found.smallest_p <= found.p


@pytest.mark.parametrize("n", [20, 400])
def test_interval_and_p_of_a_paired_change_agree(n: int) -> None:
    for gained, lost in product(range(19), range(2)):
        found = paired_rate_change(gained, lost, n)
        assert (found.change.lo <= 0 <= found.change.hi) == (found.p > 0.05)
        assert -1 <= found.change.lo <= found.change.estimate <= found.change.hi <= 1
        turned = paired_rate_change(lost, gained, n)
        assert (turned.change.lo, turned.change.hi) == pytest.approx((-found.change.hi, -found.change.lo))


def test_an_exchanged_rate_is_the_tables_fisher_test() -> None:
    """9 of 12 that enter are relevant, 2 of 10 that leave: twice the smaller tail of the hypergeometric."""
    found = exchanged_rate_change((8, 2), (3, 9), (5, 15))
    above = hypergeom.sf(8, 22, 11, 12)
    assert found.p == pytest.approx(2 * above)
    assert found.change.estimate == pytest.approx(24 / 32 - 17 / 30)
    assert found.change.lo > 0 and found.p < 0.05


def test_nothing_exchanged_changes_nothing() -> None:
    found = exchanged_rate_change((0, 0), (0, 0), (10, 20))
    assert found.change.estimate == 0.0 and found.p == 1.0 and found.change.lo < 0 < found.change.hi
    assert exchanged_rate_change((0, 0), (1, 1), (0, 0)).change.reason is not None


def test_the_gap_of_two_groups_is_newcombes_interval() -> None:
    """56 of 70 against 48 of 80: Newcombe 1998, method 10, gives .0524 to .3339."""
    found = rate_gap([56, 48], [70, 80])
    assert found.gap.estimate == pytest.approx(0.2)
    assert (found.gap.lo, found.gap.hi) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found.high, found.low) == (0, 1)
    assert found.p == lean_of([70, 80], [56, 48]).p


def test_the_gap_starts_at_0_exactly_where_the_groups_cannot_be_told_apart() -> None:
    for x in range(0, 61, 3):
        found = rate_gap([30, x], [60, 60])
        assert (found.gap.lo == 0) == (found.p > 0.05)
        assert found.gap.lo <= found.corrected + 1e-12 or found.corrected < found.gap.lo <= found.gap.estimate
        assert 0 <= found.corrected <= found.gap.estimate


def test_even_groups_have_a_gap_by_picking_and_the_corrected_one_is_smaller() -> None:
    rng = np.random.default_rng(0)
    drawn = [rate_gap(rng.binomial(60, 0.5, 5), [60] * 5, draws=200) for _ in range(60)]
    raw, corrected = (np.mean(values) for values in zip(*((d.gap.estimate, d.corrected) for d in drawn), strict=True))
    assert corrected < raw - 0.03
    assert np.mean([d.gap.lo == 0 for d in drawn]) >= 0.88


def test_intervals_cover_the_truth() -> None:
    """2,000 samples of 50 paired rows, 1,000 of groups: between 93 and 99.5 % hold the truth."""
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(50, [0.1, 0.2, 0.7], 2000)
    paired = [paired_rate_change(int(g), int(n), 50).change for g, n, _ in drawn]
    assert 0.93 <= np.mean([e.lo <= -0.1 <= e.hi for e in paired]) <= 0.995
    p, n = np.array([0.3, 0.5, 0.45]), np.array([80, 60, 120])
    gaps = [rate_gap(rng.binomial(n, p), n, draws=10).gap for _ in range(1000)]
    assert 0.93 <= np.mean([e.lo <= 0.2 <= e.hi for e in gaps]) <= 0.995


def test_small_groups_are_noted_and_missing_ones_left_out() -> None:
    assert "fewer than 30" in rate_gap([3, 20], [5, 60]).gap.note
    assert rate_gap([30, 20], [60, 60]).gap.note is None
    alone = rate_gap([3, 0], [5, 0])
    assert alone.gap.estimate is None and alone.high is None
    assert rate_gap([1, 0, 9], [50, 0, 50]).high == 2
    assert rate_gap([0, 0], [50, 50]).p is None


@pytest.mark.parametrize(("gained", "lost", "smallest"), [(0, 0, 1.0), (1, 0, 1.0), (3, 2, 2 / 32), (0, 9, 2 / 512)])
def test_the_smallest_p_is_that_of_all_rows_one_way(gained: int, lost: int, smallest: float) -> None:
    assert paired_rate_change(gained, lost, 40).smallest_p == pytest.approx(smallest)
    assert paired_rate_change(0, 0, 0).smallest_p == 1.0 and paired_rate_change(0, 0, 0).p is None


def test_changes_and_gaps_as_json() -> None:
    change = paired_rate_change(7, 1, 40)
    assert change.to_json() == {**change.change.to_json(), "p": change.p, "p_smallest": change.smallest_p}
    gap = rate_gap([20, 48, 33], [70, 80, 60])
    assert gap.to_json(["a", "b", "c"]) == {
        **gap.gap.to_json(),
        "corrected": gap.corrected,
        "high": "b",
        "low": "a",
        "p": gap.p,
    }
    missing = rate_gap([3, 0], [5, 0])
    assert missing.to_json(["a", "b"]) == {"estimate": None, "reason": "a gap needs two groups with rows"}


def test_the_ends_of_three_rates_are_the_furthest_of_all_pairs() -> None:
    """The upper end at 95 %, the lower one at 1 - .05 / 3, both by Newcombe's formula for each ordered pair."""
    found, of = np.array([20, 48, 33]), np.array([70, 80, 60])
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    upper = max(rate_difference(found[i], of[i], found[j], of[j])[1] for i, j in pairs)
    lower = max(rate_difference(found[i], of[i], found[j], of[j], 1 - 0.05 / 3)[0] for i, j in pairs)
    gap = rate_gap(found.tolist(), of.tolist()).gap
    assert (gap.lo, gap.hi) == pytest.approx((lower, upper)) and gap.n == 210
    assert rate_gap([9, 20], [29, 60]).gap.note and not rate_gap([9, 20], [30, 60]).gap.note
    even = rate_gap([20, 20], [40, 40])
    assert (even.high, even.low, even.gap.estimate, even.gap.lo, even.corrected) == (0, 1, 0.0, 0.0, 0.0)
    whole = rate_gap([60, 0], [60, 60])
    assert whole.gap.hi == 1.0 and whole.corrected == 1.0
