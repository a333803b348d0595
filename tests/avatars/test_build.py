"""The build of the offline default, on a tiny plan: complete, resumable, and the same from the same seed."""

import json

import numpy as np
import pytest

from core.avatars import build as build_module
from core.avatars.build import Plan, SAERecipe, build_default
from core.avatars.clip_training import ClipTrainingConfig
from core.backbones.open_clip_models import load_backbone
from core.gallery import open_gallery
from core.saes.checkpoint import load_sae
from core.training.config import TrainingConfig

TINY_SAE = SAERecipe(16, 4, TrainingConfig(steps=8, batch=16))
TINY = Plan(
    clip=ClipTrainingConfig(
        image_size=32,
        width=32,
        layers=1,
        head_width=16,
        text_width=32,
        text_layers=1,
        embed_dim=16,
        steps=4,
        batch=16,
        checkpoint_every=2,
    ),
    per_word=2,
    without_word=36,
    neutral=18,
    plain=36,
    attire=26,
    captions=60,
    sae_rows=80,
    image_saes=(TINY_SAE, SAERecipe(16, 5, TrainingConfig(steps=8, batch=16, seed=1))),
    text_sae=TINY_SAE,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("assets")
    seen = []
    build_default(out, seed=3, plan=TINY, progress=lambda done, total, what: seen.append((done, total, what)))
    return out, seen


def digests(out):
    galleries = {name: open_gallery(out / "galleries" / name).digest for name in ("default", "default-captions")}
    return galleries | {"sae": load_sae(out / "saes" / "default-image").digest}


def test_everything_is_there_and_opens(built):
    out, _ = built
    backbone = load_backbone(f"local-dir:{out}/models/default")
    assert backbone.image_size == (32, 32) and backbone.unknown_words("a photo of an astronaut") == ["astronaut"]
    for name, n in (("default", 36), ("default-probe", 36), ("default-attire", 26)):
        gallery = open_gallery(out / "galleries" / name)
        assert (gallery.n, gallery.kind, gallery.has("residual")) == (n, "images", True)
        assert gallery.check() == []
        for sae in ("default-image", "default-image-residual"):
            assert gallery.codes(load_sae(out / "saes" / sae).digest).csr.shape == (n, 16)
    texts = open_gallery(out / "galleries" / "default-captions")
    assert texts.kind == "captions" and texts.codes(load_sae(out / "saes" / "default-text").digest) is not None


def test_every_stage_shows_its_own_progress(built):
    stages = {}
    for done, total, what in built[1]:
        stages.setdefault(what.split(":")[0], []).append((done, total))
    assert "codes, storing the codes" in stages
    for points in stages.values():
        assert points == sorted(points) and points[-1][0] <= points[-1][1]


def test_halves_and_partners(built):
    out, _ = built
    default = open_gallery(out / "galleries" / "default")
    assert default.manifest["split"]["whole"] == "evaluation"
    assert default.manifest["probe_gallery"] == "default-probe"
    assert open_gallery(out / "galleries" / "default-probe").manifest["split"]["whole"] == "probe"
    texts = open_gallery(out / "galleries" / "default-captions")
    assert len(texts.rows("probe")) and len(texts.rows("evaluation"))


def test_no_picture_is_in_two_galleries(built):
    out, _ = built
    galleries = [open_gallery(out / "galleries" / name) for name in ("default", "default-probe")]
    rows = [{row.tobytes() for row in np.asarray(gallery.embeddings())} for gallery in galleries]
    assert not rows[0] & rows[1]


def test_the_embeddings_are_those_of_the_shipped_model(built):
    out, _ = built
    gallery = open_gallery(out / "galleries" / "default-captions")
    backbone = load_backbone(f"local-dir:{out}/models/default")
    expected = backbone.encode_texts([gallery.text(i) for i in range(5)])["pooled"]
    np.testing.assert_allclose(gallery.embeddings()[:5], expected, rtol=1e-3, atol=1e-3)  # stored as float16
    assert gallery.fingerprint().weights == backbone.fingerprint("text", "pooled").weights


def test_resuming_keeps_what_is_finished_and_mends_what_is_missing(built, monkeypatch):
    out, _ = built
    before = digests(out)
    made = []
    write = build_module.DefaultBuild._write_prompts
    monkeypatch.setattr(
        build_module.DefaultBuild, "_write_prompts", lambda self, p: (made.append("prompts"), write(self, p))
    )
    monkeypatch.setattr(build_module, "train_clip", lambda *a: pytest.fail("the model was finished"))
    build_default(out, seed=3, resume=True, plan=TINY)
    assert made == []
    (out / "prompts" / "planted.json").unlink()
    build_default(out, seed=3, resume=True, plan=TINY)
    assert made == ["prompts"] and digests(out) == before


def test_a_killed_build_resumes_to_the_same_bytes(built, tmp_path, monkeypatch):
    out, _ = built
    advance = build_module.ClipTraining.advance

    def killed(self, until, progress=None):
        advance(self, until, progress)
        if self.step >= 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build_module.ClipTraining, "advance", killed)
        build_default(tmp_path, seed=3, plan=TINY)
    assert not (tmp_path / "models" / "default").exists(), "no half-made model under the final name"
    build_default(tmp_path, seed=3, resume=True, plan=TINY)
    assert digests(tmp_path) == digests(out)


def test_prompt_files_say_what_the_world_says(built):
    out, _ = built
    planted = json.loads((out / "prompts" / "planted.json").read_text())
    by_word = {row["word"]: row for row in planted["words"]}
    assert by_word["doctor"]["p_male"] == 0.9 and by_word["ceo"]["age"]["older"] == 0.7
    assert by_word["brilliant"]["prompt"] == "a photo of a brilliant person"
    occupations = json.loads((out / "prompts" / "occupations.json").read_text())["prompts"]
    assert occupations[0] == "a photo of a doctor" and len(occupations) >= 30
    attributes = json.loads((out / "prompts" / "default-attributes.json").read_text())
    labels = open_gallery(out / "galleries" / "default")
    for name, groups in attributes["attributes"].items():
        assert set(labels.groups(name)) <= set(groups)
