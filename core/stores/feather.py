"""Feather and other Arrow files with a column of vectors."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.config import InputError
from core.stores.arrow_columns import pieces_of
from core.stores.arrow_files import ROWS, ArrowFile
from core.stores.base import STORES


class _Feather:
    def __init__(self, source: Path) -> None:
        try:
            self._file = pa.ipc.open_file(pa.memory_map(str(source)))
            self.rows = sum(self._file.get_batch(i).num_rows for i in range(self._file.num_record_batches))
        except (OSError, pa.ArrowException):
            raise InputError(
                f"{source} is no Feather file of version 2, or a damaged one; write it again with pyarrow"
            ) from None
        self.schema, self._source = self._file.schema, source

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for i in range(self._file.num_record_batches):
                batch = self._file.get_batch(i)
                batch.validate(full=True)  # where cells begin and end is read from the file, and believed afterwards
                yield from pieces_of(batch, ROWS)
        except (OSError, pa.ArrowException):
            raise InputError(f"{self._source} is a damaged Feather file; copy it again") from None


@STORES.register("feather")
class Feather(ArrowFile):
    """Written in batches of 16,384 rows, packed with LZ4 as Feather is by default."""

    title = "a Feather file"
    endings = (".feather", ".arrow")
    example = "vectors.feather"

    def opened(self, source: Path) -> _Feather:
        return _Feather(source)

    def writer(self, source: Path, partial: Path, schema: pa.Schema) -> AbstractContextManager[Any]:
        return pa.ipc.new_file(str(partial), schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
