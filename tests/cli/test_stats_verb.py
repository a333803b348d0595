"""`stats`: the audit's inference on bare arrays, with repetitions, and one line for every mistake."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.cli import main
from core.statistics import accuracy_gap, auc_estimate, exchange_of, leakage_estimate, lean_of, share_changes

RNG = np.random.default_rng(5)
GROUPS = RNG.integers(0, 2, 300)
LISTS = np.stack([RNG.permutation(300)[:60] for _ in range(4)])


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture):
    def run(name: str, **arrays) -> dict:
        np.savez(tmp_path / "A.npz", **arrays)
        assert main(["stats", name, "--in", str(tmp_path / "A.npz"), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_lean_by_group_number(told) -> None:
    found, lean = told("lean", searched=[1000, 207], retrieved=[37, 63]), lean_of((1000, 207), (37, 63))
    assert found["ratio"] == [one.ratio.to_json() for one in lean.groups] and found["lean_p"] == lean.p
    assert found["points"][1]["estimate"] == pytest.approx(0.4585, abs=1e-4) and found["p_adjusted"] == [lean.p] * 2
    assert found["share"][0]["estimate"] == 0.37 and found["leading_group"] == 1
    everything = told("lean", searched=[5, 5], retrieved=[5, 5])
    assert everything["lean_p"] is None and everything["ratio"][0]["reason"] == "everything was retrieved"
    assert everything["share"][0]["estimate"] == 0.5


def test_a_leading_axis_repeats_and_what_lacks_it_is_shared(told) -> None:
    retrieved = np.array([[37, 63], [80, 20], [90, 10]])
    found = told("lean", searched=[1000, 207], retrieved=retrieved)["results"]
    assert [one["lean_p"] for one in found] == [lean_of((1000, 207), x).p for x in retrieved.tolist()]
    pairs = told("paired", groups=GROUPS, before=LISTS[:2], after=LISTS[2:], k=50, target=[0.5, 0.5])["results"]
    assert len(pairs) == 2
    for one, before, after in zip(pairs, LISTS[:2], LISTS[2:], strict=True):
        changes = share_changes(exchange_of(before[:50], after[:50], GROUPS, 2))
        assert one["share_difference"] == [change.to_json() for change in changes]
        assert {"max_skew_difference", "p", "direction"} <= set(one)
        assert one["direction"] in ("towards", "past", "away", "no change beyond chance")


def test_estimates_are_the_result_itself(told) -> None:
    y = (np.arange(60) < 20).astype(int)
    x = RNG.normal(size=60) + y
    assert told("auc", x=x, y=y).items() >= auc_estimate(x, y == 1).to_json().items()
    right = RNG.random(60) < 0.7
    group = np.repeat([0, 1, 2], 20)
    counts = np.bincount(group[right], minlength=3)
    found = told("accuracy-gap", predicted=right.astype(int), true=np.ones(60, int), group=group)
    assert found.items() >= accuracy_gap(counts, np.full(3, 20)).to_json().items()
    rows = RNG.normal(size=(60, 3))
    assert told("leakage", X=rows, y=y, seed=1).items() >= leakage_estimate(rows, y, 1).to_json().items()


def test_impact_has_a_row_for_unknown(told) -> None:
    found = told("impact", group=[0, 0, 1, 1, -1], selected=[1, 0, 1, 1, 0], score=[5, 4, 3, 2, 1])
    assert found["selection_category"] == [0, 1, -1] and found["selection_impact_ratio"] == [0.5, 1.0, 0.0]
    assert (
        found["selection_benchmark_rate"] == 1.0 and found["scoring_rate"] == [1.0, 0.0, 0.0] and found["median"] == 3.0
    )
    assert "scoring_rate" not in told("impact", group=[0, 1], selected=[1, 0])


@pytest.mark.parametrize(
    ("name", "arrays", "said"),
    [
        ("wilson", {"x": [1]}, "there is no inference 'wilson'; known: lean, paired, auc"),
        ("auc", {"x": [1.0, 2.0]}, "auc needs the array 'y'; arrays given: x"),
        ("auc", {"x": [1.0, np.nan], "y": [0, 1]}, "'x' holds NaN"),
        (
            "auc",
            {"x": [1.0, 2.0], "y": [0, 2]},
            "'y' holds other numbers; expected whole numbers of at least 0 and at most 1",
        ),
        ("auc", {"x": [1.0, 2.0], "y": [0, 1, 1]}, "x and y have shapes (2,) and (3,)"),
        ("auc", {"x": [1.0], "y": [1], "z": [1]}, "auc knows no array 'z'"),
        ("lean", {"searched": [5, 5], "retrieved": [6, 0]}, "retrieved does not fit searched"),
        ("lean", {"searched": [5.5, 5], "retrieved": [1, 0]}, "whole numbers"),
        ("lean", {"searched": np.ones((2, 2)), "retrieved": np.ones((3, 2))}, "different numbers of repetitions"),
        ("lean", {"searched": ["a", "b"], "retrieved": [1, 0]}, "expected numbers"),
        ("leakage", {"X": np.ones((3, 2)), "y": [0, 1]}, "X has 3 rows and y 2"),
        (
            "paired",
            {"groups": [0, 1, 0], "before": [0, 1], "after": [1, 2], "k": 3, "target": [0.5, 0.5]},
            "shorter than k = 3",
        ),
        (
            "paired",
            {"groups": [0, 1, 2], "before": [0, 1], "after": [1, 2], "k": 2, "target": [0.5, 0.5]},
            "target is no share for each group",
        ),
    ],
)
def test_mistakes_are_one_line(name: str, arrays: dict, said: str, tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "A.npz", **arrays)
    assert main(["stats", name, "--in", str(tmp_path / "A.npz"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and "A.npz" in err and err.count("\n") == 1
