"""A report is closed: these files and no others, regular ones, written in the one way in which reports are written."""

import re
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import NoneType
from typing import Any

import numpy as np

from core.config import digest_of
from core.gallery.gallery import IDENTITY
from core.report import FILES, canonical
from core.report.folder import SAE_FILES
from core.report.signing import SIGNATURE
from core.store import read_json

MANIFEST = "manifest.json"
NAMES = (*FILES, MANIFEST)
"""Every file of a report's folder."""
BESIDE = (SIGNATURE,)
"""What may lie beside them."""
ENTRY = {"name", "given", "digest", "files"}
ENTRIES = {"galleries": ENTRY | {"spare"}, "saes": ENTRY | {"side"}, "models": {"name", "given", "digest"}}
KEYS = {"schema", "files", "galleries", "saes", "self"}
ANSWERS_KEYS = KEYS | {"kind", "models"}
OPTIONS: dict[str, Any] = {"auditor": str, "thumbnails": bool, "removed": dict, "frozen": (dict, NoneType)}
FROZEN = {"at", "digest"}
HEX = re.compile(r"[0-9a-f]{64}")


def strange_files(folder: Path) -> tuple[list[str], list[str]]:
    """Lines for what keeps the report from being read, and lines for what does not belong to it.

    Nothing is opened: a pipe that nobody writes to would be waited for, and a link leads out of the folder.
    """
    found = {path.name: path.lstat().st_mode for path in sorted(folder.iterdir())}
    barred = []
    for name in (*NAMES, *(name for name in BESIDE if name in found)):
        if name not in found:
            barred.append(f"{name}: is missing")
        elif stat.S_ISLNK(found[name]):
            barred.append(f"{name}: is a link; a report holds its files themselves")
        elif not stat.S_ISREG(found[name]):
            barred.append(f"{name}: is no regular file")
    return barred, [f"{name}: does not belong to the report" for name in found if name not in (*NAMES, *BESIDE)]


def strange_manifest(manifest: Mapping[str, Any], answers: bool) -> Iterator[str]:
    """Lines for what the manifest lacks, has besides, or says in another way than it is written."""
    yield from _keys(MANIFEST, manifest, ANSWERS_KEYS if answers else KEYS)
    if manifest.get("schema") != 1 or isinstance(manifest.get("schema"), bool):
        yield f"{MANIFEST}: has schema {manifest.get('schema')!r}; expected 1"
    for name in FILES:
        if name not in manifest["files"]:
            yield f"{MANIFEST}: does not list {name}"
    for name in manifest["files"]:
        if name not in FILES:
            yield f"{MANIFEST}: lists {name!r}, which is no file of a report"
    for kind, keys in ENTRIES.items():
        for entry in manifest.get(kind, ()):
            if not isinstance(entry, Mapping):
                yield f"{MANIFEST}: {kind} holds something that is no entry"
                continue
            where = f"{MANIFEST}: {kind}, {entry.get('name')}"
            yield from _keys(where, entry, keys)
            for name, digest in entry.get("files", {}).items():
                if not _inside(name):
                    yield f"{where}: {name!r} is no file inside it"
                elif not isinstance(digest, str) or not HEX.fullmatch(digest):
                    yield f"{where}: the digest of {name} is none"


def strange_document(folder: Path, document: Any) -> Iterator[str]:
    """Lines for what no number vouches for: how the document is written, and who, when and with what, as words."""
    if (folder / "report.json").read_bytes() != canonical(document).encode():
        yield "report.json: is not written as a report is (line ends, blanks, order or form of numbers)"
    options = document.get("options")
    if not isinstance(options, Mapping):
        yield f"report.json: options was {options!r}; expected auditor, thumbnails and removed"
    else:
        yield from _keys("report.json: options", options, set(OPTIONS))
        for name, kind in OPTIONS.items():
            if name in options and not isinstance(options[name], kind):
                yield f"report.json: options, {name} was {options[name]!r}"
        yield from _strange_frozen(options.get("frozen"), document.get("spec_digest"))
    software = document.get("software")
    if not isinstance(software, Mapping) or not all(isinstance(one, str) for one in software.values()):
        yield "report.json: software is no list of versions"
    elif "unskew" not in software:
        yield "report.json: software does not say which version of the app wrote it"
    if not _dated(document.get("created_at")):
        yield f"report.json: created_at was {document.get('created_at')!r}; expected a date with its time zone"


