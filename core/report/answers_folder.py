"""The folder of an audit of answers: written whole or not at all, with the digests of what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.gallery import Gallery
from core.reading import through_json
from core.report.answers_document import answers_document
from core.report.answers_render import card, findings_csv, html, shown_pictures
from core.report.document import ReportOptions
from core.report.folder import FILES, MANIFEST, SAE_FILES, SCHEMA, _digests, _gallery_files, canonical, sealed
from core.store import atomic_folder, file_digest, write_arrays
from core.team.roots import known_as

if TYPE_CHECKING:
    from core.lvlm.audit import LvlmResult

KIND = "lvlm"


def write_answers(result: LvlmResult, out: Path, options: ReportOptions | None = None, replace: bool = False) -> Path:
    """The folder `out` with page, document, table, card, evidence and manifest."""
    document, arrays = answers_document(result, options or ReportOptions())
    document = through_json(document)
    with atomic_folder(out, replace=replace) as partial:
        (partial / "report.json").write_text(canonical(document), encoding="utf-8")
        with open(partial / "evidence.npz", "wb") as file:
            write_arrays(file, arrays, compressed=True)
        for name, text in rendered_answers(document, result.gallery).items():
            (partial / name).write_text(text, encoding="utf-8")
        (partial / MANIFEST).write_text(canonical(sealed(_manifest(result, partial))), encoding="utf-8")
    return Path(out)


def rendered_answers(document: Mapping[str, Any], gallery: Gallery) -> dict[str, str]:
    """Every file that follows from the document."""
    pictures = None
    if document["options"]["thumbnails"]:
        shown = set(shown_pictures(document))
        rows = {item: row for row, item in enumerate(gallery.item_ids(np.arange(gallery.n))) if item in shown}
        pictures = {item: gallery.thumb(row) for item, row in rows.items()}
    return {"report.html": html(document, pictures), "findings.csv": findings_csv(document), "card.md": card(document)}


def _manifest(result: LvlmResult, folder: Path) -> dict[str, Any]:
    """Digests of the report's files, of the galleries' and of the SAE's; the model by the digest of its weights."""
    galleries: dict[str, tuple[Gallery, str | None]] = {result.gallery.digest: (result.gallery, result.spec.gallery)}
    if result.probe is not None:
        partner = known_as("galleries", result.gallery.manifest.get("probe_gallery"))
        galleries.setdefault(result.probe.digest, (result.probe, partner))
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "files": {name: file_digest(folder / name) for name in FILES},
        "galleries": [
            {
                "name": one.name,
                "given": given,
                "digest": digest,
                "files": _digests(one.path, _own_files(one)),
                "spare": [],
            }
            for digest, (one, given) in galleries.items()
        ],
        "saes": [
            {
                "name": result.sae.name,
                "given": result.spec.sae,
                "side": "image",
                "digest": result.sae.digest,
                "files": _digests(result.sae.path, SAE_FILES),
            }
        ]
        if result.sae is not None and result.sae.path is not None
        else [],
        "models": [{"name": result.model.name, "given": result.spec.model, "digest": result.model.weights}],
    }


def _own_files(gallery: Gallery) -> list[str]:
    """What was read of a gallery: codes of SAEs were not."""
    return [name for name in _gallery_files(gallery) if not name.startswith("codes/")]
