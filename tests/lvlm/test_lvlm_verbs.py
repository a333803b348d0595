"""`lvlm ask`, `lvlm audit`, `lvlm score`, and `verify` on what an audit of answers left."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli import main
from tests.lvlm.few import few_pictures

ORACLE = Path(__file__).parents[1] / "oracles" / "lvlm_scoring.npz"
SPEC = {
    "schema": 1,
    "kind": "lvlm",
    "gallery": "default",
    "attributes": ["gender", "age"],
    "sae": "default-image-residual",
    "protocol": "vla",
    "words": ["doctor", "nurse", "friendly"],
    "edit": {"neurons": [1]},
    "n": 8,
    "seed": 3,
    "ability": {},
}


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    with few_pictures():
        yield


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    (folder / "spec.json").write_text(json.dumps(SPEC))
    assert main(["lvlm", "audit", str(folder / "spec.json"), "--out", str(folder / "out"), "--thumbnails"]) == 0
    return folder / "out"


@pytest.mark.parametrize("n", [2, 3])
def test_few_pictures_are_a_report_that_says_what_it_cannot_say(tmp_path, capsys, n: int) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "n": n}))
    code, _, err = run(capsys, "lvlm", "audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out"))
    assert code == 0, err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "no interval" in page and ("not computed" in page) is (n == 2), "of three ages one is not there"
    assert ">nan" not in page.lower() and ">None" not in page
    assert "could be tested: a group has too few answered pictures" in page and "differ beyond chance" not in page
    findings = json.loads((tmp_path / "out" / "report.json").read_text())["findings"]
    assert {(finding["p"], finding["verdict"]) for finding in findings} == {(None, "not computed")}
    assert run(capsys, "verify", str(tmp_path / "out"))[0] == 0


def test_score_is_the_recorded_one(tmp_path, capsys) -> None:
    code, out, _ = run(capsys, "lvlm", "score", "--in", str(ORACLE), "--out", str(tmp_path / "s.npz"))
    recorded, found = np.load(ORACLE), np.load(tmp_path / "s.npz")
    assert code == 0 and out == ""
    np.testing.assert_allclose(found["prob"], recorded["prob_marked_float32"], rtol=0, atol=2e-7)
    np.testing.assert_allclose(found["prob_renormalised"], recorded["own_prob_renormalised_marked"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["letter_mass"], recorded["own_letter_mass_marked"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found["no_answer"], recorded["own_letter_mass_marked"] < 0.01)
    np.savez(tmp_path / "bad.npz", logits=recorded["logits"])
    code, _, err = run(capsys, "lvlm", "score", "--in", str(tmp_path / "bad.npz"), "--out", str(tmp_path / "x.npz"))
    assert code == 2 and "prompt_options" in err and err.count("\n") == 1


def test_clamping_through_apply(tmp_path, capsys) -> None:
    recorded = np.load(ORACLE.with_name("lm_sae_clamp.npz"))
    arrays = {name: recorded[name] for name in ("W_enc", "W_dec", "b_enc", "threshold", "h")}
    arrays |= {"feature": recorded["features"][0], "scale": recorded["scales"][2], "mode": np.array("clamping")}
    np.savez(tmp_path / "in.npz", **arrays)
    assert run(capsys, "apply", "sae-clamp", "--in", str(tmp_path / "in.npz"), "--out", str(tmp_path / "o.npz"))[0] == 0
    np.testing.assert_allclose(np.load(tmp_path / "o.npz")["out"], recorded["clamping_jumprelu_s2"], rtol=0, atol=5e-6)


def test_ask_before_and_after(capsys) -> None:
    asked = ("lvlm", "ask", "--question", "Could this person be a nurse?", "--gallery", "default")
    edit = ("--sae", "default-image-residual", "--off", "1", "--free", "--json")
    code, out, _ = run(capsys, *asked, "--item", "default-00009", *edit)
    document = json.loads(out)
    assert code == 0
    for arm in ("before", "after"):
        assert set(document[arm]["options"]) == {"yes", "no", "unsure"}
        assert sum(document[arm]["options"].values()) == pytest.approx(1) and document[arm]["mass"] > 0.9
        assert document[arm]["free"] in ("yes", "no", "unsure")
    assert document["before"]["options"] != document["after"]["options"]
    same = json.loads(run(capsys, *asked, "--item", "default-00009", *edit[:2], "--json")[1])
    assert same["before"]["options"] == same["after"]["options"] == document["before"]["options"]


def test_ask_with_options_of_its_own_and_a_picture(tmp_path, capsys) -> None:
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "p.png")
    question = "which colour is the background? A. teal B. red C. unsure"
    code, out, _ = run(capsys, "lvlm", "ask", "--question", question, "--picture", str(tmp_path / "p.png"), "--json")
    assert code == 0 and set(json.loads(out)["before"]["options"]) == {"teal", "red", "unsure"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--question", "is this person smiling?"), "either --gallery"),
        (("--question", "hm", "--gallery", "default", "--item", "default-1"), "no item 'default-1'"),
        (("--question", "is she an astronaut?", "--gallery", "default", "--item", "default-00001"), "'astronaut'"),
        (("--question", "???", "--gallery", "default", "--item", "default-00001"), "expected words"),
        (("--question", "x " * 200, "--gallery", "default", "--item", "default-00001"), "characters"),
        (("--question", "is this person smiling?", "--picture", "nowhere.jpg"), "nowhere.jpg"),
        (
            ("--question", "is this person smiling?", "--gallery", "default", "--item", "default-00001", "--off", "1"),
            "without --sae",
        ),
        (
            (
                "--question",
                "smiling?",
                "--gallery",
                "default",
                "--item",
                "default-00001",
                "--model",
                "local-dir:nowhere",
            ),
            "no config.json",
        ),
        (
            ("--question", "smiling?", "--gallery", "default", "--item", "default-00001", "--model", "what"),
            "unknown model",
        ),
    ],
)
def test_bad_input_is_one_line(capsys, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(capsys, "lvlm", "ask", *arguments)
    assert code == 2 and out == "" and said in err and err.strip().count("\n") == 0


def test_uploads_are_not_asked_who_they_are(tmp_path, capsys) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "p.png")
    code, _, err = run(capsys, "lvlm", "ask", "--question", "is this a woman?", "--picture", str(tmp_path / "p.png"))
    assert code == 2 and "who a person is" in err
    (tmp_path / "broken.png").write_bytes(b"no picture")
    code, _, err = run(capsys, "lvlm", "ask", "--question", "smiling?", "--picture", str(tmp_path / "broken.png"))
    assert code == 2 and "no picture that can be read" in err


def test_the_report_of_an_audit(report: Path, capsys) -> None:
    document = json.loads((report / "report.json").read_text())
    arms = {"original", "reconstruction", "random", "edit", "held", "mean-difference", "steering"}
    for name in ("gap", "ability"):
        assert set(document["summary"][name]) == arms
        assert all(value["estimate"] is not None for value in document["summary"][name].values())
    assert list(document["evidence"]["absent"]) == ["engineered-prompt"]
    assert set(document["attributes"]) == {"gender", "age"} and len(document["attributes"]["age"]["groups"]) == 3
    page = (report / "report.html").read_text()
    for text in ("Answers that flipped", "random neurons", "held at their middle", "not measured", "data:image/jpeg"):
        assert text in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    lines = (report / "findings.csv").read_text().splitlines()
    assert len(lines) > 100 and lines[0].startswith("attribute,arm,word,group,metric")
    assert "P(yes) by word" in (report / "card.md").read_text()


def test_verify_finds_all_equal_without_a_model(report: Path, capsys, monkeypatch) -> None:
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, _ = run(capsys, "verify", str(report))
    assert code == 0 and "all equal" in out


@pytest.mark.parametrize("what", ["number", "evidence", "page"])
def test_verify_names_what_was_changed(report: Path, tmp_path, capsys, what: str) -> None:
    import hashlib
    import shutil

    from core.report import canonical, sealed

    copy = tmp_path / "copy"
    shutil.copytree(report, copy)
    if what == "page":
        (copy / "report.html").write_text((copy / "report.html").read_text().replace("points", "Points", 1))
    elif what == "number":
        document = json.loads((copy / "report.json").read_text())
        document["summary"]["gap"]["edit"]["estimate"] -= 0.02
        (copy / "report.json").write_text(canonical(document))
    else:
        arrays = dict(np.load(copy / "evidence.npz"))
        arrays["prob_0"][0, 0] = arrays["prob_0"][0, 0, ::-1]
        np.savez_compressed(copy / "evidence.npz", **arrays)
    # digests made to fit: the numbers themselves have to tell
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"] = {n: hashlib.sha256((copy / n).read_bytes()).hexdigest() for n in manifest["files"]}
    (copy / "manifest.json").write_text(canonical(sealed(manifest)))
    code, out, _ = run(capsys, "verify", str(copy), "--no-model")
    assert code == 1
    assert {"number": "summary | gap | edit", "evidence": "attributes | gender", "page": "report.html"}[what] in out


def test_an_interrupted_audit_goes_on(tmp_path, monkeypatch, report: Path) -> None:
    from core.lvlm import audit

    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    ask, asked = audit.Asked.prob, []

    def stops(self, *arguments):
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return ask(self, *arguments)

    command = ["lvlm", "audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out"), "--thumbnails"]
    with monkeypatch.context() as patch:
        patch.setattr(audit.Asked, "prob", stops)
        assert main(command) == 130
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(audit.Asked, "prob", lambda self, *a: (asked.append(1), ask(self, *a))[1])
    assert main(command) == 0
    kept = json.loads((report / "report.json").read_text())
    again = json.loads((tmp_path / "out" / "report.json").read_text())
    assert again["summary"] == kept["summary"]
    assert len(asked) == 3 + len(kept["evidence"]["arms"]) - 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "retrieval"}, "kind 'lvlm'"),
        ({"colour": 1}, "unknown keys: colour"),
        ({"protocol": "dirct"}, "did you mean 'direct'"),
        ({"edit": {"neurons": [1], "hold": "firmly"}}, "hold of the edit"),
        ({"edit": {"neurons": [999]}}, "neurons 0 to 255"),
        ({"sae": None}, "without an SAE"),
        ({"sae": "default-image"}, "pooled embeddings"),
        ({"words": ["doctor", "doctor"]}, "given twice"),
        ({"words": ["astronaut"]}, "does not know 'astronaut'"),
        ({"n": 1}, "at least 2"),
        ({"draws": 3}, "at least 10"),
        ({"protocol": "pairs"}, "--together"),
        ({"attributes": ["shoe"]}, "shoe"),
        ({"questions": {"folder": "x"}}, "expected an object with folder, task"),
        ({"ability": {"layout": "mme", "root": "nowhere"}}, "is no folder"),
    ],
)
def test_bad_specs_are_one_line(tmp_path, capsys, change: dict, said: str) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, **change}))
    code, _, err = run(capsys, "lvlm", "audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out"))
    assert code == 2 and said in err and err.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def forge(report: Path, to: Path, change) -> Path:
    """A copy whose answers were changed and whose numbers, pages and digests were made to fit."""
    import hashlib
    import shutil

    from core.gallery import open_gallery
    from core.lvlm.evidence import AnswerEvidence
    from core.lvlm.numbers import numbers_of
    from core.reading import through_json
    from core.report import canonical, sealed
    from core.report.answers_document import findings
    from core.report.answers_folder import rendered_answers

    shutil.copytree(report, to)
    document = json.loads((to / "report.json").read_text())
    arrays = dict(np.load(to / "evidence.npz"))
    change(document, arrays)
    numbers = numbers_of(AnswerEvidence.of(document["evidence"], arrays), document["spec"]["seed"])
    document = through_json(document | numbers | {"findings": findings(numbers)})
    np.savez_compressed(to / "evidence.npz", **arrays)
    (to / "report.json").write_text(canonical(document))
    for name, text in rendered_answers(document, open_gallery("default")).items():
        (to / name).write_text(text)
    manifest = json.loads((to / "manifest.json").read_text())
    manifest["files"] = {n: hashlib.sha256((to / n).read_bytes()).hexdigest() for n in manifest["files"]}
    (to / "manifest.json").write_text(canonical(sealed(manifest)))
    return to


def test_answers_that_the_model_does_not_give_are_found(report: Path, tmp_path, capsys) -> None:
    """Everything follows from the changed answers, and every digest fits: the model alone contradicts them."""

    def fair(document, arrays) -> None:
        edited = document["evidence"]["arms"].index("edit")
        arrays[f"prob_{edited}"][:] = arrays[f"prob_{edited}"].mean(axis=0, keepdims=True)
        document["edit"].update(hold="probe mean")
        document["arms"]["edit"].update(method="original")
        document["notes"].append("all is well")
        document["model"].update(family="another")

    forged = forge(report, tmp_path / "forged", fair)
    code, out, _ = run(capsys, "verify", str(forged))
    assert code == 1 and "answers | edit | default-" in out and "is not what the model answers" in out
    for words in ("edit: hold", "arms: edit", "notes: says", "model: family"):
        assert words in out
    code, out, _ = run(capsys, "verify", str(forged), "--no-model")
    assert code == 0 and "not checked: the model's answers" in out


def test_an_untouched_report_is_asked_again(report: Path, capsys) -> None:
    code, out, _ = run(capsys, "verify", str(report), "--json")
    document = json.loads(out)
    assert code == 0 and document["rests_on"]["answers"] == "asked again"
    assert not any("answers" in line for line in document["not_checked"])


def test_rows_that_the_spec_does_not_give_are_found(report: Path, tmp_path, capsys) -> None:
    def others(document, arrays) -> None:
        document["spec"]["seed"] += 1
        from core.config import digest_of

        document["spec_digest"] = digest_of(document["spec"])

    code, out, _ = run(capsys, "verify", str(forge(report, tmp_path / "forged", others)), "--no-model")
    assert code == 1 and "rows" in out
