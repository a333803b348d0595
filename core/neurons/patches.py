"""Where in a picture a neuron of the residual attach point fires: the SAE read on every patch's token."""

import math
from typing import TYPE_CHECKING

import numpy as np

from core.config import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile


class _Positions:
    """Wanted token positions in the form in which a backbone asks for them; remembers how many tokens there are."""

    def __init__(self, per_item: int) -> None:
        self.per_item, self.length = per_item, 0

    def positions(self, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        self.length = int(lengths[0])
        first = self.length - self.per_item
        return np.tile(np.arange(first, self.length), (len(rows), 1))


def patch_activations(backbone: "Backbone", sae_file: "SAEFile", image: "Image", neuron: int) -> np.ndarray:
    """The neuron's code on each patch of a picture, float32 (rows, columns), top left first; 0 is off.

    Codes z of the tokens after the last block, class token left out, by the SAE's inference rule. The SAE was trained
    on the pooled token, or on some of all: far from those its codes say less.

    InputError where the tower has no tokens, the SAE reads other embeddings, or the tokens form no grid.
    """
    import torch

    if sae_file.attach != "residual":
        raise InputError(f"the SAE {sae_file.name} reads pooled embeddings, which have no place in the picture")
    sae_file.require(backbone.fingerprint("image", "residual"), f"the model {backbone.name!r}")
    counting = _Positions(1)
    backbone.encode_images([image], ("residual",), tokens=counting)  # type: ignore[arg-type]
    wanted = _Positions(counting.length - 1)
    tokens = backbone.encode_images([image], ("residual",), tokens=wanted)["tokens"][0]  # type: ignore[arg-type]
    with torch.inference_mode():
        codes = sae_file.sae.encode(torch.from_numpy(tokens).to(sae_file.sae.b_dec.device))[:, neuron].cpu().numpy()
    height, width = backbone.image_size
    columns = round(math.sqrt(len(codes) * width / height))
    if not columns or len(codes) % columns:
        raise InputError(f"the {len(codes)} tokens of {backbone.name} form no grid of patches")
    return codes.reshape(-1, columns)
