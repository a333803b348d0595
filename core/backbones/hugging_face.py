"""CLIP, SigLIP and SigLIP 2 of transformers: `hf:OWNER/NAME` or `hf:FOLDER`. One of its two doors."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from core.backbones.base import BACKBONES, Backbone, Family, Foreign, default_device
from core.backbones.clip_backbone import ClipBackbone
from core.backbones.towers import UNCARRIED, Blocks, TokenTower, Tower, biased, can_carry, plain_norm
from core.config import InputError, Side, digest_of
from core.reading import read_json, require_memory_for, weights_in

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = ("clip", "siglip", "siglip2")
"""Model types that are known here; SigLIP 2 of a fixed size says "siglip"."""
PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
INSTALL = "pip install transformers"
LEGACY_END = 2
"""OpenAI's configs name this as the end token; the real one is then the highest number of the text."""
POOLS = "the image tower pools by attention over all tokens, so no single token carries the embedding"


@BACKBONES.register("transformers")
class Transformers(Family):
    """Both attach points of CLIP and of SigLIP's texts; SigLIP pools pictures by attention, and has one for them."""

    prefix = "hf"
    title = "transformers"
    hint = f"`hf:OWNER/NAME` or `hf:FOLDER`, CLIP, SigLIP or SigLIP 2 as saved by it; needs `{INSTALL}`"

    def load(self, name: str, pretrained: str | None, device: str | torch.device | None) -> Backbone:
        if pretrained:
            raise InputError(f"pretrained was {pretrained!r}, but {name} has its own weights; leave pretrained out")
        try:
            library = importlib.import_module("transformers")
        except ImportError:
            raise InputError(f"{name} needs the library transformers, which is not installed: {INSTALL}") from None
        where = str(self.folder(name) or name.partition(":")[2])
        model, tokenizer, preprocess = _opened(library, name, where)
        held, towers, d = _towers(model)
        towers["image"].quick_gelu = model.config.vision_config.hidden_act == "quick_gelu"
        towers["text"].quick_gelu = model.config.text_config.hidden_act == "quick_gelu"
        size = preprocess["size"]
        chosen = torch.device(device) if device is not None else default_device()
        crop = partial(_resized, size=tuple(size), shortest=preprocess["shortest"], how=preprocess["resample"])
        tokens = HuggingFaceTokens(tokenizer, int(model.config.text_config.max_position_embeddings))
        return ClipBackbone(name, held, preprocess, crop, tokens, d, chosen, (), towers)

    def folder(self, name: str) -> Path | None:
        folder = Path(name.partition(":")[2]).expanduser()
        return folder if folder.is_dir() else None


class HuggingFaceTokens:
    """A tokenizer of transformers, every text as long as the tower reads."""

    known_words: list[str] | None = None

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer, self._context = tokenizer, context
        identity = {"kind": "transformers", "context": context, "vocabulary": sorted(tokenizer.get_vocab().items())}
        self.digest = digest_of(identity)

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        encoded = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self._context, return_tensors="pt"
        )
        return encoded["input_ids"]

    def unknown_words(self, text: str) -> list[str]:
        return []

    def truncated(self, text: str) -> bool:
        return len(self._tokenizer(text, truncation=False, padding=False)["input_ids"]) > self._context


def _opened(library: Any, name: str, where: str) -> tuple[Foreign, Any, dict[str, Any]]:
    """Model, tokenizer and preprocessing, from this machine where they are here, else from the hub."""
    try:
        require_memory_for(weights_in(Path(where)), 2, f"loading the model {where}")  # read, then float32
        config = library.AutoConfig.from_pretrained(where)
        if config.model_type not in KINDS:
            raise InputError(f"{name} is of type {config.model_type!r}; known: {', '.join(KINDS)}")
        model = library.AutoModel.from_pretrained(where).float()
        return model, library.AutoTokenizer.from_pretrained(where), _preprocessing(name, where, model)
    except InputError:
        raise
    except Exception as error:  # transformers, its hub and safetensors each raise their own kinds
        if Path(where).is_dir():
            why = "config, weights or tokenizer are missing, damaged, or do not fit each other: copy them again"
        else:
            why = "it is neither a folder here, nor in the library's cache, nor to be had from the hub: check the name"
        raise InputError(f"model {name} could not be loaded; {why}") from error


def _preprocessing(name: str, where: str, model: Foreign) -> dict[str, Any]:
    """Size (h, w), mean, std, the filter of resizing; to what the shortest side is fitted before the rest is cut off,
    None where the picture is squeezed.
    """
    from transformers.utils import cached_file

    for file in PREPROCESSING:
        settings_file = cached_file(where, file, _raise_exceptions_for_missing_entries=False)
        if settings_file is not None:
            settings = read_json(Path(settings_file))
            settings = settings.get("image_processor", settings)
            break
    else:
        raise InputError(f"model {name} has no {PREPROCESSING[0]}; put it beside the weights")
    vision = model.config.vision_config
    if model.config.model_type == "siglip2":
        side = int(vision.num_patches**0.5) * vision.patch_size
        size, shortest = [side, side], None
    else:
        fitted, cut = settings.get("size"), bool(settings.get("do_center_crop"))
        size, shortest = _size(settings.get("crop_size") if cut else fitted, vision.image_size), None
        if cut:
            shortest = int(
                fitted.get("shortest_edge", min(size)) if isinstance(fitted, Mapping) else fitted or min(size)
            )
    return {
        "size": size,
        "mean": list(settings["image_mean"]),
        "std": list(settings["image_std"]),
        "resample": int(settings.get("resample", 3)),
        "shortest": shortest,
    }


