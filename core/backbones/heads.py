"""What each attention head and each MLP of a vision transformer adds to the embedding.

After Gandelsman et al., ICLR 2024, arXiv 2310.05916. The pooled token before the final LayerNorm is a sum: the direct
path (what enters the first block), the heads' outputs, the blocks' output biases and the MLPs' outputs. The readout is
linear in it but for the row's scale, which is taken from the whole sum, so that the embedding is a sum as well.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from core.backbones.base import Foreign
from core.backbones.parts import Parts
from core.backbones.towers import TokenTower, Tower
from core.config import InputError


def decompose(model: Foreign, tower: Tower, pixels: torch.Tensor) -> Parts:
    """The parts of the image embeddings that a model gives pixels (n, 3, height, width) as its tower reads them.

    Parameters
    ----------
    model : an open_clip model, or a CLIP model of transformers as `core.backbones.hugging_face` holds it.
    tower : its image side.

    Raises
    ------
    InputError : the tower pools more than one token, or has blocks that are not known here (see `why_whole`).
    """
    reason = why_whole(model, tower)
    if reason is not None or not isinstance(tower, TokenTower):
        raise InputError(f"heads cannot be told apart here: {reason}")
    with torch.no_grad():
        direct, found = opened(model, pixels)
    bias = torch.stack([one.bias for one in found]).sum(dim=0)
    residual = direct + bias + torch.stack([one.heads.sum(dim=1) + one.mlp for one in found]).sum(dim=0)
    readout = tower.readout()
    scale = readout.sigma(residual.cpu().numpy())

    def read(part: torch.Tensor) -> np.ndarray:
        rows = part.cpu().numpy()
        return readout.linear(rows) / scale.reshape(-1, *[1] * (rows.ndim - 1))

    return Parts(
        heads=np.stack([read(one.heads) for one in found], axis=1),
        mlps=np.stack([read(one.mlp) for one in found], axis=1),
        direct=read(direct),
        biases=read(bias.expand_as(direct)),
        constant=readout.offset.astype(scale.dtype),
    )


def why_whole(model: Foreign, tower: Tower) -> str | None:
    """Why the heads of an image tower cannot be told apart, in words; None where they can."""
    if not isinstance(tower, TokenTower):
        return tower.reason
    blocks = _blocks(model)
    if _of_transformers(model):
        return None
    for block in blocks:
        if type(block).__name__ != "ResidualAttentionBlock" or not isinstance(block.attn, nn.MultiheadAttention):
            return f"the tower's blocks ({type(block).__name__}) are no plain ones"
    return None


def _of_transformers(model: Foreign) -> bool:
    return not hasattr(model, "visual")


def _blocks(model: Foreign) -> Iterable[Foreign]:
    return model["model"].vision_model.encoder.layers if _of_transformers(model) else model.visual.transformer.resblocks


class Layer(NamedTuple):
    """What one block adds to the pooled token."""

    heads: torch.Tensor
    """(n, heads, d_model)"""
    bias: torch.Tensor
    """(d_model,)"""
    mlp: torch.Tensor
    """(n, d_model)"""


def opened(model: Foreign, pixels: torch.Tensor) -> tuple[torch.Tensor, list[Layer]]:
    """What enters the first block at the pooled token (n, d_model), and what every block adds there."""
    if _of_transformers(model):
        vision = model["model"].vision_model
        x = vision.pre_layrnorm(vision.embeddings(pixels))
        return x[:, 0], _all(_through_transformers, _blocks(model), x)
    x = model.visual._embeds(pixels)
    return x[:, 0], _all(_through, _blocks(model), x)


def _all(
    through: Callable[[Iterable[Foreign], torch.Tensor], Iterator[Layer]], blocks: Iterable[Foreign], x: torch.Tensor
) -> list[Layer]:
    """Every layer; what follows the last one is not computed, for nobody reads it."""
    blocks = list(blocks)
    return list(islice(through(blocks, x), len(blocks)))


def _through(blocks: Iterable[Foreign], x: torch.Tensor) -> Iterator[Layer]:
    for block in blocks:
        rest, attention = block.ln_1(x), block.attn
        q, k, v = nn.functional.linear(rest, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=2)
        heads = _heads(q, k, v, attention.num_heads, attention.out_proj.weight)
        heads, bias = block.ls_1(heads), block.ls_1(attention.out_proj.bias)
        token = x[:, 0] + heads.sum(dim=1) + bias
        yield Layer(heads, bias, block.ls_2(block.mlp(block.ln_2(token))))
        x = block(x)


def _through_transformers(blocks: Iterable[Foreign], x: torch.Tensor) -> Iterator[Layer]:
    for block in blocks:
        rest, attention = block.layer_norm1(x), block.self_attn
        q, k, v = (project(rest) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        heads, bias = _heads(q, k, v, attention.num_heads, attention.out_proj.weight), attention.out_proj.bias
        token = x[:, 0] + heads.sum(dim=1) + bias
        mlp = block.mlp(block.layer_norm2(token))
        yield Layer(heads, bias, mlp)
        q, k, v = (part.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for part in (q, k, v))
        x = x + attention.out_proj(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + block.mlp(block.layer_norm2(x))


def _heads(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, count: int, out: torch.Tensor) -> torch.Tensor:
    """Output of every head (n, heads, d_model) at the first token, before the output bias.

    Parameters
    ----------
    q, k, v : queries, keys and values (n, length, d_model), head after head.
    out : output weights (d_model, d_model).
    """
    n, length, width = q.shape
    each = width // count
    q = q[:, 0].reshape(n, count, each)
    k, v = (part.reshape(n, length, count, each) for part in (k, v))
    weights = torch.softmax(torch.einsum("nhe,nlhe->nhl", q, k) / each**0.5, dim=2)
    values = torch.einsum("nhl,nlhe->nhe", weights, v)
    return torch.einsum("nhe,whe->nhw", values, out.reshape(width, count, each))
