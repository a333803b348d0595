"""The inference on bare arrays: what is handed to the statistics, counted by hand, and which arrays are refused."""

from typing import Any

import numpy as np
import pytest

from core.config import InputError
from core.metrics import RANKING_METRICS
from core.ranking.bare_arrays import infer
from core.statistics import (
    accuracy_gap,
    auc_estimate,
    effect_of,
    exchange_of,
    impact_of,
    leakage_estimate,
    lean_of,
    metric_change,
)

Arrays = dict[str, Any]
GROUPS = np.array([0, 0, 0, 0, 1, 1, 1, -1, -1, 0, 1, 1])
"""Five of group 0, five of group 1, two unknown."""
BEFORE, AFTER = np.array([0, 1, 2, 4, 7, 5]), np.array([4, 5, 6, 0, 11, 8])


def told(estimates: Any) -> list[dict[str, Any]]:
    return [estimate.to_json() for estimate in estimates]


def refused(name: str, arrays: Arrays, match: str) -> None:
    with pytest.raises(InputError, match=match):
        infer(name, arrays)


def test_a_lean_says_every_number_of_the_lean() -> None:
    given = lean_of([60, 30, 10], [4, 9, 7])
    found = infer("lean", {"searched": np.array([60, 30, 10]), "retrieved": np.array([4.0, 9.0, 7.0])})
    assert found == {
        "ratio": told(one.ratio for one in given.groups),
        "points": told(one.points for one in given.groups),
        "share": told(one.share for one in given.groups),
        "p": [one.p for one in given.groups],
        "p_adjusted": [one.p_adjusted for one in given.groups],
        "lean_p": given.p,
        "lean_p_smallest": given.smallest_p,
        "lean_beyond_chance": given.beyond_chance,
        "leading_group": given.leading,
    }
    far = infer("lean", {"searched": np.array([60, 40]), "retrieved": np.array([0, 20])})
    assert far["leading_group"] == 1 and far["lean_beyond_chance"]


def test_a_lean_needs_a_draw_from_who_is_there() -> None:
    everybody = infer("lean", {"searched": np.array([6, 3]), "retrieved": np.array([6, 0])})
    assert everybody["p"] == [one.p for one in lean_of([6, 3], [6, 0]).groups]
    for searched, retrieved in (([6, 3], [7, 0]), ([6, 3], [6])):
        arrays = {"searched": np.array(searched), "retrieved": np.array(retrieved)}
        refused("lean", arrays, "retrieved does not fit searched")
    for wrong in ([5, -1], [5, 0.5]):
        arrays = {"searched": np.array([6, 3]), "retrieved": np.array(wrong)}
        refused("lean", arrays, r"lean: the array 'retrieved' holds .*expected whole numbers of at least 0$")


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("k", [3, 6])
def test_a_pair_of_lists_is_compared_over_its_first_k_rows(k: int, seed: int | None) -> None:
    target = np.array([0.5, 0.5])
    exchange = exchange_of(BEFORE[:k], AFTER[:k], GROUPS, 2)
    assert (exchange.before, exchange.after) == {3: ((3, 0), (0, 3)), 6: ((3, 2), (1, 4))}[k]
    given = effect_of(lean_of([5, 5], exchange.before), lean_of([5, 5], exchange.after), exchange, [0.5, 0.5])
    assert given is not None
    skew = metric_change(RANKING_METRICS.get("max_skew")(), exchange, target, seed=seed or 0)
    arrays = {"groups": GROUPS, "before": BEFORE, "after": AFTER, "k": k, "target": target}
    assert infer("paired", arrays | ({} if seed is None else {"seed": seed})) == {
        "share_difference": told(given.shares),
        "max_skew_difference": skew.to_json(),
        "p": given.p,
        "p_smallest": given.smallest_p,
        "p_group": list(given.p_group),
        "direction": given.direction,
        "lean_direction": given.lean_direction,
        "group": given.group,
        "leading_before": given.leading_before,
        "leading_after": given.leading_after,
    }


