"""Accuracy, worst group and gap: parity with the published aggregation, hand cases, paired intervals that cover."""

import numpy as np
import pytest

from core.config import InputError
from core.zeroshot import difference, evaluate, paired_share_difference
from tests.recorded import oracle


def test_parity_with_the_published_aggregation() -> None:
    o = oracle("metrics_zeroshot")
    result = evaluate(o["pred"], o["target"].astype(str), ["0", "1"], "target", by=o["bias"].astype(str))
    assert result.accuracy.estimate == pytest.approx(float(o["acc"]), abs=1e-10)
    assert result.worst.estimate == pytest.approx(float(o["worst_group_acc"]), abs=1e-10)
    assert result.gap.estimate == pytest.approx(float(o["gap"]), abs=1e-10)
    assert result.worst_group == " × ".join(o["worst_group"].astype(str))
    found = [estimate.estimate for estimate in result.by_group.values()]
    np.testing.assert_allclose(found, o["cell_acc"], atol=1e-10)


def test_a_hand_case_with_unknown_and_outside() -> None:
    labels = ["a", "a", "a", "b", None, "c", "unknown", float("nan"), "c"]
    result = evaluate(np.array([0, 0, 1, 0, 0, 0, 1, 1, 1]), labels, ["a", "b"], "letter")
    assert (result.n, result.unknown, result.outside) == (4, 3, {"c": 2})
    assert result.accuracy.estimate == 0.5
    assert {g: (e.estimate, e.n) for g, e in result.by_group.items()} == {"a": (2 / 3, 3), "b": (0.0, 1)}
    assert (result.worst_group, result.gap.estimate) == ("b", 0.5)
    value = result.to_json()
    assert value["worst_group"] == {"group": "b", **result.worst.to_json()}
    assert (result.worst.estimate, result.worst.n) == (0.0, 1)
    assert value["unknown"] == 3


def test_cells_of_two_attributes_leave_out_empty_ones() -> None:
    result = evaluate(np.array([0, 1, 1, 0]), ["a", "a", "b", "b"], ["a", "b"], "letter", by=["x", "y", "y", None])
    assert {g: e.estimate for g, e in result.by_group.items()} == {"a × x": 1.0, "a × y": 0.0, "b × y": 1.0}
    assert (result.n, result.unknown) == (3, 1)


def test_one_group_has_no_gap_and_no_row_is_an_error() -> None:
    only = evaluate(np.array([0, 1]), ["a", "a"], ["a", "b"], "letter").gap
    assert (only.estimate, only.lo, only.hi) == (0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="no row has a known group of letter among a, b"):
        evaluate(np.array([0, 1]), [None, "c"], ["a", "b"], "letter")


def test_difference_of_equal_results_is_zero() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c"], 400)
    result = evaluate(rng.integers(0, 3, 400), labels, ["a", "b", "c"], "letter")
    same = difference(result, result)
    assert same.accuracy.estimate == same.worst.estimate == same.gap.estimate == 0
    # no answer changed among these rows; among others some may
    assert -0.04 < same.worst.lo < 0 < same.worst.hi < 0.04
    assert -0.08 < same.gap.lo < 0 < same.gap.hi < 0.08
    assert same.accuracy.lo < 0 < same.accuracy.hi
    assert same.accuracy.hi < 0.01


def test_difference_is_after_minus_before_and_repeats_with_its_seed() -> None:
    rng = np.random.default_rng(1)
    labels = rng.choice(["a", "b"], 600, p=[0.7, 0.3])
    truth = (labels == "b").astype(int)
    before = evaluate(np.where(rng.random(600) < 0.9, truth, 1 - truth), labels, ["a", "b"], "letter")
    after = evaluate(np.where(rng.random(600) < 0.7, truth, 1 - truth), labels, ["a", "b"], "letter")
    found = difference(before, after, seed=4)
    assert found.accuracy.estimate == pytest.approx(after.accuracy.estimate - before.accuracy.estimate)
    assert found.worst.estimate == pytest.approx(after.worst.estimate - before.worst.estimate)
    assert found.gap.estimate == pytest.approx(after.gap.estimate - before.gap.estimate)
    assert list(found.by_group) == ["a", "b"]
    assert found.worst.lo < found.worst.estimate < found.worst.hi < 0
    assert difference(before, after, seed=4) == found
    other = evaluate(np.array([0]), ["a"], ["a", "b"], "letter")
    with pytest.raises(InputError, match="same rows"):
        difference(before, other)


