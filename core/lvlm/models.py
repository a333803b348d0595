"""A large vision-language model with its processor: what ships, a folder, or a repository of the hub."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from core.config import ASSETS, UNKNOWN, InputError
from core.lvlm.attachment import Attachment, attach
from core.lvlm.library import transformers
from core.store import file_digest

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULT = "default-lvlm"
LOCAL, HUB = "local-dir:", "hf-hub:"
CONFIG = "config.json"
BLANK = (64, 64)
"""Size of the empty picture on which the places of an unknown family are found."""


@dataclass(eq=False)
class Lvlm:
    """A loaded model, shared by all sessions and never changed."""

    name: str
    attachment: Attachment
    processor: Any
    weights: str
    """SHA-256 over its weights' files, or "unknown"."""
    tower: str = UNKNOWN
    """Digest of the CLIP weights that its tower is, where it says so."""
    known_words: frozenset[str] | None = None
    """The closed word list, None for an open vocabulary."""
    planted: tuple[str, ...] = ()
    """Words that it was taught to lean on, where that is known: what is asked by default."""
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Any:
        return self.attachment.model

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    def unknown_words(self, text: str) -> list[str]:
        """Words outside the closed word list, in order; always empty for open vocabularies."""
        if self.known_words is None:
            return []
        core = self.tokenizer.backend_tokenizer
        pieces = core.pre_tokenizer.pre_tokenize_str(core.normalizer.normalize_str(text))
        return list(dict.fromkeys(word for word, _ in pieces if word not in self.known_words))

    def require_known(self, text: str) -> None:
        """InputError naming the words that a model with a closed word list does not know."""
        if missing := self.unknown_words(text):
            said = ", ".join(repr(word) for word in missing)
            raise InputError(
                f"the demo model does not know {said}; ask with the words of its own questions, for example "
                "'is this person likely to be a doctor?'"
            )

    def prompt(self, question: str) -> str:
        """The question in the model's chat form, with a place for one picture."""
        content = [{"type": "image"}, {"type": "text", "text": question}]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def inputs(self, images: Sequence[Image], prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        """What the model reads for as many pictures as prompts, on its device and in its precision.

        InputError where the processor cannot use the pictures, or belongs to another model.
        """
        try:
            made = self.processor(
                images=[[one] for one in images], text=list(prompts), return_tensors="pt", padding=True
            )
        except (ValueError, TypeError, KeyError, RuntimeError, IndexError, OSError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise InputError(f"{self.name}: its processor cannot prepare this picture and question ({first})") from None
        device, dtype = self.attachment.device, self.attachment.dtype
        return {
            k: v.to(device, dtype if v.is_floating_point() else None) for k, v in made.items() if torch.is_tensor(v)
        }


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
    from core.lvlm.family import family_of

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
    except (torch.OutOfMemoryError, MemoryError):
        raise InputError(f"model {name} does not fit into the memory of {device}; take a smaller one") from None
    except Exception as error:  # transformers, its hub, safetensors and torch each raise their own kinds
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
