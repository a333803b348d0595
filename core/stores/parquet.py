"""Parquet files with a column of vectors."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.config import InputError
from core.stores.arrow_columns import pieces_of
from core.stores.arrow_files import ROWS, ArrowFile
from core.stores.base import STORES

READ_AHEAD = 1 << 20
"""Bytes of a column that are read at a time: row groups of any size pass through without being held."""


class _Parquet:
    def __init__(self, source: Path) -> None:
        try:
            self.file = pq.ParquetFile(source, buffer_size=READ_AHEAD, pre_buffer=False)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"{source} is no Parquet file, or a damaged one ({_short(error)}); copy it again"
            ) from None
        self.schema, self.rows, self._source = self.file.schema_arrow, self.file.metadata.num_rows, source

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.file.iter_batches(ROWS):
                yield from pieces_of(batch, ROWS)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self._source} is a damaged Parquet file ({_short(error)}); copy it again") from None


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


@STORES.register("parquet")
class Parquet(ArrowFile):
    """Written with the source's compression, without dictionaries of floats, in row groups of 16,384 rows."""

    title = "a Parquet file"
    prefix = "parquet"
    endings = (".parquet",)
    example = "parquet:shards/*.parquet"

    def opened(self, source: Path) -> _Parquet:
        return _Parquet(source)

    def writer(self, source: Path, partial: Path, schema: pa.Schema) -> AbstractContextManager[Any]:
        meta = pq.ParquetFile(source).metadata
        packed = meta.row_group(0).column(0).compression.lower() if meta.num_row_groups and meta.num_columns else "none"
        wide = [meta.schema.column(i).path for i in range(meta.num_columns)]
        plain = [path for path in wide if not path.endswith((".element", ".item"))]
        known = packed if packed in ("snappy", "gzip", "brotli", "zstd", "lz4") else "none"
        return pq.ParquetWriter(partial, schema, compression=known, use_dictionary=plain)
