"""Heads of a gallery's tower, read from its pictures: a small gallery built by a transformer with random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.backbones.base import load_model
from core.config import InputError
from core.datasets import DATASETS
from core.edits.heads import which_heads
from core.gallery import build_gallery
from core.ranking import RankRequest, rank
from core.ranking import heads as reading
from core.ranking.fitting import Fitter
from core.ranking.heads import PictureHeads, head_sample, why_no_heads
from core.scene import Scene
from core.units import unit
from tests.backbones import tiny_clip
from tests.benchmark.small_world import small_gallery

ASKED = RankRequest("colour", "a photo of a doctor", k=20, method="head-ablation", half="evaluation")


def built_scene(folder: Path) -> Scene:
    """Reddish and bluish pictures, embedded by a vision transformer with random weights."""
    rng, images = np.random.default_rng(0), folder / "pictures"
    images.mkdir()
    red = rng.random(120) < 0.5
    for i, warm in enumerate(red):
        noise = rng.integers(0, 120, (32, 32, 3))
        noise[..., 0 if warm else 2] += 120
        Image.fromarray(noise.astype(np.uint8)).save(images / f"{i:03}.png")
    names = [f"{i:03}.png" for i in range(120)]
    pd.DataFrame({"file": names, "colour": np.where(red, "red", "blue")}).to_csv(folder / "table.csv", index=False)
    model = load_model(tiny_clip.saved(folder / "model"), device="cpu")
    items = DATASETS.get("folder")().items(images, table=folder / "table.csv")
    return Scene(build_gallery(items, model, folder / "gallery"), model=model)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return built_scene(tmp_path_factory.mktemp("heads"))


def pictures(scene: Scene, rows: np.ndarray) -> list[Image.Image]:
    import io

    return [Image.open(io.BytesIO(scene.gallery.thumb(int(row)))).convert("RGB") for row in rows]


def test_heads_are_those_of_the_kept_pictures(scene: Scene) -> None:
    rows = np.array([7, 3, 90])
    heads = PictureHeads(scene, scene.gallery, rows)
    parts = scene.model.image_parts(pictures(scene, rows)).heads
    np.testing.assert_allclose(heads([(0, 1), (2, 2)]), parts[:, 0, 1] + parts[:, 2, 2], atol=1e-5)
    np.testing.assert_array_equal(heads.at(np.array([2, 0]))([(1, 1)]), heads([(1, 1)])[[2, 0]])


def test_what_does_not_fit_into_memory_is_read_again_and_sampled(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = np.arange(0, 120, 2), np.arange(60) % 2
    whole, heads = head_sample(scene, scene.gallery, rows, labels), [(0, 0), (2, 1)]
    sums = PictureHeads(scene, scene.gallery, rows)(heads)
    assert whole.parts.shape == (60, 3, 3, 24)
    monkeypatch.setattr(reading, "KEPT_BYTES", 20 * whole.parts[0].nbytes)
    fresh = Scene(scene.gallery, model=scene.model)
    some = head_sample(fresh, scene.gallery, rows, labels)
    assert len(some.parts) == len(some.labels) == 20 and some.places[0] == 0 and some.places[-1] == 59
    np.testing.assert_allclose(some.parts, whole.parts[some.places], atol=1e-5)
    np.testing.assert_allclose(PictureHeads(fresh, scene.gallery, rows)(heads), sums, atol=1e-5)


def test_a_ranking_without_the_heads_is_the_formula(scene: Scene) -> None:
    result = rank(scene, ASKED)
    fitted = Fitter(scene, ASKED)("head-ablation")
    rows = scene.gallery.rows("evaluation")
    parts = scene.model.image_parts(pictures(scene, rows)).heads
    probe = scene.gallery.rows("probe")
    means = scene.model.image_parts(pictures(scene, probe)).heads.mean(axis=0)
    moved = scene.gallery.embeddings()[rows] - sum(parts[:, l, h] - means[l, h] for l, h in fitted.heads)
    query = scene.model.encode_texts([ASKED.query])["pooled"][0]
    order = np.argsort(-(unit(moved) @ unit(query)), kind="stable")[: ASKED.k]
    assert result.after.rows.tolist() == rows[order].tolist()
    assert result.before.rows.tolist() != result.after.rows.tolist()


def test_the_parts_of_the_gap_add_up(scene: Scene) -> None:
    found = which_heads(scene, ASKED)
    document = found.to_json()
    assert document["explained"] + found.rest.estimate == pytest.approx(found.gap.estimate, abs=1e-6)
    rows = scene.gallery.rows("probe")
    inside = scene.gallery.labels("colour")[rows] == found.group
    scores = scene.gallery.embeddings()[rows].astype(float) @ unit(scene.model.encode_texts([ASKED.query])["pooled"][0])
    assert (
        found.gap.estimate == pytest.approx(scores[inside].mean() - scores[~inside].mean()) and found.gap.estimate > 0
    )
    chosen = {(pull.layer, pull.head) for pull in found.heads if pull.silenced}
    assert chosen == set(Fitter(scene, ASKED)("head-ablation").heads)
    assert len(found.heads) == 9 and len(found.picture().series) == 3
    sizes = [abs(pull.contribution.estimate) for pull in found.heads]
    assert sizes == sorted(sizes, reverse=True)


def test_what_cannot_be_read_is_said_in_one_line(scene: Scene, tmp_path: Path) -> None:
    bare = small_gallery(tmp_path)
    assert "keeps no pictures" in why_no_heads(Scene(bare))
    assert "is loaded" in why_no_heads(Scene(scene.gallery))
    other = load_model(tiny_clip.saved(tmp_path / "other", seed=5), device="cpu")
    assert why_no_heads(replace(scene, model=other)), "another model's weights"
    with pytest.raises(InputError, match="keeps no pictures"):
        which_heads(Scene(bare), RankRequest("gender", "a photo of a pilot"))
    with pytest.raises(InputError, match="needs pictures, and the vision transformer") as refused:
        rank(Scene(bare), RankRequest("gender", "a photo of a pilot", k=10, method="head-ablation"))
    assert "\n" not in str(refused.value)
