"""CLIP of two plain transformers, as open_clip builds it, without open_clip.

Importing open_clip imports transformers, timm and torchvision for models of other kinds, and takes longer than all else
that a short command does. Modules have open_clip's names, and do the same in the same order: the same weights give the
same numbers, to the bit.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.config import InputError
from core.reading import read_json

KEYS = {
    "vision_cfg": {"image_size", "patch_size", "width", "layers", "head_width"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers"},
}
"""Settings of the two towers: exactly these, as whole numbers. Any other asks for another kind of tower."""
PIXELS = {"size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"}
"""Settings of the preprocessing; those of COMMON need not be stated."""
COMMON = {"mode": "RGB", "fill_color": 0}
MLP = 4
"""Width of the MLPs over that of the tokens."""


class LayerNorm(nn.LayerNorm):
    """In the precision of what is normalised, also under autocast."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).to(x.dtype)


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    """Attention and MLP, each after a LayerNorm and added to the tokens."""

    def __init__(self, width: int, heads: int, quick_gelu: bool) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ls_1 = nn.Identity()
        self.ln_2 = LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(width, MLP * width),
                gelu=QuickGELU() if quick_gelu else nn.GELU(),
                c_proj=nn.Linear(MLP * width, width),
            )
        )
        self.ls_2 = nn.Identity()

    def attention(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        mask = None if attn_mask is None else attn_mask.to(q.dtype)
        return self.attn(q, k, v, need_weights=False, attn_mask=mask)[0]

    def forward(self, x: torch.Tensor, attn_mask: torch.Tensor | None = None) -> torch.Tensor:
        rest = self.ln_1(x)
        x = x + self.ls_1(self.attention(rest, rest, rest, attn_mask))
        return x + self.ls_2(self.mlp(self.ln_2(x)))


class Transformer(nn.Module):
    """Blocks one after another."""

    def __init__(self, width: int, layers: int, heads: int, quick_gelu: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualAttentionBlock(width, heads, quick_gelu) for _ in range(layers))

    def get_cast_dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return next(self.resblocks.parameters()).dtype

    def forward(self, x: torch.Tensor, attn_mask: torch.Tensor | None = None) -> torch.Tensor:
        for block in self.resblocks:
            x = block(x, attn_mask=attn_mask)
        return x


class VisionTransformer(nn.Module):
    """Patches and a class token, which is pooled."""

    attn_pool, pool_type = None, "tok"

    def __init__(self, d: int, settings: Mapping[str, int], quick_gelu: bool) -> None:
        super().__init__()
        width, patch = settings["width"], settings["patch_size"]
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros((settings["image_size"] // patch) ** 2 + 1, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(width, settings["layers"], width // settings["head_width"], quick_gelu)
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, d))

    def _embeds(self, pixels: torch.Tensor) -> torch.Tensor:
        """Tokens before the first block (n, 1 + patches, width) of pixels (n, 3, height, width)."""
        x = self.conv1(pixels).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.view(1, 1, -1).expand(len(x), -1, -1)
        x = torch.cat([first.to(x.dtype), x], dim=1)
        return self.ln_pre(x + self.positional_embedding.to(x.dtype))


class CLIP(nn.Module):
    """Both towers, the text's spread over the model itself; read by `core.backbones.towers`."""

    text_pool_type = "argmax"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        d, quick_gelu, text = settings["embed_dim"], settings["quick_gelu"], settings["text_cfg"]
        width, self.context_length = text["width"], text["context_length"]
        self.visual = VisionTransformer(d, settings["vision_cfg"], quick_gelu)
        self.transformer = Transformer(width, text["layers"], text["heads"], quick_gelu)
        self.token_embedding = nn.Embedding(text["vocab_size"], width)
        self.positional_embedding = nn.Parameter(torch.zeros(self.context_length, width))
        self.ln_final = LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, d))
        self.logit_scale = nn.Parameter(torch.zeros([]))
        mask = torch.full((self.context_length, self.context_length), -math.inf).triu_(1)
        self.register_buffer("attn_mask", mask, persistent=False)


def load_plain(config: Path, weights: Path) -> tuple[CLIP, dict[str, Any], dict[str, Any]] | None:
    """The model of a folder in open_clip's layout, its config's `model_cfg` and its preprocessing, as open_clip has it.

    None where it is not plain, or where anything about its files is not as expected: open_clip then reads it, or says
    what is wrong.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        said = read_json(config)
        settings, pixels = {"quick_gelu": False} | said["model_cfg"], COMMON | said["preprocess_cfg"]
        size = settings["vision_cfg"]["image_size"]
        if set(said) != {"model_cfg", "preprocess_cfg"} or not _plain(settings):
            return None
        if set(pixels) != PIXELS or pixels["size"] != size or pixels["mode"] != "RGB":
            return None
        model = CLIP(settings)
        model.load_state_dict(load_file(weights))
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError):
        return None
    return model, settings, pixels | {"size": (size, size)}


def _plain(settings: Mapping[str, Any]) -> bool:
    """Whether a `model_cfg` asks for two plain towers and nothing else."""
    if set(settings) != {"embed_dim", "quick_gelu", *KEYS} or type(settings["quick_gelu"]) is not bool:
        return False
    numbers = [settings["embed_dim"], *(number for tower in KEYS for number in settings[tower].values())]
    return all(set(settings[tower]) == keys for tower, keys in KEYS.items()) and all(type(n) is int for n in numbers)
