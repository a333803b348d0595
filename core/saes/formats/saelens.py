"""SAELens folders: cfg.json and sae_weights.safetensors (W_enc, b_enc, W_dec, b_dec, threshold for JumpReLU)."""

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
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
    whole_number,
)
from core.saes.formats.settings import activation, require_no_scaler, require_plain_input, unread

WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"
ARCHITECTURES = {"standard": "relu", "topk": "topk", "jumprelu": "jumprelu"}


class SAELens(Format):
    """Where cfg.json says that b_dec is not subtracted, it is folded into b_enc.

    rescale_acts_by_decoder_norm: their codes are pre-activations times the decoder rows' lengths, decoded by unit
    rows; the lengths move from W_dec to W_enc and b_enc.
    """

    name = "saelens"

    def recognises(self, source: Source) -> bool:
        return source.kind == "safetensors" and "W_enc" in source.content

    def read(self, source: Source) -> Foreign:
        cfg, path = source.said, source.path
        arch = _architecture(source)
        names = {name: name for name in OURS}
        if arch == "jumprelu":
            names["threshold"] = "threshold"
        arrays = pick(source.content, names, path)
        sizes = shape(arrays)
        surplus = sorted(set(source.content) - set(names))
        if surplus:
            raise InputError(f"{path} holds {', '.join(surplus)}, which {arch!r} has no use for; it cannot be read")
        if cfg.get("rescale_acts_by_decoder_norm", False):
            arrays = _norm_to_encoder(arrays)
        if not cfg["apply_b_dec_to_input"]:
            arrays = bias_before(arrays)
        options = cfg.get("activation_fn_kwargs")
        older = options.get("k") if isinstance(options, Mapping) else None
        k = whole_number(cfg.get("k", older), "k", path) if arch == "topk" else sizes["d_sae"]
        return Foreign(
            sae_config(arch, **sizes, k=k), arrays, {"format": self.name, "cfg": dict(cfg), "unread": unread(cfg)}
        )

    def export(self, sae: SAE) -> dict[str, bytes]:
        arrays, config, arch = tensors(sae), sae.config, runs_as(sae, self.name)
        cfg: dict[str, Any] = {
            "architecture": "standard",
            "d_in": config.d_in,
            "d_sae": config.d_sae,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {},
        }
        if arch == "topk":
            cfg |= {"architecture": "topk", "k": config.k, "rescale_acts_by_decoder_norm": False}
        elif arch != "relu":
            # one threshold for all is a threshold for each; below 0 the rule is that of 0
            threshold = threshold_of(sae).to("cpu", torch.float32).clamp_min(0)
            arrays["threshold"] = threshold.expand(config.d_sae).contiguous()
            cfg["architecture"] = "jumprelu"
        return {WEIGHTS: safetensors.torch.save(arrays), CONFIG: (json.dumps(cfg, indent=1) + "\n").encode()}


FORMATS.register(SAELens.name)(SAELens())


def _architecture(source: Source) -> str:
    """Our name; InputError where the settings are missing, or are ones that change the codes and are not known."""
    cfg, beside = source.said, source.path.parent / CONFIG
    if "apply_b_dec_to_input" not in cfg:
        raise InputError(f"{source.path} needs its {CONFIG} with 'apply_b_dec_to_input' beside it; copy the folder")
    theirs = str(cfg.get("architecture", "standard"))
    if theirs == "standard":
        theirs = "topk" if activation(cfg, str(beside)) == "topk" else theirs
    if theirs not in ARCHITECTURES:
        raise InputError(f"{beside} is of architecture {theirs!r}; known: {', '.join(ARCHITECTURES)}")
    require_plain_input(cfg, str(beside))
    require_no_scaler(source.path.parent)
    return ARCHITECTURES[theirs]


def _norm_to_encoder(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    norm = arrays["W_dec"].norm(dim=1)
    moved = {"W_enc": arrays["W_enc"] * norm, "b_enc": arrays["b_enc"] * norm, "W_dec": arrays["W_dec"] / norm[:, None]}
    return {**arrays, **moved}
