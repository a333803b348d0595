"""What sessions share: opened galleries, models and SAEs, and results of pure steps. Keys are contents, never arrays.

Nothing that was uploaded may enter here: uploads live in their session (core.ui.session.uploads) and go with it.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from core import access
from core.config import ASSETS, Fingerprint, InputError, Progress, Side, digest_of
from core.memo import Memo
from core.saes.config import shape_of
from core.store import read_json
from core.team import roots
from core.team.configuration import current
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.gallery import Codes, Gallery
    from core.retrieval import FlatIndex
    from core.saes.checkpoint import SAEFile
    from core.saes.frozen import FrozenFile

T = TypeVar("T")

GALLERIES, BACKBONES, SAE_FILES, RESULTS = 8, 2, 8, 256
"""Entries kept of each kind; the oldest goes when one more comes."""


# -- results by digest ------------------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _results() -> Memo:
    return Memo(RESULTS)


def result(step: str, parts: Any, compute: Callable[[], T]) -> T:
    """The result of a pure step, computed once for the same `parts` in this process.

    Parameters
    ----------
    step : name of the step, for example "rank".
    parts : all that the result depends on, as JSON values: digests and stamps of what is loaded (`stamp_of`), the
        request's own digest, numbers, names. An array or a frame is refused (TypeError): use its digest.
    compute : makes the result; runs at most once at a time for the same parts.
    """
    return _results()(digest_of([step, parts]), compute)


# -- folders ----------------------------------------------------------------------------------------------------------


def resolve(kind: str, name: str) -> Path:
    """Folder of a shipped name ("galleries", "saes" or "models" under assets) or of a typed path.

    On a team server also of a name that its roots give; a path only where it leads into a root, or for whoever may
    choose by folder. To everybody else a path that is there and one that is not are the same.
    """
    shipped = ASSETS / kind / name
    if name and "/" not in name and not name.startswith(".") and shipped.is_dir():
        return shipped
    configuration = current()
    if configuration is not None:
        listed = roots.name_of(configuration, kind, Path(name)) or name
        named = roots.folder_of(configuration, kind, listed)
        if named is not None:
            return named
        if not access.may("choose"):
            raise InputError(f"nothing of this name is listed among the {kind} here; choose one that is")
    path = Path(name).expanduser()
    if not name or not path.is_dir():
        names = ", ".join(shipped_names(kind)) or "none is installed"
        raise InputError(f"{name!r} is not here; expected a shipped name ({names}) or the path of a folder")
    return path.resolve()


def shipped_names(kind: str) -> list[str]:
    """Names under assets/<kind>, "default" first."""
    folder = ASSETS / kind
    names = [p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "."] if folder.is_dir() else []
    return sorted(names, key=lambda name: (name != "default", name))


_moment: ContextVar[dict[tuple[str, ...], Any] | None] = ContextVar("moment", default=None)


@contextmanager
def one_moment() -> Iterator[None]:
    """Folders are looked at once inside, so that all that is drawn is of the same galleries, SAEs and model.

    A page asks for them some thirty times, and looking again takes as long as half of its other work.
    """
    before = _moment.get()
    _moment.set({} if before is None else before)
    try:
        yield
    finally:
        _moment.set(before)


def _looked_at(key: tuple[str, ...], look: Callable[[], T]) -> T:
    seen = _moment.get()
    if seen is None:
        return look()
    if key not in seen:
        seen[key] = look()
    return seen[key]


def stamp(folder: Path) -> str:
    """Digest (16 hex digits) of a folder's small JSON files by content and of all its files by size and time.

    Changes whenever a file of the folder is replaced or written to, codes included, without reading the big ones.
    Looks no deeper than codes/<SAE>/, so that a wrongly typed path is never walked through.
    """
    return _looked_at(("stamp", str(folder)), lambda: _stamp(folder))


def _stamp(folder: Path) -> str:
    seen = hashlib.sha256()
    for name, status in sorted(_files(folder)):
        seen.update(f"{name}|{status.st_size}|{status.st_mtime_ns}\n".encode())
        if name.endswith(".json") and status.st_size < 1_000_000:
            seen.update(_small_file(str(folder / name), status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return seen.hexdigest()[:16]


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Files of a folder and of codes/<SAE>/ in it, by their names from the folder on."""
    below = [""]
    with suppress(OSError), os.scandir(folder / "codes") as entries:
        below += [f"codes/{entry.name}/" for entry in entries if entry.is_dir()]
    for prefix in below:
        with suppress(OSError), os.scandir(folder / prefix) as entries:
            for entry in entries:
                if entry.is_file():
                    yield f"{prefix}{entry.name}", entry.stat()


@lru_cache(maxsize=256)
def _small_file(path: str, size: int, changed: int, written: int) -> bytes:
    """The bytes of a file, read once for its size and times: pages ask for stamps some thirty times a rerun.

    Whoever sets the time of a change (`changed`) back cannot set that of the last write (`written`).
    """
    return Path(path).read_bytes()


def stamp_of(thing: "Gallery | SAEFile | FrozenFile") -> str:
    """The stamp under which an opened gallery or SAE stands for in the `parts` of a result."""
    return f"{thing.digest[:16]}-{stamp(Path(thing.path)) if thing.path else 'memory'}"


@dataclass(frozen=True)
class SAECard:
    """What an SAE is, without its weights: enough for the frame and for links."""

    name: str
    digest: str
    arch: str
    d_in: int
    d_sae: int
    k: int
    fingerprint: Fingerprint | None
    """None where the file does not tell what it was trained on."""
    quality: dict[str, Any] = field(default_factory=dict)


