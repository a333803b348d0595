"""Patch activations: the SAE read on every patch's token, class token left out, top left first."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from core.config import InputError
from core.neurons import patch_activations
from tests.tiny import D_MODEL, fingerprint, sae_file


class Patches:
    """A model whose tokens are known: a class token, then `rows` x `columns` patches."""

    name = "tiny"

    def __init__(self, rows: int, columns: int) -> None:
        self.image_size = (16 * rows, 16 * columns)
        self.tokens = np.random.default_rng(0).normal(size=(1, 1 + rows * columns, D_MODEL)).astype(np.float32)

    def fingerprint(self, side: str, attach: str):
        return fingerprint(side, attach)

    def encode_images(self, images, attaches, tokens):
        wanted = tokens.positions(np.arange(1), np.array([self.tokens.shape[1]]))
        return {"tokens": self.tokens[:, wanted[0]]}


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 5)])
def test_each_patch_has_the_code_of_its_own_token(rows: int, columns: int) -> None:
    model, file = Patches(rows, columns), sae_file("image", "residual")
    with torch.inference_mode():
        codes = file.sae.encode(torch.from_numpy(model.tokens[0])).numpy()
    neuron = int(np.argmax((codes[1:] > 0).sum(axis=0)))
    found = patch_activations(model, file, Image.new("RGB", (8, 8)), neuron)
    assert found.shape == (rows, columns)
    assert np.allclose(found.ravel(), codes[1:, neuron], atol=1e-6) and found.any()


def test_pooled_saes_and_other_models_are_refused() -> None:
    with pytest.raises(InputError, match="no place in the picture"):
        patch_activations(Patches(2, 2), sae_file("image", "pooled"), Image.new("RGB", (8, 8)), 0)
    other = Patches(2, 2)
    other.fingerprint = lambda side, attach: fingerprint("text", attach)
    with pytest.raises(InputError):
        patch_activations(other, sae_file("image", "residual"), Image.new("RGB", (8, 8)), 0)
    odd = SimpleNamespace(**vars(Patches(2, 3)), name="tiny", fingerprint=fingerprint)
    odd.image_size = (16, 160)
    odd.encode_images = lambda images, attaches, tokens: Patches.encode_images(odd, images, attaches, tokens)
    with pytest.raises(InputError, match="grid"):
        patch_activations(odd, sae_file("image", "residual"), Image.new("RGB", (8, 8)), 0)
