"""Parity of groups: fairlearn's recorded numbers, our own counts against it, refusals, intervals that cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import InputError
from core.zeroshot.parity import NAMES, _gaps, _percentile, _redrawn, _tables, parity, parity_change, parity_differences
from tests.recorded import oracle


def test_every_recorded_case() -> None:
    o = oracle("metrics_fairlearn")
    for case in o["case_names"]:
        arrays = (o[f"{case}_{name}"] for name in ("y_true", "y_pred", "group"))
        found = parity_differences(*arrays)
        expected = o[f"{case}_between_dpd"], o[f"{case}_between_eod_worst"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=str(case))


def test_our_counts_are_the_recorded_numbers() -> None:
    o = oracle("metrics_fairlearn")
    for case in o["case_names"]:
        y_true, y_pred, group = (o[f"{case}_{name}"] for name in ("y_true", "y_pred", "group"))
        dpd, eod = _gaps(_tables(y_pred, y_true, group.astype(str), 2)[None], 1)
        np.testing.assert_allclose(
            [dpd[0], eod[0]], [o[f"{case}_between_dpd"], o[f"{case}_between_eod_worst"]], atol=1e-12
        )


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        ("labels_012_dpd", "labels hold 2; expected 0 or 1"),
        ("labels_012_eod_y_pred", "predictions hold 2; expected 0 or 1"),
        ("string_labels_eod", "labels hold '[ab]'"),
        ("labels_minus1_plus1_dpd", "labels hold -1"),
        ("y_pred_scores_dpd", "predictions hold 0.5"),
        ("length_mismatch_pred", "59 predictions"),
        ("length_mismatch_sf", "59 groups"),
        ("empty_arrays_dpd", "no row to compare"),
        ("nan_in_sensitive", "no known group"),
        ("nan_in_y_true_dpd", "labels hold nan"),
        ("nan_in_y_pred_dpd", "predictions hold nan"),
        ("sf_none", "no known group"),
    ],
)
def test_what_fairlearn_refuses_or_counts_silently_is_refused_in_words(situation: str, words: str) -> None:
    o = oracle("metrics_fairlearn")
    assert situation in o["exceptions"][:, 0]
    y_true, y_pred, group = (o[f"g2_{name}"] for name in ("y_true", "y_pred", "group"))
    group = group.astype(object)
    if "012" in situation:
        y_true, y_pred = (y_true * 2, y_pred) if situation == "labels_012_dpd" else (y_true, y_pred * 2)
    elif situation == "string_labels_eod":
        y_true = np.where(y_true == 1, "a", "b").astype(object)
    elif "minus1" in situation:
        y_true = y_true * 2 - 1
    elif "scores" in situation:
        y_pred = y_pred * 0.5
    elif situation == "length_mismatch_pred":
        y_pred = y_pred[:-1]
    elif situation == "length_mismatch_sf":
        group = group[:-1]
    elif "empty" in situation:
        y_true, y_pred, group = y_true[:0], y_pred[:0], group[:0]
    elif situation in ("nan_in_sensitive", "sf_none"):
        group[0] = None if situation == "sf_none" else float("nan")
    elif situation == "nan_in_y_true_dpd":
        y_true = np.where(np.arange(len(y_true)) == 3, np.nan, y_true)
    elif situation == "nan_in_y_pred_dpd":
        y_pred = np.where(np.arange(len(y_pred)) == 3, np.nan, y_pred)
    with pytest.raises(InputError, match=words):
        parity_differences(y_true, y_pred, group)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 5))
def test_counts_and_fairlearn_agree_for_every_class(seed: int, classes: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 60))
    truth, answer = rng.integers(0, classes, n), rng.integers(0, classes, n)
    group = rng.choice([f"g{i}" for i in range(groups)], n)
    table = _tables(answer, truth, group, classes)[None]
    for c in range(classes):
        mine = [float(gap[0]) for gap in _gaps(table, c)]
        np.testing.assert_allclose(mine, parity_differences(truth == c, answer == c, group), atol=1e-12)


def test_a_hand_case_names_the_rate_without_rows() -> None:
    # group x: 1 of 2 rows given "a"; group y: 2 of 2, and no row of y is an "a"
    result = parity(np.array([0, 1, 0, 0]), np.array([0, 1, 1, 1]), ["x", "x", "y", "y"], ["a", "b"], draws=50)
    assert result.by_class["a"][0].estimate == 0.5
    assert result.by_class["a"][1].estimate == 1.0
    assert "y has no row of a: its true positive rate counts as 0" in result.notes
    assert result.to_json()["demographic_parity_difference"]["estimate"] == 0.5


def test_the_order_of_rows_does_not_matter_and_a_seed_repeats() -> None:
    rng = np.random.default_rng(1)
    truth, before, after = rng.integers(0, 3, (3, 300))
    group, turn = rng.choice(["x", "y"], 300), rng.permutation(300)
    one = parity_change(before, after, truth, group, ["a", "b", "c"], draws=200, seed=4)
    two = parity_change(before[turn], after[turn], truth[turn], group[turn], ["a", "b", "c"], draws=200, seed=4)
    assert one == two
    assert parity(before, truth, group, ["a", "b", "c"]) == parity(before, truth, group, ["a", "b", "c"])


def test_change_is_after_minus_before_and_nothing_for_equal_answers() -> None:
    rng = np.random.default_rng(2)
    truth, before, after = rng.integers(0, 2, (3, 400))
    group = rng.choice(["x", "y", "z"], 400)
    change = parity_change(before, after, truth, group, ["a", "b"], draws=100)
    for name in NAMES:
        arms = [parity(answer, truth, group, ["a", "b"], draws=10).worst(name).estimate for answer in (before, after)]
        assert change[name].estimate == pytest.approx(arms[1] - arms[0], abs=1e-12)
        assert change[name].lo <= change[name].estimate <= change[name].hi
    same = parity_change(before, before, truth, group, ["a", "b"], draws=100)
    assert all((e.estimate, e.lo, e.hi) == (0, 0, 0) for e in same.values())


def test_intervals_hold_a_clear_difference() -> None:
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        group = np.repeat(["x", "y"], 150)
        truth = rng.integers(0, 2, 300)
        answer = (rng.random(300) < np.where(group == "x", 0.7, 0.4)).astype(int)
        tables = _tables(answer, truth, group, 2)[None]
        value, drawn = (float(_gaps(tables, 1)[0][0]), _gaps(_redrawn(tables, 300, seed)[0], 1)[0])
        estimate = _percentile(value, drawn, 300)
        held += estimate.lo <= 0.3 <= estimate.hi
    assert held >= 88  # 95 expected
