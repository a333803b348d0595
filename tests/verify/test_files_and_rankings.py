"""Files against digests, rankings against embeddings, and what a verdict says of both."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import InputError
from core.verify import rankings
from core.verify.compared import compared
from core.verify.digests import MANIFEST, compare_digests, find_places, read_manifest
from core.verify.own.findings import findings_list
from core.verify.own.numbers import family
from core.verify.rankings import Followed, wrong_codes
from core.verify.verdict import Verdict

# ------------------------------------------------------------------------------------------------ digests


def entry(name: str, digest: str, files: list[str], given: str = "nowhere") -> dict:
    return {"name": name, "given": given, "digest": digest, "files": dict.fromkeys(files, "0")}


def folder(path: Path, files: list[str], named: str | None = None) -> Path:
    path.mkdir(parents=True)
    for name in files:
        (path / name).write_text("x")
    if named is not None:
        (path / "manifest.json").write_text(json.dumps({"name": named}))
    return path


def test_a_manifest_is_one_or_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no report"):
        read_manifest(tmp_path)
    right = {"files": {}, "galleries": [entry("g", "1", [])], "saes": []}
    wrong = [
        [],
        {"files": {}},
        right | {"galleries": {}},
        right | {"saes": [1]},
        right | {"galleries": [{"name": "g"}]},
    ]
    for document in wrong:
        (tmp_path / MANIFEST).write_text(json.dumps(document))
        with pytest.raises(InputError, match="is not the manifest of a report"):
            read_manifest(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps(right))
    assert read_manifest(tmp_path) == right


def test_given_folders_are_matched_by_name_then_by_files(tmp_path: Path) -> None:
    many = [f"f{i}" for i in range(4)]
    right = folder(tmp_path / "anything", many)
    some = folder(tmp_path / "other", many[:2])
    called = folder(tmp_path / "copy", ["z"], named="second")
    manifest = {"galleries": [entry("first", "1", many), entry("second", "2", many)], "saes": []}
    assert find_places(manifest, [some, called, right]).galleries == {"1": right, "2": called}
    assert find_places(manifest, [some, called]).galleries == {"1": some, "2": called}
    assert find_places(manifest, [called]).galleries == {"1": None, "2": called}
    stranger = folder(tmp_path / "stranger", ["q"])
    assert find_places(manifest, [stranger]).galleries == {"1": None, "2": None}
    # one gallery and one folder: that is the one, whatever it looks like
    alone = {"galleries": [], "saes": [entry("s", "3", many)]}
    assert find_places(alone, [], [stranger]).saes == {"3": stranger}
    unlike = folder(tmp_path / "unlike", many, named="third")
    assert find_places(manifest, [unlike]).galleries == {"1": None, "2": None}
    with pytest.raises(InputError, match=r"does not exist; give the folder of a gallery"):
        find_places(manifest, [tmp_path / "never"])
    with pytest.raises(InputError, match=r"does not exist; give the folder of a SAE"):
        find_places(manifest, [], [tmp_path / "never"])


def test_what_was_not_given_is_where_the_spec_said_or_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = folder(tmp_path / "there", ["f"])
    manifest = {"galleries": [entry("default", "1", []), entry("x", "2", [], str(there))], "saes": []}
    places = find_places(manifest).galleries
    assert places["1"] is not None and places["1"].name == "default" and places["2"] == there
    monkeypatch.chdir(tmp_path.parent)
    for given, found in ((f"{tmp_path.name}/there", True), (tmp_path.name, False)):
        own = find_places({"galleries": [entry("x", "1", [], given)], "saes": []}).galleries["1"]
        assert own == (Path(given) if found else None)


def test_files_that_were_changed_or_are_missing(tmp_path: Path) -> None:
    report, gallery = folder(tmp_path / "report", ["a"]), folder(tmp_path / "g", ["b"])
    manifest = {
        "files": {"a": "0", "gone": "0"},
        "galleries": [entry("g", "1", ["b", "codes/x", "other/x"]) | {"spare": ["codes"]}, entry("h", "2", [])],
        "saes": [],
    }
    (report / MANIFEST).write_text("{}")
    places = find_places({"galleries": manifest["galleries"], "saes": []}, [gallery])
    lines = compare_digests(report, manifest, places)
    assert lines == [
        f"{MANIFEST}: was changed after it was written",
        "a: was changed after it was written",
        "gone: is missing",
        "gallery g, b: was changed after it was written",
        "gallery g, other/x: is missing",
        "gallery h: is not here; give its folder with --gallery",
    ]


# ------------------------------------------------------------------------------------------------ codes


@pytest.fixture(autouse=True)
def hand_made_saes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SAE of these tests is plain arithmetic already: there is nothing to freeze."""
    monkeypatch.setattr(rankings, "frozen", lambda given: given)


