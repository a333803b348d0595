"""`answering`: what is claimed of the small model that answers, for the shipped one and for others of new seeds.

The image tower is the shipped one. `--n` seeds, from `--seed` on; each takes as long as its part of `build-default`.
"""

import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from core.backbones.open_clip_models import load_backbone
from core.config import ASSETS
from core.lvlm.default.building import trained
from core.lvlm.default.folder import load_default, save_default
from core.lvlm.default.training import LanguageTrainingConfig
from core.lvlm.model import DEFAULT
from core.lvlm.models import load_lvlm
from tests.lvlm.claims import Claims

CPU, CLIP = torch.device("cpu"), ASSETS / "models" / "default"
AVATARS = 540
"""Held-out pictures whose looks are asked for."""


def run(n: int = 2, seed: int = 1) -> dict[str, Any]:
    """Accuracies in words and by letter, how the answers lean, what one neuron takes away, what controls move."""
    found = {"shipped": measured(Claims(load_lvlm(DEFAULT, "cpu")))}
    for own in range(seed, seed + n):
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            made = _train(own, Path(folder))
            took = time.process_time() - began
            found[f"seed {own}"] = {"processor_s": took} | measured(Claims(load_default(made, CPU, CLIP)))
    return found


def measured(model: Claims) -> dict[str, Any]:
    """The figures of one model; shares of right answers on many avatars, so that one of them is no percent."""
    many = Claims(model.model, AVATARS)
    return {
        "avatars": AVATARS,
        "in words": many.accuracy(False),
        "by letter": many.accuracy(True),
        **model.words(),
        "neuron": list(model.chosen.edit.neurons),
        "off: cut, largest change of an ability": model.cut(model.chosen),
        "held: cut, largest change of an ability": model.cut(model.held),
        "controls move the gap by": model.controls(),
    }


def _train(seed: int, folder: Path) -> Path:
    config, backbone = replace(LanguageTrainingConfig(), seed=seed), load_backbone("default")
    model, tokenizer = trained(config, CLIP, backbone, folder / "training.pt", lambda *_: None)
    made = folder / DEFAULT
    save_default(made, model, tokenizer, CLIP, backbone.weights_digest, asdict(config))
    return made
