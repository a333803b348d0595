"""An edit inside models: open_clip and transformers answer what the app makes of their embeddings."""

import importlib.util

import numpy as np
import pytest
import torch

from core.backbones.towers import image_tower, text_tower
from core.config import InputError
from core.home.models import EditedOpenClip, EditedTransformers, wrapped
from core.portable import PortableEdit, SideEdit
from core.portable.edit import unit_or_zero
from core.portable.pieces import PIECES
from tests.backbones import tiny_clip
from tests.portable.edits import fingerprint

D = 24
installed = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")


def pieces(d: int, seed: int) -> tuple:
    """Switched neurons that some rows have and others not, and a projection."""
    rng = np.random.default_rng(seed)
    switch = {
        "W_enc": rng.normal(size=(d, 6)),
        "b_enc": rng.normal(size=6),
        "b_dec": rng.normal(size=d) * 0.1,
        "threshold": np.full(6, 0.1),
        "W_dec": rng.normal(size=(6, d)),
        "strength": rng.random(6),
        "gamma": rng.random(6),
    }
    V = np.linalg.qr(rng.normal(size=(d, 2)))[0]
    return (PIECES.get("switch")(switch), PIECES.get("low-rank")({"R": V, "c": np.zeros(2), "W": V.T}))


def edit(d: int = D) -> PortableEdit:
    return PortableEdit(
        {
            "items": SideEdit(pieces(d, 1), fingerprint(d, "image")),
            "queries": SideEdit(pieces(d, 2), fingerprint(d, "text")),
        }
    )


@pytest.fixture(scope="module")
def open_clip_model():
    return tiny_clip.model(tiny_clip.config())


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(5, 3, 32, 32, generator=generator)
    return pixels, torch.tensor([[3, 4, 5, 1] + [0] * 8, [3, 6, 1, 0] + [0] * 8])


def test_open_clip_answers_as_the_edit_of_its_embeddings(open_clip_model, inputs):
    made, (pixels, tokens) = wrapped(open_clip_model, edit()), inputs
    assert isinstance(made, EditedOpenClip)
    with torch.inference_mode():
        plain = open_clip_model.encode_image(pixels).numpy(), open_clip_model.encode_text(tokens).numpy()
        found = made.encode_image(pixels).numpy(), made.encode_text(tokens).numpy()
    for side, before, after in zip(("items", "queries"), plain, found, strict=True):
        np.testing.assert_allclose(after, edit().side(side)(before), rtol=0, atol=1e-6)
        assert not np.allclose(after, unit_or_zero(before, before), atol=1e-3)


def test_a_side_without_an_edit_is_only_divided_by_its_length(open_clip_model, inputs):
    made = wrapped(open_clip_model, PortableEdit({"items": edit().sides["items"]}))
    with torch.inference_mode():
        before, after = open_clip_model.encode_text(inputs[1]).numpy(), made.encode_text(inputs[1]).numpy()
    np.testing.assert_allclose(after, unit_or_zero(before, before), rtol=0, atol=1e-6)


def test_a_residual_edit_changes_what_the_readout_reads(open_clip_model, inputs):
    pixels, tokens = inputs
    towers = {"items": image_tower(open_clip_model, D), "queries": text_tower(open_clip_model, D)}
    sides = {}
    for name, side in (("items", "image"), ("queries", "text")):
        d_model = towers[name].d_model
        print_of = fingerprint(d_model, side, "residual")
        sides[name] = SideEdit(pieces(d_model, 3), print_of, towers[name].readout())
    made = wrapped(open_clip_model, PortableEdit(sides))
    with torch.inference_mode():
        found = {"items": made.encode_image(pixels).numpy(), "queries": made.encode_text(tokens).numpy()}
        residual = {"items": towers["items"](pixels).residual, "queries": towers["queries"](tokens).residual}
        untouched = open_clip_model.encode_image(pixels).numpy()
    for name, side in sides.items():
        np.testing.assert_allclose(found[name], side(residual[name].numpy()), rtol=0, atol=2e-6)
    assert not np.allclose(found["items"], unit_or_zero(untouched, untouched), atol=1e-3)
    assert not [hook for module in open_clip_model.modules() for hook in module._forward_hooks]


@installed
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_transformers_models_answer_as_the_edit_of_their_embeddings(kind, inputs):
    import transformers as hf

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {**small, "vocab_size": 20, "max_position_embeddings": 12, "eos_token_id": 1, "pad_token_id": 0}
    vision, d = {**small, "image_size": 32, "patch_size": 8}, D if kind == "clip" else 32
    config, model = (hf.CLIPConfig, hf.CLIPModel) if kind == "clip" else (hf.SiglipConfig, hf.SiglipModel)
    more = {"projection_dim": D} if kind == "clip" else {}
    text |= {} if kind == "clip" else {"projection_size": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny = model(config(text_config=text, vision_config=vision, **more)).eval()
    made = wrapped(tiny, edit(d))
    assert isinstance(made, EditedTransformers)

    def rows(output) -> np.ndarray:
        return (output if isinstance(output, torch.Tensor) else output.pooler_output).numpy()

    with torch.inference_mode():
        before = (
            rows(tiny.get_image_features(pixel_values=inputs[0])),
            rows(tiny.get_text_features(input_ids=inputs[1])),
        )
        after = made.get_image_features(pixel_values=inputs[0]), made.get_text_features(input_ids=inputs[1])
    for side, plain, found in zip(("items", "queries"), before, after, strict=True):
        np.testing.assert_allclose(found.numpy(), edit(d).side(side)(plain), rtol=0, atol=1e-6)


def test_what_cannot_be_wrapped_is_said(open_clip_model):
    with pytest.raises(InputError, match="no model that can be wrapped"):
        wrapped(torch.nn.Linear(2, 2), edit())
    two = PortableEdit({name: SideEdit(pieces(D, 1), fingerprint(D, "text")) for name in ("items", "queries")})
    with pytest.raises(InputError, match="wrap one model for each"):
        wrapped(open_clip_model, two)