def test_a_pair_of_lists_that_cannot_be_compared() -> None:
    right = {"groups": GROUPS, "before": BEFORE, "after": AFTER, "k": 6, "target": np.array([0.5, 0.5])}
    for target in ([0.5, 0.6], [0.5, 0.4], [1.5, -0.5], [1.0, 0.0], [1.0]):
        refused("paired", right | {"target": np.array(target)}, "target is no share for each group")
    for name in ("before", "after"):
        for wrong in ([0, 1, 2, 4, 7], [0, 1, 2, 4, 7, 7]):
            refused("paired", right | {name: np.array(wrong)}, "shorter than k = 6 or holds a row twice")
        refused("paired", right | {name: np.array([0, 1, 2, 4, 7, 12])}, "whole numbers of at least 0 and at most 11")
    refused("paired", right | {"k": 0}, "'k' holds other numbers; expected whole numbers of at least 1$")
    refused("paired", right | {"groups": GROUPS - 1}, "whole numbers of at least -1 and at most 10000$")


def test_lists_of_unknown_people_alone_have_no_effect() -> None:
    arrays = {"groups": GROUPS, "before": np.array([7, 8]), "after": np.array([8, 7]), "k": 2}
    missing = {"estimate": None, "reason": "a list holds no row with a known group"}
    assert infer("paired", arrays | {"target": np.array([0.4, 0.6])}) == {
        "share_difference": [missing, missing],
        "max_skew_difference": missing,
        "p": None,
    }


def test_the_area_of_ordered_rows() -> None:
    """Of the four pairs of a positive and a negative row three are in order."""
    x, y = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    found = infer("auc", {"x": x, "y": y})
    assert found["estimate"] == pytest.approx(3 / 4) and found == auc_estimate(x, y == 1).to_json()
    refused("auc", {"x": x, "y": y * 2}, "whole numbers of at least 0 and at most 1$")
    refused("auc", {"x": x[:3], "y": y}, r"auc: x and y have shapes \(3,\) and \(4,\)")


def test_the_gap_of_accuracy_is_between_groups_that_are_there() -> None:
    """Group 0: 3 of 4 right; group 1: nobody; group 2: 1 of 4 right; two unknown, both right."""
    true = np.array([1, 0, 1, 0, 1, 1, 0, 0, 1, 1])
    predicted = np.array([1, 0, 1, 1, 1, 0, 1, 1, 1, 1])
    group = np.array([0, 0, 0, 0, 2, 2, 2, 2, -1, -1])
    found = infer("accuracy-gap", {"predicted": predicted, "true": true, "group": group})
    assert found == accuracy_gap(np.array([3, 1]), np.array([4, 4])).to_json()
    for name in ("predicted", "true"):
        arrays = {"predicted": predicted, "true": true, "group": group} | {name: true[:9]}
        refused("accuracy-gap", arrays, f"accuracy-gap: {name} and group have shapes")
    refused("accuracy-gap", {"predicted": predicted, "true": true, "group": group - 1}, "of at least -1 and at most")


@pytest.mark.parametrize("seed", [None, 7])
def test_the_leakage_is_of_the_rows_with_a_known_class(seed: int | None) -> None:
    rng = np.random.default_rng(0)
    y = np.r_[np.repeat([0, 3], 20), [-1] * 5]
    x = rng.normal(size=(45, 2)) + np.where(y == 3, 0.7, 0.0)[:, None]
    found = infer("leakage", {"X": x, "y": y} | ({} if seed is None else {"seed": seed}))
    assert found == leakage_estimate(x[:40], np.repeat([0, 1], 20), seed or 0).to_json()
    assert found != leakage_estimate(x[:40], np.repeat([0, 1], 20), 1).to_json()
    refused("leakage", {"X": x[:44], "y": y}, "X has 44 rows and y 45")


