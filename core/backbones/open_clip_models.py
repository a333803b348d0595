"""CLIP models of open_clip: names, weights, errors. The only module that imports it, and only inside functions."""

import difflib
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch

from core.backbones.base import BACKBONES, Backbone, Family, Foreign, default_device, other_names
from core.backbones.clip_backbone import ClipBackbone
from core.backbones.plain_clip import load_plain
from core.backbones.tokens import CompactTokens, OpenTokens, Tokens
from core.backbones.vocabulary import CompactVocabulary
from core.config import ASSETS, InputError
from core.reading import require_memory_for, weights_in

DEFAULT = "default"
LOCAL, HUB = "local-dir:", "hf-hub:"
MODEL_TIMES = 2
"""A model is made with random weights before those of the file replace them."""
CONFIG, VOCABULARY = "open_clip_config.json", "vocabulary.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
TRANSFORM_KEYS = ("mean", "std", "interpolation", "resize_mode")


@dataclass
class Source:
    """Where a model comes from, once everything it needs lies on this machine."""

    name: str
    """The name that loads it again."""
    model: str
    """open_clip model name, or `local-dir:` and a folder with config and weights."""
    weights: Path | None = None
    """Weights of a named model; a folder holds its own."""
    quick_gelu: bool = False
    """True where the weights were trained with QuickGELU, whatever the model's name says."""
    preprocess: dict[str, Any] = field(default_factory=dict)
    """Preprocessing that travels with the weights of a named model."""
    notes: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path | None:
        return Path(self.model.removeprefix(LOCAL)) if self.model.startswith(LOCAL) else None


@BACKBONES.register("open_clip")
class OpenClip(Family):
    """Models of open_clip: those that ship, named ones, folders, repositories of the hub in its layout."""

    prefix = ""
    title = "open_clip"
    hint = (
        "a name with its weights after a colon, `local-dir:FOLDER` for a folder in its layout, or `hf-hub:OWNER/NAME`; "
        "weights are downloaded on first use; where that is not possible, a message says which file to put where"
    )

    def load(self, name: str, pretrained: str | None, device: str | torch.device | None) -> Backbone:
        return load_backbone(name, pretrained, device)

    def folder(self, name: str) -> Path | None:
        return Path(name.removeprefix(LOCAL)).expanduser() if name.startswith(LOCAL) else None


def load_backbone(
    name: str = DEFAULT, pretrained: str | None = None, device: str | torch.device | None = None
) -> Backbone:
    """A CLIP model, ready to encode; the network is used only where the weights are not on this machine.

    Parameters
    ----------
    name : "default" (shipped with the app); an open_clip model name, alone or as "NAME:TAG"; "local-dir:FOLDER"
        (open_clip_config.json, weights, perhaps vocabulary.json); "hf-hub:OWNER/REPOSITORY".
    pretrained : for an open_clip model name the tag of its weights, or a weights file.
    device : where it runs; None chooses.

    Raises
    ------
    InputError : unknown name or tag (with the nearest ones), weights that are neither here nor to be had (with the
        file and the folder to put it into), a folder without config or weights, weights that do not fit the config.
    """
    source = _source(name, pretrained)
    folder = Path(source.model.removeprefix(LOCAL))
    files = [source.weights] if source.weights else weights_in(folder) if source.model.startswith(LOCAL) else []
    require_memory_for(files, MODEL_TIMES, f"loading the model {source.name}")
    with _one_line(source.name):
        model, config, preprocess = _plain(source) or _any(source)
        tokens = _tokens(source, model, config)
    chosen = torch.device(device) if device is not None else default_device()
    crop = _Crop(preprocess)
    backbone = ClipBackbone(source.name, model, preprocess, crop, tokens, config["embed_dim"], chosen, source.notes)
    if "openai" in source.name.lower() and backbone.fingerprint("text", "pooled").quick_gelu is False:
        backbone.notes.append(
            f"{source.name} names OpenAI's weights, which need QuickGELU, but its config uses GELU: embeddings are "
            "probably wrong; set quick_gelu to true in open_clip_config.json or choose a -quickgelu model"
        )
    return backbone


Parts = tuple[Foreign, Mapping[str, Any], Mapping[str, Any]]
"""A model with its weights, its config, and the settings of its preprocessing."""


def _plain(source: Source) -> Parts | None:
    """The model of a folder with a vocabulary of its own, read without open_clip; None where that is not enough."""
    if source.folder is None or not (source.folder / VOCABULARY).is_file():
        return None
    return load_plain(source.folder / CONFIG, source.folder / WEIGHTS[0])


def _any(source: Source) -> Parts:
    import open_clip

    model = open_clip.create_model(
        source.model,
        None if source.weights is None else str(source.weights),
        force_quick_gelu=source.quick_gelu,
        force_preprocess_cfg=source.preprocess,
        require_pretrained=True,
    )
    return model, open_clip.get_model_config(source.model), open_clip.get_model_preprocess_cfg(model)