def _size(size: Any, usual: int) -> list[int]:
    if isinstance(size, int):
        return [size, size]
    if isinstance(size, Mapping) and "height" in size:
        return [int(size["height"]), int(size["width"])]
    return [int(usual), int(usual)]


def _resized(image: "Image", size: tuple[int, int], shortest: int | None, how: int) -> "Image":
    """The picture at the size that the tower reads, RGB: squeezed, or fitted by its shortest side and cut."""
    height, width = size
    image = image.convert("RGB")
    if shortest is None:
        return image.resize((width, height), resample=how)
    w, h = image.size
    fitted = (shortest, int(shortest * h / w)) if w <= h else (int(shortest * w / h), shortest)
    image = image.resize(fitted, resample=how)
    left, top = (fitted[0] - width) // 2, (fitted[1] - height) // 2
    return image.crop((left, top, left + width, top + height))


def _towers(model: Foreign) -> tuple[nn.Module, dict[Side, Tower], int]:
    """All weights, both sides, and the columns of the pooled embedding."""
    if model.config.model_type == "clip":
        return _clip_towers(model)
    d = int(model.config.vision_config.hidden_size)
    patches = model.config.vision_config.patch_size if model.config.model_type == "siglip2" else None

    image = Tower(partial(_siglip_image, model, patches), model.vision_model, d, POOLS)
    return model, {"image": image, "text": _siglip_text_tower(model, d)}, d


def _siglip_text_tower(model: Foreign, d: int) -> Tower:
    """The text side pools its last token; where its projection's bias cannot be carried, the output alone is read."""
    text = model.text_model
    norm, head = text.final_layer_norm, text.head
    if not plain_norm(norm) or (biased(head) and not can_carry(head.weight.T, head.bias)):
        return Tower(lambda numbers: _pooled(model.get_text_features(input_ids=numbers)), text, d, UNCARRIED)
    return TokenTower(partial(_siglip_text, text), text, norm, head.weight.T, head.bias)


def _siglip_text(text: Foreign, numbers: torch.Tensor, every: bool) -> Blocks:
    x = text.embeddings(input_ids=numbers)
    x = text.encoder(inputs_embeds=x).last_hidden_state
    length = torch.full((len(x),), x.shape[1], dtype=torch.long, device=x.device)
    return Blocks(x, length - 1, length)


def _pooled(output: Any) -> torch.Tensor:
    """What versions of transformers give bare or inside an object."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def _siglip_image(model: Foreign, patch: int | None, pixels: torch.Tensor) -> torch.Tensor:
    if patch is None:
        return _pooled(model.get_image_features(pixel_values=pixels))
    n, channels, height, width = pixels.shape
    rows, columns = height // patch, width // patch
    cut = pixels.view(n, channels, rows, patch, columns, patch).permute(0, 2, 4, 3, 5, 1)  # patch by patch, RGB last
    shapes = torch.tensor([[rows, columns]] * n, device=pixels.device)
    mask = torch.ones(n, rows * columns, dtype=torch.int32, device=pixels.device)
    values = cut.reshape(n, rows * columns, -1)
    output = model.get_image_features(pixel_values=values, pixel_attention_mask=mask, spatial_shapes=shapes)
    return _pooled(output)


def _clip_towers(model: Foreign) -> tuple[nn.Module, dict[Side, Tower], int]:
    """The text's final LayerNorm is taken out of the model and into the readout, so that what enters it can be read."""
    vision, text, d = model.vision_model, model.text_model, int(model.config.projection_dim)
    norm, text.final_layer_norm = text.final_layer_norm, nn.Identity()
    if not (plain_norm(norm) and plain_norm(vision.post_layernorm)):
        raise InputError("a tower does not end in a LayerNorm with gain and bias, which this version cannot read")
    held = nn.ModuleDict({"model": model, "text_norm": norm})
    end = model.config.text_config.eos_token_id
    blocks: dict[Side, Callable[[torch.Tensor, bool], Blocks]] = {
        "image": partial(_clip_image, vision),
        "text": partial(_clip_text, text, None if end == LEGACY_END else end),
    }
    image = TokenTower(blocks["image"], vision, vision.post_layernorm, model.visual_projection.weight.T)
    return held, {"image": image, "text": TokenTower(blocks["text"], text, norm, model.text_projection.weight.T)}, d


def _clip_image(vision: Foreign, pixels: torch.Tensor, every: bool) -> Blocks:
    x = vision(pixel_values=pixels).last_hidden_state
    first = torch.zeros(len(x), dtype=torch.long, device=x.device)
    return Blocks(x, first, torch.full_like(first, x.shape[1]))


def _clip_text(text: Foreign, end: int | None, numbers: torch.Tensor, every: bool) -> Blocks:
    """Padding behind the end cannot reach it under the causal mask, so the batch is cut after its longest text."""
    place = numbers.argmax(dim=1) if end is None else (numbers == end).int().argmax(dim=1)
    x = text(input_ids=numbers[:, : int(place.max()) + 1]).last_hidden_state
    return Blocks(x, place, place + 1)
