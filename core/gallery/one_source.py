"""A gallery from one address that holds embeddings and what is known of their items: shards, or one table."""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.config import InputError, Progress
from core.gallery.embedding_files import Rows, Stacked, open_rows
from core.gallery.gallery import Gallery
from core.gallery.importing import as_items, import_rows, open_prompts
from core.gallery.writing import WAY
from core.store import refuse_existing
from core.tables import LeftOut, Table, read_table

SHARD = re.compile(r"(img|text)_emb_(\d+)\.npy")
METADATA = re.compile(r"metadata_(\d+)\.parquet")
NAMES = ("image_path", "file", "key", "url")
"""Columns of clip-retrieval's metadata that may name an item, best first; the first whose values differ is taken."""
EXPECTED = "expected a folder with img_emb_0.npy and metadata_0.parquet, or a Parquet or Feather file with vectors"


def import_from(
    address: str,
    *,
    model_name: str,
    out: Path,
    table: Path | None = None,
    images: Path | None = None,
    texts: Path | np.ndarray | None = None,
    text_table: Path | None = None,
    kind: Literal["images", "captions"] = "images",
    array: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    **more: Any,
) -> Gallery:
    """Make a gallery of a source that holds embeddings and their table in one.

    A folder as clip-retrieval writes it: `img_emb_N.npy` and `metadata_N.parquet`, beside each other or in `img_emb/`
    and `metadata/`, read as one in the order of N (`text_emb_N.npy` with --kind captions). Or a Parquet or Feather
    file with a column of vectors; its other columns are the table.

    Parameters
    ----------
    table : labels instead of those of the source, one row an embedding.
    more : further arguments of `import_gallery`.

    Raises
    ------
    InputError : nothing that can be read there; shards that are missing or have other numbers of rows than their table.

    Many parameters: each is one choice of whoever makes a gallery, and stands in its manifest.
    """
    refuse_existing(Path(out), replace, WAY)
    path = Path(address).expanduser()
    if path.is_dir():
        rows, read = _shards(path, kind)
    elif path.is_file() and path.suffix.lower() in (".parquet", ".feather", ".arrow"):
        rows, read = open_rows(path, "embeddings", array), read_table(path, need=())
        rows = Rows(rows.array, rows.name, None, rows.notes)  # the table lies in the same order
    elif path.exists():
        raise InputError(f"{address} does not hold embeddings and their table in one; {EXPECTED}")
    else:
        raise InputError(f"{address} is not there, or is an address that this version does not read; {EXPECTED}")
    name = path.name
    if table is not None:
        read, name = read_table(table, need=("file", "id") if kind == "images" else ("text", "caption")), str(table)
    else:
        read = with_ids(read, kind)
    return import_rows(
        rows,
        as_items(read, kind, name),
        name,
        model_name=model_name,
        out=Path(out),
        images=images,
        prompts=open_prompts(texts, text_table, rows.array.shape[1], rows.name),
        kind=kind,
        replace=replace,
        progress=progress,
        **more,
    )


def _shards(root: Path, kind: str) -> tuple[Rows, Table]:
    """clip-retrieval's shards as one."""
    wanted = "img" if kind == "images" else "text"
    arrays, tables = {}, {}
    for path in sorted(
        one for folder in (root, *sorted(root.iterdir())) if folder.is_dir() for one in folder.iterdir()
    ):
        if (found := SHARD.fullmatch(path.name)) and found[1] == wanted:
            arrays[int(found[2])] = path
        elif found := METADATA.fullmatch(path.name):
            tables[int(found[1])] = path
    if not arrays or not tables:
        lacking = f"{wanted}_emb_0.npy" if not arrays else "metadata_0.parquet"
        raise InputError(f"{root} has no {lacking}; {EXPECTED}")
    if alone := sorted(set(arrays) ^ set(tables)):
        one = arrays.get(alone[0]) or tables[alone[0]]
        other = f"metadata_{alone[0]}.parquet" if alone[0] in arrays else f"{wanted}_emb_{alone[0]}.npy"
        raise InputError(f"{one} has no partner; expected {other} in the same folder")
    parts: list[np.ndarray] = []
    frames: list[pd.DataFrame] = []
    notes: list[str] = []
    left_out: list[LeftOut] = []
    for number in sorted(arrays):
        opened, read = open_rows(arrays[number], "embeddings"), read_table(tables[number], need=())
        if len(opened.array) != len(read.frame):
            raise InputError(
                f"{arrays[number]} has {len(opened.array)} rows but {tables[number].name} has {len(read.frame)}; take "
                "both from one run"
            )
        if parts and (opened.array.shape[1] != parts[0].shape[1] or opened.array.dtype != parts[0].dtype):
            raise InputError(
                f"{arrays[number]} holds {opened.array.dtype} with {opened.array.shape[1]} columns, the first shard "
                f"{parts[0].dtype} with {parts[0].shape[1]}; take all from one run"
            )
        parts.append(opened.array)
        frames.append(read.frame)
        notes += [f"{tables[number].name}: {note}" for note in read.notes]
        left_out += read.left_out
    frame = pd.concat(frames, ignore_index=True)
    notes.append(f"{len(parts)} shards were read as one")
    return Rows(Stacked(parts), root.name), Table(frame, tuple(notes), tuple(left_out))


def with_ids(read: Table, kind: str) -> Table:
    """The table with a column that names its items: the first that has another value in every row, else numbers."""
    frame = read.frame
    if kind == "captions" or {"file", "id"} & set(frame.columns):
        return read
    named = next(
        (name for name in NAMES if name in frame.columns and frame[name].is_unique and frame[name].notna().all()), None
    )
    if named in ("image_path", "file"):
        return Table(frame.rename(columns={named: "file"}), read.notes, read.left_out)
    ids = frame[named] if named else pd.Series(range(1, len(frame) + 1)).astype("str")
    note = f"items are named by the column {named!r}" if named else "no column names the items: they are numbered"
    return Table(frame.assign(id=ids), (*read.notes, note), read.left_out)
