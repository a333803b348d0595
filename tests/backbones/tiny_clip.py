"""Tiny random CLIP models for the tests: no network, milliseconds to build."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.backbones.open_clip_models import bpe_encode, new_clip, save_clip
from core.backbones.vocabulary import CompactVocabulary

WORDS = ["a", "photo", "of", "man", "woman", "doctor", "nurse", "with", "glasses", "the", "young", "old", "person"]
PREPROCESS = {
    "size": 32,
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.25, 0.3],
    "interpolation": "bilinear",
    "resize_mode": "shortest",
}


def vocabulary(words: list[str] = WORDS) -> CompactVocabulary:
    return CompactVocabulary.from_words(words, bpe_encode)


def config(vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    """A model_cfg with two small towers; the arguments change single settings."""
    vision_cfg = {"image_size": 32, "patch_size": 8, "width": 48, "layers": 3, "head_width": 16} | (vision or {})
    text_cfg = {"context_length": 12, "vocab_size": vocabulary().size, "width": 32, "layers": 2, "heads": 4}
    return {"embed_dim": 24, "vision_cfg": vision_cfg, "text_cfg": text_cfg | (text or {}), **top}


def model(model_cfg: dict[str, Any], seed: int = 0) -> torch.nn.Module:
    """A random model whose LayerNorms are not trivial."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = new_clip(model_cfg)
        for name, parameter in made.named_parameters():
            if ".ln_" in f".{name}":
                torch.nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.4)
    return made.eval().requires_grad_(False)


def saved(folder: Path, seed: int = 0, words: list[str] = WORDS, **preprocess: Any) -> str:
    """Name that loads a tiny model written into `folder`."""
    listed = vocabulary(words)
    settings = config(text={"vocab_size": listed.size})
    save_clip(folder, model(settings, seed), settings, PREPROCESS | preprocess, listed, torch.float32)
    return f"local-dir:{folder}"


def pictures(n: int, seed: int = 0) -> list[Image.Image]:
    """Random pictures of different sizes and shapes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(20, 90, (n, 2))
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in sizes]
