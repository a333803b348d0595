"""The verdict on a report of answers: digests, rows and labels from the gallery, every number from the probabilities.

Where the model is at hand it is asked again, under every arm: core.verify.asked_again. Where it is not, what it
answered is evidence, vouched for by its digest alone, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.config import VERSION, InputError, digest_of
from core.gallery import Gallery, open_gallery
from core.report import read_report
from core.report.answers_document import SCHEMA
from core.report.answers_folder import rendered_answers
from core.verify.digests import Places
from core.verify.own.answers import answers_document

GALLERY = ("name", "kind", "n", "digest", "licence", "provenance")
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
    said = {name: document[name] for name in COMPUTED} | _labels(document, arrays)
    said |= {name: document.get(name) for name in ("items", "spec_digest", "gallery")}
    said |= {"rows": arrays["rows"].tolist(), "arms": list(document["arms"])}
    spec, rows = document["spec"], arrays["rows"]
    own = answers_document(document["evidence"], arrays, spec["seed"])
    own |= {"items": gallery.item_ids(rows)} | _true_labels(document, gallery, rows)
    own |= {"spec_digest": digest_of(spec), "gallery": {key: gallery.info().get(key) for key in GALLERY}}
    own |= {"rows": asked_rows(gallery, spec).tolist(), "arms": list(document["evidence"]["arms"])}
    return said, own, gallery


def asked_rows(gallery: Gallery, spec: Mapping[str, Any]) -> np.ndarray:
    """The rows that an audit with this spec asks about, rising.

    Of the evaluation half, rows whose group of the first attribute is known: default_rng([seed, 1]) permutes each
    group's, groups in order of their number; then every group gives one row in turn until n are there.
    """
    rows = gallery.rows("evaluation", spec["where"])
    numbers = gallery.group_numbers(spec["attributes"][0])[rows]
    rng = np.random.default_rng([spec["seed"], 1])
    turns = []
    for place, group in enumerate(np.unique(numbers[numbers >= 0])):
        own = rng.permutation(rows[numbers == group])
        turns += [(turn, place, int(row)) for turn, row in enumerate(own)]
    return np.array(sorted(row for _, _, row in sorted(turns)[: spec["n"]]), dtype=np.int64)


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
