"""The gate: noise passes nineteen times of twenty and more, a planted worsening is found, asking less is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import main
from core.report.gate import gate
from core.statistics import auc_difference
from core.zeroshot import paired_share_difference

PROMPTS, N, K = 12, 600, 60
Scores = np.ndarray


def document(lists: list[list[int]], groups: np.ndarray, digest: str) -> dict[str, Any]:
    """As much of a report as the gate reads: one attribute of two groups, a list of rows for every prompt."""
    names = ("A", "B")
    part = {"groups": {name: {"n": int((groups == g).sum()), "target": 0.5} for g, name in enumerate(names)}}
    prompts = [
        {
            "prompt": f"prompt {i}",
            "kind": "headline",
            "before": {"ids": [f"{digest} {row}" for row in rows], "groups": [names[groups[row]] for row in rows]},
        }
        for i, rows in enumerate(lists)
    ]
    spec = {"where": {}, "seed": 0, "k": K, "target": "gallery"}
    attributes = [{"attribute": "x", "part": part, "prompts": prompts}]
    return {"spec": spec, "spec_digest": digest, "gallery": {"digest": digest}, "attributes": attributes}


def lists(rng: np.random.Generator, scores: Scores, jitter: float) -> list[list[int]]:
    noisy = scores + jitter * rng.normal(size=scores.shape)
    return np.argsort(-noisy, axis=1)[:, :K].tolist()


def world(rng: np.random.Generator, leans: np.ndarray) -> tuple[Scores, np.ndarray]:
    groups = (rng.random(N) < 0.4).astype(int)
    return rng.normal(size=(PROMPTS, N)) + leans[:, None] * (groups == 1), groups


def same_items(rng: np.random.Generator, leans: np.ndarray, grown: np.ndarray) -> bool:
    """The same items ranked again with noise; `grown` is added to the second lean."""
    scores, groups = world(rng, leans)
    then = lists(rng, scores, 0.3)
    now = lists(rng, scores + grown[:, None] * (groups == 1), 0.3)
    return gate(document(then, groups, "a"), document(now, groups, "a"))["passed"]


def other_items(rng: np.random.Generator, leans: np.ndarray, grown: np.ndarray) -> bool:
    """Another gallery of the same kind."""
    (first, groups), (second, others) = world(rng, leans), world(rng, leans + grown)
    then, now = (lists(rng, scores, 0.0) for scores in (first, second))
    return gate(document(then, groups, "a"), document(now, others, "b"))["passed"]


@pytest.mark.parametrize("draw", [same_items, other_items])
def test_noise_passes_and_a_planted_worsening_is_found(draw: Callable[..., bool]) -> None:
    """200 audits of 12 prompts, half of which lean: at most 5 % false failures, within the simulation's error."""
    rng, none = np.random.default_rng(11), np.zeros(PROMPTS)
    leans = np.repeat([0.0, 0.8], PROMPTS // 2)
    failed = sum(not draw(rng, leans, none) for _ in range(200))
    assert failed <= 10, f"{failed} of 200 gates failed on noise"
    planted = np.where(np.arange(PROMPTS) == 2, 1.2, 0.0)
    found = sum(not draw(rng, leans, planted) for _ in range(40))
    assert found >= 36, f"{found} of 40 planted worsenings were found"


# ------------------------------------------------------------------------------------------------ costs


def with_costs(found: dict[str, Any], groups: np.ndarray, before: Scores, after: Scores, cosines: Scores) -> dict:
    """A report with an edit that leaves the lists as they are, and with what it costs: two AUCs, an accuracy, a mean
    cosine and a probe.
    """
    one = found["attributes"][0]
    mean, half = cosines.mean(), 1.96 * cosines.std() / np.sqrt(len(cosines))
    right = [scores[2] > 0.3 for scores in (before * (2 * groups - 1), after * (2 * groups - 1))]
    accuracy = {"accuracy": paired_share_difference(*right).to_json()}
    arms = {"before": accuracy, "after": accuracy, "difference": accuracy}
    auc = [auc_difference(before[i], after[i], groups == 1).to_json() for i in range(4)]
    one["cost"] = {
        "zeroshot": {"x": arms},
        "explicit": {
            f"query {i}": {"group": "B", "before": auc[i], "after": auc[i], "difference": auc[i]} for i in range(2)
        },
    }
    one["arms"] = {"edited": {"cosine": {"estimate": mean, "lo": mean - half, "hi": mean + half, "n": len(cosines)}}}
    one["leakage"] = {"difference": auc[3]}
    return found


def costs_pass(rng: np.random.Generator, same: bool, planted: str = "") -> bool:
    """Whether a gate passes two audits of the same edit, each with noise of its own; `planted` costs more now."""

    def audit(groups: np.ndarray, before: Scores, rows: list[list[int]], name: str, worse: str) -> dict[str, Any]:
        after = 0.9 * before + 0.3 * rng.normal(size=before.shape)
        after[0] *= 0.6 if worse == "AUC" else 1.0
        after[0] += 0.8 * rng.normal(size=N) if worse == "AUC" else 0.0
        after[3] += 0.8 * (groups == 1) if worse == "probe" else 0.0
        cosines = rng.normal(0.95 - 0.01 * (worse == "cosine"), 0.02, N)
        return with_costs(document(rows, groups, name), groups, before, after, cosines)

    def draw() -> tuple[np.ndarray, Scores, list[list[int]]]:
        scores, groups = world(rng, np.zeros(PROMPTS))
        return (
            groups,
            rng.normal(size=(4, N)) + np.array([[1.2], [1.5], [1.0], [0.5]]) * groups,
            lists(rng, scores[:3], 0),
        )

    first = draw()
    second = first if same else draw()
    then, now = audit(*first, "a", ""), audit(*second, "a" if same else "b", planted)
    found = gate(then, now)
    assert found["costs"] == 5
    return found["passed"]


@pytest.mark.parametrize("same", [True, False])
def test_costs_pass_on_noise_and_a_planted_one_is_found(same: bool) -> None:
    """200 audits of 3 prompts and 5 costs: at most 5 % false failures; each kind of cost is found."""
    rng = np.random.default_rng(7)
    failed = sum(not costs_pass(rng, same) for _ in range(200))
    assert failed <= 10, f"{failed} of 200 gates failed on noise"
    for planted in ("AUC", "cosine", "probe"):
        found = sum(not costs_pass(rng, same, planted) for _ in range(20))
        assert found >= 18, f"{found} of 20 planted costs ({planted}) were found"


def test_a_cost_that_got_better_passes_and_one_that_is_gone_fails() -> None:
    rng = np.random.default_rng(1)
    scores, groups = world(rng, np.zeros(PROMPTS))
    before = rng.normal(size=(4, N)) + 1.2 * groups
    rows = lists(rng, scores, 0)

    def audit(noise: float, cosine: float) -> dict[str, Any]:
        after = before + noise * np.random.default_rng(2).normal(size=before.shape)
        after[3] = before[3]  # what can still be read does not change
        return with_costs(document(rows, groups, "a"), groups, before, after, rng.normal(cosine, 0.02, N))

    dear, cheap = audit(1.5, 0.8), audit(0.1, 0.95)
    assert gate(dear, cheap)["passed"] and gate(dear, dear)["passed"]
    worse = gate(cheap, dear)["worse"]
    assert {one["cost"] for one in worse} >= {"mean cosine of an item before and after"}
    assert {one["arm"] for one in worse} == {"after"} and all(one["p_adjusted"] <= 0.05 for one in worse)
    told = next(one["line"] for one in worse if one["cost"].startswith("change of AUC of “query 0”"))
    assert " then and −" in told and "adjusted p = " in told
    del dear["attributes"][0]["cost"]["explicit"]["query 1"]
    gone = [one for one in gate(cheap, dear)["worse"] if one["now"] is None]
    assert [one["line"].split(";")[0] for one in gone] == ["is not measured any more"]


def test_a_change_of_float32_alone_is_none() -> None:
    rng = np.random.default_rng(1)
    scores, groups = world(rng, np.zeros(PROMPTS))
    before, rows = rng.normal(size=(4, N)), lists(rng, scores, 0)
    then, now = (
        with_costs(document(rows, groups, "a"), groups, before, before, np.full(N, c)) for c in (1.0, 1 - 1e-7)
    )
    assert gate(then, now)["passed"]
    far = with_costs(document(rows, groups, "a"), groups, before, before, np.full(N, 0.99))
    assert [one["cost"] for one in gate(then, far)["worse"]] == ["mean cosine of an item before and after"]


@pytest.mark.parametrize("draw", [same_items, other_items])
def test_an_improvement_is_no_failure(draw: Callable[..., bool]) -> None:
    rng, leans = np.random.default_rng(3), np.full(PROMPTS, 1.0)
    assert sum(not draw(rng, leans, -leans) for _ in range(20)) <= 1


def test_a_lean_that_has_turned_round_counts_where_it_is_larger() -> None:
    groups = np.repeat([0, 1], N // 2)
    a, b = np.flatnonzero(groups == 0).tolist(), np.flatnonzero(groups == 1).tolist()

    def one(n_a: int) -> dict[str, Any]:
        return document([a[:n_a] + b[: K - n_a]] * 3, groups, "a")

    assert gate(one(40), one(20))["passed"]  # +17 points, then -17
    assert gate(one(55), one(20))["passed"]  # turned round, and smaller
    turned = gate(one(35), one(2))
    assert not turned["passed"] and turned["worse"][0]["group"] == "B"
    assert "B leans −8.3 points then and +46.7 now" in turned["worse"][0]["line"]


def test_the_command_fails_with_one_line_a_finding_and_passes_on_the_same(
    audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    spec = json.loads((audited / "spec.json").read_text()) | {"attributes": ["gender"], "sae": None, "edit": None}
    (tmp_path / "spec.json").write_text(json.dumps(spec | {"method": "mean-difference"}))
    report = str(tmp_path / "report")
    assert main(["audit", str(tmp_path / "spec.json"), "--out", report]) == 0
    assert main(["audit-gate", str(tmp_path / "spec.json"), "--against", report]) == 0
    assert "nothing is worse beyond chance" in capsys.readouterr().out
    # an edit of strength 0 leaves every lean as it was before the projection
    spec |= {"sae": f"{audited}/sae", "edit": {"neurons": [0], "strength": 0.0}}
    (tmp_path / "worse.json").write_text(json.dumps(spec))
    assert main(["audit-gate", str(tmp_path / "worse.json"), "--against", report]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said and all(line.startswith("worse: ") and " | after: " in line for line in said)
    assert main(["audit-gate", str(tmp_path / "worse.json"), "--against", report, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["passed"] and len(found["worse"]) == len(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"k": 10}, "k is 10 in the spec and 20 in the report"),
        ({"prompts": ["a photo of a pilot"]}, "no longer asks for prompts a photo of a nurse"),
        ({"attributes": ["gender"]}, "no longer asks for attributes gender x age"),
        ({"edit": None}, "switches nothing"),
        ({"where": {"age": "old"}}, "where is"),
    ],
)
def test_asking_less_is_refused(
    audited: Path, tmp_path: Path, change: dict, said: str, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(json.loads((audited / "spec.json").read_text()) | change))
    assert main(["audit-gate", str(tmp_path / "spec.json"), "--against", f"{audited}/report"]) == 2
    assert said in capsys.readouterr().err
