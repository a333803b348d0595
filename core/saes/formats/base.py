"""What every foreign format does: recognise a file by its contents, read it as one of our SAEs, write it back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from core.config import InputError
from core.registry import Registry
from core.saes.base import SAE
from core.saes.config import SAEConfig
from core.saes.rules import LARGEST, PLAIN, THRESHOLD

FORMATS: Registry["Format"] = Registry("SAE format", "core.saes.formats")

OURS = ("W_enc", "b_enc", "W_dec", "b_dec")


@dataclass(frozen=True)
class Source:
    """A file of another project, opened: nothing in it has been run."""

    path: Path
    """The file with the weights."""
    kind: Literal["torch", "safetensors"]
    content: Mapping[str, Any]
    """What it holds by name."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """The JSON document beside it; empty where there is none."""
    arch: str | None = None
    """Our name of the architecture where a person had to say it."""


@dataclass(frozen=True)
class Foreign:
    """A foreign SAE in our terms: works on raw embeddings, b_dec subtracted before and added after."""

    config: SAEConfig
    arrays: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    """What else the file says, as JSON; "format" is its format's name."""


class Format(ABC):
    """One file format of SAEs."""

    name: str

    @abstractmethod
    def recognises(self, source: Source) -> bool:
        """True where the contents are of this format."""

    @abstractmethod
    def read(self, source: Source) -> Foreign:
        """The SAE; InputError naming the file and what is missing or wrong in it."""

    def export(self, sae: SAE) -> dict[str, bytes]:
        """File names and contents, the weights first; InputError where the format cannot say the SAE's rule."""
        raise InputError(f"format {self.name!r} is for reading only; export to one of {', '.join(writable())}")


def writable() -> list[str]:
    """Names of the formats that can be written."""
    return [name for name in FORMATS.names() if type(FORMATS.get(name)).export is not Format.export]


def pick(state: Mapping[str, Any], names: Mapping[str, str], path: Path) -> dict[str, Tensor]:
    """Tensors by our names out of theirs; InputError naming the first that is missing or no tensor."""
    found = {}
    for ours, theirs in names.items():
        if theirs not in state:
            raise InputError(f"{path} has no tensor {theirs!r}; found {', '.join(map(str, state)) or 'nothing'}")
        if not isinstance(state[theirs], Tensor):
            raise InputError(f"{path}: {theirs!r} is no tensor; expected the weights of an SAE")
        found[ours] = state[theirs].detach().to(torch.float32)
    for name in ("W_enc", "W_dec"):
        if found[name].ndim != 2 or 0 in found[name].shape:
            raise InputError(
                f"{path}: {names[name]!r} has shape {tuple(found[name].shape)}; expected a matrix of weights"
            )
    return found


def transposed(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with both matrices turned: linear layers store (out, in)."""
    return {name: value.T.contiguous() if name.startswith("W_") else value for name, value in arrays.items()}


def whole_number(value: Any, what: str, path: Path) -> int:
    """`value` as int; InputError naming the file where it is none."""
    try:
        return int(value)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{path}: {what} is {value!r}; expected a whole number") from None


class Sizes(TypedDict):
    """What the shape of W_enc says, named as in a configuration."""

    d_in: int
    d_sae: int


def shape(arrays: Mapping[str, Tensor]) -> Sizes:
    """d_in and d_sae of W_enc (d, F)."""
    return {"d_in": arrays["W_enc"].shape[0], "d_sae": arrays["W_enc"].shape[1]}


def threshold_of(sae: SAE) -> Tensor:
    """The threshold that training left, () for all neurons or (F,) for each; of an SAE whose rule is THRESHOLD."""
    threshold = sae.threshold
    assert isinstance(threshold, Tensor), "an SAE whose rule is THRESHOLD has one"
    return threshold.detach()


def bias_before(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our arrays of an SAE that does not subtract b_dec: b_enc <- b_enc + b_dec W_enc, so that the codes stay."""
    shift = arrays["b_dec"].double() @ arrays["W_enc"].double()
    return {**arrays, "b_enc": (arrays["b_enc"].double() + shift).to(torch.float32)}


def tensors(sae: SAE) -> dict[str, Tensor]:
    """W_enc, b_enc, W_dec, b_dec as contiguous float32 on the CPU."""
    return {name: getattr(sae, name).detach().to("cpu", torch.float32).contiguous() for name in OURS}


def runs_as(sae: SAE, name: str) -> str:
    """The architecture known to other projects that runs by the same rule; InputError where there is none."""
    if sae.rule is PLAIN:
        return "relu"
    if sae.rule is LARGEST:
        return "topk"
    if sae.rule is THRESHOLD:
        return "jumprelu" if threshold_of(sae).ndim else "batch-topk"
    raise InputError(f"format {name!r} cannot say the rule of {sae.config.arch!r}: its codes would change")


def require_plain(sae: SAE, name: str) -> None:
    """InputError unless the SAE's rule in use is plain ReLU."""
    if sae.rule is not PLAIN:
        raise InputError(
            f"format {name!r} runs as plain ReLU, which {sae.config.arch!r} is not: its codes would change; "
            f"export to dictionary-learning or saelens"
        )
