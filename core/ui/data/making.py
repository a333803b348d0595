"""Building and importing galleries from the browser: forms, progress, and calm errors."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import ATTACHES, InputError
from core.store import refuse_existing
from core.tables import READABLE
from core.ui.parts import frame, offers, standing
from core.ui.session import cache, folders, jobs, work
from core.ui.session.escaping import escape
from core.ui.session.state import get_state

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from core.gallery import Gallery
    from core.tables import Regroup

TABLES = [ending.removeprefix(".") for ending in READABLE]
IMPORT = "import"
ZIPPED = ("folder", "imagefolder")
"""What can come as a zip archive."""
EMBEDDINGS = "Precomputed embeddings"
OWN_TABLE = (".parquet", ".feather", ".arrow")
"""Endings of files that may hold embeddings and their table in one; folders of shards do as well."""


def new_gallery() -> None:
    """Every registered data set, and embeddings that exist already."""
    from core.datasets import offered

    kinds = offered()
    titles = {name: kind.title for name, kind in kinds.items()} | {IMPORT: EMBEDDINGS}
    way = st.selectbox("Make it from", titles, format_func=titles.__getitem__)
    needs = (
        "Embeddings, one row an item (.npy, .npz, Parquet, CSV, safetensors, .pt, HDF5), or clip-retrieval's folder"
        if way == IMPORT
        else kinds[way].needs
    )
    with st.form(f"make-{way}"):
        left, right = st.columns(2, gap="medium")
        with left:
            source = st.text_input("Path on this server", placeholder=needs, help=needs)
            st.caption(needs)
            sent_zip = _zip_field() if way in ZIPPED and not work.as_jobs() else None
            takes_table = way == IMPORT or kinds[way].takes_table
            table_path, table_file = _table_fields() if takes_table else ("", None)
            more = _import_fields() if way == IMPORT else _build_fields(takes_table)
        with right:
            name = st.text_input("Name", value="my-gallery", help="The folder is galleries/NAME")
            licence = st.text_input("Licence of the items", placeholder="in words")
            provenance = st.text_area("Where items and labels come from", height=80, help=PROVENANCE_HELP)
            sent = st.form_submit_button("Make the gallery", type="primary", icon=":material/database:")
    if sent:
        with frame.guard(), _table(table_path, table_file) as table, _source(source, sent_zip) as source:
            out = new_folder("galleries", name)
            about = {"licence": licence or None, "provenance": provenance or None}
            refuse_existing(out)
            make = _import if way == IMPORT else partial(_build, way)
            made = work.work_or_job(
                "gallery-import" if way == IMPORT else "gallery-build",
                partial(_order, way, source, table, out, about | more),
                lambda: make(source, table, out, about, more),
                {"table": (table_file.name, table_file.getvalue())} if table_file is not None else {},
            )
            if made is not None:
                _choose(out)
                lost = len(made.left_out)
                get_state().notice(
                    f"The gallery {name} is made and chosen. Train an SAE on it, or choose one that fits."
                    + (f" {lost:,} of what was given was left out: see below." if lost else "")
                )
            st.rerun()
    for kind in ("gallery-build", "gallery-import"):
        standing.standing(kind, "Choose it", lambda job: _choose(Path(job.place)))


def _choose(out: Path) -> None:
    get_state().choose_gallery(folders.name_of("galleries", out))


def _order(way: str, source: str, table: Path | None, out: Path, given: dict) -> dict[str, Any]:
    """What the job takes that makes the same gallery; an uploaded table goes with it, in place of this path."""
    given_at = _given(source, "what the gallery is made from")
    order: dict[str, Any] = {"source": str(given_at), "out": str(out)}
    order |= {
        "table": None if table is None else str(table),
        "licence": given["licence"],
        "provenance": given["provenance"],
    }
    regroup = _regroup(given)
    order |= {"join": list(regroup.join), "bins": _split(given.get("bins", ""), ";")}
    if way == IMPORT:
        _embeddings(source, table is not None)
        texts = {name: given[name].strip() or None for name in ("images", "texts", "text_table", "array")}
        return order | texts | {"model_name": given["model_name"].strip()}
    return order | work.model_order(get_state()) | {"way": way, "attaches": list(given["attaches"])}


def _split(text: str, at: str) -> list[str]:
    return [one.strip() for one in text.split(at) if one.strip()]


def _zip_field() -> "UploadedFile | None":
    """The folder as a zip archive: it is unpacked for as long as the gallery is made."""
    from core.datasets.zipped import LARGEST_ZIP

    return offers.upload(st, "or upload the folder as a zip", type=["zip"], max_upload_size=LARGEST_ZIP >> 20)


@contextmanager
def _source(path: str, archive: "UploadedFile | None") -> Iterator[str]:
    """The path that was typed; of an uploaded archive that of what it holds, unpacked into a temporary folder."""
    if archive is None:
        yield path
        return
    from core.datasets.zipped import unpack_pictures

    if path.strip():
        raise InputError("both a path and a zip archive were given; take one of them away")
    with tempfile.TemporaryDirectory() as folder:
        # the gallery is said to be made from a folder of the archive's name
        unpacked = Path(folder) / (re.sub(r"[^A-Za-z0-9._-]+", "-", Path(archive.name).stem).strip(".-") or "pictures")
        unpacked.mkdir()
        left_out = unpack_pictures(archive, archive.size, unpacked)
        if left_out:
            named = ", ".join(one.name for one in left_out[:5]) + (" …" if len(left_out) > 5 else "")
            get_state().notice(f"{len(left_out):,} files of the archive were left out: {named}.")
        inside = list(unpacked.iterdir())
        only = inside[0] if len(inside) == 1 and inside[0].is_dir() else unpacked
        try:
            yield str(only)
        except InputError as error:  # the person knows the archive, and nothing of this folder
            raise InputError(str(error).replace(f"{folder}{os.sep}", "")) from None


def _table_fields() -> tuple[str, Any]:
    """An attribute table: where it lies on this server, or a file that is sent."""
    path = st.text_input("Attribute table on this server (CSV, Parquet, Feather)", help=TABLE_HELP)
    return path, offers.upload(st, "or upload the table", type=TABLES)


TABLE_HELP = "First column `file` or `id`; every other column is an attribute. Empty cells are unknown, and counted."
PROVENANCE_HELP = (
    "Who labelled the items, and whether groups are perceived or self-reported: it stands on Start and in every report."
)


def _build_fields(table: bool) -> dict:
    attaches = st.pills("Attach points", ATTACHES, selection_mode="multi", default=["pooled"], help=ATTACH_HELP)
    st.caption(f"Embedded with the chosen model, {escape(get_state().model)}.")
    return {"attaches": attaches, **(_group_fields() if table else {})}


ATTACH_HELP = "`residual` is what SAEs trained inside the model read; it doubles the size on disk."


def _import_fields() -> dict:
    return {
        "model_name": st.text_input("Model that made them", placeholder="for example RN50:openai"),
        "images": st.text_input("Folder of the pictures (optional)"),
        "texts": st.text_input("Embeddings of known prompts (optional, .npy)"),
        "text_table": st.text_input("Table of known prompts (optional, column prompt)"),
        "array": st.text_input("Name of the array (optional)", help="Where the file holds several"),
        **_group_fields(),
    }


def _group_fields() -> dict:
    """What to do with the groups of a table: columns to join by spelling, numbers to put into bins."""
    join = st.text_input("Join groups that differ in spelling alone (columns, with commas)", placeholder="gender")
    bins = st.text_input("Bins of numbers", placeholder="age=18,30,50", help="Several with semicolons")
    return {"join": join, "bins": bins}


def _regroup(more: dict) -> "Regroup":
    from core.tables import Regroup, parse_bins

    join = _split(more.get("join", ""), ",")
    return Regroup(tuple(join), tuple(parse_bins(one) for one in _split(more.get("bins", ""), ";")))


def _build(way: str, source: str, table: Path | None, out: Path, about: dict, more: dict) -> "Gallery":
    from core.datasets import items_of
    from core.gallery import build_gallery

    regroup = _regroup(more)
    items = items_of(way, _given(source, "what the gallery is made from"), table, **about)
    regroup.applied(items.frame, items.source)  # before a model is loaded
    model = cache.current_backbone()
    with jobs.progress("Embedding") as report:
        return build_gallery(items, model, out, attaches=more["attaches"], regroup=regroup, progress=report)


def _import(source: str, table: Path | None, out: Path, about: dict, more: dict) -> "Gallery":
    from core.gallery import import_from, import_gallery

    given = _embeddings(source, table is not None)
    images, texts, text_table = (
        Path(more[name]).expanduser() if more[name] else None for name in ("images", "texts", "text_table")
    )
    with jobs.progress("Importing") as report:
        choices: dict[str, Any] = {
            "model_name": more["model_name"],
            "out": out,
            "progress": report,
            "images": images,
            "texts": texts,
            "text_table": text_table,
            "array": more["array"].strip() or None,
            "regroup": _regroup(more),
            **about,
        }
        if table is None:
            return import_from(str(given), **choices)
        return import_gallery(given, table, **choices)


def _embeddings(source: str, table: bool) -> Path:
    """Where the embeddings are; InputError where neither they nor a file beside them says of what they are."""
    given = _given(source, "the embeddings")
    own_table = given.is_dir() or (given.is_file() and given.suffix.lower() in OWN_TABLE)
    if not table and not own_table:
        raise InputError("no table was given; embeddings need one row of a table each: file or id, then attributes")
    return given


def _given(path: str, what: str) -> Path:
    if not path.strip():
        raise InputError(f"the path of {what} is empty; type where it is on this server")
    return Path(path.strip()).expanduser()


def new_folder(kind: str, name: str) -> Path:
    """Folder of something new; InputError where the name is no plain folder name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,80}", name):
        raise InputError(f"the name was {name!r}; expected letters, digits, blanks, dots, hyphens or underscores")
    return folders.place(kind) / name


@contextmanager
def _table(path: str, file: "UploadedFile | None") -> Iterator[Path | None]:
    """The attribute table as a path; an uploaded one lies in a temporary folder while it is read."""
    if file is None:
        yield Path(path.strip()).expanduser() if path.strip() else None
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(file.name).name
        copy.write_bytes(file.getvalue())
        try:
            yield copy
        except InputError as error:  # the person knows the file by its name, and nothing of this folder
            raise InputError(str(error).replace(f"{copy.parent}{os.sep}", "")) from None