class _Crop:
    """Takes a picture to one of the size the tower reads; open_clip is asked how at the first one.

    Parameters
    ----------
    preprocess : the model's settings.
    """

    def __init__(self, preprocess: Mapping[str, Any]) -> None:
        self._preprocess = preprocess

    @cached_property
    def _steps(self) -> Sequence[Callable[[Any], Any]]:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        *steps, _, _ = image_transform_v2(PreprocessCfg(**self._preprocess), is_train=False).transforms
        return steps  # without ToTensor and Normalize

    def __call__(self, image: Any) -> Any:
        for step in self._steps:
            image = step(image)
        return image


def pretrained_tags(model: str) -> list[str]:
    """Names of the published weights of an open_clip model, best known first as open_clip lists them."""
    from open_clip import list_pretrained_tags_by_model

    return list_pretrained_tags_by_model(model)


def new_clip(model_cfg: Mapping[str, Any]) -> torch.nn.Module:
    """A CLIP model with random weights, as open_clip builds it from the `model_cfg` of an open_clip_config.json."""
    from open_clip import CLIP, CustomTextCLIP

    settings = dict(model_cfg)
    build = CustomTextCLIP if settings.pop("custom_text", False) else CLIP
    return build(**settings)


def save_clip(
    folder: Path,
    model: torch.nn.Module,
    model_cfg: Mapping[str, Any],
    preprocess_cfg: Mapping[str, Any],
    vocabulary: CompactVocabulary | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a folder that `local-dir:` loads: open_clip_config.json, open_clip_model.safetensors, vocabulary.json."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": dict(model_cfg), "preprocess_cfg": dict(preprocess_cfg)}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    state = {key: value.detach().cpu().to(dtype).contiguous() for key, value in model.state_dict().items()}
    (folder / WEIGHTS[0]).write_bytes(save(state))  # safetensors' own writer makes a file that only its owner reads
    if vocabulary is not None:
        vocabulary.save(folder / VOCABULARY)


def bpe_encode(word: str) -> list[int]:
    """The BPE ids of `word` by CLIP's own tokenizer, without start and end."""
    from open_clip.tokenizer import _tokenizer

    return _tokenizer.encode(word)


def _source(name: str, pretrained: str | None) -> Source:
    """Find config and weights for a name, downloading them only if they are not on this machine."""
    whole = name == DEFAULT or name.startswith((LOCAL, HUB))
    if whole and pretrained:
        raise InputError(f"pretrained was {pretrained!r}, but {name} has its own weights; leave pretrained out")
    if name == DEFAULT:
        return _folder_source(DEFAULT, ASSETS / "models" / DEFAULT)
    if name.startswith(LOCAL):
        return _folder_source(name, Path(name.removeprefix(LOCAL)).expanduser())
    if name.startswith(HUB):
        return _hub_source(name)
    if not pretrained and ":" in name:
        name, _, pretrained = name.partition(":")
    return _named_source(name, pretrained)


def _folder_source(name: str, folder: Path) -> Source:
    hint = "; python -m core build-default makes it" if name == DEFAULT else ""
    if not (folder / CONFIG).is_file():
        raise InputError(f"model {name}: {folder} has no {CONFIG}; expected a folder with it and {WEIGHTS[0]}{hint}")
    if not any((folder / file).is_file() for file in WEIGHTS) and not any(
        path for end in (".safetensors", ".bin", ".pth") for path in folder.glob(f"*{end}")
    ):
        raise InputError(f"model {name}: {folder} has no weights; put {WEIGHTS[0]} there{hint}")
    return Source(name, f"{LOCAL}{folder}")


def _hub_source(name: str) -> Source:
    """A Hugging Face repository; config and weights are in one snapshot folder, so it loads as a local folder."""
    repository = name.removeprefix(HUB)
    config = _cached(repository, [CONFIG])
    if config is None or not any((config.parent / file).is_file() for file in WEIGHTS):
        config = _downloaded(name, repository, [CONFIG])
        _downloaded(name, repository, WEIGHTS)
    return Source(name, f"{LOCAL}{config.parent}")


def _named_source(name: str, pretrained: str | None) -> Source:
    from open_clip import list_models
    from open_clip.pretrained import get_pretrained_cfg

    if name not in list_models():
        near = _near(re.sub(r"(?i)clip|\(.*?\)", "", name).replace("/", "-").strip(), list_models())
        owned = f"did you mean hf-hub:{name} or hf:{name}? " if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else near
        raise InputError(
            f"unknown model {name!r}; {owned}or use default, local-dir:FOLDER, hf-hub:OWNER/NAME, {other_names()}"
        )
    tags = pretrained_tags(name)
    if not pretrained:
        choice = f"one of {', '.join(tags)}" if tags else "a weights file"
        raise InputError(f"model {name} was named without weights; give {choice}, for example as {name}:TAG")
    whole = f"{name}:{pretrained}"
    settings = get_pretrained_cfg(name, pretrained)
    if not settings:
        if Path(pretrained).is_file():
            return Source(whole, name, Path(pretrained), notes=[_assumed_activation(name)])
        raise InputError(f"unknown weights {pretrained!r} of {name}; {_near(pretrained, tags)}or give a weights file")
    weights = _tag_weights(whole, settings)
    source = Source(whole, name, weights, bool(settings.get("quick_gelu")))
    source.preprocess = {key: settings[key] for key in TRANSFORM_KEYS if key in settings}
    if source.quick_gelu and not name.endswith("-quickgelu"):
        source.notes.append(f"{whole} was trained with QuickGELU, so QuickGELU is used although the name lacks it")
    return source


