"""Both sides, caption galleries, label sets and methods: each gives the app's own embeddings where it is applied."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.cli import main
from core.config import Edit
from core.gallery import open_gallery
from core.home.exporting import ExportRequest, export_edit
from core.interventions import INTERVENTIONS, Material
from core.labelling import LabelSet
from core.labelling.log import LabelLog
from core.neurons import encode_rows
from core.saes.checkpoint import load_sae
from core.scene import open_scene, text_embeddings
from core.units import unit

TEXTS = ["a photo of a doctor", "a photo of a nurse", "a photo of a person"]


def edited_by_the_app(rows: np.ndarray, sae: str, edit: Edit, side: str) -> np.ndarray:
    file = load_sae(sae)
    material = Material(side, rows, codes=encode_rows(rows, file.sae).tocsc(), sae=file.sae)
    return unit(INTERVENTIONS.get("neuron-edit")()(material, edit))


def exported(out: Path, *given: str) -> dict:
    assert main(["edit", "export", *given, "--out", str(out)]) == 0
    return json.loads((out / "edit.json").read_text())


def applied(edit: Path, rows: np.ndarray, side: str, tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "x.npy", rows)
    asked = ["--in", str(tmp_path / "x.npy"), "--out", str(tmp_path / "y.npy"), "--replace", "--side", side]
    assert main(["edit", "apply", str(edit), *asked]) == 0
    return np.load(tmp_path / "y.npy")


@pytest.fixture(scope="module")
def prompts() -> np.ndarray:
    return text_embeddings(open_scene("default", (), TEXTS), TEXTS, ("pooled",))[0]["pooled"]


def test_pictures_and_queries_are_edited_apart(prompts, tmp_path):
    edit = tmp_path / "both"
    neurons = ["--sae", "default-image", "--off", "3,17", "--sae", "default-text", "--off", "5,9,11"]
    said = exported(edit, "--gallery", "default", *neurons, "--strength", "0.7")
    assert list(said["sides"]) == ["items", "queries"] and any("Both sides" in limit for limit in said["limits"])
    items = np.asarray(open_gallery("default").embeddings("pooled")[:300], dtype=np.float32)
    for side, name, rows, sae, numbers in (
        ("items", "image", items, "default-image", (3, 17)),
        ("queries", "text", prompts, "default-text", (5, 9, 11)),
    ):
        found = applied(edit, rows, side, tmp_path)
        np.testing.assert_allclose(found, edited_by_the_app(rows, sae, Edit(numbers, 0.7), name), rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["error-preserving", "blend"])
def test_captions_are_items(form, tmp_path):
    given = ["--gallery", "default-captions", "--sae", "default-text", "--off", "2,4", "--form", form]
    said = exported(tmp_path / "captions", *given)
    assert list(said["sides"]) == ["items"] and said["sides"]["items"]["fingerprint"]["side"] == "text"
    rows = np.asarray(open_gallery("default-captions").embeddings("pooled")[:200], dtype=np.float32)
    found = applied(tmp_path / "captions", rows, "items", tmp_path)
    wanted = edited_by_the_app(rows, "default-text", Edit((2, 4), form=form), "text")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_a_set_of_labelled_neurons_travels(tmp_path):
    log = LabelLog(None)
    made = log.save_set(LabelSet("gender, agreed by 2", load_sae("default-image").digest, (3, 9), "by hand", by="ann"))
    log.close()
    given = ["--gallery", "default", "--sae", "default-image", "--label-set", made.digest[:12]]
    assert exported(tmp_path / "set", *given)["edits"]["image"]["neurons"] == [3, 9]


@pytest.mark.parametrize("method", ["difference-projection", "prism-mini", "closed-form"])
def test_a_method_of_both_sides_changes_queries_as_the_app_does(method, prompts, tmp_path):
    scene = open_scene("default", (), TEXTS)
    edit = export_edit(scene, ExportRequest(method=method, attribute="gender"))
    exported(tmp_path / method, "--gallery", "default", "--method", method, "--attribute", "gender")
    found = applied(tmp_path / method, prompts, "queries", tmp_path)
    np.testing.assert_allclose(found, edit.side("queries")(prompts), rtol=0, atol=1e-7)
    assert not np.allclose(found, unit(prompts), atol=1e-4)
