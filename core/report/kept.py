"""Finished audits that are kept on this machine, listed and opened again: $UNSKEW_AUDITS, else ~/.unskew/audits."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import access
from core.config import InputError, own_folder
from core.reading import parse_json
from core.report.folder import FILES, MANIFEST
from core.report.signing import SIGNATURE
from core.store import atomic_folder, read_json, write_json
from core.team.configuration import current

KEPT_VARIABLE = "UNSKEW_AUDITS"
ABOUT, REPORT = "about.json", "report"
RANKINGS, ANSWERS = "rankings", "answers"
LISTED = 200
"""Audits that are listed; older ones stay where they are."""


@dataclass(frozen=True)
class Kept:
    """One audit that is kept."""

    name: str
    """Of its folder; later audits have later names."""
    kind: str = RANKINGS
    """What was audited: RANKINGS, or ANSWERS of a model that talks."""
    title: str = ""
    created_at: str = ""
    auditor: str = ""
    gallery: str = ""
    findings: int = 0
    reason: str | None = None
    """Why it cannot be opened."""


def kept_folder() -> Path:
    """Where audits are kept: on a team server in the first folder of its [roots.audits], where it has one."""
    configuration = current()
    roots = list(configuration.roots.get("audits", {}).values()) if configuration is not None else []
    return roots[0] if roots else Path(os.environ.get(KEPT_VARIABLE) or own_folder() / "audits").expanduser()


def keep(files: Mapping[str, bytes]) -> str:
    """Keep the files of a finished report; the name under which it is found again, the same for the same report."""
    access.require("audit")
    document = parse_json(files["report.json"], "report.json")
    stamp = "".join(sign for sign in document["created_at"][:19] if sign.isalnum())
    name = f"{stamp}-{hashlib.sha256(files[MANIFEST]).hexdigest()[:12]}"
    target = kept_folder() / name
    if target.is_dir():
        return name
    about = {
        "kind": kind_of(document),
        "title": document["spec"]["title"],
        "created_at": document["created_at"],
        "auditor": document["options"]["auditor"],
        "gallery": document["gallery"]["name"],
        "findings": len(document["findings"]),
    }
    with atomic_folder(target) as partial:
        write_json(partial / ABOUT, about)
        (partial / REPORT).mkdir()
        for file, content in files.items():
            (partial / REPORT / file).write_bytes(content)
    return name


def kind_of(document: Mapping[str, Any]) -> str:
    """Which kind of audit a report is of."""
    from core.report.answers_document import KIND

    return ANSWERS if document["kind"] == KIND else RANKINGS


def keep_folder(report: Path) -> str:
    """Keep the finished report of a folder; see `keep`."""
    return keep({name: (report / name).read_bytes() for name in (*FILES, MANIFEST)})


def kept() -> list[Kept]:
    """Every audit that is kept, the newest first; one that cannot be read is listed with its reason.

    None for whoever may open nothing beyond what is chosen: a stand at a fair shows no audit of another gallery.
    """
    folder = kept_folder()
    if not folder.is_dir() or not access.may("open"):
        return []
    names = sorted((p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), reverse=True)
    return [_about(folder / name) for name in names[:LISTED]]


def _about(path: Path) -> Kept:
    try:
        about: Any = read_json(path / ABOUT)
        said = {key: str(about[key]) for key in ("title", "created_at", "auditor", "gallery")}
        return Kept(path.name, str(about.get("kind", RANKINGS)), **said, findings=int(about["findings"]))
    except (InputError, OSError, KeyError, TypeError, ValueError) as error:
        return Kept(path.name, reason=" ".join(str(error).split()) or type(error).__name__)


def open_kept(name: str) -> dict[str, bytes]:
    """The files of a kept report; InputError where none is kept under this name, or a file of it is gone."""
    if name not in {one.name for one in kept()}:
        raise InputError(f"no audit is kept under the name {name!r}; choose one of the list")
    report = kept_folder() / name / REPORT
    found = {}
    for file in (*FILES, MANIFEST, SIGNATURE):
        path = report / file
        if path.is_file() and not path.is_symlink():
            found[file] = path.read_bytes()
        elif file != SIGNATURE:
            raise InputError(f"{path} is missing: this audit was not kept whole; run it again")
    return found


def forget(name: str) -> None:
    """Remove a kept audit."""
    access.require("delete")
    if name in {one.name for one in kept()}:
        shutil.rmtree(kept_folder() / name)
