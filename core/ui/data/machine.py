"""Everything that is kept on this machine: galleries, SAEs, audits and maps, with size and age; exported or deleted."""

import io
import re
import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core import access
from core.config import ASSETS, InputError, own_folder
from core.report.kept import kept, kept_folder
from core.ui.parts import offers
from core.ui.session import cache, folders
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, get_state

CHOSEN: Choice[str | None] = Choice("machine-chosen", None)
"""Folder of what is exported or deleted; None: nothing is chosen."""
LARGEST_EXPORT = 1 << 30
"""Bytes of files that are packed in memory for a download."""
DAY = 86_400
SHIPPED, MADE = "shipped", "made here"


@dataclass(frozen=True)
class Thing:
    """One folder: what it is, and whether it may be deleted."""

    kind: str
    name: str
    path: Path
    size: int
    """Bytes of all its files."""
    changed: float
    """Seconds since 1970 of its newest file."""
    where: str = MADE

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


def machine() -> None:
    """The table, then what can be done with one of its rows."""
    state, found = get_state(), things()
    total = sum(thing.size for thing in found)
    free = shutil.disk_usage(own_folder() if own_folder().is_dir() else Path.home()).free
    st.caption(f"{len(found):,} folders, {size_text(total)} together; {size_text(free)} are free.")
    st.dataframe(table(found), hide_index=True, height=min(38 * (len(found) + 1), 420))
    mine = {str(thing.path): thing for thing in found if thing.where == MADE}
    if not mine:
        st.caption("Nothing has been made here yet; what ships with Unskew is neither exported nor deleted here.")
        return
    if CHOSEN.of(state) not in mine:
        CHOSEN.put(state, None)
    picked = st.selectbox(
        "Export or delete",
        list(mine),
        index=None,
        format_func=lambda path: mine[path].title,
        placeholder="choose one",
        **CHOSEN.mirrored(state),
    )
    if picked is not None:
        _actions(state, mine[picked])


def things() -> list[Thing]:
    """Everything in the folders of this installation: by kind, the newest first."""
    found = []
    for kind, shelf in (("gallery", "galleries"), ("SAE", "saes")):
        own = set(cache.shipped_names(shelf))
        for name in folders.known(shelf):
            shipped = name in own
            path = ASSETS / shelf / name if shipped else Path(name)
            if path.is_dir():
                found.append(_thing(kind, path.name, path, SHIPPED if shipped else MADE))
    titles = {one.name: one.title or one.name for one in kept()}
    found += [_thing("audit", title, kept_folder() / name) for name, title in titles.items()]
    maps = own_folder() / "maps"
    if maps.is_dir():
        found += [_thing("map", path.name[:12], path) for path in maps.iterdir() if path.is_dir()]
    return sorted(found, key=lambda thing: (thing.kind, -thing.changed))


def _thing(kind: str, name: str, path: Path, where: str = MADE) -> Thing:
    stats = [file.lstat() for file in path.rglob("*") if not file.is_dir()]
    newest = max((one.st_mtime for one in stats), default=path.lstat().st_mtime)
    return Thing(kind, name, path, sum(one.st_size for one in stats), newest, where)


def table(found: list[Thing], now: float | None = None) -> pd.DataFrame:
    """The table; sizes in MB and ages in days, so that a click on a column sorts them."""
    now = time.time() if now is None else now
    return pd.DataFrame(
        [
            {
                "What": thing.kind,
                "Name": thing.name,
                "MB": round(thing.size / 1e6, 2),
                "Days old": round(max(now - thing.changed, 0) / DAY, 1),
                "Origin": thing.where,
                "Folder": str(thing.path),
            }
            for thing in found
        ]
    )


def _actions(state: AppState, thing: Thing) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        offers.download(
            st,
            "Export",
            lambda: packed(thing),
            re.sub(r"[^A-Za-z0-9._-]+", "-", f"{thing.kind}-{thing.path.name}") + ".zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            disabled=thing.size > LARGEST_EXPORT,
            help="All its files as one zip archive",
        )
        if access.may("delete") and st.button("Delete", icon=":material/delete:"):
            _question(state, thing)
    if thing.size > LARGEST_EXPORT:
        st.caption(f"It has {size_text(thing.size)}: copy its folder instead of exporting it.")


@st.dialog("Delete for good?")
def _question(state: AppState, thing: Thing) -> None:
    st.markdown(
        f"**{escape(thing.title)}**, {size_text(thing.size)}, is removed from this machine for good, with everything "
        "that was computed on it. Reports of it can then no longer be verified here."
    )
    with st.container(horizontal=True):
        if st.button("Delete it", type="primary", icon=":material/delete:"):
            try:
                delete(state, thing)
            except InputError as error:
                st.warning(escape(str(error)), icon=":material/info:")
                return
            CHOSEN.put(state, None)
            state.notice(f"The {thing.title} was deleted.")
            st.rerun()
        if st.button("Keep it"):
            st.rerun()


def size_text(size: int) -> str:
    """Bytes in a unit that reads: kB, MB or GB."""
    for unit, bytes in (("GB", 1e9), ("MB", 1e6)):
        if size >= bytes:
            return f"{size / bytes:,.1f} {unit}"
    return f"{size / 1e3:,.0f} kB"


def packed(thing: Thing) -> bytes:
    """All files of a folder as a zip archive; links are left out."""
    if thing.size > LARGEST_EXPORT:
        raise InputError(f"{thing.title} has {size_text(thing.size)}; at most {size_text(LARGEST_EXPORT)} are packed")
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(thing.path.rglob("*")):
            if file.is_file() and not file.is_symlink():
                archive.write(file, f"{thing.path.name}/{file.relative_to(thing.path).as_posix()}")
    return written.getvalue()


def delete(state: AppState, thing: Thing) -> None:
    """Remove a folder that was made here.

    InputError for what ships, for what is chosen now, for a link, and for anything that is no longer listed here.
    """
    access.require("delete", thing.title)
    if thing.path.resolve() in _in_use(state):
        raise InputError(f"the {thing.title} is chosen now; choose another one first, then delete it")
    if thing.path.is_symlink() or thing.path not in {one.path for one in things() if one.where == MADE}:
        raise InputError(f"the {thing.title} is not a folder that was made here; nothing was deleted")
    shutil.rmtree(thing.path)


def _in_use(state: AppState) -> set[Path]:
    names = [state.gallery, state.probe, *state.saes.values()]
    return {Path(name).resolve() for name in names if name}
