"""Tables whose columns have types: Parquet, Feather and JSON lines, turned into the text that a CSV of them holds.

Read without pandas, so that an index called `file` or `id` is a column like any other and two columns of one name
are seen.
"""

import datetime
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from core.config import InputError
from core.tables.delimited import decoded
from core.tables.grid import Grid

T = TypeVar("T")

MOST_TEXT = 1 << 30
"""Bytes of text of one column: a dictionary lets a small file hold more than any memory."""
INDEX = "__index_level_"
"""How pandas names an index that has no name: row numbers, no column."""


def read_parquet(data: Any, name: str) -> Grid:
    """A Parquet file as a grid; `data` is its path or its bytes."""
    table = _arrow(_with_dictionaries, data, name, "Parquet")
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_dictionary(field.type) and (size := _text_bytes(column)) > MOST_TEXT:
            raise InputError(
                f"{name}: the texts of column {field.name!r} would be {size:,} bytes; expected at most {MOST_TEXT:,}: "
                "save the table with shorter names"
            )
    return arrow_grid(table, name)


def read_feather(data: Any, name: str) -> Grid:
    """A Feather (Arrow) file as a grid; `data` is its path or its bytes."""
    return arrow_grid(_arrow(feather.read_table, data, name, "Feather"), name)


def open_arrow(path: Path) -> pa.Table:
    """A Parquet or Feather file as an Arrow table; InputError where it is neither."""
    kind, read = ("Parquet", _parquet) if path.suffix.lower() == ".parquet" else ("Feather", feather.read_table)
    return _arrow(read, path, str(path), kind)


def open_without(path: Path, heavy: Sequence[str]) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """A Parquet file without those of some columns that hold bytes or records, and which rows of each have a value.

    What such a column holds is not kept, and of pictures beside their paths not even read; `cells` reads some of it.
    """
    schema = _arrow(pq.read_schema, path, str(path), "Parquet")
    left = [field.name for field in schema if field.name in heavy and _is_nested(field.type)]
    light = [name for name in schema.names if name not in left]
    table = _arrow(lambda source: pq.read_table(source, columns=light, partitioning=None), path, str(path), "Parquet")
    return table, _arrow(lambda source: _present(source, left), path, str(path), "Parquet")


