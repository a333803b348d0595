"""Tiny random models of every family, from their real configuration classes, with inputs that they read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

tf = pytest.importorskip("transformers")

VOCABULARY, WIDTH, IMAGE = 100, 32, 99
TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION: dict[str, Any] = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
TILES = [[32, 64], [64, 32]]
MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
QWEN_IDS = {"image_token_id": IMAGE, "video_token_id": 98, "vision_start_token_id": 97, "vision_end_token_id": 96}
QWEN_VISION = {"depth": 4, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2}


@dataclass
class Tiny:
    """A family's smallest model: how it is built, what its picture is, how many tokens stand for it."""

    build: Callable[[], Any]
    picture: Callable[[], dict[str, torch.Tensor]]
    tokens: int
    places: tuple[str, ...]
    """Names of the places that are read."""
    type_ids: str | None = None
    """The extra input that says which tokens are of the picture."""
    width: int = 24
    """Channels of the read tokens."""
    extra: dict[str, Any] = field(default_factory=dict)


def square(channels: int = 3) -> Callable[[], dict[str, torch.Tensor]]:
    return lambda: {"pixel_values": torch.randn(1, channels, 32, 32)}


def tiles() -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(1, 3, 3, 32, 32), "image_sizes": torch.tensor([[32, 64]])}


def patches(side: int = 4) -> Callable[[], dict[str, torch.Tensor]]:
    n = side * side
    return lambda: {
        "pixel_values": torch.randn(n, 3 * 2 * 8 * 8),
        "image_grid_thw": torch.tensor([[1, side, side]]),
    }


def llava(layer: Any = -2, select: str = "default") -> Callable[[], Any]:
    return lambda: tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(
            vision_config=tf.CLIPVisionConfig(**VISION),
            text_config=tf.LlamaConfig(**TEXT),
            image_token_index=IMAGE,
            vision_feature_layer=layer,
            vision_feature_select_strategy=select,
        )
    )


def llava_next() -> Any:
    return tf.LlavaNextForConditionalGeneration(
        tf.LlavaNextConfig(
            vision_config=tf.CLIPVisionConfig(**VISION),
            text_config=tf.LlamaConfig(**TEXT),
            image_token_index=IMAGE,
            image_grid_pinpoints=TILES,
        )
    )


def onevision() -> Any:
    return tf.LlavaOnevisionForConditionalGeneration(
        tf.LlavaOnevisionConfig(
            vision_config=tf.SiglipVisionConfig(**VISION, vision_use_head=False),
            text_config=tf.Qwen2Config(**TEXT),
            image_token_index=IMAGE,
            video_token_index=98,
            image_grid_pinpoints=TILES,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
        )
    )


def internvl(layer: int = -1) -> Callable[[], Any]:
    vision = {**VISION, "image_size": [32, 32], "patch_size": [8, 8]}
    return lambda: tf.InternVLForConditionalGeneration(
        tf.InternVLConfig(
            vision_config=tf.InternVLVisionConfig(**vision),
            text_config=tf.Qwen2Config(**TEXT),
            image_token_id=IMAGE,
            downsample_ratio=0.5,
            vision_feature_layer=layer,
        )
    )


def qwen2_vl() -> Any:
    vision = {**QWEN_VISION, "embed_dim": 24, "hidden_size": WIDTH, "mlp_ratio": 2, "in_channels": 3}
    text = {**TEXT, "rope_parameters": MROPE}
    return tf.Qwen2VLForConditionalGeneration(tf.Qwen2VLConfig(vision_config=vision, text_config=text, **QWEN_IDS))


def qwen2_5_vl() -> Any:
    vision = {**QWEN_VISION, "hidden_size": 24, "intermediate_size": 48, "out_hidden_size": WIDTH, "in_channels": 3}
    vision |= {"window_size": 32, "fullatt_block_indexes": [3]}
    text = {**TEXT, "rope_parameters": MROPE}
    return tf.Qwen2_5_VLForConditionalGeneration(
        tf.Qwen2_5_VLConfig(vision_config=vision, text_config=text, **QWEN_IDS)
    )


