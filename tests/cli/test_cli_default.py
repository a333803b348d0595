"""The command line on the shipped default: every side and attach point, and galleries built from what people have."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli import main
from core.config import ASSETS

pytestmark = pytest.mark.skipif(
    not (ASSETS / "galleries" / "default" / "manifest.json").exists(),
    reason="the default's assets are not built: run python -m core build-default",
)
DOCTOR = ["--query", "a photo of a doctor", "--attribute", "gender"]
SIDES = [
    ("default", "default-image"),
    ("default", "default-image-residual"),
    ("default", "default-text"),
    ("default", "default-text-residual"),
    ("default-captions", "default-text"),
    ("default-captions", "default-text-residual"),
]


def document(capsys: pytest.CaptureFixture, *arguments: str) -> dict:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_doctor_is_a_man_and_the_reference_edit_says_otherwise(capsys) -> None:
    found = document(
        capsys, "neurons", "--gallery", "default-probe", "--sae", "default-image", "--attribute", "gender",
        "--tau", "0.5",
    )  # fmt: skip
    first = [str(group["specific"][0]) for group in found["groups"].values() if group["specific"]]
    assert first
    edit = ["--sae", "default-image", "--off", ",".join(first)]
    result = document(capsys, "rank", "--gallery", "default", *DOCTOR, *edit)
    assert result["before"]["shares"]["Male"]["estimate"] > 0.9
    assert abs(result["after"]["shares"]["Male"]["estimate"] - 0.5) < 0.25
    assert result["difference"]["shares"]["Male"]["hi"] < 0


def test_the_probe_set_of_the_evaluation_gallery_is_found(capsys) -> None:
    ask = ["neurons", "--sae", "default-image", "--attribute", "gender", "--tau", "0.5", "--gallery"]
    own, partner = document(capsys, *ask, "default-probe"), document(capsys, *ask, "default")
    confirmed = {group: best.pop("confirmed") for group, best in partner["best"].items()}
    assert all(estimate["n"] == 2016 for estimate in confirmed.values()), "measured on the evaluation gallery"
    assert all(best.pop("confirmed") is None for best in own["best"].values()), "a probe set has nothing to confirm on"
    assert own == partner


@pytest.mark.parametrize(("gallery", "sae"), SIDES)
@pytest.mark.parametrize("options", [["--strength", "0"], ["--form", "blend", "--alpha", "0"]])
def test_an_edit_that_changes_nothing_is_the_untouched_model(capsys, gallery, sae, options) -> None:
    result = document(capsys, "rank", "--gallery", gallery, *DOCTOR, "--sae", sae, "--off", "0,1,2,3,4", *options)
    assert result["after"]["ids"] == result["before"]["ids"]
    np.testing.assert_allclose(result["after"]["scores"], result["before"]["scores"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("gallery", "sae"), SIDES)
def test_switching_neurons_changes_scores_on_every_side(capsys, gallery, sae) -> None:
    off = ",".join(map(str, range(64)))
    result = document(capsys, "rank", "--gallery", gallery, *DOCTOR, "--sae", sae, "--off", off)
    assert not np.allclose(result["after"]["scores"], result["before"]["scores"], atol=1e-3)


def test_an_unknown_word_is_named(capsys) -> None:
    ask = ["rank", "--gallery", "default", "--query", "a photo of an astronaut", "--attribute", "gender"]
    assert any("astronaut" in note for note in document(capsys, *ask)["notes"])
    assert main(ask) == 0
    assert "does not know: astronaut" in capsys.readouterr().out


def test_a_folder_with_bad_pictures_is_built_from_the_good_ones(capsys, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = Image.fromarray(rng.integers(0, 255, (120, 90, 3), dtype=np.uint8))
        noise.save(pictures / f"{i}.jpg")
    noise.convert("CMYK").save(pictures / "cmyk.jpg")
    (pictures / "cut.jpg").write_bytes((pictures / "0.jpg").read_bytes()[:900])
    (pictures / "text.jpg").write_text("not a picture")
    table = tmp_path / "table.csv"
    names = [*(f"{i}.jpg" for i in range(6)), "cmyk.jpg", "cut.jpg", "text.jpg"]
    table.write_text("file,kind\n" + "".join(f"{name},{'a' if i % 2 else 'b'}\n" for i, name in enumerate(names)))
    built = document(
        capsys, "gallery", "build", "--images", str(pictures), "--table", str(table), "--model", "default",
        "--attach", "pooled,residual", "--out", str(tmp_path / "gallery"),
    )  # fmt: skip
    assert built["n"] == 7
    assert set(built["fingerprints"]) == {"pooled", "residual"}
    assert document(capsys, "gallery", "info", str(tmp_path / "gallery"), "--check")["check"]["equal"]
    ranked = document(
        capsys, "rank", "--gallery", str(tmp_path / "gallery"), "--query", "a photo of a nurse", "--k", "3",
        "--attribute", "kind",
    )  # fmt: skip
    assert len(ranked["before"]["ids"]) == 3


def test_captions_are_a_gallery_too(capsys, tmp_path: Path) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("id,text,gender\n1,a photo of a man,Male\n2,,Male\n3,a photo of a woman,Female\n")
    built = document(capsys, "gallery", "build", "--captions", str(captions), "--out", str(tmp_path / "gallery"))
    assert (built["n"], built["kind"]) == (2, "captions")


def test_a_method_that_leaves_nothing_of_the_prompt_says_so_and_ranks_nothing(capsys) -> None:
    asked = ["rank", "--gallery", "default", "--attribute", "gender", "--query", "a photo of a man"]
    for method, title in (("orth-proj", "Orth-Proj"), ("prism-mini", "PRISM-mini"), ("bendvlm", "BendVLM")):
        reason = f"{title} leaves nothing of “a photo of a man”: it lies in what it removes"
        found = document(capsys, *asked, "--method", method)
        assert found["after"] == found["difference"] == {"reason": reason}
        assert found["before"]["max_skew"]["n"] == 100
    assert main([*asked, "--method", "orth-proj"]) == 0
    assert "after: not computed: Orth-Proj leaves nothing of" in capsys.readouterr().out


def test_an_audit_names_the_prompt_of_which_its_method_leaves_nothing(tmp_path: Path, capsys) -> None:
    prompts = ["a photo of a doctor", "a photo of a man"]
    spec = {"schema": 1, "gallery": "default", "model": "default", "attributes": ["gender"], "k": 100}
    (tmp_path / "spec.json").write_text(json.dumps(spec | {"prompts": prompts, "method": "orth-proj"}))
    assert main(["audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "report")]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    reason = "Orth-Proj leaves nothing of “a photo of a man”: it lies in what it removes"
    doctor, man = report["attributes"][0]["prompts"]
    assert doctor["after"]["max_skew"]["n"] == man["before"]["max_skew"]["n"] == 100
    assert man["after"] == man["difference"] == {"reason": reason}
    verdicts = {entry["id"]: entry["verdict"] for entry in report["findings"]}
    assert verdicts["gender | a photo of a man | effect"] == "not computed"
    assert reason in (tmp_path / "report" / "report.html").read_text()
    assert reason in (tmp_path / "report" / "findings.csv").read_text()
    assert main(["verify", str(tmp_path / "report")]) == 0
