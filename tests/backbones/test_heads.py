"""Heads, MLPs, direct path and constants add up to the embedding; one head is what vanishes with its output weights."""

from typing import Any

import numpy as np
import pytest
import torch

from core.backbones.heads import decompose, opened
from core.backbones.parts import Parts
from core.backbones.towers import image_tower
from core.config import InputError
from core.units import unit
from tests.backbones.test_towers import IMAGE_TOWERS
from tests.backbones.tiny_clip import config, model

PLAIN = {name: settings for name, settings in IMAGE_TOWERS.items() if name != "custom blocks"}
PIXELS = torch.randn(5, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def parts_of(clip: torch.nn.Module, dtype: torch.dtype = torch.float64) -> Parts:
    clip = clip.to(dtype)
    return decompose(clip, image_tower(clip, 24), PIXELS.to(dtype))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("vision", [*PLAIN.values(), {"head_width": 8}, {"layers": 1}], ids=[*PLAIN, "heads", "one"])
def test_the_parts_add_up_to_the_embedding(vision: dict[str, Any], dtype: torch.dtype, atol: float) -> None:
    clip = model(config(vision))
    found = parts_of(clip, dtype)
    expected = clip.encode_image(PIXELS.to(dtype)).numpy()
    np.testing.assert_allclose(found.total, expected, rtol=0, atol=atol * np.abs(expected).max())
    assert found.heads.shape == (5, vision.get("layers", 3), 48 // vision.get("head_width", 16), 24)
    assert found.heads.dtype == expected.dtype


def test_quick_gelu_too() -> None:
    clip = model(config(quick_gelu=True))
    np.testing.assert_allclose(parts_of(clip).total, clip.encode_image(PIXELS).numpy(), rtol=0, atol=1e-12)


def test_a_head_is_what_is_missing_without_its_output_weights() -> None:
    """In a last block whose MLP says nothing, before the readout: an experiment on the tower itself."""
    clip = model(config()).double()
    block = clip.visual.transformer.resblocks[-1]
    block.mlp.c_proj.weight.zero_()
    block.mlp.c_proj.bias.zero_()
    clip.visual.ln_post = torch.nn.LayerNorm(48, eps=1e12).double().requires_grad_(False)  # as good as no scale
    clip.visual.proj = torch.nn.Parameter(clip.visual.proj * 1e6, requires_grad=False)
    found, before = parts_of(clip), clip.encode_image(PIXELS).numpy()
    block.attn.out_proj.weight[:, 16:32] = 0
    without = clip.encode_image(PIXELS).numpy()
    np.testing.assert_allclose(before - without, found.heads[:, -1, 1], rtol=0, atol=1e-8)
    assert np.abs(found.heads[:, -1, 1]).max() > 1e-3


def test_another_run_of_the_readout_without_the_heads_is_nearly_the_same() -> None:
    """The row's scale is held; with a scale of its own the row without a head points almost where it did."""
    clip = model(config()).double()
    tower, found = image_tower(clip, 24), parts_of(clip)
    chosen = [(1, 1), (2, 0)]
    fixed = clip.encode_image(PIXELS).numpy() - sum(found.heads[:, layer, head] for layer, head in chosen)
    direct, layers = opened(clip, PIXELS)
    residual = direct + sum(one.heads.sum(dim=1) + one.bias + one.mlp for one in layers)
    left = residual - sum(layers[layer].heads[:, head] for layer, head in chosen)
    again = tower.readout()(left.detach().numpy())
    cosines = np.sum(unit(fixed) * unit(again), axis=1)
    assert cosines.min() > 0.98 and np.abs(fixed - again).max() > 1e-6


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"qk_norm": True}, "are no plain ones"),
        ({"pool_type": "avg"}, "pools all tokens"),
        ({"layers": [1, 1, 1, 1], "width": 8, "head_width": 64}, "ModifiedResNet"),
    ],
)
def test_other_towers_are_refused_in_words(vision: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        clip = model(config(vision))
        decompose(clip, image_tower(clip, 24), PIXELS.float())
