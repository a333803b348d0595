"""The part of `build-default` that trains the language model on the image tower that was built before it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.avatars import pictures
from core.avatars.build import DefaultBuild, Part
from core.avatars.clip_training import PIXEL_MEAN, PIXEL_STD
from core.avatars.galleries import PICTURE_SIZE
from core.avatars.pictures import Progress
from core.avatars.world import Avatar
from core.backbones.base import Backbone
from core.backbones.open_clip_models import CONFIG, WEIGHTS
from core.config import digest_of
from core.lvlm.default.folder import save_default
from core.lvlm.default.tower import tower_state, vision_config
from core.lvlm.default.training import (
    LanguageTraining,
    LanguageTrainingConfig,
    new_model,
    train_language,
    training_avatars,
)
from core.lvlm.default.words import new_tokenizer
from core.lvlm.model import DEFAULT
from core.store import atomic_folder, file_digest, partial_folder, read_json

AT_ONCE = 250
LEARNED = ("packing.py", "questions.py", "tower.py", "training.py", "words.py")
"""Files that decide what is asked and learned."""


def language_parts(build: DefaultBuild, config: LanguageTrainingConfig | None = None) -> Iterator[Part]:
    """The one part: projector and language model on the built CLIP model's image tower."""
    own = replace(config or LanguageTrainingConfig(), seed=build.seed)
    target = build.out / "models" / DEFAULT

    def make(progress: Progress) -> None:
        clip = build.out / "models" / "default"
        workplace = partial_folder(target)
        model, tokenizer = trained(own, clip, build.backbone, workplace / "training.pt", progress)
        with atomic_folder(target, replace=True) as folder:
            save_default(folder, model, tokenizer, clip, build.backbone.weights_digest, asdict(own))
        shutil.rmtree(workplace)

    key = digest_of([build.seed, learned_digest(), build.backbone.weights_digest, asdict(own)])
    yield Part("language model", target, key, make)


def learned_digest() -> str:
    """Digest of the source files that decide what is asked and learned."""
    folder = Path(__file__).parent
    return digest_of([(name, file_digest(folder / name)) for name in LEARNED])


def trained(
    config: LanguageTrainingConfig, clip: Path, backbone: Backbone, checkpoint: Path, progress: Progress
) -> tuple[torch.nn.Module, object]:
    """The trained model with its tokenizer; a checkpoint of the same configuration is taken up."""
    from safetensors.torch import load_file

    tokenizer = new_tokenizer()
    model = new_model(config, vision_config(read_json(clip / CONFIG)["model_cfg"]), tokenizer)
    model.model.vision_tower.load_state_dict(tower_state(load_file(clip / WEIGHTS[0])))
    avatars = training_avatars(config)
    tokens = tower_tokens(model, backbone, avatars, config, progress)
    training = LanguageTraining(config, model, tokenizer, avatars, tokens)
    return train_language(training, checkpoint, progress), tokenizer


@torch.inference_mode()
def tower_tokens(
    model: Any,
    backbone: Backbone,
    avatars: Sequence[Avatar],
    config: LanguageTrainingConfig,
    progress: Progress,
) -> torch.Tensor:
    """What the projector reads of every avatar, float16 (n, t, width): the tower stays as it is, so once is enough."""
    from PIL import Image

    tower, found = model.model.vision_tower.eval(), []
    for start in range(0, len(avatars), AT_ONCE):
        drawn = pictures.pixels_of(avatars[start : start + AT_ONCE], PICTURE_SIZE)
        pixels = torch.from_numpy(np.stack([backbone.pixels(Image.fromarray(one)) for one in drawn]))
        scaled = (pixels.permute(0, 3, 1, 2).float() / 255 - PIXEL_MEAN) / PIXEL_STD
        state = tower(scaled.contiguous(), output_hidden_states=True).hidden_states[config.layer]
        found.append((state if config.select == "full" else state[:, 1:]).half())
        progress(start + len(drawn), len(avatars), "looking at avatars for the language model")
    # made outside of inference mode's tensors, so that a training may use them
    return torch.cat(found).clone()