def test_the_impact_is_a_table_by_columns() -> None:
    """Categories 0, 2 and 5 with 4, 3 and 2 rows, the unknown two last; 3, 1, 1 and 1 selected; the median is 5."""
    group = np.array([0, 0, 0, 0, 2, 2, 2, 5, 5, -1, -1])
    selected = np.array([1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1])
    score = np.array([9, 8, 7, 0, 6, 1, 2, 5, 3, 4, 10])
    found = infer("impact", {"group": group, "selected": selected, "score": score})
    assert found["median"] == 5.0
    for kind, counts, rest in (("selection", [3, 1, 1], 1), ("scoring", [3, 1, 0], 1)):
        table = impact_of([4, 3, 2], counts, (2, rest))
        assert found[f"{kind}_category"] == [0, 2, 5, -1]
        assert found[f"{kind}_n"] == [4, 3, 2, 2] and found[f"{kind}_count"] == [*counts, rest]
        names = ("rate", "share", "under_2_percent", "below_four_fifths", "z", "p", "needed_for_four_fifths")
        for name in names:
            assert found[f"{kind}_{name}"] == [getattr(row, name) for row in table.rows]
        assert found[f"{kind}_impact_ratio"] == [row.ratio.estimate for row in table.rows]
        assert found[f"{kind}_impact_ratio_interval"] == [[row.ratio.lo, row.ratio.hi] for row in table.rows]
        assert found[f"{kind}_benchmark_rate"] == table.benchmark_rate
    known = infer("impact", {"group": group[:9], "selected": selected[:9]})
    assert known["selection_category"] == [0, 2, 5] and not any(name.startswith("scoring") for name in known)
    nobody = infer("impact", {"group": group[:9], "selected": np.zeros(9)})
    assert nobody["selection_rate"] == [0, 0, 0]
    refused("impact", {"group": group, "selected": selected + 1}, "whole numbers of at least 0 and at most 1$")
    refused("impact", {"group": group, "selected": selected[:9]}, "selected and group have shapes")
    refused("impact", {"group": group, "selected": selected, "score": score[:9]}, "score and group have shapes")


def test_a_group_has_a_largest_number() -> None:
    right = infer("impact", {"group": np.array([0, 10_000]), "selected": np.array([1, 0])})
    assert right["selection_category"] == [0, 10_000]
    refused("impact", {"group": np.array([0, 10_001]), "selected": np.array([1, 0])}, "at least -1 and at most 10000$")


def test_repetitions_are_a_list_and_what_they_share_is_given_once() -> None:
    lists = np.array([BEFORE, AFTER])
    arrays = {"groups": GROUPS, "before": lists, "after": AFTER, "k": np.array([6]), "target": np.array([0.5, 0.5])}
    one = [infer("paired", arrays | {"before": rows}) for rows in lists]
    assert infer("paired", arrays) == {"results": one} and one[0] != one[1]
    other = arrays | {"after": np.array([AFTER] * 3)}
    refused("paired", other, r"different numbers of repetitions \(before 2, after 3\)")
    refused("paired", arrays | {"target": np.array([[0.5, 0.5]] * 2)}, r"'target' has shape \(2, 2\)")
    refused("paired", arrays | {"k": np.array([3, 6])}, r"'k' has shape \(2,\); expected one number")


def test_arrays_that_are_refused() -> None:
    right = {"x": np.array([0.1, 0.4]), "y": np.array([0, 1])}
    refused("nonsense", right, "there is no inference 'nonsense'; known: lean, paired")
    refused("auc", {"y": right["y"]}, "auc needs the array 'x'; arrays given: y$")
    refused("auc", {}, "arrays given: none$")
    refused("auc", right | {"z": right["y"]}, "auc knows no array 'z'; it takes x, y$")
    refused("auc", right | {"x": np.array(["a", "b"])}, "has type .*; expected numbers")
    refused("auc", right | {"x": np.array([0.1, np.nan])}, "holds NaN or infinity")
    for wrong in (np.zeros((2, 2, 2)), np.zeros(0), np.array(1.0)):
        refused("auc", right | {"x": wrong}, "expected 1 axes that are not empty, or one more for repetitions")
