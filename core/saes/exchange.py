"""SAEs of other projects: found in a folder or a file, recognised by their contents, and written back."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from core.config import InputError
from core.saes.base import SAE
from core.saes.formats.base import FORMATS, Foreign, Source
from core.saes.formats.torch_files import is_torch_file, read_torch
from core.store import atomic_file, atomic_folder, read_json

AUTO = "auto"
SETTINGS = ("config.json", "cfg.json")
BESIDE = re.compile(
    r"sparsity|optimi[sz]er|scheduler|activations?_store|trainer_state|training_(?:state|args)|rng_state"
)
"""Names of files that hold tensors and no SAE."""


def find_weights(path: Path) -> Path:
    """The weights that `path` names: a file itself, or what a folder holds.

    Of a trainer folder that is ae.pt, else its latest checkpoint; of any other folder its only file of weights, where
    what projects write beside them (sparsity, states of optimisers and stores) does not count. InputError where there
    is none or more than one.
    """
    if path.is_file():
        return path
    for folder in (path, path / "trainer_0"):
        if (folder / "ae.pt").is_file():
            return folder / "ae.pt"
        steps = [file for file in folder.glob("checkpoints/ae_*.pt") if file.stem[3:].isdigit()]
        if steps:
            return max(steps, key=lambda file: int(file.stem[3:]))
    found = [file for file in sorted(path.iterdir()) if file.is_file() and _kind(file)] if path.is_dir() else []
    if len(found) > 1:
        found = [file for file in found if not BESIDE.search(file.stem)] or found
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"{path} is no SAE folder: it holds no weights (.safetensors, or a PyTorch file)")
    raise InputError(f"{path} holds several files of weights, {', '.join(f.name for f in found)}; name one of them")


def open_source(weights: Path, arch: str | None = None) -> Source:
    """A file of weights, opened without running anything in it, with the JSON that belongs to it."""
    kind = _kind(weights)
    if kind is None:
        raise InputError(f"{weights} is neither a safetensors nor a PyTorch file; expected the weights of an SAE")
    if kind == "torch":
        content = read_torch(weights)
    else:
        try:
            content = load_file(weights)
        except (SafetensorError, ValueError, OSError) as error:
            raise InputError(f"{weights} is no whole safetensors file: it is damaged or cut; copy it again") from error
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise InputError(f"{weights} is no bare state dict; expected named tensors such as W_enc or encoder.weight")
    _check_tensors(content, weights)
    return Source(weights, kind, content, _settings(weights), arch)


def read_foreign(path: Path, form: str = AUTO, arch: str | None = None) -> tuple[Foreign, Path]:
    """The SAE of another project at `path`, and the file its weights are in.

    Parameters
    ----------
    form : name of a format, or "auto".
    arch : needed where a bare file does not tell; ignored where it does.
    """
    if form != AUTO:
        FORMATS.get(form)
    source = open_source(find_weights(path), arch)
    fits = [name for name in FORMATS.names() if FORMATS.get(name).recognises(source)]
    if form != AUTO and form not in fits:
        raise InputError(f"{source.path} is not of format {form!r}; it looks like {' or '.join(fits) or 'none known'}")
    if not fits:
        raise InputError(
            f"{source.path} is of no known format ({', '.join(FORMATS.names())}); it holds "
            f"{', '.join(list(source.content)[:8]) or 'nothing'}"
        )
    return FORMATS.get(form if form != AUTO else fits[0]).read(source), source.path


def source_name(weights: Path) -> str:
    """What a person would call it: the run's folder for names that every run has, else the file's name."""
    folder = weights.parent.parent if weights.parent.name == "checkpoints" else weights.parent
    if folder.name.startswith("trainer_"):
        return folder.parent.name
    own = weights.stem not in ("ae", "sae_weights") and weights.parent == folder
    return weights.stem if own else folder.name


def export_sae(sae: SAE, form: str, out: Path) -> list[Path]:
    """Write `sae` in another project's format; returns the files.

    `out` ending like the format's weights file (.pt, .pth) becomes that file alone, anything else a folder.
    InputError where `out` exists or the format cannot hold the SAE's rule.
    """
    if out.exists():
        raise InputError(f"{out} exists already; choose another place")
    files = FORMATS.get(form).export(sae)
    weights = next(iter(files))
    if out.suffix and out.suffix == Path(weights).suffix and out.suffix != ".safetensors":
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as partial:
            Path(partial).write_bytes(files[weights])
        return [out]
    with atomic_folder(out) as partial:
        for name, content in files.items():
            (Path(partial) / name).write_bytes(content)
    return [out / name for name in files]


def _check_tensors(content: Mapping[str, Any], path: Path, depth: int = 4) -> None:
    """InputError where a tensor is no plain array, or claims more numbers than the file has room for.

    A tensor may repeat few stored numbers without end: harmless until somebody copies it.
    """
    for name, value in content.items():
        if isinstance(value, Mapping) and depth:
            _check_tensors(value, path, depth - 1)
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu" or value.is_complex() or value.is_quantized:
                raise InputError(f"{path}: {name!r} is no plain tensor of numbers; expected the weights of an SAE")
            if value.numel() * value.element_size() > path.stat().st_size:
                raise InputError(f"{path}: {name!r} claims {value.numel():,} numbers, more than the file holds")


def _kind(path: Path) -> Any:
    """ "torch", "safetensors" or None, by the first bytes."""
    with path.open("rb") as file:
        start = file.read(9)
    if len(start) == 9 and start[8:] == b"{":
        return "safetensors"
    return "torch" if is_torch_file(path) else None


def _settings(weights: Path) -> dict[str, Any]:
    """The JSON object beside the weights, or in the trainer folder above checkpoints/; empty where there is none."""
    folders = [weights.parent, *([weights.parent.parent] if weights.parent.name == "checkpoints" else [])]
    for path in (folder / name for folder in folders for name in SETTINGS):
        if path.is_file():
            said = read_json(path)
            if not isinstance(said, dict):
                raise InputError(f"{path} holds no JSON object; copy the SAE again")
            return said
    return {}
