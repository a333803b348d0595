"""A report's folder: written whole or not at all, with the digests of everything that it was made from."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audit.run import AuditResult
from core.audit.spec import AuditSpec
from core.config import InputError
from core.gallery import Gallery, open_gallery
from core.reading import read_named_arrays, through_json
from core.report.document import ReportOptions, report_document
from core.report.render import card, html, shown_ids
from core.report.tables import findings_csv
from core.store import atomic_folder, file_digest, read_json, write_arrays
from core.team.roots import known_as

if TYPE_CHECKING:
    from core.lvlm.spec import LvlmSpec
    from core.saes.checkpoint import SAEFile
    from core.saes.frozen import FrozenFile

WRITE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
FILES = ("report.html", "report.json", "findings.csv", "card.md", "evidence.npz")
MANIFEST = "manifest.json"
SAE_FILES = ("config.json", "weights.safetensors")
SCHEMA = 1


def write_report(result: AuditResult, out: Path, options: ReportOptions | None = None, replace: bool = False) -> Path:
    """The folder `out` with page, document, table, card, evidence and manifest."""
    document, arrays = report_document(result, options or ReportOptions())
    # read back, so that the page is made from exactly what a second reader reads
    document = through_json(document)
    with atomic_folder(out, replace=replace) as partial:
        (partial / "report.json").write_text(canonical(document), encoding="utf-8")
        with open(partial / "evidence.npz", "wb") as file:
            write_arrays(file, arrays)
        for name, text in rendered(document, result.sources.gallery).items():
            (partial / name).write_text(text, encoding="utf-8")
        (partial / MANIFEST).write_text(canonical(sealed(manifest(result, partial))), encoding="utf-8")
    return Path(out)


def own_report(out: Path, spec: "AuditSpec | LvlmSpec", options: ReportOptions) -> dict[str, Any] | None:
    """The document of the finished report at `out`, where it is of this spec, these options and the same gallery.

    None where nothing is there, or something else; whoever writes there refuses it.
    """
    path = Path(out)
    if not all((path / name).is_file() for name in (*FILES, MANIFEST)):
        return None
    try:
        document, listed = read_json(path / "report.json"), read_json(path / MANIFEST)["files"]
        said = (document["spec_digest"], document["options"], document["gallery"]["digest"])
        whole = all(file_digest(path / name) == listed[name] for name in FILES)
    except (InputError, KeyError, TypeError):
        return None
    same = said[:2] == (spec.digest, options.to_json()) and whole and said[2] == open_gallery(spec.gallery).digest
    return document if same else None


def canonical(document: Mapping[str, Any]) -> str:
    """The one way in which a document is written, so that a changed blank is a change.

    As json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) writes it, which is slow: it passes every
    character up through all levels. ValueError for a number that is not finite, TypeError for what JSON has no form of.
    """
    return _written(document, "\n") + "\n"


def _written(value: Any, line: str) -> str:
    """One value; `line` begins a line as far in as the value stands."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)
    below = line + " "
    if isinstance(value, dict) and value:
        items = [f"{below}{_key(key)}: {_written(item, below)}" for key, item in value.items()]
        return "{" + ",".join(items) + line + "}"
    if isinstance(value, list | tuple) and value:
        return "[" + ",".join([below + _written(item, below) for item in value]) + line + "]"
    return WRITE(value)


def _key(key: Any) -> str:
    return encode_basestring(key) if isinstance(key, str) else f'"{WRITE(key)}"'


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the digest of itself, so that a change of it is known as one."""
    own = {key: value for key, value in document.items() if key != "self"}
    return {**own, "self": hashlib.sha256(canonical(own).encode()).hexdigest()}


def rendered(document: Mapping[str, Any], gallery: Gallery) -> dict[str, str]:
    """Every file that follows from the document."""
    pictures = None
    if document["options"]["thumbnails"]:
        shown = set(shown_ids(document))
        rows = {item: row for row, item in enumerate(gallery.item_ids(np.arange(gallery.n))) if item in shown}
        pictures = {item: gallery.thumb(row) for item, row in rows.items()}
    return {"report.html": html(document, pictures), "findings.csv": findings_csv(document), "card.md": card(document)}


def manifest(result: AuditResult, folder: Path) -> dict[str, Any]:
    """Digests of the report's files and of every file of the galleries and SAEs that it was made from.

    Galleries and SAEs stand there by name and digest, never by place: `verify` is told where they are.
    """
    scene = result.sources.scene
    used = {sae.digest[:16] for sae in scene.saes.values()}
    galleries = {scene.gallery.digest: scene.gallery}
    partner = known_as("galleries", scene.gallery.manifest.get("probe_gallery"))
    if result.spec.intervenes:
        galleries.setdefault(scene.probe.digest, scene.probe)
    return {
        "schema": SCHEMA,
        "files": {name: file_digest(folder / name) for name in FILES},
        "galleries": [
            {"name": one.name, "given": result.spec.gallery if one is scene.gallery else partner}
            | {"digest": digest, "files": _digests(one.path, _gallery_files(one)), "spare": _spare(one.path, used)}
            for digest, one in galleries.items()
        ],
        "saes": [
            {
                "name": sae.name,
                "given": result.sources.given[side],
                "side": side,
                "digest": sae.digest,
                "files": _digests(_path_of(sae), SAE_FILES),
            }
            for side, sae in scene.saes.items()
        ],
    }


def _path_of(sae: "SAEFile | FrozenFile") -> Path:
    if sae.path is None:
        raise InputError(f"the SAE {sae.name!r} lies in no file, so that nobody could verify the report; save it first")
    return sae.path


def _digests(path: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files of a folder by their names inside it; a path that is a file stands for itself."""
    if path.is_file():
        return {path.name: file_digest(path)}
    return {name: file_digest(path / name) for name in sorted(names)}


def _gallery_files(gallery: Gallery) -> list[str]:
    """What belongs to a gallery: its manifest, the files named there, and codes. Strange files are none of it."""
    codes = (gallery.path / "codes").glob("[!.]*/*.*")
    return ["manifest.json", *gallery.manifest["files"], *(f.relative_to(gallery.path).as_posix() for f in codes)]


def _spare(path: Path, used: set[str]) -> list[str]:
    """Folders inside a gallery that this audit did not read: codes of other SAEs, which may go without harm."""
    return sorted(f"codes/{folder.name}" for folder in (path / "codes").glob("[!.]*") if folder.name not in used)


def read_report(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document and the arrays of a report's folder; InputError naming the file that cannot be read."""
    path = Path(folder) / "evidence.npz"
    document = read_json(Path(folder) / "report.json")
    return document, read_named_arrays(path, "the evidence of a report")
