"""A column of vectors in Arrow: found, read as a matrix, and made again with other numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.config import InputError

PREFERRED = ("vector", "embedding", "embeddings", "image_embedding", "clip_embedding")


def is_vectors(kind: pa.DataType) -> bool:
    """Whether a column's cells are lists of floats."""
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return listed and pa.types.is_floating(kind.value_type)


def vector_column(schema: pa.Schema, where: str, named: str | None = None) -> str:
    """The column of vectors: the named one, the only one, or one called as they usually are."""
    found = [field.name for field in schema if is_vectors(field.type)]
    if named is not None:
        if named not in found:
            raise InputError(f"{where} has no column of vectors {named!r}; it has {', '.join(found) or 'none'}")
        return named
    usual = [name for name in PREFERRED if name in found]
    if len(found) == 1 or usual:
        return found[0] if len(found) == 1 else usual[0]
    raise InputError(
        f"{where} has {'several columns of vectors: ' + ', '.join(found) if found else 'no column of vectors'} (lists "
        "of floats); name one with --column"
    )


def matrix(column: pa.Array, where: str, first: int = 0) -> np.ndarray:
    """The cells (n, d) of a column of lists of equal length; InputError naming the first row that is another.

    Parameters
    ----------
    first : number of the first row, for messages.
    """
    n = len(column)
    if column.null_count:
        row = int(np.asarray(column.is_null()).argmax())
        raise InputError(f"{where}: row {first + row + 1} has no vector; remove the row or compute it")
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
    else:
        ends = np.asarray(column.offsets)
        lengths = np.diff(ends)
        width = int(lengths[0]) if n else 0
        if (lengths != width).any():
            row = int((lengths != width).argmax())
            raise InputError(f"{where}: row {first + row + 1} has {lengths[row]} numbers, the first {width}")
    flat = column.flatten()
    if flat.null_count:
        raise InputError(f"{where}: a vector among rows {first + 1} to {first + n} has missing numbers")
    return flat.to_numpy(zero_copy_only=False).reshape(n, width)


def column_of(rows: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Rows (n, d) as a column of the same type."""
    flat = pa.array(np.ascontiguousarray(rows).reshape(-1), type=kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat, type=kind)
    whole, dtype = (pa.LargeListArray, np.int64) if pa.types.is_large_list(kind) else (pa.ListArray, np.int32)
    offsets = pa.array(np.arange(0, rows.size + 1, max(rows.shape[1], 1), dtype=dtype)[: len(rows) + 1])
    return whole.from_arrays(offsets, flat, type=kind)


def with_vectors(batch: pa.RecordBatch, name: str, rows: np.ndarray) -> pa.RecordBatch:
    """The batch with other vectors."""
    place = batch.schema.get_field_index(name)
    columns = list(batch.columns)
    columns[place] = column_of(rows, batch.schema.field(place).type)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def pieces_of(batch: pa.RecordBatch, rows: int) -> Sequence[pa.RecordBatch]:
    """The batch in parts of at most so many rows."""
    return [batch.slice(start, rows) for start in range(0, batch.num_rows, rows)]


def other_columns(schema: pa.Schema, name: str) -> list[Any]:
    """Fields that are no vectors and no structures: what a table of items can hold."""
    return [
        field
        for field in schema
        if field.name != name and not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type)
    ]
