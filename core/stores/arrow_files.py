"""What Parquet and Feather have in common: batches of rows with a column of vectors."""

import glob
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.config import InputError, digest_of
from core.store import file_digest, write_blocks
from core.stores.arrow_columns import matrix, other_columns, vector_column, with_vectors
from core.stores.base import Change, Options, Snapshot
from core.stores.files import Digest, FileStore, Kept, require_width

ROWS = 16_384
"""Rows of a batch, and of a row group that is written."""


class Batches(Protocol):
    """A file of Arrow batches that is open for reading."""

    schema: pa.Schema
    rows: int

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


class ArrowFile(FileStore):
    """A table in one file; a killed run begins the file anew, and gives the same bytes."""

    @abstractmethod
    def opened(self, source: Path) -> Batches:
        """The file's batches; InputError where it is no such file."""

    @abstractmethod
    def writer(self, source: Path, partial: Path, schema: pa.Schema) -> AbstractContextManager[Any]:
        """Something with `write_batch`, that writes like the source."""

    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept, before: Digest
    ) -> tuple[str, tuple[str, ...]]:
        before.close()
        found = self.opened(source)
        name = vector_column(found.schema, str(source), options.column)
        change.total, first = found.rows, 0
        edited: np.ndarray | None = None
        after = Digest(partial)
        try:
            with self.writer(source, partial, found.schema) as out:
                for batch in found:
                    rows = matrix(batch.column(name), str(source), first)
                    require_width(rows.shape[1], change, f"{source}: {name}")
                    edited = change(rows, edited)
                    out.write_batch(with_vectors(batch, name, edited))
                    after.upto(partial.stat().st_size)
                    first += len(rows)
        finally:
            after.close()
        return after.hex(), ()

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        paths = [Path(path) for path in sorted(glob.glob(source, recursive=True)) if Path(path).is_file()]
        if not paths:
            raise InputError(f"no file is at {source}; expected {self.title}, or a pattern such as {self.example}")
        opened = [self.opened(path) for path in paths]
        names = [vector_column(one.schema, str(path), options.column) for path, one in zip(paths, opened, strict=True)]
        n = sum(one.rows for one in opened)
        tables: list[pa.Table] = []
        widths: list[tuple[int, np.dtype]] = []

        def blocks() -> Iterator[np.ndarray]:
            for path, one, name in zip(paths, opened, names, strict=True):
                kept = [field.name for field in other_columns(one.schema, name)]
                first = 0
                for batch in one:
                    rows = matrix(batch.column(name), str(path), first)
                    first += len(rows)
                    widths.append((rows.shape[1], rows.dtype))
                    if widths[-1] != widths[0]:
                        raise InputError(
                            f"{path} holds {rows.dtype} with {rows.shape[1]} columns, the first {paths[0].name} "
                            f"{widths[0][1]} with {widths[0][0]}; take all from one run"
                        )
                    tables.append(pa.table({key: batch.column(key) for key in kept}))
                    yield rows

        return gathered(folder, blocks(), n, tables, digest_of([file_digest(path) for path in paths]))


def gathered(folder: Path, blocks: Iterator[np.ndarray], n: int, tables: Sequence[pa.Table], digest: str) -> Snapshot:
    """Blocks of vectors and the tables beside them as two files; `tables` grows while the blocks are read."""
    first = next(blocks, None)
    if first is None or not n:
        raise InputError("the store has no rows; expected one vector an item")

    def every() -> Iterator[np.ndarray]:
        yield first
        yield from blocks

    vectors, table = folder / "vectors.npy", folder / "table.parquet"
    write_blocks(vectors, every(), (n, first.shape[1]), first.dtype)
    whole = pa.concat_tables(tables, promote_options="permissive")
    if not whole.num_columns:
        return Snapshot(vectors, None, digest)
    pq.write_table(whole, table)
    return Snapshot(vectors, table, digest)
