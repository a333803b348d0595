"""Loading and encoding: open_clip's own numbers, from every thread, without network; errors say what to do."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from core.backbones import open_clip_models
from core.backbones.base import BACKBONES, Backbone
from core.backbones.open_clip_models import load_backbone, new_clip, pretrained_tags
from core.config import ROOT, InputError
from tests.backbones import tiny_clip

TEXTS = ["a photo of the young woman with glasses", "man", "a doctor", "nurse nurse", "the old person"]
BOTH = ("pooled", "residual")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    tiny_clip.saved(path)
    return path


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load_backbone(f"local-dir:{folder}", device="cpu")


@pytest.fixture
def no_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every download fails as it does without network, and nothing lies in this machine's caches."""

    def refuse(*args: object, **kwargs: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", refuse)
    monkeypatch.setattr(open_clip_models, "_cached", lambda repository, files: None)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_images_are_open_clips_numbers(folder: Path, backbone: Backbone, batch: int) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    images = [*tiny_clip.pictures(6), Image.new("L", (40, 33), 90)]
    with torch.no_grad():
        expected = model.eval().encode_image(torch.stack([transform(image) for image in images])).numpy()
    found = backbone.encode_images(images, BOTH, batch=batch)
    np.testing.assert_allclose(found["pooled"], expected, atol=1e-5)
    np.testing.assert_allclose(backbone.readout("image")(found["residual"]), expected, atol=1e-5)
    assert found["residual"].shape == (7, backbone.dims("image", "residual")) == (7, 48)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "settings",
    [{}, {"interpolation": "bicubic"}, {"resize_mode": "longest", "fill_color": 7}, {"resize_mode": "squash"}],
)
def test_pixels_are_open_clips_to_the_bit(tmp_path: Path, settings: dict[str, object]) -> None:
    name = tiny_clip.saved(tmp_path, **settings)
    loaded = load_backbone(name)
    cfg = open_clip.transform.PreprocessCfg(**open_clip.get_model_preprocess_cfg(open_clip.create_model(name)))
    transform = open_clip.transform.image_transform_v2(cfg, is_train=False)
    images = [*tiny_clip.pictures(4), Image.new("L", (40, 33), 90), Image.new("RGBA", (32, 32), (9, 99, 200, 5))]
    found = torch.cat([loaded._scaled(torch.from_numpy(loaded.pixels(image)[None].copy())) for image in images])
    assert torch.equal(found, torch.stack([transform(image) for image in images]))


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_texts_are_open_clips_numbers_in_their_order(folder: Path, backbone: Backbone, batch: int) -> None:
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    with torch.no_grad():
        expected = model.encode_text(tiny_clip.vocabulary()(TEXTS, 12)).numpy()
    found = backbone.encode_texts(TEXTS, BOTH, batch=batch)
    np.testing.assert_allclose(found["pooled"], expected, atol=1e-5)
    np.testing.assert_allclose(backbone.readout("text")(found["residual"]), expected, atol=1e-5)
    np.testing.assert_allclose(backbone.text_embedding(TEXTS[1]), expected[1], atol=1e-5)


def test_threads_do_not_see_each_other(backbone: Backbone) -> None:
    sets = [tiny_clip.pictures(12, seed) for seed in range(4)]
    alone = [backbone.encode_images(images, BOTH, batch=4) for images in sets]
    words = [TEXTS[i:] for i in range(4)]
    alone_texts = [backbone.encode_texts(texts, BOTH) for texts in words]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = list(pool.map(lambda images: backbone.encode_images(images, BOTH, batch=4), sets))
            together_texts = list(pool.map(lambda texts: backbone.encode_texts(texts, BOTH), words))
            for one, other in zip(alone + alone_texts, together + together_texts, strict=True):
                for attach in BOTH:
                    np.testing.assert_allclose(other[attach], one[attach], atol=1e-6)


def test_nothing_is_left_on_the_model(backbone: Backbone) -> None:
    before = vars(backbone).copy()
    backbone.encode_images(tiny_clip.pictures(2), BOTH)
    assert vars(backbone) == before
    for part in backbone._model.modules():
        assert not part.training
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    assert not any(parameter.requires_grad for parameter in backbone._model.parameters())


def test_no_rows_and_progress(backbone: Backbone) -> None:
    assert backbone.encode_images([], BOTH)["residual"].shape == (0, 48)
    assert backbone.encode_texts([])["pooled"].shape == (0, 24)
    seen: list[tuple[int, int, str]] = []
    backbone.encode_images(tiny_clip.pictures(5), batch=2, progress=lambda *step: seen.append(step))
    assert seen == [(2, 5, "images"), (4, 5, "images"), (5, 5, "images")]