def qwen3_vl() -> Any:
    vision = {**QWEN_VISION, "hidden_size": 24, "intermediate_size": 48, "out_hidden_size": WIDTH, "in_channels": 3}
    vision |= {"num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1]}
    text = {**TEXT, "head_dim": 8, "rope_parameters": MROPE}
    return tf.Qwen3VLForConditionalGeneration(tf.Qwen3VLConfig(vision_config=vision, text_config=text, **QWEN_IDS))


def gemma3() -> Any:
    model = tf.Gemma3ForConditionalGeneration(
        tf.Gemma3Config(
            vision_config=tf.SiglipVisionConfig(**VISION, vision_use_head=False),
            text_config=tf.Gemma3TextConfig(**{**TEXT, "head_dim": 8}),
            mm_tokens_per_image=4,
            image_token_index=IMAGE,
            boi_token_index=97,
            eoi_token_index=96,
        )
    )
    with torch.no_grad():  # a new one projects by zeros: nothing of a picture would arrive
        model.model.multi_modal_projector.mm_input_projection_weight.normal_(std=0.2)
    return model


def paligemma() -> Any:
    return tf.PaliGemmaForConditionalGeneration(
        tf.PaliGemmaConfig(
            vision_config=tf.SiglipVisionConfig(**VISION, vision_use_head=False, projection_dim=WIDTH),
            text_config=tf.GemmaConfig(**{**TEXT, "head_dim": 8}),
            image_token_index=IMAGE,
            projection_dim=WIDTH,
        )
    )


def idefics(config: str, vision: str, model: str) -> Callable[[], Any]:
    def build() -> Any:
        tower = getattr(tf, vision)(**VISION)
        made = getattr(tf, config)(
            vision_config=tower,
            text_config=tf.LlamaConfig(**TEXT),
            image_token_id=IMAGE,
            scale_factor=2,
            pad_token_id=0,
        )
        return getattr(tf, model)(made)

    return build


def one_of_many() -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(1, 1, 3, 32, 32)}


TOWER, MERGER = "model.vision_tower", "model.visual.merger.input"
DEEP = tuple(f"model.visual.deepstack_merger_list.{i}.input" for i in (0, 1))
FAMILIES: dict[str, Tiny] = {
    "llava": Tiny(llava(), square(), 16, (f"{TOWER}[-2]",)),
    "llava -1 full": Tiny(llava(-1, "full"), square(), 17, (f"{TOWER}[-1]",)),
    "llava two layers": Tiny(llava([-3, -2]), square(), 16, (f"{TOWER}[-3]", f"{TOWER}[-2]")),
    "llava-next": Tiny(llava_next, tiles, 16 + 4 * 9, (f"{TOWER}[-2]",)),
    "llava-onevision": Tiny(onevision, tiles, 16 + 4 * 9, (f"{TOWER}[-1]",)),
    "internvl": Tiny(internvl(), square(), 4, (f"{TOWER}.last",)),
    "internvl -2": Tiny(internvl(-2), square(), 4, (f"{TOWER}[-2]",)),
    "qwen2-vl": Tiny(qwen2_vl, patches(), 4, (MERGER,), "mm_token_type_ids"),
    "qwen2.5-vl": Tiny(qwen2_5_vl, patches(8), 16, (MERGER,), "mm_token_type_ids"),
    "qwen3-vl": Tiny(qwen3_vl, patches(), 4, (MERGER, *DEEP), "mm_token_type_ids"),
    "gemma3": Tiny(gemma3, square(), 4, (f"{TOWER}.last",), "token_type_ids"),
    "paligemma": Tiny(paligemma, square(), 16, (f"{TOWER}.last",), "token_type_ids"),
    "idefics3": Tiny(
        idefics("Idefics3Config", "Idefics3VisionConfig", "Idefics3ForConditionalGeneration"),
        one_of_many,
        4,
        ("model.vision_model.last",),
    ),
    "smolvlm": Tiny(
        idefics("SmolVLMConfig", "SmolVLMVisionConfig", "SmolVLMForConditionalGeneration"),
        one_of_many,
        4,
        ("model.vision_model.last",),
    ),
}


def made(name: str, seed: int = 0) -> tuple[Any, dict[str, torch.Tensor]]:
    """The model of a name in evaluation mode, and one prompt with a picture."""
    tiny = FAMILIES[name]
    torch.manual_seed(seed)
    model = tiny.build().eval().requires_grad_(False)
    ids = torch.tensor([[1, 5, *[IMAGE] * tiny.tokens, 6, 7, 8]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **tiny.picture()}
    if tiny.type_ids:
        inputs[tiny.type_ids] = (ids == IMAGE).long()
    return model, inputs


def push(width: int, seed: int = 1, size: float = 1.0) -> torch.Tensor:
    """A random direction; a constant one would be invisible behind a LayerNorm."""
    return size * torch.randn(width, generator=torch.Generator().manual_seed(seed))
