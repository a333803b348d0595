"""Files against their digests: the report's own, and those of the galleries and SAEs that it was made from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import access
from core.config import ASSETS, InputError
from core.report import canonical, sealed
from core.store import file_digest, read_json
from core.verify.closed import MANIFEST, unlike_its_bytes

KINDS = {"galleries": "gallery", "saes": "SAE"}


@dataclass(frozen=True)
class Places:
    """Where the galleries and SAEs of a report lie on this machine, by digest; None where one was not found."""

    galleries: Mapping[str, Path | None] = field(default_factory=dict)
    saes: Mapping[str, Path | None] = field(default_factory=dict)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a report's folder; InputError where there is none or it is none."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is no report (it has no {MANIFEST}); give the folder that `audit` wrote")
    document = read_json(path)
    whole = isinstance(document, dict) and all(
        isinstance(document.get(key), kind) for key, kind in (("files", dict), ("galleries", list), ("saes", list))
    )
    entries = [*document["galleries"], *document["saes"]] if whole else []
    if not whole or not all(isinstance(e, dict) and {"name", "given", "digest", "files"} <= set(e) for e in entries):
        raise InputError(f"{path} is not the manifest of a report; expected files, galleries and saes")
    return document


def find_places(
    manifest: Mapping[str, Any], galleries: Sequence[Path] = (), saes: Sequence[Path] = (), trusting: bool = True
) -> Places:
    """The folder of each gallery and SAE: one that was given, else a shipped one, else where the spec said.

    Of several given folders each is taken for the entry whose files it holds the most of.

    Parameters
    ----------
    trusting : False: no folder is opened because the report names it; reports of strangers name what they like.
    """
    found: dict[str, dict[str, Path | None]] = {}
    for kind, given in (("galleries", galleries), ("saes", saes)):
        for path in given:
            if not path.exists():
                raise InputError(f"{path} does not exist; give the folder of a {KINDS[kind]} of this report")
        found[kind] = {}
        left = list(given)
        for entry in manifest[kind]:
            own = max(left, key=lambda path: _likeness(path, entry), default=None)
            if own is not None and (len(manifest[kind]) == 1 or _likeness(own, entry) > 0):
                left.remove(own)
            else:
                own = _elsewhere(kind, entry, trusting)
            found[kind][entry["digest"]] = own
    return Places(found["galleries"], found["saes"])


def _likeness(path: Path, entry: Mapping[str, Any]) -> float:
    """How much a folder looks like an entry: the name it gives itself, else the share of equal file names."""
    about = path / ("manifest.json" if (path / "manifest.json").is_file() else "config.json")
    try:
        named = read_json(about).get("name")
    except (OSError, ValueError, AttributeError):
        named = None
    if path.name == entry["name"] or named == entry["name"]:
        return 2.0
    return sum((path / name).is_file() for name in entry["files"]) / (len(entry["files"]) + 1) if named is None else 0.0


def _elsewhere(kind: str, entry: Mapping[str, Any], trusting: bool) -> Path | None:
    for name in (entry["given"], entry["name"]):
        shipped, typed = ASSETS / kind / str(name), Path(str(name)).expanduser()
        if len(Path(str(name)).parts) == 1 and shipped.is_dir():
            return shipped
        typed = access.folder_named(kind, str(name)) or typed
        if trusting and len(typed.parts) > 1 and typed.exists():
            return typed
    return None


def compare_digests(folder: Path, manifest: Mapping[str, Any], places: Places) -> list[str]:
    """One line for every file that is not what the manifest says, naming it; empty where all are."""
    wrong = []
    if (folder / MANIFEST).read_bytes() != canonical(sealed(manifest)).encode():
        wrong.append(f"{MANIFEST}: was changed after it was written")
    wrong += changed_files(folder, manifest)
    used = {entry["digest"] for entry in manifest["saes"]} if "kind" not in manifest else set()
    for kind, by_digest in (("galleries", places.galleries), ("saes", places.saes)):
        for entry in manifest[kind]:
            place, what = by_digest.get(entry["digest"]), f"{KINDS[kind]} {entry['name']}"
            if place is None:
                wrong.append(f"{what}: is not here; give its folder with --{KINDS[kind].lower()}")
                continue
            own = [*_differences(place, entry["files"], entry.get("spare", ()))]
            if kind == "galleries" and not own:
                own += unlike_its_bytes(place, entry, used)
            wrong += [f"{what}, {line}" for line in own]
    return wrong


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """One line for every file of the report's own that is not what its manifest says."""
    return [*_differences(folder, manifest["files"], ())]


def _differences(place: Path, files: Mapping[str, str], spare: Sequence[str]) -> Iterator[str]:
    for name, digest in files.items():
        path = place if place.is_file() and place.name == name else place / name
        if not path.is_file():
            # codes of an SAE that was not used may have been removed since
            if not any(name.startswith(f"{part}/") for part in spare):
                yield f"{name}: is missing"
        elif file_digest(path) != digest:
            yield f"{name}: was changed after it was written"
