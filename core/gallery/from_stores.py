"""A gallery from one address: a store that people run, or what `one_source` reads."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core import access
from core.config import InputError, Progress
from core.gallery import one_source
from core.gallery.embedding_files import Rows, open_rows
from core.gallery.gallery import Gallery
from core.gallery.importing import as_items, import_rows, open_prompts
from core.gallery.writing import WAY
from core.store import refuse_existing
from core.stores import Options, shown, store_of, takes_addresses
from core.tables import Table, read_table


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
    provenance: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    **more: Any,
) -> Gallery:
    """Make a gallery of what a store holds at this moment: `lancedb:...`, `postgresql:...`, `qdrant:...`,
    `faiss:FILE`, `parquet:GLOB`, or of a folder or file as `one_source.import_from` reads it.

    The gallery is a snapshot: what the store becomes later changes nothing in it. Its provenance says the address,
    without a password, and the digest of what was read.

    Parameters
    ----------
    table : labels instead of those of the store, one row a vector; needed where it holds vectors alone.
    array : the store's column of vectors, where there are several.

    Many parameters: each is one choice of whoever makes a gallery, and stands in its manifest.
    """
    access.require("import")
    common: dict[str, Any] = {"model_name": model_name, "images": images, "kind": kind, "replace": replace} | more
    common |= {"progress": progress}
    if not takes_addresses(address):
        told: dict[str, Any] = {
            "table": table,
            "texts": texts,
            "text_table": text_table,
            "array": array,
            "provenance": provenance,
        }
        return one_source.import_from(address, out=out, **told, **common)
    out = Path(out)
    refuse_existing(out, replace, WAY)
    store, place = store_of(address)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        found = store.snapshot(place, folder, Options(column=array))
        rows = open_rows(found.vectors, "embeddings", array if found.vectors.suffix == ".npz" else None)
        rows = Rows(rows.array, shown(address), None, rows.notes)
        if table is not None:
            read = read_table(table, need=("file", "id") if kind == "images" else ("text", "caption"))
        elif found.table is not None:
            read = one_source.with_ids(read_table(found.table, need=()), kind)
        else:
            raise InputError(f"{shown(address)} holds vectors alone; give their labels with --table")
        said = (*read.notes, *found.notes, f"snapshot of {shown(address)}, digest {found.digest}")
        read = Table(read.frame, said, read.left_out)
        name = str(table) if table is not None else shown(address)
        return import_rows(
            rows,
            as_items(read, kind, name),
            name,
            out=out,
            prompts=open_prompts(texts, text_table, rows.array.shape[1], rows.name),
            provenance=provenance or f"{shown(address)}, digest {found.digest}",
            **common,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
