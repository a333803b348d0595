"""The edit's folder: edit.json, edit.safetensors and card.md, each of which is refused where a byte differs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from core.config import VERSION, Fingerprint, InputError, digest_of
from core.portable.card import card_text
from core.portable.edit import SIDE_NAMES, PortableEdit, SideEdit
from core.portable.pieces import PIECES
from core.reading import parse_json
from core.readout import ReadoutArrays
from core.store import atomic_folder

SCHEMA = 1
KIND = "unskew edit"
EDIT, ARRAYS, CARD = "edit.json", "edit.safetensors", "card.md"
TODO = "take the folder again from where it was exported"


def write_edit(edit: PortableEdit, folder: Path, replace: bool = False) -> str:
    """Write the edit's folder, whole or not at all; its digest. Equal edits give equal bytes."""
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(edit.arrays())}
    raw = safetensors.numpy.save(arrays)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": KIND,
        "unskew": VERSION,
        **edit.about,
        "sides": {side: _side_json(one) for side, one in edit.sides.items()},
    }
    card = card_text(document, edit).encode()
    document["files"] = {ARRAYS: hashlib.sha256(raw).hexdigest(), CARD: hashlib.sha256(card).hexdigest()}
    document["digest"] = digest_of(document)
    with atomic_folder(Path(folder), replace) as partial:
        (partial / ARRAYS).write_bytes(raw)
        (partial / CARD).write_bytes(card)
        (partial / EDIT).write_bytes(_told(document))
    return str(document["digest"])


def read_edit(folder: Path) -> PortableEdit:
    """The edit of a folder; InputError naming the file where it is missing, damaged or from a later version."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; expected the folder of an edit, with {EDIT}, {ARRAYS} and {CARD}")
    path = folder / EDIT
    raw = _bytes(path)
    document = parse_json(raw, str(path), TODO)
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise InputError(f"{path} is no exported edit; expected one that edit export wrote")
    if document.get("schema") != SCHEMA:
        raise InputError(f"{path} has schema {document.get('schema')!r}; this version reads {SCHEMA}: update the app")
    said = {key: value for key, value in document.items() if key != "digest"}
    if document.get("digest") != digest_of(said) or raw != _told(document):
        raise InputError(f"{path} is not as it was exported (its digest differs); {TODO}")
    bodies = {}
    for name in (ARRAYS, CARD):
        bodies[name] = _bytes(folder / name)
        if hashlib.sha256(bodies[name]).hexdigest() != document["files"][name]:
            raise InputError(f"{folder / name} is not as it was exported (its digest differs); {TODO}")
    try:
        arrays = safetensors.numpy.load(bodies[ARRAYS])
        sides = {side: _side_of(side, document["sides"][side], arrays) for side in SIDE_NAMES if side in said["sides"]}
        return PortableEdit(sides, {key: value for key, value in said.items() if key not in OWN} | _digests(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise InputError(f"{path}: {error}") from None
        raise InputError(f"{path} is damaged ({error}); {TODO}") from None


OWN = ("schema", "kind", "unskew", "sides", "files")
"""Keys that belong to the folder; the others say what the edit is."""


def _digests(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": document["digest"]}


def _told(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {TODO}") from None


def _side_json(side: SideEdit) -> dict[str, Any]:
    value: dict[str, Any] = {
        "fingerprint": side.fingerprint.to_json(),
        "pieces": [
            {"kind": piece.name, "formula": piece.formula, "settings": piece.settings, "arrays": list(piece.arrays)}
            for piece in side.pieces
        ],
    }
    return value | ({"readout": {"eps": side.readout.eps}} if side.readout is not None else {})


def _side_of(name: str, value: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SideEdit:
    pieces = tuple(
        PIECES.get(piece["kind"])({a: arrays[f"{name}.{i}.{a}"] for a in piece["arrays"]}, piece["settings"])
        for i, piece in enumerate(value["pieces"])
    )
    readout = None
    if "readout" in value:
        of = {a: arrays[f"{name}.readout.{a}"] for a in ("ln_weight", "ln_bias", "projection")}
        readout = ReadoutArrays(of["ln_weight"], of["ln_bias"], float(value["readout"]["eps"]), of["projection"])
    return SideEdit(pieces, Fingerprint.from_json(value["fingerprint"]), readout)
