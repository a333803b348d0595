"""The readout of the residual is the tower's own output, for every kind of tower that has a residual."""

from typing import Any

import numpy as np
import pytest
import torch

from core.backbones.towers import TokenTower, image_tower, text_tower
from tests.backbones.tiny_clip import config, model, vocabulary

TEXTS = ["a man", "", "a photo of the young woman with glasses", "nurse " * 30]

IMAGE_TOWERS = {
    "vit": {},
    "norm after pooling": {"final_ln_after_pool": True},
    "no norm before": {"no_ln_pre": True},
    "patch dropout": {"patch_dropout": 0.5},
    "layer scale": {"ls_init_value": 0.1},
    "custom blocks": {"qk_norm": True, "scale_fc": True},
    "large epsilon": {"norm_kwargs": {"eps": 1e-2}},
}
TEXT_TOWERS = {
    "clip": {},
    "custom": {"custom_text": True},
    "end token by number": {"custom_text": True, "text": {"pool_type": "eos", "eos_id": vocabulary().end}},
    "clip, end token by number": {"text": {"pool_type": "eos", "eos_id": vocabulary().end}},
    "first token": {"custom_text": True, "text": {"pool_type": "first", "no_causal_mask": True}},
    "last token": {"custom_text": True, "text": {"pool_type": "last", "no_causal_mask": True}},
    "class token": {"custom_text": True, "text": {"embed_cls": True}},
    "no projection": {"custom_text": True, "text": {"proj_type": "none", "width": 24}},
    "quick gelu": {"quick_gelu": True},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("vision", IMAGE_TOWERS.values(), ids=IMAGE_TOWERS)
def test_image_readout_is_encode_image(vision: dict[str, Any], dtype: torch.dtype) -> None:
    clip = model(config(vision)).to(dtype)
    pixels = torch.randn(5, 3, 32, 32, dtype=dtype, generator=torch.Generator().manual_seed(1))
    check(image_tower(clip, 24), pixels, clip.encode_image(pixels), dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("settings", TEXT_TOWERS.values(), ids=TEXT_TOWERS)
def test_text_readout_is_encode_text(settings: dict[str, Any], dtype: torch.dtype) -> None:
    clip = model(config(**settings)).to(dtype)
    context = clip.context_length
    tokens = vocabulary()(TEXTS, context)
    for rows in (slice(None), slice(0, 2)):
        check(text_tower(clip, 24), tokens[rows], clip.encode_text(tokens[rows]), dtype)


def check(tower: TokenTower, inputs: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    pooled, residual, _ = tower(inputs)
    atol = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(pooled, expected, atol=atol, rtol=0)
    readout = tower.readout()
    np.testing.assert_allclose(readout(residual.numpy()), expected.numpy(), atol=atol, rtol=0)
    assert residual.shape == (len(inputs), tower.d_model)
    assert pooled.shape == (len(inputs), tower.d)
    assert expected.std() > 0.01


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"layers": [1, 1, 1, 1], "width": 8, "head_width": 64}, "ModifiedResNet"),
        ({"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2}, "attention"),
        ({"pool_type": "avg"}, "avg"),
    ],
)
def test_image_towers_without_a_single_token(vision: dict[str, Any], reason: str) -> None:
    clip = model(config(vision))
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    tower = image_tower(clip, 24)
    pooled, residual, _ = tower(pixels)
    torch.testing.assert_close(pooled, clip.encode_image(pixels), atol=1e-6, rtol=0)
    assert residual is tower.d_model is tower.readout() is None
    assert reason in tower.reason


def test_text_tower_whose_projection_has_a_bias() -> None:
    clip = model(config(custom_text=True, text={"proj_bias": True, "pool_type": "last", "no_causal_mask": True}))
    tokens = vocabulary()(TEXTS, 12)
    torch.nn.init.normal_(clip.text.text_projection.bias)
    for dtype in (torch.float64, torch.float32):
        clip = clip.to(dtype)
        check(text_tower(clip, 24), tokens, clip.encode_text(tokens), dtype)
    clip.text.text_projection.weight[1] = clip.text.text_projection.weight[0]  # two columns are one: two biases are not
    tower = text_tower(clip, 24)
    pooled, residual, _ = tower(tokens)
    assert torch.equal(pooled, clip.encode_text(tokens)) and residual is tower.d_model is None
    assert "has a bias that the LayerNorm before it cannot add" in tower.reason


def test_activation_is_read_from_the_blocks() -> None:
    resnet = {"layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
    for quick in (False, True):
        clip = model(config(quick_gelu=quick))
        assert image_tower(clip, 24).quick_gelu is text_tower(clip, 24).quick_gelu is quick
        clip = model(config(resnet, quick_gelu=quick))
        assert image_tower(clip, 24).quick_gelu is None
        assert text_tower(clip, 24).quick_gelu is quick