def _present(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Which rows of some columns have a value, (n,) bool each."""
    with pq.ParquetFile(path) as file:
        found = {}
        for name in names:
            kind = file.schema_arrow.field(name).type
            parts = [part.name for part in kind if _has_texts(part.type)] if pa.types.is_struct(kind) else []
            read = [f"{name}.{parts[0]}"] if parts else [name]
            groups = [file.read_row_group(i, columns=read).column(name) for i in range(file.num_row_groups)]
            found[name] = np.concatenate([np.zeros(0, dtype=bool), *(group.is_valid().to_numpy() for group in groups)])
        return found


def cells(path: Path, column: str, rows: Sequence[int]) -> list[Any]:
    """Some cells of a Parquet file's column, in the order of `rows`; memory holds them and one group of rows."""
    return _arrow(lambda source: _cells(source, column, rows), path, str(path), "Parquet")


def _cells(path: Path, column: str, rows: Sequence[int]) -> list[Any]:
    found: dict[int, Any] = {}
    start = 0
    with pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            end = start + file.metadata.row_group(i).num_rows
            if here := [row for row in rows if start <= row < end]:
                group = file.read_row_group(i, columns=[column])
                group.validate(full=True)
                found |= {row: group.column(column)[row - start].as_py() for row in here}
            start = end
    return [found[row] for row in rows]


def _with_dictionaries(source: Any) -> pa.Table:
    """A Parquet table whose texts stay what they are in the file, a list of different ones and places in it."""
    texts = [one.name for one in pq.read_schema(source) if pa.types.is_string(one.type)]
    if hasattr(source, "seek"):
        source.seek(0)
    return pq.read_table(source, partitioning=None, read_dictionary=texts)


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Bytes that the texts of a column with a dictionary take, each cell by itself."""
    size = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0) if _has_texts(chunk.dictionary.type) else None
        if lengths is not None:
            size += pc.sum(lengths.take(chunk.indices.drop_null())).as_py() or 0
    return size


def _has_texts(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _parquet(source: Any) -> pa.Table:
    return pq.read_table(source, partitioning=None)


def _arrow(read: Callable[[Any], T], data: Any, name: str, kind: str) -> T:
    try:
        found = read(io.BytesIO(data) if isinstance(data, bytes) else data)
        if isinstance(found, pa.Table):
            found.validate(full=True)  # where cells begin and end is read from the file, and believed by what follows
        return found
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception:  # a damaged file makes pyarrow raise errors of many types, whose words are for programmers
        raise InputError(
            f"{name} cannot be read as {kind}: it is damaged, cut or of another kind; save it again"
        ) from None


def arrow_grid(table: pa.Table, name: str) -> Grid:
    """An Arrow table as a grid. Columns of lists, records and bytes hold no labels: they are left out, and said."""
    grid = Grid([], [])
    index = _index(table.schema)
    order = sorted(range(table.num_columns), key=lambda place: table.schema.names[place] not in index)  # index first
    for field, column in ((table.schema.field(place), table.column(place)) for place in order):
        if field.name.startswith(INDEX):
            continue
        if _is_nested(field.type):
            what = "bytes" if _is_bytes(field.type) else "lists or records"
            grid.notes.append(f"column {field.name!r} holds {what}, not one value a row: it is not read")
            continue
        grid.names.append(field.name)
        grid.columns.append(_texts(column))
    if not grid.names and table.num_columns:
        raise InputError(f"{name} has no column of plain values; expected one value a row")
    return grid


def _index(schema: pa.Schema) -> list[str]:
    """Columns that pandas kept as the index; it writes them behind all others."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        return [one for one in said.get("index_columns", []) if isinstance(one, str)]
    except (ValueError, AttributeError, TypeError):  # damaged, and of no consequence
        return []


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _is_nested(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or _is_bytes(kind)


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """Each cell as a CSV of the column would hold it; None where it is missing."""
    if pa.types.is_null(column.type):
        return [None] * len(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.to_pylist()
    values = column.to_pylist()
    if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
        small = column.type.to_pandas_dtype()
        return [None if value is None or math.isnan(value) else str(small(value)) for value in values]
    if pa.types.is_temporal(column.type):
        return _times(values)
    return [None if value is None else plain_text(value) for value in values]


def _times(values: list[Any]) -> list[str | None]:
    """Dates without a time of day where no value has one, as pandas writes them."""
    midnight = datetime.time(0)
    bare = all(value is None or not hasattr(value, "hour") or value.time() == midnight for value in values)
    return [
        None if value is None else str(value.date()) if bare and hasattr(value, "date") else str(value)
        for value in values
    ]


def plain_text(value: Any) -> str | None:
    """One value of a typed table as text; None where it is NaN."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return str(value.item() if isinstance(value, np.generic) else value)


def read_json_lines(data: bytes, name: str) -> Grid:
    """One JSON object a line as a grid; a key that a line lacks is a missing cell.

    A whole document that is a list of objects is read too. InputError naming the line of what is neither, and for an
    object that has a key twice.
    """
    text = decoded(data, name)
    records = _records(text, name)
    names = list(dict.fromkeys(key for record in records for key in record))
    grid = Grid([], [])
    for column in names:
        values = [record.get(column) for record in records]
        if any(isinstance(value, list | dict) for value in values):
            grid.notes.append(f"column {column!r} holds lists or records, not one value a row: it is not read")
            continue
        grid.names.append(column)
        grid.columns.append([None if value is None else plain_text(value) for value in values])
    if not grid.names:
        raise InputError(f"{name} has no column of plain values; expected one JSON object a line")
    return grid


def _records(text: str, name: str) -> list[Mapping[str, Any]]:
    if text.lstrip().startswith("["):
        found = _parsed(text, name, None)
        lines = [(number, record) for number, record in enumerate(found, 1)]
        where = "record"
    else:
        kept = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        lines = [(number, _parsed(line, name, number)) for number, line in kept]
        where = "line"
    if not lines:
        raise InputError(f"{name} is empty; expected one JSON object a line")
    for number, record in lines:
        if not isinstance(record, dict):
            raise InputError(f"{name}: {where} {number} is no JSON object; expected {{column: value, ...}} a line")
    return [record for _, record in lines]


def _parsed(text: str, name: str, line: int | None) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise InputError(f"{name}{where} has two columns called {twice!r}; rename one of them")
        return found

    where = "" if line is None else f": line {line}"
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}" if line is None else f"line {line}"
        raise InputError(f"{name}: {at} is no JSON; expected one object {{column: value, ...}} a line") from None
    except RecursionError:
        raise InputError(f"{name}{where} is nested too deeply to be a row; expected {{column: value, ...}}") from None