class HandSAE:
    def encode(self, x: np.ndarray) -> np.ndarray:
        return np.where(x > 0.5, x, 0.0)

    def onset(self, z: np.ndarray) -> float:
        return 0.5


def sources(x: np.ndarray, kept: np.ndarray | None, side: str = "image") -> SimpleNamespace:
    codes = None if kept is None else SimpleNamespace(csr=sparse.csr_matrix(kept))
    file = SimpleNamespace(digest="s", attach=None, sae=HandSAE())
    gallery = SimpleNamespace(side="image", codes=lambda digest: codes, embeddings=lambda attach: x)
    return SimpleNamespace(scene=SimpleNamespace(saes={side: file}), gallery=gallery)


def test_stored_codes_are_those_of_the_stored_embeddings() -> None:
    x = np.array([[0.7, 0.2, 2.0], [0.1, 0.6, 0.9], [0.4, 0.3, 1.0], [0.8, 0.51, 0.0]])
    kept, rows = HandSAE().encode(x), np.arange(4)
    for block in (1, 3, 4):
        assert wrong_codes(sources(x, kept), rows, block=block) is None
        other = kept.copy()
        other[2, 2] = 1.1
        assert wrong_codes(sources(x, other), rows, block=block) == "row 2, neuron 2: the code is 1.1, not 1"
        assert wrong_codes(sources(x, other), np.array([0, 1, 3]), block=block) is None
    assert wrong_codes(sources(x, None), rows) is None and wrong_codes(sources(x, kept * 2, "text"), rows) is None
    for off, fine in ((1.5e-4, True), (2.5e-4, False)):  # a ten-thousandth of the largest code, which is 2
        other = kept + np.where(kept > 0, off, 0.0)
        assert (wrong_codes(sources(x, other), rows) is None) is fine


def test_a_neuron_that_only_just_fires_may_be_off() -> None:
    for own, kept, fine in ((0.50005, 0.0, True), (0.6, 0.0, False), (0.4, 0.50005, True), (0.4, 0.6, False)):
        x = np.array([[1.0, own]])
        found = wrong_codes(sources(x, np.array([[1.0, kept]])), np.array([0]), tolerance=1e-4)
        assert (found is None) is fine
    assert wrong_codes(sources(np.zeros((2, 2)), np.zeros((2, 2))), np.arange(2)) is None


def test_rankings_that_hold_nothing_or_everything() -> None:
    empty = Followed(np.zeros(0, dtype=np.int64), 3)
    empty.take(0, np.array([0.1, 0.2, 0.3]))
    assert empty.wrong() is None
    for rows in ([3], [-1]):
        assert "not searched" in Followed(np.array(rows), 3).wrong()
    whole = Followed(np.array([2, 0]), 3)
    whole.take(0, np.array([0.2, 0.1, 0.3]))
    assert whole.wrong() is None


# ------------------------------------------------------------------------------------------------ verdicts


def test_a_verdict_says_what_was_carried() -> None:
    plain = Verdict((), 3, 9)
    assert plain.equal and plain.to_json() == {"schema": 1, "equal": True, "files": 3, "numbers": 9, "differences": []}
    other = Verdict(("x",), 3, 9, ("able",))
    assert not other.equal and other.to_json()["without_second_formula"] == ["able"]
    assert other.to_json()["differences"] == ["x"]


def test_entries_are_called_by_id_prompt_attribute_or_place() -> None:
    for item, name in (({"id": "i", "prompt": "p"}, "i"), ({"prompt": "p", "attribute": "a"}, "p"), ({"id": ""}, "1")):
        (line,) = (line for line in compared([{**item, "v": 1}], [{**item, "v": 2}]) if line)
        assert line.startswith(f"{name} | v")
    assert [line for line in compared([1, 2, 3], [1, 2]) if line] == [": has 3 entries, recomputed 2"]
    assert [line for line in compared([3], [4], ("x",)) if line] == ["x | 1: says 3, recomputed 4, differs by 1"]


