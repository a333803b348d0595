"""Files of WolodjaZ/MSAE: {"model": tensors, "mean_center", "scaling_factor"}; run as plain ReLU, without top-k.

The SAE works on x' = (x - mean) s. Folded into the weights, with p = pre_bias, E = encoder, l = latent_bias,
D = decoder: pre = (x' - p) E + l = (x - b_dec) (s E) + l and x_hat = (z D + p) / s + mean = z D / s + b_dec, where
b_dec = mean + p / s. A tied decoder is E^T.
"""

from collections.abc import Mapping

import torch

from core.config import InputError
from core.saes.base import SAE, sae_config
from core.saes.formats.base import FORMATS, Foreign, Format, Source, pick, require_plain, shape, tensors
from core.saes.formats.settings import require_plain_input
from core.saes.formats.torch_files import number, to_bytes

NAMES = {"W_enc": "encoder", "b_enc": "latent_bias", "W_dec": "decoder", "b_dec": "pre_bias"}


class Msae(Format):
    """Reads any file of the project as plain ReLU; writes plain ReLU SAEs with mean 0 and scale 1."""

    name = "msae"

    def recognises(self, source: Source) -> bool:
        model = source.content.get("model")
        return source.kind == "torch" and isinstance(model, Mapping) and "pre_bias" in model

    def read(self, source: Source) -> Foreign:
        require_plain_input(source.said, f"the config beside {source.path}")
        content, path = source.content, source.path
        model = dict(content["model"])
        tied = "decoder" not in model
        if tied and isinstance(model.get("encoder"), torch.Tensor) and model["encoder"].ndim == 2:
            model["decoder"] = model["encoder"].T
        arrays = {name: value.double() for name, value in pick(model, NAMES, path).items()}
        sizes = shape(arrays)
        scale = 1.0 if content.get("scaling_factor") is None else number(content["scaling_factor"], "scale", path)
        if scale <= 0:
            raise InputError(f"{path}: scaling_factor is {scale:g}; expected a number above 0")
        mean = content.get("mean_center")
        mean = torch.zeros(()) if mean is None else torch.as_tensor(mean)
        if mean.ndim and mean.shape != arrays["b_dec"].shape:
            raise InputError(f"{path}: mean_center has shape {tuple(mean.shape)}; expected ({sizes['d_in']},)")
        arrays["W_enc"] = arrays["W_enc"] * scale
        arrays["W_dec"] = arrays["W_dec"] / scale
        arrays["b_dec"] = mean.double() + arrays["b_dec"] / scale
        arrays = {name: value.to(torch.float32).contiguous() for name, value in arrays.items()}
        settings = {"format": self.name, "scaling_factor": scale, "tied": tied}
        return Foreign(sae_config("msae", **sizes, k=sizes["d_sae"]), arrays, settings)

    def export(self, sae: SAE) -> dict[str, bytes]:
        require_plain(sae, self.name)
        arrays, config = tensors(sae), sae.config
        model = {theirs: arrays[ours] for ours, theirs in NAMES.items()}
        model["latents_activation_frequency"] = torch.zeros(config.d_sae, dtype=torch.int64)
        content = {
            "model": model,
            "mean_center": torch.zeros(config.d_in),
            "scaling_factor": 1.0,
            "target_norm": float(config.d_in) ** 0.5,
        }
        levels = getattr(sae, "levels", (config.k,))
        weighting = "UW" if getattr(config, "weighting", "reverse") == "uniform" else "RW"
        name = f"{config.d_sae}_{config.d_in}_TopKReLU_{levels[0]}_{weighting}_False_False_0.0_unknown.pth"
        return {name: to_bytes(content)}


FORMATS.register(Msae.name)(Msae())
