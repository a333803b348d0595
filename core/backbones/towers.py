"""The two sides of a CLIP model, run in pieces so that the token before the readout can be read.

No hooks: a hook on a shared model would see other threads' batches. Modules are recognised by the names of their
classes, so that this file needs no open_clip.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from core.backbones.base import Foreign
from core.backbones.resnet import fast_resnet
from core.readout import ReadoutArrays

CARRIED = 1e-5
"""Part of the largest number of a projection's bias by which the readout may miss it."""
UNCARRIED = "the text tower's projection has a bias that the LayerNorm before it cannot add"
Draw = Callable[[np.ndarray], np.ndarray]
"""Takes the number of tokens of each item (n,) to the positions (n, t) of those that are wanted."""


class Blocks(NamedTuple):
    """Tokens after the last block."""

    tokens: torch.Tensor
    """(n, length, d_model)"""
    place: torch.Tensor
    """(n,) position of the token that the tower pools."""
    lengths: torch.Tensor
    """(n,) tokens of each item; what follows is padding."""


class Found(NamedTuple):
    """What a tower gives for a batch."""

    pooled: torch.Tensor
    """(n, d)"""
    residual: torch.Tensor | None = None
    """(n, d_model); None where the tower has no such place."""
    tokens: torch.Tensor | None = None
    """(n, t, d_model), where tokens were wanted and the tower has them."""


class Tower:
    """A side of which only the output can be read.

    Parameters
    ----------
    encode : takes pixels or token numbers to embeddings (n, d), un-normalised.
    module : the part of the model that this side uses, for its activation functions.
    d : columns of the embedding.
    reason : why there is no residual attach point, for people.
    """

    def __init__(self, encode: Callable[[torch.Tensor], torch.Tensor], module: nn.Module, d: int, reason: str) -> None:
        self._encode = encode
        self.d = d
        self.d_model: int | None = None
        self.reason: str | None = reason
        self.quick_gelu = quick_gelu(module)

    def __call__(self, inputs: torch.Tensor, draw: Draw | None = None) -> Found:
        """Pooled embeddings, residuals and drawn tokens of a batch."""
        return Found(self._encode(inputs))

    def readout(self) -> ReadoutArrays | None:
        return None


class TokenTower(Tower):
    """A side that pools one token: blocks, that token, LayerNorm, projection.

    Parameters
    ----------
    blocks : takes pixels or token numbers to the tokens after the last block: all of them, or where none of the others
        is wanted, perhaps the pooled one alone.
    norm : the final LayerNorm.
    projection : P (d_model, d); None where the tower has none.
    bias : of the projection (d,); None where it has none. The readout carries it in the LayerNorm's bias (`carried`).
    """

    def __init__(
        self,
        blocks: Callable[[torch.Tensor, bool], Blocks],
        module: nn.Module,
        norm: nn.LayerNorm,
        projection: torch.Tensor | None,
        bias: torch.Tensor | None = None,
    ) -> None:
        self._blocks, self._norm, self._projection, self._bias = blocks, norm, projection, bias
        self.d_model = norm.normalized_shape[0]
        self.d = self.d_model if projection is None else projection.shape[1]
        self.reason = None
        self.quick_gelu = quick_gelu(module)

    def __call__(self, inputs: torch.Tensor, draw: Draw | None = None) -> Found:
        x, place, lengths = self._blocks(inputs, draw is not None)
        every = torch.arange(len(x), device=x.device)
        with torch.autocast(x.device.type, enabled=False):  # else the pooled embedding is not the residual's readout
            residual = x[every, place].to(self._norm.weight.dtype)
            pooled = self.read(residual)
        tokens = None
        if draw is not None:
            wanted = torch.from_numpy(draw(lengths.cpu().numpy())).to(x.device)
            tokens = x[every[:, None], wanted]
        return Found(pooled, residual, tokens)

    def read(self, residual: torch.Tensor) -> torch.Tensor:
        """Pooled embeddings (n, d), un-normalised, of residuals (n, d_model)."""
        pooled = self._norm(residual)
        pooled = pooled if self._projection is None else pooled @ self._projection
        return pooled if self._bias is None else pooled + self._bias

    def readout(self) -> ReadoutArrays:
        width = self._norm.weight
        projection = torch.eye(len(width), dtype=width.dtype) if self._projection is None else self._projection
        weight, bias, p = (t.detach().cpu().numpy().copy() for t in (width, self._norm.bias, projection))
        if self._bias is not None:
            bias = bias + carried(p, self._bias.detach().cpu().numpy())
        return ReadoutArrays(weight, bias, float(self._norm.eps), p)


