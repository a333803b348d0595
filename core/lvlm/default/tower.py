"""The shipped CLIP image tower as transformers has it: the same weights under other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from core.lvlm.library import transformers

_BLOCK = {
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
}
_WHOLE = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}


def vision_config(model_cfg: Mapping[str, Any]) -> Any:
    """CLIPVisionConfig of the `model_cfg` of an open_clip_config.json."""
    vision = model_cfg["vision_cfg"]
    return transformers().CLIPVisionConfig(
        hidden_size=vision["width"],
        intermediate_size=4 * vision["width"],
        num_hidden_layers=vision["layers"],
        num_attention_heads=vision["width"] // vision["head_width"],
        image_size=vision["image_size"],
        patch_size=vision["patch_size"],
        hidden_act="quick_gelu" if model_cfg.get("quick_gelu") else "gelu",
        layer_norm_eps=1e-5,
        projection_dim=model_cfg["embed_dim"],
    )


def tower_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State of a CLIPVisionModel from open_clip's, float32; the projection behind the tower is left out."""
    visual = {key.removeprefix("visual."): value for key, value in state.items() if key.startswith("visual.")}
    found = {new: visual[old] for old, new in _WHOLE.items()}
    blocks = {int(key.split(".")[2]) for key in visual if key.startswith("transformer.resblocks.")}
    for number in sorted(blocks):
        old, new = f"transformer.resblocks.{number}.", f"encoder.layers.{number}."
        for kind in ("weight", "bias"):
            fused = visual[f"{old}attn.in_proj_{kind}"].chunk(3)
            found |= {f"{new}self_attn.{part}_proj.{kind}": one for part, one in zip("qkv", fused, strict=True)}
            found |= {f"{new}{ours}.{kind}": visual[f"{old}{theirs}.{kind}"] for theirs, ours in _BLOCK.items()}
    return {key: value.float().contiguous() for key, value in found.items()}