def _assumed_activation(name: str) -> str:
    """What a bare weights file leaves open, and what is assumed."""
    from open_clip import get_model_config, list_models

    quick = bool((get_model_config(name) or {}).get("quick_gelu"))
    twin = name.removesuffix("-quickgelu") if quick else f"{name}-quickgelu"
    other = (
        f"choose {twin}"
        if twin in list_models()
        else f'load a folder whose {CONFIG} says "quick_gelu": {str(not quick).lower()}'
    )
    runs, trained = ("QuickGELU", "trained with GELU") if quick else ("GELU", "trained from OpenAI's, with QuickGELU")
    return (
        f"a weights file does not say its activation: {name} runs it as {runs}; if these weights were {trained}, "
        f"{other}, or embeddings are other than the trained model's"
    )


def _tag_weights(whole: str, settings: Mapping[str, Any]) -> Path:
    """The weights file of a tag: from assets/models, from the caches, or downloaded."""
    repository, _, file = settings.get("hf_hub", "").rpartition("/")
    files = [file] if file else list(WEIGHTS)
    placed = ASSETS / "models" / whole.replace(":", ".")
    url = settings.get("url", "")
    here = [placed / file for file in files]
    here += [Path.home() / ".cache" / "clip" / url.rpartition("/")[2]] if url else []
    weights = next((path for path in here if path.is_file()), None) or _cached(repository, files)
    return weights or _downloaded(whole, repository, files, placed)


def _cached(repository: str, files: Sequence[str]) -> Path | None:
    """The first of `files` that the Hugging Face cache holds; asks no server."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = (try_to_load_from_cache(repository, file) for file in files)
        return next((Path(path) for path in cached if isinstance(path, str)), None)
    except HFValidationError:
        return None


def _downloaded(name: str, repository: str, files: Sequence[str], placed: Path | None = None) -> Path:
    from open_clip.pretrained import download_pretrained_from_hf

    for file in files if _reachable() else ():
        try:
            return Path(download_pretrained_from_hf(repository, filename=file))
        except (OSError, ValueError):  # no such file in the repository, or no network; open_clip wraps both alike
            continue
    folder = f"into {placed}, or it and {CONFIG} " if placed else f"and {CONFIG} "
    raise InputError(
        f"model {name}: {files[0]} is not on this machine and could not be downloaded from "
        f"https://huggingface.co/{repository}; put it {folder}into a folder and load local-dir:FOLDER"
    )


def _reachable() -> bool:
    """Whether the hub answers at all; its own library tries for a minute and warns at each try. True behind a proxy."""
    from huggingface_hub import constants

    hub = urlsplit(constants.ENDPOINT)
    if getproxies() or constants.HF_HUB_OFFLINE:  # offline by wish, the library refuses at once
        return True
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


def _tokens(source: Source, model: Foreign, config: Mapping[str, Any]) -> Tokens:
    """The tokenizer that belongs to the model."""
    context = int(model.context_length)
    if source.folder is not None and (source.folder / VOCABULARY).is_file():
        vocabulary = CompactVocabulary.load(source.folder / VOCABULARY)
        rows = config["text_cfg"]["vocab_size"]
        if vocabulary.size != rows:
            raise InputError(f"{VOCABULARY} has {vocabulary.size} tokens, but the model reads {rows}")
        return CompactTokens(vocabulary, context)
    from open_clip import get_tokenizer

    wanted = config["text_cfg"].get("hf_tokenizer_name", "")
    return OpenTokens(get_tokenizer(source.model, context_length=context), context, wanted)


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {', '.join(near)}? " if near else ""


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """open_clip's many exceptions as one InputError of one line."""
    try:
        yield
    except InputError as error:
        raise InputError(f"model {name}: {error}") from None
    except Exception as error:  # open_clip, timm, safetensors and torch each raise their own kinds for a bad file
        raise InputError(f"model {name} could not be loaded: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    """What a library's error means for the person who gave the files."""
    said = str(error)
    if strange := re.search(r"unexpected keyword argument '(\w+)'", said):
        return f"its config has the key {strange[1]!r}, which this version of open_clip does not know; remove it"
    if lacking := re.search(r"missing \d+ required [\w-]+ arguments?: '(\w+)'", said):
        return f"its config lacks the key {lacking[1]!r}; take the config that belongs to the weights"
    if "state_dict" in said or "size mismatch" in said or "Missing key" in said:
        return "its weights do not fit its config; take both from one place"
    if isinstance(error, json.JSONDecodeError):
        return f"its config is no JSON at line {error.lineno}; correct it or copy it again"
    if isinstance(error, KeyError):
        return f"its config lacks the key {said.strip(chr(39))!r}; take the config that belongs to the weights"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'} cannot be read ({error.strerror})"
    return "its config or its weights are damaged, cut or of another kind; copy them again"
