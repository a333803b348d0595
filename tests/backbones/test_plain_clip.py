"""Two plain transformers read without open_clip are open_clip's to the bit, and everything else is left to it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from core.backbones.clip_backbone import ClipBackbone
from core.backbones.open_clip_models import CONFIG, WEIGHTS, load_backbone, save_clip
from core.backbones.plain_clip import load_plain
from core.backbones.towers import Found, image_tower, text_tower
from core.config import ASSETS
from tests.backbones import tiny_clip

TEXTS = ["a man", "", "a photo of the young woman with glasses", "nurse " * 30]
MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "quick gelu": {"quick_gelu": True},
    "gelu is said": {"quick_gelu": False},
    "other sizes": {
        "vision": {"image_size": 48, "patch_size": 16, "head_width": 24, "layers": 1},
        "text": {"heads": 2, "context_length": 7},
    },
}


def written(folder: Path, settings: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
    cfg = tiny_clip.config(**settings)
    pixels = tiny_clip.PREPROCESS | {"size": cfg["vision_cfg"]["image_size"]}
    save_clip(folder, tiny_clip.model(cfg), cfg, pixels, tiny_clip.vocabulary(), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_every_number_is_open_clips_to_the_bit(tmp_path: Path, settings: dict[str, Any], dtype: torch.dtype) -> None:
    written(tmp_path, settings, dtype)
    found = load_plain(tmp_path / CONFIG, tmp_path / WEIGHTS[0])
    assert found is not None
    ours, cfg, pixels = found
    theirs = open_clip.create_model(f"local-dir:{tmp_path}", require_pretrained=True)
    assert pixels == open_clip.get_model_preprocess_cfg(theirs)
    assert (cfg["embed_dim"], ours.context_length) == (theirs.text_projection.shape[1], theirs.context_length)
    own, other = ours.eval().state_dict(), theirs.eval().state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[key], other[key]) and own[key].dtype == other[key].dtype for key in own)
    size = cfg["vision_cfg"]["image_size"]
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    tokens = tiny_clip.vocabulary()(TEXTS, ours.context_length)
    wanted: list[Callable | None] = [None, lambda lengths: lengths[:, None] - 1]
    for side, inputs in ((image_tower, images), (text_tower, tokens)):
        mine, reference = side(ours, 24), side(theirs, 24)
        assert (mine.quick_gelu, mine.d, mine.d_model) == (reference.quick_gelu, reference.d, reference.d_model)
        for draw in wanted:
            for precise in (True, False):
                with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=not precise):
                    for name, a, b in zip(Found._fields, mine(inputs, draw), reference(inputs, draw), strict=True):
                        assert a is b if a is None or b is None else torch.equal(a, b), name


def test_the_shipped_model_is_plain_and_has_open_clips_fingerprint() -> None:
    """Galleries, SAEs and reports name it by its weights and its preprocessing."""
    folder = ASSETS / "models" / "default"
    assert load_plain(folder / CONFIG, folder / WEIGHTS[0]) is not None
    model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
    shipped = load_backbone("default", device="cpu")
    pixels = open_clip.get_model_preprocess_cfg(model)
    assert isinstance(shipped, ClipBackbone)
    settings = pixels, lambda image: image, shipped._tokens, shipped._towers["text"].d
    other = ClipBackbone("default", model, *settings, torch.device("cpu"))
    for side in ("image", "text"):
        for attach in ("pooled", "residual"):
            assert shipped.fingerprint(side, attach) == other.fingerprint(side, attach)


HARMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another tower": lambda said: said["model_cfg"]["vision_cfg"].update(timm_model_name="vit_tiny_patch16_224"),
    "another setting": lambda said: said["model_cfg"]["text_cfg"].update(no_causal_mask=True),
    "another model": lambda said: said["model_cfg"].update(custom_text=True),
    "a setting less": lambda said: said["model_cfg"]["text_cfg"].pop("heads"),
    "layers of a ResNet": lambda said: said["model_cfg"]["vision_cfg"].update(layers=[1, 1, 1, 1]),
    "no number": lambda said: said["model_cfg"]["vision_cfg"].update(width=48.0),
    "no switch": lambda said: said["model_cfg"].update(quick_gelu="no"),
    "positions to be resized": lambda said: said["model_cfg"]["text_cfg"].update(context_length=9),
    "other pixels than the tower's": lambda said: said["preprocess_cfg"].update(size=40),
    "a setting of pixels less": lambda said: said["preprocess_cfg"].pop("mean"),
    "pixels of another kind": lambda said: said["preprocess_cfg"].update(mode="L"),
    "something besides": lambda said: said.update(tokenizer={}),
    "no model": lambda said: said.pop("model_cfg"),
    "no settings": lambda said: said["model_cfg"].update(text_cfg=None),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_what_is_not_plain_is_left_to_open_clip(tmp_path: Path, harm: Callable[[dict[str, Any]], Any]) -> None:
    written(tmp_path, {})
    said = json.loads((tmp_path / CONFIG).read_text())
    harm(said)
    (tmp_path / CONFIG).write_text(json.dumps(said))
    assert load_plain(tmp_path / CONFIG, tmp_path / WEIGHTS[0]) is None


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS[0]])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_files_that_cannot_be_read_are_left_to_open_clip(tmp_path: Path, file: str, content: bytes | None) -> None:
    written(tmp_path, {})
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    assert load_plain(tmp_path / CONFIG, tmp_path / WEIGHTS[0]) is None


def test_texts_of_the_shipped_model_need_no_open_clip() -> None:
    code = (
        "import sys; from core.backbones.base import load_model; load_model('default').text_embedding('a man'); "
        "print([name for name in ('open_clip', 'torchvision', 'timm', 'transformers') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
