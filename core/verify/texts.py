"""Prompt embeddings: encoded again where the model that embedded the gallery is on this machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audit.recorded_texts import RecordingTexts
from core.config import UNKNOWN, InputError
from core.gallery import Gallery
from core.reading import through_json
from core.readout import ARRAYS

if TYPE_CHECKING:
    from core.backbones.base import Backbone

SHIPPED = "default"
NEAR = 1e-4
"""Largest difference, relative to an embedding's length, that another machine or another batch explains."""
AGAIN, REPORTED, OF_GALLERY = "encoded again", "of the report", "of the gallery"


@dataclass(frozen=True)
class Prompts:
    """Where the prompt embeddings stand that numbers rest on."""

    rest: str
    """AGAIN; REPORTED, taken from the report as they are; OF_GALLERY, whose bytes were compared."""
    why: str = ""
    """Why they were not encoded again."""
    model: str | None = None
    weights: str | None = None
    lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found = {"model": self.model, "weights": self.weights, "prompt_embeddings": self.rest}
        return found | ({"why": self.why} if self.why else {})


def check_prompts(
    document: Mapping[str, Any], arrays: Mapping[str, np.ndarray], gallery: Gallery, model: str | None, allowed: bool
) -> Prompts:
    """Every recorded text embedded again, and a line for each that comes out otherwise.

    Parameters
    ----------
    model : name of the model, where a person gave one; else it is tried where it ships or lies in a folder here.
        Nothing is ever downloaded for a name that only the report or the gallery says.
    allowed : False: the report's embeddings are taken as they are.
    """
    recorded = document["texts"]
    if recorded is None:
        return Prompts(OF_GALLERY)
    said = {"model": recorded["model"], "weights": recorded["weights"]}
    if not allowed:
        return Prompts(REPORTED, "it was asked not to", **said)
    own = gallery.fingerprint("pooled")
    backbone = _backbone(own.model, model)
    if isinstance(backbone, str):
        return Prompts(REPORTED, backbone, **said)
    if own.weights not in (UNKNOWN, backbone.weights_digest):
        why = f"the model {backbone.name} here has other weights ({backbone.weights_digest[:16]}) than the gallery's"
        return Prompts(REPORTED, why, **said)
    return Prompts(AGAIN, "", **said, lines=tuple(_differences(recorded, arrays, backbone)))


def _backbone(name: str, given: str | None) -> "Backbone | str":
    """The model, or why it is not at hand. A model that a person named is loaded or refused."""
    try:
        from core.backbones.base import family_of, load_model
    except ImportError as error:
        if given is not None:
            raise InputError(f"the model {given} cannot be loaded here ({error}); leave --model out") from None
        return f"models cannot be loaded here ({error})"
    if given is not None:
        return load_model(given)
    folder = None
    try:
        folder = family_of(name).folder(name)
        if name == SHIPPED or (folder is not None and folder.is_dir()):
            return load_model(name)
    except (InputError, ImportError) as error:
        return f"the model {name} cannot be loaded here ({error})"
    return f"the model {name} is not here; name it with --model to encode them again"


def _differences(recorded: Mapping[str, Any], arrays: Mapping[str, np.ndarray], backbone: "Backbone") -> Iterator[str]:
    if recorded["weights"] != backbone.weights_digest:
        yield (
            f"texts | weights: says {recorded['weights'][:16]}, the gallery's model has {backbone.weights_digest[:16]}"
        )
    again = RecordingTexts(backbone)
    for attach, texts in recorded["texts"].items():
        said = np.asarray(arrays[f"text_{attach}"], dtype=np.float64)
        own = np.asarray(again.encode_texts(texts, (attach,))[attach], dtype=np.float64)
        if said.shape != own.shape:
            yield f"texts | {attach}: the embeddings have shape {said.shape}, encoded again {own.shape}"
            continue
        off = np.linalg.norm(said - own, axis=1) / np.maximum(np.linalg.norm(own, axis=1), 1e-30)
        for text, one in zip(texts, off, strict=True):
            if not one <= NEAR:
                yield f"texts | {attach} | {text}: is not what the model gives for it (off by {one:.2g} of its length)"
    readout = backbone.readout("text") if "residual" in recorded["texts"] else None
    for name in ARRAYS if readout is not None else ():
        kept, ours = arrays.get(f"text_readout_{name}"), np.asarray(getattr(readout, name))
        if kept is None or kept.shape != ours.shape or not np.allclose(kept, ours, rtol=1e-5, atol=1e-7):
            yield f"texts | readout | {name}: is not the model's"
    document, _ = again.record()
    for key, own in through_json(document).items():
        if key not in ("model", "weights", "fingerprints") and recorded.get(key) != own:
            yield f"texts | {key}: says {_short(recorded.get(key))}, the model gives {_short(own)}"
    for key in recorded:
        if key not in document:
            yield f"texts | {key}: does not belong to the report"


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:80]}..."
