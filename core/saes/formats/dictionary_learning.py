"""Trainer folders of saprmarks/dictionary_learning and its forks (sae-for-vlm, DeBiasLens), and their bare ae.pt.

ae.pt is a state dict of tensors, config.json beside it says the class. Biases and thresholds already fit raw
embeddings. Without config.json the tensors tell the class, except that TopK and BatchTopK store the very same ones.
"""

import json
from typing import Any

import torch
from torch import Tensor

from core.config import InputError
from core.saes.base import SAE, sae_config
from core.saes.formats.base import (
    FORMATS,
    OURS,
    Foreign,
    Format,
    Source,
    bias_before,
    pick,
    runs_as,
    shape,
    tensors,
    threshold_of,
    transposed,
    whole_number,
)
from core.saes.formats.settings import require_plain_input
from core.saes.formats.torch_files import to_bytes
from core.saes.matryoshka_batch_topk import MatryoshkaBatchTopKSAE

WEIGHTS, CONFIG = "ae.pt", "config.json"
ARCHITECTURES = {
    "MatroyshkaBatchTopKSAE": "matryoshka-batch-topk",  # the fork's spelling
    "MatryoshkaBatchTopKSAE": "matryoshka-batch-topk",
    "BatchTopKSAE": "batch-topk",
    "AutoEncoderTopK": "topk",
    "JumpReluAutoEncoder": "jumprelu",
    "AutoEncoder": "relu",
    "AutoEncoderNew": "relu",
}
CLASSES = {ours: theirs for theirs, ours in ARCHITECTURES.items()}
CLASSES["relu"] = "AutoEncoder"
SELECTING = ("topk", "batch-topk", "matryoshka-batch-topk")
LINEAR = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight"}


class DictionaryLearning(Format):
    """State dicts of all its classes but the gated one; another one leaves as the class that runs by its rule."""

    name = "dictionary-learning"

    def recognises(self, source: Source) -> bool:
        state = source.content
        if source.kind != "torch" or "bpre" in state:
            return False
        trained = isinstance(source.said.get("trainer"), dict)
        return trained or {"ae", "optimizer"} <= set(state) or "W_enc" in state or "encoder.weight" in state

    def read(self, source: Source) -> Foreign:
        state, path = source.content, source.path
        if "ae" in state and "optimizer" in state:
            raise InputError(
                f"{path} is the state of an interrupted training whose biases are not yet scaled to raw embeddings; "
                f"take {WEIGHTS} of a finished training"
            )
        trainer = source.said.get("trainer")
        trainer = dict(trainer) if isinstance(trainer, dict) else {}
        for said in (source.said, trainer):
            require_plain_input(said, f"the config.json of {path}")
        arch = _architecture(source, trainer)
        arrays = _named(source)
        settings: dict[str, Any] = {"arch": arch, **shape(arrays)}
        if arch in SELECTING:
            settings["k"] = whole_number(state.get("k", trainer.get("k")), "k", path)
        else:
            settings["k"] = settings["d_sae"]
        if arch in ("batch-topk", "matryoshka-batch-topk"):
            arrays["threshold"] = pick(state, {**_names(source), "threshold": "threshold"}, path)["threshold"]
        if arch == "jumprelu":
            arrays["threshold"] = pick(state, {**_names(source), "threshold": "threshold"}, path)["threshold"]
            arrays = bias_before(arrays)
        if arch == "matryoshka-batch-topk":
            settings["group_fractions"] = _fractions(source, settings["d_sae"])
        said = {"format": self.name, "trainer": trainer} if trainer else {"format": self.name}
        return Foreign(sae_config(**settings), arrays, said)

    def export(self, sae: SAE) -> dict[str, bytes]:
        config = sae.config
        arch = config.arch if config.arch in CLASSES else runs_as(sae, self.name)
        state = _state(sae, arch)
        trainer: dict[str, Any] = {
            "dict_class": CLASSES[arch],
            "activation_dim": config.d_in,
            "dict_size": config.d_sae,
        }
        if arch in SELECTING:
            state["k"] = torch.tensor(config.k, dtype=torch.int32)
            threshold = getattr(sae, "threshold", None)
            state["threshold"] = torch.tensor(-1.0) if threshold is None else threshold.detach().clone()
            trainer["k"] = config.k
        if isinstance(sae, MatryoshkaBatchTopKSAE):
            state["group_sizes"] = torch.tensor(sae.group_sizes, dtype=torch.int64)
            trainer |= {"group_fractions": list(sae.config.group_fractions), "group_sizes": list(sae.group_sizes)}
        document = json.dumps({"trainer": trainer}, indent=1) + "\n"
        return {WEIGHTS: to_bytes(state), CONFIG: document.encode()}


FORMATS.register(DictionaryLearning.name)(DictionaryLearning())


def _architecture(source: Source, trainer: dict[str, Any]) -> str:
    """Our name: what config.json says, else what the tensors tell, else what the person said."""
    state, said = source.content, str(trainer.get("dict_class", ""))
    if said:
        if said not in ARCHITECTURES:
            raise InputError(
                f"the config.json of {source.path} is of class {said!r}, which cannot be read; "
                f"known: {', '.join(ARCHITECTURES)}"
            )
        return ARCHITECTURES[said]
    threshold = state.get("threshold")
    if "group_sizes" in state:
        return "matryoshka-batch-topk"
    if isinstance(threshold, Tensor) and threshold.ndim == 1:
        return "jumprelu"
    if "k" not in state and ("bias" in state or "decoder.bias" in state):
        return "relu"
    if source.arch in ("topk", "batch-topk", "relu"):
        return source.arch
    raise InputError(
        f"{source.path} alone does not tell TopK from BatchTopK; put its config.json beside it, or import it with "
        f"--arch topk or --arch batch-topk"
    )


def _names(source: Source) -> dict[str, str]:
    """Their name of each of our four arrays."""
    state = source.content
    if "W_enc" in state:
        return {name: name for name in OURS}
    if "b_dec" in state:
        return {**LINEAR, "b_dec": "b_dec"}
    if "bias" in state:
        return {**LINEAR, "b_dec": "bias"}
    return {**LINEAR, "b_dec": "decoder.bias" if "decoder.bias" in state else "b_dec"}


def _named(source: Source) -> dict[str, Tensor]:
    names = _names(source)
    arrays = pick(source.content, names, source.path)
    if names["W_enc"] == "W_enc":
        return arrays
    arrays = transposed(arrays)
    return bias_before(arrays) if names["b_dec"] == "decoder.bias" else arrays


def _fractions(source: Source, d_sae: int) -> tuple[float, ...]:
    sizes = source.content.get("group_sizes")
    if sizes is None:
        raise InputError(f"{source.path} has no tensor 'group_sizes'; found {', '.join(source.content)}")
    return tuple(whole_number(size, "group_sizes", source.path) / d_sae for size in sizes)


def _state(sae: SAE, arch: str) -> dict[str, Tensor]:
    """The state dict of the class that runs by the same rule."""
    arrays = tensors(sae)
    if arch == "matryoshka-batch-topk":
        return arrays
    if arch == "jumprelu":
        shift = arrays["b_dec"].double() @ arrays["W_enc"].double()
        arrays["b_enc"] = (arrays["b_enc"].double() - shift).to(torch.float32)
        return {**arrays, "threshold": threshold_of(sae).clone()}
    turned = transposed(arrays)
    state = {theirs: turned[ours] for ours, theirs in LINEAR.items()}
    return {("bias" if arch == "relu" else "b_dec"): turned["b_dec"], **state}
