"""Whole audits through the command line, of galleries whose right answer is known, and what their reports say."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from core.cli import main
from core.gallery import import_gallery
from core.report.charts import heat_map
from core.report.sentences import about_effect, about_lean
from core.verdicts import ALL_RETRIEVED, ONLY_APART, ONLY_TOGETHER

FAIRFACE = Path(__file__).resolve().parents[3] / "shared" / "data" / "fairface_rn50"


def designed(folder: Path, scores: np.ndarray, labels: Mapping[str, Sequence[str | None]]) -> None:
    """A gallery that is searched wholly, in which prompt j gives row i the score `scores[i, j]`, each below .3."""
    n, prompts = scores.shape
    rest = np.sqrt(1.0 - np.square(scores).sum(axis=1, keepdims=True))
    np.save(folder / "x.npy", np.hstack([scores, rest]).astype(np.float32))
    pd.DataFrame({"id": [f"item {i}" for i in range(n)], **labels}).to_csv(folder / "labels.csv", index=False)
    np.save(folder / "texts.npy", np.eye(prompts, prompts + 1, dtype=np.float32))
    pd.DataFrame({"prompt": [f"prompt {j}" for j in range(prompts)]}).to_csv(folder / "prompts.csv", index=False)
    import_gallery(
        folder / "x.npy",
        folder / "labels.csv",
        model_name="hand-made",
        out=folder / "gallery",
        texts=folder / "texts.npy",
        text_table=folder / "prompts.csv",
        whole="evaluation",
    )


def audit(folder: Path, k: int, number: int = 1, **more: Any) -> tuple[dict[str, Any], str]:
    """report.json and the text of the page of an audit of the gallery in `folder`."""
    spec = {"schema": 2, "gallery": f"{folder}/gallery", "attributes": ["gender"], "k": k}
    spec |= {"prompts": [f"prompt {j}" for j in range(number)]} | more
    out = folder / f"report {len(list(folder.glob('report*')))}"
    (folder / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", f"{folder}/spec.json", "--out", str(out)]) == 0
    return json.loads((out / "report.json").read_text()), plain((out / "report.html").read_text())


def plain(page: str) -> str:
    text = html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    return re.sub(r"\s+", " ", text).replace(" ,", ",").replace(" ;", ";")


def in_order(*runs: tuple[str | None, int]) -> tuple[np.ndarray, list[str | None]]:
    """Scores (n, 1) that rank the rows as they stand, and their labels."""
    labels = [label for label, n in runs for _ in range(n)]
    return np.linspace(0.3, 0.01, len(labels))[:, None], labels


# ---------------------------------------------------------------------------------------------- one list


def test_one_lean_whatever_the_target(tmp_path: Path) -> None:
    """603 rows, 103 of them men, 65 men among the nearest 100: beyond chance also against even shares."""
    scores, gender = in_order(("Male", 65), ("Female", 35), ("Male", 38), ("Female", 465))
    designed(tmp_path, scores, {"gender": gender})
    expected = 2 * hypergeom(603, 103, 100).sf(64)
    leans = []
    for target in ("uniform", "gallery", {"gender": {"Male": 0.9, "Female": 0.1}}):
        report, page = audit(tmp_path, 100, target=target)
        before = report["attributes"][0]["prompts"][0]["before"]
        assert before["lean_p"] == pytest.approx(expected, rel=1e-6) and expected < 1e-30
        assert "Leans towards Male beyond chance: 3.81 times" in page
        leans.append([before[key] for key in ("lean", "lean_p", "leading_group")] + report["findings"])
    assert leans[0] == leans[1] == leans[2]


def test_a_rare_group_of_which_nobody_is_retrieved_is_never_over_represented(tmp_path: Path) -> None:
    scores, gender = in_order(("Female", 20), ("Male", 40), ("Female", 1940))
    designed(tmp_path, scores, {"gender": gender})
    report, page = audit(tmp_path, 20)
    lean = report["attributes"][0]["prompts"][0]["before"]["lean"]["Male"]
    assert (lean["ratio"]["estimate"], lean["ratio"]["lo"]) == (0.0, 0.0) and lean["ratio"]["hi"] > 1
    assert report["findings"][0]["verdict"] == "no lean beyond chance" and report["findings"][0]["group"] is None
    assert "No lean beyond chance" in page and "Leans towards" not in page


def test_when_everything_is_retrieved_the_first_lines_say_so(tmp_path: Path) -> None:
    scores, gender = in_order(("Male", 40), ("Female", 40))
    designed(tmp_path, scores, {"gender": gender})
    report, page = audit(tmp_path, 80)
    assert report["findings"][0]["verdict"] == "not computed" and report["findings"][0]["p"] is None
    first = page.index(f"Note : {ALL_RETRIEVED.rstrip('.')}")
    assert first < page.index("could not be computed") < page.index("Scope Two questions")
    assert "Lean: not computed: everything was retrieved." in page
    _, page = audit(tmp_path, 50)
    assert page.index("k = 50 is 62 % of the 80 searched rows") < page.index("pre-registered prompts")


def test_a_list_too_short_to_show_anything_says_so(tmp_path: Path) -> None:
    scores, gender = in_order(("Male", 40), ("Female", 40))
    designed(tmp_path, scores, {"gender": gender})
    report, page = audit(tmp_path, 3)
    assert report["findings"][0]["p_smallest"] > 0.05
    assert "No lean beyond chance (a list of 3 rows of known group cannot show one here, whoever they are)" in page
    _, page = audit(tmp_path, 8)
    assert "the smallest that could come out; adjusted" in page


def test_ties_and_unknown_labels_are_counted(tmp_path: Path) -> None:
    scores, gender = in_order(("Male", 10), (None, 10), ("Female", 40), ("Male", 40))
    scores[15:23] = scores[15]
    designed(tmp_path, scores, {"gender": gender})
    report, page = audit(tmp_path, 20)
    before = report["attributes"][0]["prompts"][0]["before"]
    assert (before["unknown"], before["ties_at_k"]) == (10, 8)
    assert "8 rows tie at place 20: the order of the gallery decides which of them are in the list." in page
    assert "10 of the top 20 pictures have no known gender: they are in no share." in page
    assert "the shares lie within: Female 0.0 to 50.0 %, Male 50.0 to 100.0 %" in page
    assert main(["verify", str(tmp_path / "report 0"), "--gallery", str(tmp_path / "gallery")]) == 0


# ---------------------------------------------------------------------------------------------- several lists


def test_small_leans_of_one_kind_are_beyond_chance_together_alone(tmp_path: Path) -> None:
    """Eight prompts retrieve 47 men of 80 each, all other people every time."""
    male = np.arange(1600) % 160 < 47
    male[np.flatnonzero(np.arange(1600) % 160 >= 80)[: 800 - male.sum()]] = True
    scores = np.zeros((1600, 8))
    for j in range(8):
        scores[160 * j : 160 * j + 80, j] = np.linspace(0.2, 0.1, 80)
    designed(tmp_path, scores, {"gender": np.where(male, "Male", "Female").tolist()})
    report, page = audit(tmp_path, 80, number=8)
    verdicts = [f["verdict"] for f in report["findings"]]
    assert verdicts == ["no lean beyond chance"] * 8 + ["beyond chance"]
    assert "0 of 8 pre-registered prompts lean beyond chance" in page and ONLY_TOGETHER in page
    assert ONLY_APART not in page


def test_leans_that_cancel_out_are_beyond_chance_apart_alone(tmp_path: Path) -> None:
    male = np.arange(200) % 2 == 0
    noise = 0.02 * np.random.default_rng(2).normal(size=(200, 2))
    scores = noise + 0.03 * np.stack([male, ~male], axis=1)
    designed(tmp_path, scores, {"gender": np.where(male, "Male", "Female").tolist()})
    report, page = audit(tmp_path, 40, number=2)
    assert [f["verdict"] for f in report["findings"]] == ["beyond chance"] * 2 + ["no lean beyond chance"]
    assert {f["group"] for f in report["findings"]} == {"Male", "Female", None}
    assert ONLY_APART in page and ONLY_TOGETHER not in page


# ---------------------------------------------------------------------------------------------- intersections


def test_intersections_are_drawn_as_cells_with_their_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    male, old = np.arange(400) % 2 == 0, np.arange(400) % 4 < 2
    scores = 0.02 * rng.normal(size=(400, 1)) + 0.04 * (male & old)[:, None]
    labels = {"gender": np.where(male, "Male", "Female").tolist(), "age": np.where(old, "old", "young").tolist()}
    designed(tmp_path, scores, labels)
    report, page = audit(tmp_path, 60, attributes=["gender x age"])
    before = report["attributes"][0]["prompts"][0]["before"]
    drawn = heat_map(before, "original")
    assert drawn is not None and drawn.count("<rect") == 4
    for lean in before["lean"].values():
        assert f"{lean['ratio']['estimate']:.2f} (" in drawn and f"{lean['retrieved']} of {lean['searched']}" in drawn
    assert "Leans towards Male x old beyond chance" in page
    assert heat_map({"lean": {"Male": {}, "Female": {}}}, "no intersections") is None


# ---------------------------------------------------------------------------------------------- effects


def test_an_edit_that_turns_a_list_round_overshoots() -> None:
    """From 90 % to 10 % of two equal groups: the worst case of an edit is not "no effect"."""
    one = {"part": {"target": "uniform", "groups": {"Male": {"small": False}}}}
    share = {"lo": 0.0, "hi": 1.0, "n": 100}
    arms = {
        arm: {"shares": {"Male": share | {"estimate": x}}, "distance": {"Male": {"target": 0.5}}}
        for arm, x in (("before", 0.9), ("after", 0.1))
    }
    arms["after"] |= {"leading_group": "Female", "lean_p": 1e-9}
    effect = {"group": "Male", "direction": "past", "lean_direction": "past", "p_group": {"Male": 1e-9}}
    effect |= {"left": 85, "entered": 85, "p_smallest": 1e-12}
    change = {"estimate": -0.8, "lo": -0.89, "hi": -0.7, "n": 100}
    prompt = {"k": 100, **arms, "difference": {"effect": effect, "shares": {"Male": change}}}
    finding = {"group": "Male", "verdict": "past", "p": 1e-9, "p_smallest": 1e-12, "p_adjusted": 1e-8}
    finding |= {"correction": "Holm", "m": 8}
    said = plain(about_effect(one, prompt, finding, {"group": "Male"}))
    assert "Male goes from 90.0 %" in said and "to 10.0 %" in said
    assert "past the target: it overshoots; the lean turns round: another group is preferred now" in said
    assert "Leading group before: Male; after: Female" in said
    one["part"]["groups"]["Male"]["small"] = True
    said = plain(about_effect(one, prompt, finding, None))
    assert "no single group's change stands out by itself" in said and "Male" not in said
    few = effect | {"left": 2, "entered": 2, "p_smallest": 1 / 3}
    none = finding | {"group": None, "verdict": "no change beyond chance", "p": 1 / 3, "p_smallest": 1 / 3}
    prompt["difference"] = {"effect": few, "shares": {}}
    said = plain(about_effect(one, prompt, none | {"p_adjusted": 1.0}, None))
    assert "no change beyond chance (2 exchanged rows cannot show one, whatever they are)" in said
    assert "Male" not in said and "p = 0.333; adjusted" in said


def test_a_group_is_named_only_where_its_finding_is_beyond_chance(audited: Path) -> None:
    report = json.loads((audited / "report" / "report.json").read_text())
    one = report["attributes"][0]
    prompt = one["prompts"][0]
    finding = next(f for f in report["findings"] if f["prompt"] == prompt["prompt"] and f["about"] == "lean")
    assert "Male" in about_lean(report, one, prompt, finding)
    for changed in ({"verdict": "no lean beyond chance", "group": None}, {"group": None}):
        said = about_lean(report, one, prompt, finding | changed)
        assert "Male" not in said and "Female" not in said


def test_only_the_target_changes_and_no_lean_p_or_verdict_does(audited: Path, tmp_path: Path) -> None:
    """The same neurons under three targets: everything about leans is equal, and so is p of every effect."""
    spec = json.loads((audited / "spec.json").read_text())
    found = json.loads((audited / "report" / "report.json").read_text())["attributes"][0]["edits"][0]["image"]
    spec |= {"edit": {"neurons": found["neurons"]}, "attributes": ["gender"], "exploratory_prompts": []}
    seen = []
    for i, target in enumerate(("uniform", "gallery", {"gender": {"Male": 0.2, "Female": 0.8}})):
        (tmp_path / "spec.json").write_text(json.dumps(spec | {"target": target}))
        assert main(["audit", f"{tmp_path}/spec.json", "--out", f"{tmp_path}/{i}"]) == 0
        seen.append(json.loads((tmp_path / str(i) / "report.json").read_text()))
    parts = [_without_target(report) for report in seen]
    assert parts[0] == parts[1] == parts[2]
    distances = [report["attributes"][0]["prompts"][0]["before"]["distance"] for report in seen]
    assert distances[0] != distances[2]


def _without_target(report: dict[str, Any]) -> list[Any]:
    one = report["attributes"][0]
    kept: list[Any] = [f for f in report["findings"] if f["about"] == "lean"]
    kept += [
        {key: f[key] for key in ("id", "p", "p_adjusted", "group", "lean_direction")} for f in report["findings"][1:6:2]
    ]
    for prompt in one["prompts"]:
        for arm in ("before", "after"):
            names = ("shares", "lean", "lean_p", "leading_group", "lean_beyond_chance", "impact", "worst_pair")
            kept.append([prompt[arm][name] for name in names])
        effect = prompt["difference"]["effect"]
        kept.append({key: effect[key] for key in effect if key != "direction"})
    return [*kept, {arm: found.get("lean", found.get("points")) for arm, found in one["arms"].items()}]


# ---------------------------------------------------------------------------------------------- shipped and real


def test_the_default_gallery_leans_as_it_was_planted(tmp_path: Path) -> None:
    spec = {"schema": 2, "gallery": "default", "sae": "default-image", "attributes": ["gender"], "k": 100}
    spec |= {"target": "uniform", "prompts": ["a photo of a doctor", "a photo of a nurse"]}
    spec["edit"] = {"select": "attribution", "size": 8, "per_query": True}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", f"{tmp_path}/spec.json", "--out", f"{tmp_path}/report"]) == 0
    page = plain((tmp_path / "report" / "report.html").read_text())
    assert "gender : 2 of 2 pre-registered prompts lean beyond chance (1 towards Male, 1 towards Female)" in page
    assert "Leans towards Male beyond chance: 2.00 times" in page
    assert "past the target: it overshoots; the lean turns round: another group is preferred now" in page
    assert "Worst pair, by departure in standard errors, for “a photo of a doctor”" in page


def test_a_prompt_of_which_a_method_leaves_nothing_is_told_with_its_reason(tmp_path: Path) -> None:
    spec = {"schema": 2, "gallery": "default", "attributes": ["gender"], "k": 50, "method": "orth-proj"}
    spec |= {"prompts": ["a photo of a man", "a photo of a doctor"]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", f"{tmp_path}/spec.json", "--out", f"{tmp_path}/report"]) == 0
    page, card = ((tmp_path / "report" / name).read_text() for name in ("report.html", "card.md"))
    said = "Effect: not computed : Orth-Proj leaves nothing of “a photo of a man”: it lies in what it removes."
    assert said in plain(page) and "| not computed |" in card
    assert "1 not computed" in plain(page)


@pytest.mark.skipif(not FAIRFACE.is_dir(), reason=f"the real embeddings are not here: {FAIRFACE}")
def test_real_faces_a_lean_and_its_distance(tmp_path: Path) -> None:
    """Inside race = White, 207 men and 1,000 women: "commander" finds 63 men in 100."""
    import_gallery(
        FAIRFACE / "image_embeddings.npy",
        FAIRFACE / "labels.csv",
        model_name="RN50",
        out=tmp_path / "gallery",
        texts=FAIRFACE / "text_embeddings.npy",
        text_table=FAIRFACE / "texts.csv",
        whole="evaluation",
    )
    asked = {"where": {"race": "White"}, "prompts": ["a photo of a commander"]}
    leans = []
    for target in ("uniform", "gallery"):
        report, page = audit(tmp_path, 100, target=target, **asked)
        before = report["attributes"][0]["prompts"][0]["before"]
        ratio = before["lean"]["Male"]["ratio"]
        assert [round(ratio[end], 2) for end in ("estimate", "lo", "hi")] == [3.67, 3.12, 4.19]
        assert "Leans towards Male beyond chance: 3.67 times (3.12 to 4.19, n = 100)" in page
        leans.append([before["lean"], before["lean_p"], report["findings"]])
        if target == "uniform":
            assert "Distance, Male: 13.0 points above even shares of 50.0 %" in page
            assert "the gallery brings −32.9, the model adds +45.9 ." in page
            split = before["distance"]["Male"]
            assert [round(100 * split[part]) for part in ("composition", "model")] == [-33, 46]
    assert leans[0] == leans[1]