def spec(prompts: int, exploratory: int, attributes: int, edit: object, method: str = "neuron-edit") -> SimpleNamespace:
    return SimpleNamespace(
        prompts=range(prompts),
        exploratory_prompts=range(exploratory),
        attributes=range(attributes),
        edit=edit,
        method=method,
        methods=(),
    )


def test_how_many_findings_a_family_has() -> None:
    """A lean of every attribute and prompt, of several prompts also of their mean; twice as many with an edit."""
    assert family(spec(3, 2, 2, None), "headline") == 8 and family(spec(3, 2, 2, None), "exploratory") == 4
    assert family(spec(1, 0, 2, None), "headline") == 2 and family(spec(1, 0, 2, None), "exploratory") == 1
    assert family(spec(2, 1, 1, {}), "headline") == 6 and family(spec(2, 1, 1, {}), "exploratory") == 2
    assert family(spec(2, 1, 1, None, "sem-i"), "headline") == 6


def prompt(name: str, kind: str, p: float | None, direction: str, effect_p: float) -> dict:
    lean = {
        g: {"points": {"estimate": 0.1, "target": 1}, "ratio": 1.5, "departure": d} for g, d in (("a", 1), ("b", 2))
    }
    effect = {"group": "a", "p": effect_p, "p_smallest": 0.1, "direction": direction, "lean_direction": "away"}
    effect |= {"leading_before": None, "leading_after": None}
    before = {"leading_group": None, "lean": lean, "lean_p": p, "lean_p_smallest": 0.01}
    change = {"shares": {"a": {"estimate": 0.2, "note": "few"}}, "effect": effect}
    return {"prompt": name, "kind": kind, "before": before, "difference": change}


def test_findings_are_corrected_by_kind_and_named_beyond_chance_alone() -> None:
    arm = {"leading_group": "a", "group": "a", "points": {"a": {"estimate": 0.3}}, "p": 0.03, "p_smallest": 0.001}
    one = {
        "attribute": "gender",
        "prompts": [prompt("x", "headline", 0.01, "past", 0.02), prompt("y", "exploratory", None, "towards", 0.04)],
        "arms": {"original": {"lean": arm}},
    }
    found = findings_list([one])
    assert [(e["id"], e["m"], e["p_adjusted"], e["verdict"]) for e in found] == [
        ("gender | x | lean", 2, pytest.approx(0.02), "beyond chance"),
        ("gender | x | effect", 2, pytest.approx(0.02), "past"),
        ("gender | y | lean", None, None, "not computed"),
        ("gender | y | effect", 1, pytest.approx(0.04), "towards"),
    ]
    assert [e["group"] for e in found] == [None, "a", None, "a"]
    assert found[1]["interpreted"] is False and found[0]["interpreted"] is True and found[0]["ratio"] == 1.5
    assert found[0]["value"] == {"estimate": 0.1} and found[0]["correction"] == "Holm"
    one["prompts"].append(prompt("z", "headline", 0.5, "away", 0.5))
    several = findings_list([one])
    assert several[-1]["id"] == "gender | all pre-registered prompts | lean" and several[-1]["m"] == 5
    assert several[-1]["p_adjusted"] == pytest.approx(0.09) and several[-1]["verdict"] == "no lean beyond chance"
    assert several[-1]["group"] is None and several[-2]["verdict"] == "no change beyond chance"
    effect = prompt("e", "headline", 0.5, "away", 0.0001)["difference"]["effect"] | {
        "changes": {"a": {"estimate": 0.4}}
    }
    one["arms"]["edited"] = {"effect": effect}
    last = findings_list([one])[-1]
    assert last["id"].endswith("| effect") and last["verdict"] == "away" and last["value"] == {"estimate": 0.4}
    one["arms"]["edited"] = {"effect": {"reason": "nothing left"}}
    assert findings_list([one])[-1]["value"] == {"estimate": None, "reason": "nothing left"}
