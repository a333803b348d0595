"""CLIP models of open_clip: the only module that imports it."""

from collections.abc import Mapping
from typing import Any

import torch


def new_clip(model_cfg: Mapping[str, Any]) -> torch.nn.Module:
    """A CLIP model with random weights, as open_clip builds it from the `model_cfg` of an open_clip_config.json."""
    from open_clip import CLIP, CustomTextCLIP

    settings = dict(model_cfg)
    build = CustomTextCLIP if settings.pop("custom_text", False) else CLIP
    return build(**settings)


def bpe_encode(word: str) -> list[int]:
    """The BPE ids of `word` by CLIP's own tokenizer, without start and end."""
    from open_clip.tokenizer import _tokenizer

    return _tokenizer.encode(word)