# -- what is opened ---------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=GALLERIES, show_spinner="Opening the gallery")
def _gallery(path: str, stamped: str) -> "Gallery":
    from core.gallery import open_gallery

    return open_gallery(path)


@st.cache_resource(max_entries=SAE_FILES, show_spinner="Opening the SAE")
def _sae(path: str, stamped: str) -> "SAEFile":
    from core.saes.checkpoint import load_sae

    return load_sae(path)


@st.cache_resource(max_entries=BACKBONES, show_spinner="Loading the model")
def _backbone(model: str, pretrained: str | None, device: str | None, stamped: str) -> "Backbone":
    from core.backbones.base import load_model

    return load_model(model, pretrained, device=device)


def gallery(name: str) -> "Gallery":
    """The gallery of a shipped name or folder; opened again when anything in its folder changed."""
    return _looked_at(("gallery", name), lambda: _opened_gallery(name))


def _opened_gallery(name: str) -> "Gallery":
    path = resolve("galleries", name)
    if not (path / "manifest.json").is_file():
        raise InputError(f"{path} is a folder but no gallery (it has no manifest.json): build or import one first")
    # by name: for an argument without one streamlit inspects the function anew at every call
    return _gallery(path=str(path), stamped=stamp(path))


def sae(name: str) -> "SAEFile":
    """The SAE of a shipped name or folder (or single weights file); opened again when it changed."""
    return _looked_at(("sae", name), lambda: _opened_sae(name))


def _opened_sae(name: str) -> "SAEFile":
    single = Path(name).expanduser()
    if access.may("choose") and single.is_file():
        status = single.stat()
        return _sae(path=str(single.resolve()), stamped=f"{status.st_size}-{status.st_mtime_ns}")
    path = resolve("saes", name)
    return _sae(path=str(path), stamped=stamp(path))


@st.cache_resource(max_entries=4 * SAE_FILES, show_spinner=False)
def _card(path: str, stamped: str) -> SAECard | None:
    """The card of an SAE folder of ours from its small file alone; None for folders that this file does not explain."""
    document = Path(path) / "config.json"
    about = read_json(document) if document.is_file() else {}
    try:
        shape = shape_of(about["config"])
        digest = digest_of({"schema": about["schema"], "weights": about["weights"], "config": about["config"]})
        stored = about.get("fingerprint")
        fingerprint = Fingerprint.from_json(stored) if stored else None
    except (KeyError, TypeError, InputError):
        return None  # loading it whole says better what is wrong
    name, quality = about.get("name") or Path(path).name, about.get("quality") or {}
    return SAECard(name, digest, shape.arch, shape.d_in, shape.d_sae, shape.k, fingerprint, quality)


def sae_card(name: str) -> SAECard:
    """What the SAE of a shipped name or folder is. Does not load torch, so that the frame stays quick."""
    return _looked_at(("card", name), lambda: _read_card(name))


def _read_card(name: str) -> SAECard:
    single = access.may("choose") and Path(name).expanduser().is_file()
    folder = Path(name).expanduser() if single else resolve("saes", name)
    card = _card(path=str(folder), stamped=stamp(folder)) if folder.is_dir() else None
    if card is not None:
        return card
    file = sae(name)
    shape, quality = file.sae.config, dict(file.quality or {})
    return SAECard(file.name, file.digest, shape.arch, shape.d_in, shape.d_sae, shape.k, file.fingerprint, quality)


def backbone(model: str, pretrained: str | None = None, device: str | None = None) -> "Backbone":
    """The model that encodes prompts and uploads. The first call imports torch: ask only where something is encoded."""
    from core.backbones.base import family_of

    configuration = current()
    named = None if configuration is None else roots.folder_of(configuration, "models", model)
    model = model if named is None else f"local-dir:{named}"
    own = family_of(model).folder(model)
    access.require_model(f"{model}:{pretrained}" if pretrained else model, own)
    folder = own or ASSETS / "models" / model
    return _backbone(model, pretrained, device, stamp(folder) if folder.is_dir() else "")


# -- what the session has chosen --------------------------------------------------------------------------------------


def current_gallery(state: AppState | None = None) -> "Gallery":
    """The gallery that is searched."""
    return gallery((state or get_state()).gallery)


def current_probe(state: AppState | None = None) -> "Gallery":
    """The gallery in which neurons are found: the chosen one, else by the rule of `core.scene.Scene.probe`.

    Where it is the gallery itself, use its probe half (`rows("probe")`).
    """
    from core.scene.scene import probe_of

    state = state or get_state()
    return gallery(state.probe) if state.probe else probe_of(current_gallery(state), gallery)


def current_sae(side: Side, state: AppState | None = None) -> "SAEFile | None":
    """The SAE of one side, None where none is chosen."""
    name = (state or get_state()).saes.get(side)
    return sae(name) if name else None


def current_backbone(state: AppState | None = None) -> "Backbone":
    state = state or get_state()
    return backbone(state.model, state.pretrained, state.device)


def index(of: "Gallery") -> "FlatIndex":
    """The exact search index over a gallery's items."""
    return _index(str(of.path), stamp(of.path), of)


@st.cache_resource(max_entries=2, show_spinner=False)
def _index(path: str, stamped: str, _gallery: "Gallery") -> "FlatIndex":
    from core.retrieval import FlatIndex

    return FlatIndex(_gallery.unit())


def codes(of: "Gallery", by: "SAEFile", progress: Progress | None = None) -> "Codes":
    """Sparse codes of a gallery under an SAE: the stored ones, else computed and stored in the gallery's folder."""
    stored = of.codes(by.digest)
    if stored is not None:
        return stored
    from core.neurons import encode_gallery

    return result("codes", [of.digest, by.digest], lambda: encode_gallery(of, by, progress=progress))
