"""SAE folders: config.json (what it is and what it was made for) and weights.safetensors (its numbers)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.numpy

from core import access
from core.config import Fingerprint, InputError, lacking_key
from core.saes.base import SAE, SAES, new_sae, sae_config
from core.saes.config import SHAPE, own_settings, shape_of
from core.saes.exchange import read_foreign, source_name
from core.saes.folder import (
    CONFIG,
    SCHEMA,
    WEIGHTS,
    MadeFor,
    fingerprint_of,
    identity,
    is_ours,
    read_weights,
    shipped_folder,
    shipped_saes,
)
from core.store import file_digest, read_json, room_for

ONCE_OF_ALL = ("group_fractions",)
"""Settings that earlier versions wrote for every architecture, and that those without them do not read."""


@dataclass(frozen=True)
class SAEFile(MadeFor):
    """A frozen SAE together with where it comes from."""

    sae: SAE
    name: str
    digest: str
    """Identity of the codes it produces: SHA-256 over the weights' digest, the architecture and its settings."""
    fingerprint: Fingerprint | None = None
    """What it was trained on; None for files of other projects, which do not say."""
    path: Path | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    gallery: str | None = None
    """Digest of the gallery it was trained on."""


def save_sae(
    folder: str | Path,
    sae: SAE,
    name: str,
    fingerprint: Fingerprint | None = None,
    training: Mapping[str, Any] | None = None,
    quality: Mapping[str, Any] | None = None,
    gallery: str | None = None,
) -> SAEFile:
    """Write an SAE that works on raw embeddings into `folder` (made if missing; the caller publishes it).

    The same SAE always gives the same bytes.

    Many parameters: what the folder's config.json says.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with room_for(folder):  # the library says it with an error of its own
        safetensors.numpy.save_file(_contiguous(sae), folder / WEIGHTS)
    document = {
        "schema": SCHEMA,
        "name": name,
        "arch": sae.config.arch,
        "config": sae.config.to_json(),
        "rule": sae.rule.name if sae.rule is not None else None,
        "fingerprint": fingerprint.to_json() if fingerprint else None,
        "training": dict(training or {}),
        "quality": dict(quality or {}),
        "gallery": gallery,
        "weights": file_digest(folder / WEIGHTS),
    }
    (folder / CONFIG).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return load_sae(folder)


def load_sae(folder_or_name: str | Path, device: str = "cpu") -> SAEFile:
    """The SAE in a folder of ours, in a folder or file of another project, or one by its name: shipped, or of a root.

    Nothing is ever unpickled. InputError naming the file where it is missing, damaged, or of no known format.
    """
    folder_or_name = access.folder_named("saes", folder_or_name) or folder_or_name
    access.require_folder(shipped_folder(folder_or_name) or Path(folder_or_name))
    path = _find(folder_or_name)
    loaded = _load_ours(path) if is_ours(path) else load_foreign(path)
    loaded.sae.to(device).frozen()
    return loaded


def load_foreign(path: str | Path, form: str = "auto", arch: str | None = None) -> SAEFile:
    """The SAE of another project, frozen; see `core.saes.exchange.read_foreign`. It says not what it was made for."""
    access.require_folder(Path(path))
    foreign, weights = read_foreign(Path(path), form, arch)
    try:
        sae = new_sae(foreign.config).load_arrays(foreign.arrays)
    except InputError as error:
        raise InputError(f"{weights}: {error}") from error
    return SAEFile(
        sae=sae.frozen(),
        name=source_name(weights),
        digest=identity(file_digest(weights), foreign.config),
        path=weights,
        training=foreign.settings,
    )


def _find(folder_or_name: str | Path) -> Path:
    path = Path(folder_or_name)
    if path.is_dir():
        return path
    if shipped := shipped_folder(path):
        return shipped
    if path.is_file():
        return path
    raise InputError(
        f"no SAE {str(folder_or_name)!r}: expected a folder, a file of weights, or one of the shipped names "
        f"({', '.join(shipped_saes()) or 'none is installed'})"
    )


def _load_ours(folder: Path) -> SAEFile:
    path = folder / CONFIG
    document = read_json(path)
    try:
        given = dict(document["config"])
        kind = SAES.get(shape_of(given).arch).Config
        known = {*SHAPE, *(setting.name for setting in own_settings(kind))}
        surplus = sorted(set(given) - known - set(ONCE_OF_ALL))
        config = sae_config(**{key: value for key, value in given.items() if key in known}, stored=given)
        schema, weights = document["schema"], document["weights"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise InputError(f"{path}: {error}") from error
        raise InputError(f"{path} is damaged{lacking_key(error)}; train or copy the SAE again") from error
    if schema != SCHEMA:
        raise InputError(f"{path} has schema {schema}; this version reads schema {SCHEMA}: update the app")
    if surplus:
        raise InputError(f"{path} has unknown settings {', '.join(surplus)}; known: {', '.join(sorted(known))}")
    if file_digest(folder / WEIGHTS) != weights:
        raise InputError(f"{folder / WEIGHTS} is not the file that {path} describes; copy the SAE again")
    arrays = read_weights(folder)
    # compared before an SAE of the size that the document claims is made, which might fill the memory
    held = arrays["W_enc"].shape if "W_enc" in arrays else None
    if held != (config.d_in, config.d_sae):
        claimed = (config.d_in, config.d_sae)
        raise InputError(f"{folder / WEIGHTS}: W_enc has shape {held}; {path.name} says {claimed}: copy the SAE again")
    try:
        sae = new_sae(config).load_arrays(arrays)
    except InputError as error:
        raise InputError(f"{folder / WEIGHTS}: {error}") from error
    return SAEFile(
        sae=sae,
        name=document.get("name") or folder.name,
        digest=identity(weights, config),
        fingerprint=fingerprint_of(document),
        path=folder,
        training=document.get("training") or {},
        quality=document.get("quality") or {},
        gallery=document.get("gallery"),
    )


def sae_digest(sae: SAE) -> str:
    """The digest that `sae` has once saved: for SAEs that live only in memory."""
    raw = safetensors.numpy.save(_contiguous(sae))
    return identity(hashlib.sha256(raw).hexdigest(), sae.config)


def _contiguous(sae: SAE) -> dict[str, Any]:
    """Arrays as safetensors stores them: it takes the memory as it lies, so a transposed view would be scrambled."""
    return {name: value.copy(order="C") for name, value in sorted(sae.arrays().items())}