def carried(projection: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """b (d_model,), float64, with b P = the bias of a projection P (d_model, d): what a LayerNorm has to add for it."""
    return np.linalg.lstsq(projection.T.astype(np.float64), bias.astype(np.float64), rcond=None)[0]


def can_carry(projection: torch.Tensor, bias: torch.Tensor) -> bool:
    """Whether the LayerNorm before a projection P (d_model, d) can add its bias (d,), to float32's precision."""
    p, wanted = (t.detach().cpu().numpy().astype(np.float64) for t in (projection, bias))
    b = carried(p, wanted)
    single = b.astype(np.float32) @ p.astype(np.float32)
    return bool(np.abs(single - wanted).max() <= CARRIED * max(np.abs(wanted).max(), 1e-12))


def quick_gelu(module: nn.Module) -> bool | None:
    """True where the blocks use QuickGELU, False where they use GELU, None where they use neither."""
    names = {type(part).__name__ for part in module.modules()}
    if "QuickGELU" in names:
        return True
    return False if "GELU" in names else None


def image_tower(model: Foreign, d: int) -> Tower:
    """The image side of an open_clip model with embeddings of `d` columns."""
    visual = model.visual
    kind = type(visual).__name__
    if kind != "VisionTransformer":
        reason = f"the image tower ({kind}) is no open_clip vision transformer; it pools over all positions"
    elif visual.attn_pool is not None:
        reason = "the image tower pools by attention over all tokens, so no single token carries the embedding"
    elif visual.pool_type != "tok":
        reason = f"the image tower pools all tokens ({visual.pool_type}), so no single token carries the embedding"
    elif not plain_norm(visual.ln_post):
        reason = "the image tower does not end in a LayerNorm with gain and bias"
    else:
        return TokenTower(partial(_image_blocks, visual), visual, visual.ln_post, visual.proj)
    if kind == "ModifiedResNet":
        return Tower(fast_resnet(visual), visual, d, reason)
    return Tower(lambda pixels: model.encode_image(pixels, normalize=False), visual, d, reason)


def _image_blocks(visual: Foreign, pixels: torch.Tensor, every: bool) -> Blocks:
    """Tokens of a vision transformer after its last block.

    Nothing reads the other tokens of the last block where only the pooled one is wanted, so they are not computed:
    the same numbers without ten of that block's twelve parts of work.
    """
    x = visual._embeds(pixels)
    *before, last = visual.transformer.resblocks
    if every or type(last).__name__ != "ResidualAttentionBlock":
        x = visual.transformer(x)
    else:
        for block in before:
            x = block(x)
        rest = last.ln_1(x)
        x = x[:, :1] + last.ls_1(last.attention(rest[:, :1], rest, rest))
        x = x + last.ls_2(last.mlp(last.ln_2(x)))
    first = torch.zeros(len(x), dtype=torch.long, device=x.device)
    return Blocks(x, first, torch.full_like(first, x.shape[1]))


def text_tower(model: Foreign, d: int) -> Tower:
    """The text side of an open_clip model with embeddings of `d` columns."""
    apart = hasattr(model, "text")  # CustomTextCLIP and CoCa keep the text tower apart, CLIP spreads it over itself
    text = model.text if apart else model
    kind = type(text).__name__
    pool = text.pool_type if apart and hasattr(text, "pool_type") else getattr(model, "text_pool_type", None)
    projection: Foreign = getattr(text, "text_projection", None)
    if kind not in {"CLIP", "TextTransformer"}:
        reason = f"the text tower ({kind}) is no open_clip text transformer"
    elif pool not in {"argmax", "eos", "first", "last"}:
        reason = f"the text tower pools all tokens ({pool}), so no single token carries the embedding"
    elif biased(projection) and not can_carry(projection.weight.T, projection.bias):
        reason = UNCARRIED
    elif not plain_norm(text.ln_final):
        reason = "the text tower does not end in a LayerNorm with gain and bias"
    else:
        matrix = projection.weight.T if isinstance(projection, nn.Linear) else projection
        bias = projection.bias if biased(projection) else None
        return TokenTower(_TextBlocks(text, apart, pool), text_module(model), text.ln_final, matrix, bias)
    return Tower(lambda tokens: model.encode_text(tokens, normalize=False), text_module(model), d, reason)


def biased(projection: Foreign) -> bool:
    return isinstance(projection, nn.Linear) and projection.bias is not None


def text_module(model: Foreign) -> nn.Module:
    """The module whose activation functions the text side uses."""
    return model.text if hasattr(model, "text") else model.transformer


def plain_norm(norm: nn.Module) -> bool:
    return isinstance(norm, nn.LayerNorm) and norm.weight is not None and norm.bias is not None


class _TextBlocks:
    """Token numbers (n, length) to all tokens after the last block.

    Under a causal mask the padding after the end token cannot reach it, so the batch is cut after its longest text:
    the same numbers in a fraction of the time. Padding carries nothing of the text then and is not counted.
    """

    def __init__(self, text: Foreign, apart: bool, pool: str) -> None:
        self._text, self._apart, self._pool = text, apart, pool
        self._eos = text.eos_id if apart else getattr(text, "text_eos_id", None)
        self._class_token = apart and text.cls_emb is not None
        causal = text.attn_mask is not None
        self._may_cut = causal and pool in {"argmax", "eos"} and not self._class_token

    def __call__(self, tokens: torch.Tensor, every: bool) -> Blocks:
        place = self._place(tokens)
        if self._may_cut:
            tokens = tokens[:, : int(place.max()) + 1]
        x, mask = self._embedded(tokens)
        x = self._text.transformer(x, attn_mask=mask)
        return Blocks(x, place, place + 1 if self._may_cut else torch.full_like(place, x.shape[1]))

    def _place(self, tokens: torch.Tensor) -> torch.Tensor:
        """Position of the pooled token (n,)."""
        if self._class_token:  # appended behind the text
            return torch.full_like(tokens[:, 0], tokens.shape[1])
        if self._pool == "argmax":
            return tokens.argmax(dim=1)
        if self._pool == "eos":
            assert self._eos is not None, "a text tower that pools at the end knows its end"
            return (tokens == self._eos).int().argmax(dim=1)
        return torch.full_like(tokens[:, 0], 0 if self._pool == "first" else tokens.shape[1] - 1)

    def _embedded(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What enters the first block, and the attention mask."""
        text, length = self._text, tokens.shape[1]
        if self._apart:
            x, mask = text._embeds(tokens)
        else:
            dtype = text.transformer.get_cast_dtype()
            x = text.token_embedding(tokens).to(dtype) + text.positional_embedding[:length].to(dtype)
            mask = text.attn_mask
        if mask is not None and mask.ndim == 2:
            mask = mask[: x.shape[1], : x.shape[1]]
        return x, mask
