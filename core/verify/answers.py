"""The verdict on a report of answers: digests, labels from the gallery, every number from the stored probabilities.

No model is loaded: what it answered is evidence, vouched for by its digest, and everything else follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.config import VERSION, InputError
from core.gallery import Gallery, open_gallery
from core.report import read_report
from core.report.answers_document import SCHEMA
from core.report.answers_folder import rendered_answers
from core.verify.digests import Places
from core.verify.own.answers import answers_document

COMPUTED = ("summary", "attributes", "ability_by_kind", "no_answer", "mass", "answers", "flips", "findings")


def recompute_answers(folder: Path, manifest: Mapping[str, Any], places: Places) -> tuple[Any, Any, Gallery]:
    """What the report says and what follows from its evidence, both as documents, and the gallery.

    InputError for a report of another schema.
    """
    document, arrays = read_report(folder)
    if document.get("schema") != SCHEMA:
        wrote = document.get("software", {}).get("unskew", "unknown")
        raise InputError(
            f"{folder / 'report.json'} has schema {document.get('schema')}, written by version {wrote} of the app; "
            f"this is version {VERSION}, which verifies schema {SCHEMA}"
        )
    entry = next(one for one in manifest["galleries"] if one["digest"] == document["gallery"]["digest"])
    place = places.galleries[entry["digest"]]
    if place is None:
        raise InputError(f"gallery {entry['name']} is not here; give its folder with --gallery")
    gallery = open_gallery(place)
    said = {name: document[name] for name in COMPUTED} | {"items": document["items"]} | _labels(document, arrays)
    rows = arrays["rows"]
    own = answers_document(document["evidence"], arrays, document["spec"]["seed"])
    own |= {"items": gallery.item_ids(rows)} | _true_labels(document, gallery, rows)
    return said, own, gallery


def wrong_files(folder: Path, gallery: Gallery) -> Iterator[str]:
    """Lines for files that do not follow from the document."""
    document, _ = read_report(folder)
    for name, text in rendered_answers(document, gallery).items():
        path = folder / name
        if path.read_bytes() != text.encode():
            yield f"{name}: is not what report.json gives"


def _labels(document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    groups = document["evidence"]["groups"]
    return {"labels": {name: arrays[f"labels_{i}"].tolist() for i, name in enumerate(groups)}}


def _true_labels(document: Mapping[str, Any], gallery: Gallery, rows: np.ndarray) -> dict[str, Any]:
    """The groups of the pictures that were asked about, read from the gallery's table."""
    found = {}
    for name, groups in document["evidence"]["groups"].items():
        named = gallery.labels(name)[rows]
        found[name] = [list(groups).index(one) if one in groups else -1 for one in named]
    return {"labels": found}
