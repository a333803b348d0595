"""Large vision-language models by name: what ships, a folder, or a repository of the hub."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import torch

from core import access
from core.config import ASSETS, UNKNOWN, InputError
from core.heavy import wants_memory
from core.lvlm.attachment import Attachment, attach
from core.lvlm.family import family_of
from core.lvlm.library import transformers
from core.lvlm.model import DEFAULT, Lvlm
from core.reading import require_memory_for, weights_in
from core.store import file_digest

LOCAL, HUB = "local-dir:", "hf-hub:"
CONFIG = "config.json"
BLANK = (64, 64)
"""Size of the empty picture on which the places of an unknown family are found."""


_LOADING = threading.Lock()


def load_lvlm(name: str = DEFAULT, device: str | torch.device | None = None, dtype: str | None = None) -> Lvlm:
    """A model ready to answer; the network is used only where weights are not on this machine.

    Parameters
    ----------
    name : "default-lvlm" (ships with the app); "local-dir:FOLDER" in the layout of `save_pretrained`, processor
        included; "hf-hub:OWNER/NAME".
    device : where it runs; None: the accelerator where there is one.
    dtype : "float32", "bfloat16" or "float16"; None: float32 on a CPU, bfloat16 elsewhere.

    Raises
    ------
    InputError : no such folder or repository, no weights, no processor, a model without a vision tower, no memory.
    """
    from core.backbones.base import default_device

    access.require_model(name, Path(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else None)
    chosen = torch.device(device) if device is not None else default_device()
    if name == DEFAULT:
        from core.lvlm.default.folder import load_default

        return load_default(ASSETS / "models" / DEFAULT, chosen)
    precision = getattr(torch, dtype) if dtype else torch.float32 if chosen.type == "cpu" else torch.bfloat16
    where = _place(name)
    with _LOADING:
        model, processor = _opened(name, where, precision, chosen)
    example = None
    bare = Lvlm(name, Attachment(model, (), None), processor, UNKNOWN)
    if family_of(model) is None:
        from PIL import Image

        example = bare.inputs([Image.new("RGB", BLANK, "gray")], [bare.prompt("What is this?")])
    attachment = attach(model, example)
    folder = Path(where)
    weights = _digest(folder) if folder.is_dir() else UNKNOWN
    return Lvlm(name, attachment, processor, weights, notes=list(attachment.notes))


def _place(name: str) -> str:
    if name.startswith(LOCAL):
        folder = Path(name.removeprefix(LOCAL)).expanduser()
        if not (folder / CONFIG).is_file():
            raise InputError(f"model {name}: {folder} has no {CONFIG}; expected a folder as save_pretrained writes it")
        if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            raise InputError(f"model {name}: {folder} has no weights; put model.safetensors there")
        if not any((folder / file).is_file() for file in ("processor_config.json", "preprocessor_config.json")):
            raise InputError(f"model {name}: {folder} has no processor_config.json; put the processor's files there")
        return str(folder)
    if name.startswith(HUB):
        return name.removeprefix(HUB)
    raise InputError(f"unknown model {name!r}; give {DEFAULT}, {LOCAL}FOLDER or {HUB}OWNER/NAME")


def _opened(name: str, where: str, dtype: torch.dtype, device: torch.device) -> tuple[Any, Any]:
    """Model and processor; whatever transformers, its hub, safetensors and torch raise becomes one line."""
    lib = transformers()
    require_memory_for(weights_in(Path(where)), 1, f"loading the model {name}")
    try:
        config = lib.AutoConfig.from_pretrained(where)
        if type(config) not in lib.AutoModelForImageTextToText._model_mapping:
            raise InputError(
                f"model {name} is of type {config.model_type!r}, which does not answer questions about pictures; "
                "give a vision-language model with a language model of its own"
            )
        model = (
            lib.AutoModelForImageTextToText.from_pretrained(where, dtype=dtype).to(device).eval().requires_grad_(False)
        )
        processor = lib.AutoProcessor.from_pretrained(where)
    except InputError:
        raise
    except Exception as error:  # transformers, its hub, safetensors and torch each raise their own kinds
        if wants_memory(error):
            raise InputError(f"model {name} does not fit into the memory of {device}; take a smaller one") from None
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:240]
        put = (
            "; without a network, put its files into a folder and load local-dir:FOLDER" if name.startswith(HUB) else ""
        )
        raise InputError(f"model {name} could not be loaded: {first}{put}") from None
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise InputError(
            f"model {name}: its processor is a {type(processor).__name__}, which reads no pictures; put its own there"
        )
    if getattr(processor, "chat_template", None) is None:
        raise InputError(
            f"model {name}: its processor has no chat template, so nobody knows how to ask it; add chat_template.jinja"
        )
    return model, processor


def _digest(folder: Path) -> str:
    import hashlib

    parts = [
        f"{path.name} {file_digest(path)}" for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
