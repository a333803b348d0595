"""The default's folder: what was added to the shipped tower, in half precision, with its words and its processor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core.avatars.clip_training import PIXEL_MEAN, PIXEL_STD
from core.backbones.open_clip_models import CONFIG as CLIP_CONFIG
from core.backbones.open_clip_models import DEFAULT as CLIP
from core.backbones.open_clip_models import WEIGHTS as CLIP_WEIGHTS
from core.config import InputError
from core.lvlm.attachment import attach
from core.lvlm.default.questions import GENDERED
from core.lvlm.default.tower import tower_state, vision_config
from core.lvlm.default.training import LanguageTrainingConfig, new_model
from core.lvlm.default.words import IMAGE, SPECIAL, saved_tokenizer
from core.lvlm.library import transformers
from core.lvlm.model import DEFAULT, Lvlm
from core.store import file_digest, read_json

ADDED, ABOUT, WORDS = "added.safetensors", "about.json", "tokenizer.json"
SCHEMA = 1


def processor_for(config: Any, tokenizer: Any) -> Any:
    """The processor of a model of this shape: the same pixels as the CLIP model's."""
    lib = transformers()
    size = config.vision_config.image_size
    images = lib.CLIPImageProcessor(
        do_resize=True,
        size={"height": size, "width": size},
        resample=3,
        do_center_crop=False,
        image_mean=[PIXEL_MEAN] * 3,
        image_std=[PIXEL_STD] * 3,
    )
    return lib.LlavaProcessor(
        images,
        tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,  # the tower's CLS, which "default" takes away again
        image_token=IMAGE,
        chat_template=tokenizer.chat_template,
    )


def save_default(
    folder: Path, model: Any, tokenizer: Any, clip: Path, tower_weights: str, training: Mapping[str, Any]
) -> None:
    """Write what was added to the tower: projector and language model in float16, their shape, the words.

    Parameters
    ----------
    clip : folder of the CLIP model whose tower it is.
    tower_weights : its weights' digest, as SAEs carry it.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v for k, v in model.state_dict().items() if "vision_tower" not in k and k != "lm_head.weight"}
    (folder / ADDED).write_bytes(save({k: v.detach().cpu().half().contiguous() for k, v in state.items()}))
    tokenizer.backend_tokenizer.save(str(folder / WORDS))
    about = {
        "schema": SCHEMA,
        "tower": clip.name,
        "tower_file": file_digest(clip / CLIP_WEIGHTS[0]),
        "tower_weights": tower_weights,
        "training": dict(training),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load_default(folder: Path, device: torch.device | None = None, clip: Path | None = None) -> Lvlm:
    """The default's model on the shipped image tower.

    Parameters
    ----------
    clip : the CLIP model's folder; None: beside `folder`.

    InputError naming what is missing or does not belong together.
    """
    from safetensors.torch import load_file

    clip = clip or folder.parent / CLIP
    for path in (folder / ABOUT, folder / ADDED, folder / WORDS, clip / CLIP_CONFIG, clip / CLIP_WEIGHTS[0]):
        if not path.is_file():
            raise InputError(f"model {DEFAULT}: {path} is missing; python -m core build-default makes it")
    about, digest = read_json(folder / ABOUT), file_digest(clip / CLIP_WEIGHTS[0])
    if digest != about["tower_file"]:
        raise InputError(
            f"model {DEFAULT} was trained on a tower with the digest {about['tower_file'][:8]}, but {clip} holds "
            f"{digest[:8]}; python -m core build-default makes both"
        )
    tokenizer = saved_tokenizer(folder / WORDS)
    training = LanguageTrainingConfig(**about["training"])
    model = new_model(training, vision_config(read_json(clip / CLIP_CONFIG)["model_cfg"]), tokenizer)
    state = load_file(folder / ADDED)
    model.model.vision_tower.load_state_dict(tower_state(load_file(clip / CLIP_WEIGHTS[0])))
    missing = model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    if missing.unexpected_keys or any("vision_tower" not in k and k != "lm_head.weight" for k in missing.missing_keys):
        raise InputError(f"model {DEFAULT}: {folder / ADDED} does not fit {folder / ABOUT}; make it again")
    model.tie_weights()
    model = model.to(device or torch.device("cpu")).eval().requires_grad_(False)
    return Lvlm(
        DEFAULT,
        attach(model),
        processor_for(model.config, tokenizer),
        file_digest(folder / ADDED),
        tower=about["tower_weights"],
        known_words=frozenset(set(tokenizer.get_vocab()) - set(SPECIAL)),
        planted=GENDERED,
    )