def test_fingerprint_follows_what_matters(tmp_path: Path, backbone: Backbone) -> None:
    same = load_backbone(tiny_clip.saved(tmp_path / "same"))
    for side in ("image", "text"):
        for attach in BOTH:
            mine, theirs = backbone.fingerprint(side, attach), same.fingerprint(side, attach)
            assert mine.require_match(theirs, "one", "other") == []
            assert (mine.d, mine.quick_gelu, mine.normalised) == (backbone.dims(side, attach), False, False)
            assert (len(mine.weights), mine.model, theirs.model) == (64, backbone.name, same.name)
    changes = {
        "weights": tiny_clip.saved(tmp_path / "weights", seed=1),
        "preprocess": tiny_clip.saved(tmp_path / "pixels", interpolation="bicubic"),
    }
    for name, changed in changes.items():
        with pytest.raises(InputError, match=f"{name} differs"):
            backbone.fingerprint("image", "pooled").require_match(
                load_backbone(changed).fingerprint("image", "pooled"), "one", "other"
            )
    words = load_backbone(tiny_clip.saved(tmp_path / "words", words=[*tiny_clip.WORDS[:-1], "persons"]))
    assert words.fingerprint("text", "pooled").preprocess != backbone.fingerprint("text", "pooled").preprocess
    assert words.fingerprint("image", "pooled").preprocess == backbone.fingerprint("image", "pooled").preprocess


def test_closed_word_list(backbone: Backbone) -> None:
    assert backbone.known_words == sorted(tiny_clip.WORDS)
    assert backbone.unknown_words("A photo of an astronaut.") == ["an", "astronaut"]
    assert not backbone.truncated("man " * 10)
    assert backbone.truncated("man " * 11)


def test_open_vocabulary(tmp_path: Path) -> None:
    settings = tiny_clip.config(text={"vocab_size": 49408})
    open_clip_models.save_clip(tmp_path, tiny_clip.model(settings), settings, tiny_clip.PREPROCESS)
    opened = load_backbone(f"local-dir:{tmp_path}")
    assert opened.known_words is None
    assert opened.unknown_words("an astronaut") == []
    assert not opened.truncated("astronaut " * 10)
    assert opened.truncated("astronaut " * 11)
    with torch.no_grad():
        expected = opened._model.encode_text(open_clip.get_tokenizer("ViT-B-32")(["an astronaut"], 12)).numpy()
    np.testing.assert_allclose(opened.encode_texts(["an astronaut"])["pooled"], expected, atol=1e-5)


def test_side_without_residual_says_why(tmp_path: Path) -> None:
    settings = tiny_clip.config({"layers": [1, 1, 1, 1], "width": 8, "head_width": 64})
    name = f"local-dir:{tmp_path}"
    open_clip_models.save_clip(tmp_path, tiny_clip.model(settings), settings, {}, tiny_clip.vocabulary())
    resnet = load_backbone(name)
    assert resnet.dims("image", "residual") is resnet.readout("image") is None
    assert resnet.why_not("image", "pooled") is resnet.why_not("text", "residual") is None
    for call in (resnet.fingerprint, lambda side, attach: resnet.encode_images(tiny_clip.pictures(1), [attach])):
        with pytest.raises(InputError, match=r"no residual attach point on its image side.*ModifiedResNet"):
            call("image", "residual")
    with pytest.raises(InputError, match="side was 'audio'"):
        resnet.dims("audio", "pooled")


def test_half_precision_files_run_in_single_precision(tmp_path: Path) -> None:
    settings = tiny_clip.config()
    clip = tiny_clip.model(settings)
    open_clip_models.save_clip(tmp_path, clip, settings, {}, tiny_clip.vocabulary())
    found = load_backbone(f"local-dir:{tmp_path}").encode_texts(TEXTS)["pooled"]
    with torch.no_grad():
        expected = clip.encode_text(tiny_clip.vocabulary()(TEXTS, 12)).numpy()
    cosine = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.99999