def _strange_frozen(frozen: Any, digest: Any) -> Iterator[str]:
    """Lines where what is said of a frozen spec is no date, or about another spec."""
    if not isinstance(frozen, Mapping):
        return
    yield from _keys("report.json: options, frozen", frozen, FROZEN)
    if not _dated(frozen.get("at")):
        yield f"report.json: options, frozen, at was {frozen.get('at')!r}; expected a date with its time zone"
    if frozen.get("digest") != digest:
        yield f"report.json: options, frozen names the spec {str(frozen.get('digest'))[:16]}, not that of the report"


def _dated(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def other_arrays(arrays: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Lines for arrays of the evidence that nothing asks for, or that are not of the kind that is written."""
    for name in arrays:
        if name not in expected:
            yield f"evidence.npz: holds {name!r}, which does not belong to the report"
    for name, own in expected.items():
        if name not in arrays:
            yield f"evidence.npz: lacks {name!r}"
        elif (arrays[name].dtype, arrays[name].shape) != (own.dtype, own.shape):
            said = f"{arrays[name].dtype} {arrays[name].shape}"
            yield f"evidence.npz: {name} is {said}; expected {own.dtype} {own.shape}"


def unlike_its_bytes(place: Path, entry: Mapping[str, Any], saes: set[str]) -> Iterator[str]:
    """Lines where a gallery's own manifest, or the report's, says something else than the gallery's bytes do.

    The report's list holds digests of bytes, which were compared; here what the gallery says of itself is held against
    them, and the list against the gallery: what belongs to it must have been compared.

    Parameters
    ----------
    saes : digests of the SAEs that the report used; codes of others were not read.
    """
    listed = entry["files"]
    own = read_json(place / "manifest.json")
    try:
        says = {name: about["sha256"] for name, about in own["files"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        yield f"manifest.json: lacks {error}"
        return
    for name in ("manifest.json", *says):
        if name not in listed:
            yield f"{name}: was not listed by the report"
    for name, digest in says.items():
        if name in listed and listed[name] != digest:
            yield f"{name}: has not the digest that the gallery's own manifest.json says"
    for name in listed:
        if name != "manifest.json" and name not in says and not name.startswith("codes/"):
            yield f"{name}: is listed by the report, and no file of the gallery"
    for sae in sorted(saes):
        for path in sorted((place / "codes" / sae[:16]).glob("*")):
            name = path.relative_to(place).as_posix()
            if name not in listed:
                yield f"{name}: was not listed by the report; verify with a copy of the gallery without it"
    digest = digest_of({name: listed[name] for name in IDENTITY if name in listed})
    if digest != entry["digest"]:
        yield f"has digest {digest[:16]} by its bytes; the report says {str(entry['digest'])[:16]}"


def unlike_the_document(manifest: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    """Lines where manifest and document do not name the same galleries and SAEs."""
    probe, sae = document.get("probe"), document.get("sae")
    named = {
        "galleries": [one["digest"] for one in (document["gallery"], probe) if one],
        "saes": [one["digest"] for one in document["saes"].values()]
        if "saes" in document
        else [sae["digest"]]
        if sae
        else [],
    }
    for kind, digests in named.items():
        listed = [entry["digest"] for entry in manifest[kind]]
        for digest in dict.fromkeys(digests):
            if digest not in listed:
                yield f"{MANIFEST}: {kind} lack the one with digest {digest[:16]}, which report.json names"
        if len(set(listed)) != len(listed):
            yield f"{MANIFEST}: {kind} list one of them twice"
        for digest in listed:
            if digest not in digests:
                yield f"{MANIFEST}: {kind} hold one with digest {str(digest)[:16]}, which report.json does not name"
    for entry in manifest["saes"]:
        if set(entry["files"]) != set(SAE_FILES) and len(entry["files"]) != 1:
            yield f"{MANIFEST}: saes, {entry['name']}: lists {', '.join(entry['files']) or 'no file'}"


def _keys(where: str, value: Mapping[str, Any], expected: set[str]) -> Iterator[str]:
    for key in value:
        if key not in expected:
            yield f"{where}: has the key {key!r}, which does not belong there"
    for key in sorted(expected - set(value)):
        yield f"{where}: lacks the key {key!r}"


def _inside(name: Any) -> bool:
    """Whether a name stays inside the folder that it is looked for in."""
    if not isinstance(name, str) or not name or "\\" in name or "\x00" in name:
        return False
    parts = PurePosixPath(name).parts
    return not name.startswith("/") and ".." not in parts
