"""Tables of LanceDB in a folder of this machine."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.config import InputError, digest_of
from core.store import read_json, write_json
from core.stores.addresses import Address, parsed
from core.stores.arrow_columns import matrix, other_columns, vector_column, with_vectors
from core.stores.arrow_files import gathered
from core.stores.base import STORES, Applied, Change, Options, RowsDigest, Snapshot, Store
from core.stores.files import require_width

EXAMPLE = "lancedb:FOLDER#TABLE"
PARTIAL = "__partial"
BLOCK = 16_384
"""Rows of a fragment."""


@STORES.register("lancedb")
class Lance(Store):
    """Rows are appended block by block to a table beside the final one, which is renamed when it is whole.

    An index over the vectors is not copied: it would be of the vectors as they were. Digests are of the rows in order.
    """

    title = "LanceDB"
    prefix = "lancedb"
    example = EXAMPLE
    library = "lancedb"
    install = "pip install lancedb"

    def apply(self, source: str, target: str, change: Change, options: Options) -> Applied:
        library = self.require_library()
        place, out = _located(source), _located(target, source)
        if options.in_place:
            raise InputError("a LanceDB table is not edited in place; give another table name as --out")
        if (os.path.abspath(place.place), place.table) == (os.path.abspath(out.place), out.table):
            raise InputError(f"{target} is the table that is read; choose another name")
        table = _opened(library, place)
        name = vector_column(table.schema, source, options.column or place.column)
        rows = table.count_rows()
        change.total = rows
        folder = Path(out.place)
        folder.mkdir(parents=True, exist_ok=True)
        final, partial = (folder / f"{called}.lance" for called in (out.table, f"{out.table}{PARTIAL}"))
        if final.exists() and not options.replace:
            raise InputError(f"{target} exists already; choose another name, or replace it with --replace")
        state = folder / f".{out.table}.partial.json"
        key = digest_of([change.digest, os.path.abspath(place.place), place.table, table.version, name])
        new, done = _resumed(library, out, table.schema, partial, state, key, options.resume)
        before, after = RowsDigest(), RowsDigest()
        _count(new, name, done, after, change)
        start = 0
        for batch in _batches(table):
            vectors = matrix(batch.column(name), source, start)
            require_width(vectors.shape[1], change, f"{source}: {name}")
            before.add(_keys(batch, name), vectors)
            begin = min(max(done - start, 0), len(vectors))
            if begin < len(vectors):
                rest = batch.slice(begin)
                edited = change(vectors[begin:])
                new.add(pa.Table.from_batches([with_vectors(rest, name, edited)]))
                after.add(_keys(rest, name), edited)
            start += len(vectors)
        if final.exists():
            shutil.rmtree(final)
        os.rename(partial, final)
        state.unlink(missing_ok=True)
        indexed = [index.name for index in table.list_indices()]
        notes = (f"not copied: the index {', '.join(indexed)}; make it again",) if indexed else ()
        found = change.rows, change.lost, tuple(change.lost_rows)
        return Applied(before.hex, after.hex, *found, digest_of="the rows in order, keys and vectors", notes=notes)

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        place = _located(source)
        table = _opened(self.require_library(), place)
        name = vector_column(table.schema, source, options.column or place.column)
        kept = [field.name for field in other_columns(table.schema, name)]
        digest, tables = RowsDigest(), []

        def blocks() -> Iterator[np.ndarray]:
            start = 0
            for batch in _batches(table):
                vectors = matrix(batch.column(name), source, start)
                digest.add(_keys(batch, name), vectors)
                tables.append(pa.table({key: batch.column(key) for key in kept}))
                start += len(vectors)
                yield vectors

        made = gathered(folder, blocks(), table.count_rows(), tables, "")
        return Snapshot(made.vectors, made.table, digest.hex, (f"LanceDB version {table.version} of the table",))


def _located(address: str, like: str | None = None) -> Address:
    """Folder and table; FOLDER/TABLE and FOLDER/TABLE.lance are read too, and a folder with a single table."""
    found = parsed(address)
    place = Path(found.place).expanduser()
    if found.table:
        return Address(str(place), found.table, found.column)
    if place.suffix == ".lance":
        return Address(str(place.parent), place.stem, found.column)
    tables = sorted(path.stem for path in place.glob("*.lance")) if place.is_dir() else []
    if like is None and len(tables) == 1:
        return Address(str(place), tables[0], found.column)
    if like is None and tables:
        raise InputError(f"{place} holds the tables {', '.join(tables)}; name one as {EXAMPLE}")
    if place.parent.is_dir() and ((place.parent / f"{place.name}.lance").exists() or any(place.parent.glob("*.lance"))):
        return Address(str(place.parent), place.name, found.column)
    if like is not None:
        return Address(str(place), _located(like).table, found.column)
    raise InputError(f"no LanceDB table is at {place}; expected {EXAMPLE}")


def _opened(library: Any, place: Address) -> Any:
    known = sorted(path.stem for path in Path(place.place).glob("*.lance"))
    if place.table not in known:
        there = f"the tables there: {', '.join(known)}" if known else "no table is there"
        raise InputError(f"{place.place} has no LanceDB table {place.table!r}; {there}")
    try:
        return library.connect(place.place).open_table(place.table)
    except Exception as error:  # its own error types, with words for programmers
        raise InputError(
            f"the LanceDB table {place.table!r} in {place.place} cannot be opened; it is damaged"
        ) from error


def _batches(table: Any) -> Iterator[pa.RecordBatch]:
    """All rows in the table's order, a block at a time."""
    yield from table.search().to_batches(BLOCK)


def _resumed(
    library: Any, out: Address, schema: pa.Schema, partial: Path, state: Path, key: str, resume: bool
) -> tuple[Any, int]:
    """The table that is written, and the rows that it holds of an earlier run of the same work.

    Many parameters: where a killed run's rows are, and what says that they are this work's.
    """
    database = library.connect(out.place)
    if resume and partial.exists() and state.exists() and read_json(state) == {"key": key}:
        table = database.open_table(f"{out.table}{PARTIAL}")
        return table, table.count_rows()
    shutil.rmtree(partial, ignore_errors=True)
    table = database.create_table(f"{out.table}{PARTIAL}", schema=schema, mode="overwrite")
    write_json(state, {"key": key})
    return table, 0


def _count(table: Any, name: str, done: int, digest: RowsDigest, change: Change) -> None:
    """Take up the rows that are written already: their digest, and those of which nothing was left."""
    if not done:
        return
    for batch in _batches(table):
        vectors = matrix(batch.column(name), "the unfinished table")
        digest.add(_keys(batch, name), vectors)
        change.kept(len(vectors), int((~vectors.any(axis=1)).sum()))


def _keys(batch: pa.RecordBatch, name: str) -> list[Any]:
    """What tells a row: its first column that is no vector."""
    other = next((field.name for field in batch.schema if field.name != name), None)
    return batch.column(other).to_pylist() if other is not None else [None] * batch.num_rows