@pytest.mark.parametrize(("lost", "won"), [(0.02, 0.02), (0.10, 0.01), (0.30, 0.05)])
def test_paired_interval_covers(lost: float, won: float) -> None:
    """Over 500 repetitions with 150 rows, right before with probability .8, the truth is inside about 95 %."""
    rng = np.random.default_rng(2)
    truth = 0.2 * won - 0.8 * lost
    inside = 0
    for _ in range(500):
        before = rng.random(150) < 0.8
        after = np.where(before, rng.random(150) >= lost, rng.random(150) < won)
        found = paired_share_difference(before, after)
        inside += found.lo <= truth <= found.hi
    assert 0.93 <= inside / 500 <= 0.995


def test_paired_interval_of_newcombe() -> None:
    """A worked row of Newcombe 1998, method 10: 36 both, 12 only the one, 2 only the other, 0 neither."""
    counts = [36, 12, 2, 0]
    found = paired_share_difference(
        np.repeat([True, False, True, False], counts), np.repeat([True, True, False, False], counts)
    )
    assert (found.estimate, found.lo, found.hi) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)


def test_gap_interval_covers() -> None:
    """Overall minus one fixed cell: .8 and .6 with a quarter of the rows, true gap .15."""
    rng = np.random.default_rng(3)
    labels = np.repeat(["a", "b"], [300, 100])
    truth = (labels == "b").astype(int)
    inside = 0
    for _ in range(60):
        right = rng.random(400) < np.where(labels == "a", 0.8, 0.6)
        gap = evaluate(np.where(right, truth, 1 - truth), labels, ["a", "b"], "letter").gap
        inside += gap.lo <= 0.15 <= gap.hi
    assert inside / 60 >= 0.87


def test_the_worst_cells_interval_knows_that_it_was_picked() -> None:
    """Fourteen cells of 30, all at .9: the lowest one's own interval leaves .9 out far more often."""
    rng = np.random.default_rng(8)
    labels = np.repeat([f"g{i:02d}" for i in range(14)], 30)
    classes, truth = sorted(set(labels)), np.repeat(np.arange(14), 30)
    own = picked = gap = 0
    for _ in range(40):
        result = evaluate(np.where(rng.random(420) < 0.9, truth, (truth + 1) % 14), labels, classes, "letter")
        own += result.by_group[result.worst_group].hi < 0.9
        picked += result.worst.hi < 0.9
        gap += result.gap.lo > 0
    assert own >= 8 and picked <= 5 and gap <= 6


def test_difference_of_worst_cells_covers_where_an_edit_breaks_one_of_many() -> None:
    """Five cells at .9, one of which falls to .74: only the lowest before was picked among equals."""
    rng = np.random.default_rng(11)
    sizes = np.array([200, 150, 100, 80, 60])
    truth = np.repeat(np.arange(5), sizes)
    labels, classes = np.array([f"g{t}" for t in truth]), [f"g{t}" for t in range(5)]
    lost = np.where(truth == 4, 0.2, 0.02)
    inside = 0
    for _ in range(40):
        before = rng.random(len(truth)) < 0.9
        after = np.where(
            before, rng.random(len(truth)) >= lost, rng.random(len(truth)) < np.where(truth == 4, 0.2, 0.18)
        )
        arms = [evaluate(np.where(ok, truth, (truth + 1) % 5), labels, classes, "letter") for ok in (before, after)]
        worst = difference(*arms, draws=200).worst
        inside += worst.lo <= 0.74 - 0.9 <= worst.hi
    assert inside >= 34  # 95 % is meant; standard error 1.4
