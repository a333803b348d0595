"""Two audits beside each other: paired numbers are those of a direct computation; what was asked otherwise is named."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import main
from core.config import InputError
from core.gallery import open_gallery
from core.ranking.bare_arrays import infer
from core.reading import read_named_arrays
from core.report.comparison import Listed, audit_diff, list_difference, read_audit


@pytest.fixture(scope="module")
def other(audited: Path) -> Path:
    """A second report of the same spec with another SAE."""
    out = audited / "report of another SAE"
    if not out.is_dir():
        arguments = ["sae", "train", "--gallery", f"{audited}/gallery", "--d-sae", "32", "--k", "4", "--steps", "60"]
        arguments += ["--batch", "64", "--half", "probe", "--seed", "5", "--out", f"{audited}/sae-5"]
        assert main(arguments) == 0
        spec = json.loads((audited / "spec.json").read_text()) | {"sae": f"{audited}/sae-5"}
        (audited / "spec-5.json").write_text(json.dumps(spec))
        assert main(["audit", f"{audited}/spec-5.json", "--out", str(out)]) == 0
    return out


def direct(audited: Path, other: Path, attribute: str, prompt: str, arm: str) -> dict[str, Any]:
    """The paired inference on bare arrays: row numbers from the evidence, groups from the gallery itself."""
    gallery = open_gallery(f"{audited}/gallery")
    searched = gallery.rows("evaluation")
    rankings, document = [], {}
    for folder in (audited / "report", other):
        document = json.loads((folder / "report.json").read_text())
        spec = document["spec"]
        key = f"{spec['attributes'].index(attribute)}_{[*spec['prompts'], *spec['exploratory_prompts']].index(prompt)}"
        at = document["arms"][key].index({"before": "original", "after": "edited"}[arm])
        rankings.append(read_named_arrays(folder / "evidence.npz")[f"rows_{key}"][at])
    part = next(one["part"] for one in document["attributes"] if one["attribute"] == attribute)
    names = list(part["groups"])
    labels = gallery.labels(attribute)[searched]
    groups = np.array([names.index(label) if label in names else -1 for label in labels])
    target = np.array([part["groups"][name]["target"] for name in names])
    found = infer("paired", {"groups": groups, "before": rankings[0], "after": rankings[1], "k": np.array(20),
                             "target": target, "seed": np.array(3)})  # fmt: skip
    return found | {"names": names}


def test_paired_numbers_are_those_of_a_direct_paired_computation(audited: Path, other: Path) -> None:
    found = audit_diff(read_audit(audited / "report"), read_audit(other))
    assert found["paired"] and not found["asked"]["not_in_both"]
    assert list(found["asked"]["different"]) == ["sae"]
    moved = 0
    for one in found["lists"]:
        own = direct(audited, other, one["attribute"], one["prompt"], one["arm"])
        assert list(one["share_difference"].values()) == own["share_difference"], one
        assert one["max_skew_difference"] == own["max_skew_difference"]
        assert list(one["p_group"].values()) == own["p_group"]
        assert one["direction"] == own["direction"] and one["group"] == own["names"][own["group"]]
        if len(own["names"]) == 2:  # drawn p of more groups are as fine as their family is large
            assert one["p"] == own["p"]
        moved += one["left"] > 0
        if one["arm"] == "before":
            assert one["left"] == 0 and one["p"] == 1.0
    assert moved > 0 and {one["arm"] for one in found["lists"]} == {"before", "after"}


def test_the_command_prints_both_and_refuses_what_is_no_audit(
    audited: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["audit-diff", f"{audited}/report", str(other)]) == 0
    said = capsys.readouterr().out
    assert "asked otherwise, sae" in said and "paired: both searched the same items" in said
    assert main(["audit-diff", f"{audited}/report", str(other), "--json"]) == 0
    assert {"a", "b", "asked", "lists", "findings", "schema", "k", "target", "digests"} <= set(
        json.loads(capsys.readouterr().out)
    )
    assert main(["audit-diff", str(tmp_path), str(other)]) == 2
    shutil.copytree(other, tmp_path / "changed")
    (tmp_path / "changed" / "card.md").write_text("better")
    with pytest.raises(InputError, match="it was changed"):
        read_audit(tmp_path / "changed")


def test_the_same_report_twice_has_no_change(audited: Path) -> None:
    document = read_audit(audited / "report")
    found = audit_diff(document, document)
    assert not found["asked"]["different"] and all(one["same_verdict"] for one in found["findings"])
    assert all(one["p"] == 1.0 and one["verdict"] == "no change beyond chance" for one in found["lists"])
    for one in found["lists"]:
        for change in one["share_difference"].values():
            assert change["estimate"] == 0.0 and change["lo"] <= 0.0 <= change["hi"]


def drawn(counts: tuple[int, int], retrieved: tuple[int, int], name: str) -> Listed:
    ids = tuple(f"{name} {i}" for i in range(sum(retrieved)))
    return Listed(("A", "B"), counts, (0.5, 0.5), ids, ("A",) * retrieved[0] + ("B",) * retrieved[1])


def test_other_items_give_the_difference_of_two_independent_leans() -> None:
    """By hand: square-and-add of the two exact intervals; p agrees with whether the interval holds 0."""
    for first, second in (((50, 50), (52, 48)), ((50, 50), (75, 25)), ((30, 70), (29, 71))):
        a, b = drawn((400, 600), first, "a"), drawn((500, 500), second, "b")
        one = list_difference(a, b, paired=False)
        (x, y), d = (one_list.lean(1).groups[0].points for one_list in (a, b)), one["points_difference"]["A"]
        assert d["estimate"] == pytest.approx(second[0] / 100 - 0.5 - (first[0] / 100 - 0.4))
        assert d["lo"] == pytest.approx(d["estimate"] - np.hypot(y.estimate - y.lo, x.hi - x.estimate))
        assert d["hi"] == pytest.approx(d["estimate"] + np.hypot(y.hi - y.estimate, x.estimate - x.lo))
        assert (d["lo"] > 0 or d["hi"] < 0) == (one["p"] <= 0.05)
        other = one["points_difference"]["B"]
        assert (other["estimate"], other["lo"], other["hi"]) == pytest.approx((-d["estimate"], -d["hi"], -d["lo"]))


def test_lists_that_cannot_be_compared_say_why() -> None:
    a = drawn((400, 600), (50, 50), "a")
    empty = Listed(("A", "B"), (400, 600), (0.5, 0.5), ("x",), (None,))
    foreign = Listed(("A", "C"), (400, 600), (0.5, 0.5), ("x",), ("C",))
    for other, said in ((None, "leaves nothing"), (empty, "no row with a known group"), (foreign, "groups are A, B")):
        one = list_difference(a, other, paired=True)
        assert one["p"] is None and said in one["reason"] and one["verdict"] == "not computed"
