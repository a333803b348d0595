"""Trainer folders of saprmarks/dictionary_learning and its forks: bare state dicts beside config.json.

The finished SAE is ae.pt, earlier ones are checkpoints/ae_<step>.pt; DeBiasLens publishes only the latter.
"""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.config import InputError, SAEConfig

WEIGHTS = "ae.pt"
CONFIG = "config.json"

ARCHITECTURES = {
    "MatroyshkaBatchTopKSAE": "matryoshka-batch-topk",  # the fork's spelling
    "MatryoshkaBatchTopKSAE": "matryoshka-batch-topk",
    "AutoEncoderTopK": "topk",
}


def find(path: Path) -> Path | None:
    """The weights that `path` names: a file itself, or a trainer folder's ae.pt, else its latest checkpoint.

    None where there are no weights or no config.json belongs to them.
    """
    if path.is_dir():
        kept = [file for file in path.glob("checkpoints/ae_*.pt") if file.stem[3:].isdigit()]
        latest = max(kept, key=lambda file: int(file.stem[3:]), default=None)
        found = path / WEIGHTS if (path / WEIGHTS).is_file() else latest
    else:
        found = path if path.suffix == ".pt" and path.is_file() else None
    return found if found is not None and _config_of(found).is_file() else None


def trainer_folder(weights: Path) -> Path:
    """The folder that holds the config.json of a weights file."""
    return weights.parent.parent if weights.parent.name == "checkpoints" else weights.parent


def _config_of(weights: Path) -> Path:
    return trainer_folder(weights) / CONFIG


def read(weights: Path) -> tuple[SAEConfig, dict[str, Tensor], dict[str, Any]]:
    """Config, arrays by our names, and the trainer's own settings; biases and threshold already fit raw embeddings."""
    trainer = _trainer(_config_of(weights))
    state = _tensors(weights)
    class_name = str(trainer.get("dict_class", ""))
    if class_name not in ARCHITECTURES:
        raise InputError(
            f"{_config_of(weights)} is of class {class_name!r}, which cannot be read; known: {', '.join(ARCHITECTURES)}"
        )
    arch = ARCHITECTURES[class_name]
    arrays = _named(state, weights)
    d_in, d_sae = arrays["W_enc"].shape
    config = {"arch": arch, "d_in": d_in, "d_sae": d_sae, "k": int(state.get("k", trainer.get("k", 0)))}
    if arch == "matryoshka-batch-topk":
        missing = [name for name in ("threshold", "group_sizes") if name not in state]
        if missing:
            raise InputError(f"{weights} has no tensor {missing[0]!r}; found {', '.join(state)}")
        arrays["threshold"] = state["threshold"]
        config["group_fractions"] = tuple(int(size) / d_sae for size in state["group_sizes"])
    return SAEConfig(**config), arrays, {"trainer": trainer, "format": "dictionary-learning"}


def _trainer(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["trainer"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no dictionary_learning config: expected a JSON object with 'trainer'") from error


def _tensors(path: Path) -> dict[str, Tensor]:
    """The state dict, tensors only: a file that would run code when unpickled is refused."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds Python objects besides tensors and is refused, since opening it could run code; "
            f"ask its author for a file with tensors only"
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as a PyTorch file; copy it again") from error
    if isinstance(state, dict) and "ae" in state and "optimizer" in state:
        raise InputError(
            f"{path} is the state of an interrupted training whose biases are not yet scaled to raw embeddings; "
            f"take {WEIGHTS} of a finished training"
        )
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} is no bare state dict; expected named tensors such as W_enc or encoder.weight")
    return state


def _named(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """W_enc (d, F), b_enc, W_dec (F, d), b_dec from either of the family's two spellings."""
    try:
        if "W_enc" in state:
            arrays = {name: state[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
        else:
            arrays = {
                "W_enc": state["encoder.weight"].T,
                "b_enc": state["encoder.bias"],
                "W_dec": state["decoder.weight"].T,
                "b_dec": state["b_dec"],
            }
    except KeyError as error:
        raise InputError(f"{path} has no tensor {error}; found {', '.join(state)}") from error
    return arrays