def test_default_needs_no_network(folder: Path) -> None:
    """In a fresh process whose sockets refuse to connect, the default model loads and answers."""
    code = f"""
import socket, sys
def refuse(*args): raise AssertionError("network used")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from pathlib import Path
from core.backbones import open_clip_models
assert not {{"torchvision", "open_clip", "timm"}} & set(sys.modules), "open_clip is imported before it is used"
open_clip_models.ASSETS = Path({str(folder.parent)!r}) / "assets"
backbone = open_clip_models.load_backbone("default")
print(backbone.name, backbone.text_embedding("a man").shape)
"""
    target = folder.parent / "assets" / "models" / "default"
    shutil.copytree(folder, target)
    environment = {"HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[0] == "default (24,)", done.stderr


def test_names_and_registry() -> None:
    assert BACKBONES.get("open_clip").prefix == ""
    assert "openai" in pretrained_tags("ViT-B-32")
    assert isinstance(new_clip(tiny_clip.config(custom_text=True)), open_clip.CustomTextCLIP)


@pytest.mark.parametrize(
    ("name", "pretrained", "message"),
    [
        ("ViT-B32", None, "unknown model 'ViT-B32'; did you mean ViT-B-32"),
        ("ViT-B-32", None, "without weights; give one of openai, laion400m_e31"),
        ("ViT-B-32", "opnai", "unknown weights 'opnai' of ViT-B-32; did you mean openai"),
        ("ViT-B-32:opnai", None, "unknown weights 'opnai' of ViT-B-32; did you mean openai"),
        ("default", "openai", "pretrained was 'openai', but default has its own weights"),
        ("local-dir:/nowhere", None, "/nowhere has no open_clip_config.json"),
    ],
)
def test_names_that_cannot_be_used(name: str, pretrained: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_backbone(name, pretrained)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_downloads")
def test_missing_weights_name_the_file_and_the_folder() -> None:
    with pytest.raises(InputError) as caught:
        load_backbone("ViT-B-32", "openai")
    for part in ("ViT-B-32:openai", "open_clip_model.safetensors", "models/ViT-B-32.openai", "local-dir:FOLDER"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"hf-hub:laion/some: open_clip_config.json is not on this machine"):
        load_backbone("hf-hub:laion/some")


@pytest.mark.usefixtures("no_downloads")
@pytest.mark.parametrize(("tag", "quick"), [("openai", True), ("laion2b_s34b_b79k", False)])
def test_the_weights_decide_the_activation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tag: str, quick: bool
) -> None:
    """Weights placed under assets/models are found, and QuickGELU is what they were trained with."""
    settings = tiny_clip.config(text={"vocab_size": 49408})
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", settings)
    monkeypatch.setattr(open_clip_models, "ASSETS", tmp_path)
    clip = tiny_clip.model(settings | {"quick_gelu": quick})
    placed = tmp_path / "models" / f"ViT-B-32.{tag}"
    open_clip_models.save_clip(placed, clip, settings, {}, dtype=torch.float32)
    loaded = load_backbone(f"ViT-B-32:{tag}")
    assert loaded.name == f"ViT-B-32:{tag}"
    assert loaded.fingerprint("image", "pooled").quick_gelu is quick
    assert bool(loaded.notes) is quick
    transform = open_clip.image_transform(32, is_train=False)
    pixels = torch.stack([transform(image) for image in tiny_clip.pictures(3)])
    with torch.no_grad():
        expected = clip.encode_image(pixels).numpy()
    np.testing.assert_allclose(loaded.encode_images(tiny_clip.pictures(3))["pooled"], expected, atol=1e-5)


@pytest.mark.usefixtures("no_downloads")
@pytest.mark.parametrize(
    ("name", "quick", "said"),
    [
        ("ViT-B-32", False, "runs it as GELU; if these weights were trained from OpenAI's, with QuickGELU, choose"),
        ("ViT-B-32-quickgelu", True, "runs it as QuickGELU; if these weights were trained with GELU, choose ViT-B-32,"),
        ("ViT-S-32-alt", False, 'load a folder whose open_clip_config.json says "quick_gelu": true'),
    ],
)
def test_of_a_weights_file_the_activation_that_is_assumed_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, quick: bool, said: str
) -> None:
    """A file of weights alone holds no word of the activation, whatever its own name is."""
    settings = tiny_clip.config(text={"vocab_size": 49408}, quick_gelu=quick)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, settings)
    torch.save(tiny_clip.model(settings | {"quick_gelu": True}).state_dict(), tmp_path / "epoch_3.pt")
    loaded = load_backbone(name, str(tmp_path / "epoch_3.pt"))
    (note,) = loaded.notes
    assert note.startswith("a weights file does not say its activation") and said in note and "\n" not in note
    assert loaded.fingerprint("image", "pooled").quick_gelu is quick, "and that one is used, and recorded"


def test_openai_weights_without_quick_gelu_are_noted(tmp_path: Path, backbone: Backbone) -> None:
    assert backbone.notes == []
    (note,) = load_backbone(tiny_clip.saved(tmp_path / "openai")).notes
    assert "QuickGELU" in note


def broken_config(path: Path) -> None:
    (path / "open_clip_config.json").write_text("{")


def other_width(path: Path) -> None:
    value = json.loads((path / "open_clip_config.json").read_text())
    value["model_cfg"]["embed_dim"] = 25
    (path / "open_clip_config.json").write_text(json.dumps(value))


def cut_weights(path: Path) -> None:
    whole = (path / "open_clip_model.safetensors").read_bytes()
    (path / "open_clip_model.safetensors").write_bytes(whole[: len(whole) // 2])


def no_weights(path: Path) -> None:
    (path / "open_clip_model.safetensors").unlink()


def other_words(path: Path) -> None:
    tiny_clip.vocabulary(["man", "woman"]).save(path / "vocabulary.json")


@pytest.mark.parametrize("harm", [broken_config, other_width, cut_weights, no_weights, other_words])
def test_broken_folders_give_one_line(folder: Path, tmp_path: Path, harm: object) -> None:
    path = tmp_path / "broken"
    shutil.copytree(folder, path)
    harm(path)
    with pytest.raises(InputError) as caught:
        load_backbone(f"local-dir:{path}")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
