"""Embeddings as people keep them: one array, an archive of arrays, a table of numbers; opened without running anything.

Every kind ends in rows (n, d) and, where the file has them, the ids that say which item a row is of.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.config import InputError
from core.reading import map_or_members, require_memory_for
from core.tables import read_table
from core.tables.columnar import open_arrow

FLOATS = ("float16", "float32", "float64")
PREFERRED = ("embeddings", "embedding", "image_embeddings", "features", "vector", "vectors", "emb", "x")
"""Names of the array or column that is taken where a file holds several."""
IDS = (
    "ids",
    "id",
    "files",
    "file",
    "filenames",
    "file_names",
    "filename",
    "paths",
    "image_path",
    "names",
    "keys",
    "key",
)
"""Names of what says which item a row is of."""
EXPECTED = "expected embeddings as .npy, .npz, .parquet, .feather, .csv, .safetensors, .pt or .h5"


@dataclass(frozen=True)
class Rows:
    """Embeddings (n, d) of floats, perhaps memory-mapped, and what their file says about them."""

    array: Any
    """Has shape, dtype and slices of rows like a NumPy array."""
    name: str
    """What messages call it: the file's name."""
    ids: tuple[str, ...] | None = None
    """Which item each row is of, where the file says so."""
    notes: tuple[str, ...] = ()


class Stacked:
    """Arrays of equal width one behind the other, read as one without being copied together."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), parts[0].shape[1])
        self.dtype, self.ndim = parts[0].dtype, 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        found, begins = [], 0
        for part, end in zip(self._parts, self._ends, strict=True):
            if begins < stop and end > start:
                found.append(part[max(start - begins, 0) : stop - begins])
            begins = int(end)
        return np.concatenate(found) if len(found) > 1 else found[0]


def open_rows(source: Path | np.ndarray, what: str, array: str | None = None) -> Rows:
    """The embeddings of a file.

    Parameters
    ----------
    array : which of the arrays or columns that it holds, where there are several.

    Raises
    ------
    InputError
        what the file is, what was found in it and what to do; also where its numbers are no floats in two dimensions.
    """
    if isinstance(source, np.ndarray):
        return _checked(Rows(source, what), what)
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder; {EXPECTED}, or give a folder of shards with --from")
    if not path.exists():
        raise InputError(f"{path} does not exist; {EXPECTED}")
    suffix = path.suffix.lower()
    if suffix == ".npy" and array is not None:
        raise InputError(f"{path} holds one array without a name; leave --array out")
    reader = READERS.get(suffix)
    if reader is None:
        raise InputError(f"{path} is of a kind that is not read as embeddings ({suffix or 'no ending'}); {EXPECTED}")
    times = MEMORY_TIMES.get(suffix, 0)
    require_memory_for([path], times, f"reading the embeddings in {path}")
    return _checked(reader(path, array), what)


def _checked(rows: Rows, what: str) -> Rows:
    shape = tuple(rows.array.shape)
    if len(shape) != 2 or shape[0] < 1 or shape[1] < 1:
        raise InputError(f"{rows.name} has shape {shape}; expected {what} as (rows, columns), one row an item")
    if rows.array.dtype.name not in FLOATS:
        raise InputError(f"{rows.name} holds {rows.array.dtype}; expected {', '.join(FLOATS)}")
    if rows.ids is not None and len(rows.ids) != shape[0]:
        raise InputError(f"{rows.name} has {shape[0]} rows and {len(rows.ids)} ids; expected one id a row")
    return rows


# --- NumPy ------------------------------------------------------------------------------------------------------


def _numpy(path: Path, array: str | None) -> Rows:
    found = map_or_members(path, EXPECTED.removeprefix("expected "))
    return Rows(found, path.name) if isinstance(found, np.ndarray) else _of_arrays(found, path, array)


def _of_arrays(members: Mapping[str, Callable[[], Any]], path: Path, array: str | None) -> Rows:
    """Rows out of named arrays: the chosen one, and the ids that are as many as its rows. Others stay unread."""
    if array is not None and array not in members:
        raise InputError(f"{path} has no array {array!r}; it holds {', '.join(members) or 'nothing'}")
    unnamed = [name for name in members if name not in IDS]
    chosen = array or ("embeddings" if "embeddings" in members else unnamed[0] if len(unnamed) == 1 else None)
    if chosen is None:
        chosen = _choice({name: np.asarray(read()) for name, read in members.items()}, path)
    rows = np.asarray(members[chosen]())
    ids, id_name = None, None
    for name in (name for name in IDS if name in members and name != chosen):
        value = np.asarray(members[name]())
        if value.shape == rows.shape[:1] and value.dtype.kind in "USiu":
            ids, id_name = tuple(_as_id(one) for one in value.tolist()), name
            break
    rest = [name for name in members if name not in (chosen, id_name)]
    note = f"{path.name}: the array {chosen!r} was taken; not looked at: {', '.join(rest)}"
    return Rows(rows, path.name, ids, (note,) if rest else ())


def _as_id(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _choice(found: Mapping[str, np.ndarray], path: Path) -> str:
    """The name of the only array that can be embeddings."""
    fit = [name for name, value in found.items() if value.ndim == 2 and value.dtype.name in FLOATS]
    if len(fit) == 1:
        return fit[0]
    said = ", ".join(f"{name} {value.shape}" for name, value in found.items()) or "nothing"
    what = "several arrays that could be embeddings" if fit else "no array (rows, columns) of floats"
    raise InputError(f"{path} holds {what} ({said}); expected one, or one called 'embeddings', or name it with --array")


# --- tables -----------------------------------------------------------------------------------------------------


def _arrow(path: Path, array: str | None) -> Rows:
    """A Parquet or Feather file: a column of vectors, or a column of numbers a dimension."""
    table = open_arrow(path)
    vectors = {name: i for i, name in enumerate(table.column_names) if _is_vectors(table.schema.field(i).type)}
    numbers = [
        i
        for i, field in enumerate(table.schema)
        if pa.types.is_floating(field.type) and not field.name.startswith("__index_level_")
    ]
    if array is not None and array not in vectors:
        raise InputError(f"{path} has no column of vectors {array!r}; it has {', '.join(vectors) or 'none'}")
    if vectors:
        preferred = [name for name in PREFERRED if name in vectors]
        chosen = array or (next(iter(vectors)) if len(vectors) == 1 else preferred[0] if preferred else None)
        if chosen is None:
            raise InputError(f"{path} has several columns of vectors ({', '.join(vectors)}); name one with --array")
        return Rows(_matrix(table.column(vectors[chosen]), chosen, path), path.name, _column_ids(table, len(table)))
    if len(numbers) < 2:
        raise InputError(
            f"{path} has neither a column of vectors nor columns of numbers; its columns are: "
            f"{', '.join(table.column_names)}"
        )
    for i in numbers:
        if table.column(i).null_count:
            row = int(np.asarray(table.column(i).is_null()).argmax()) + 1
            raise InputError(f"{path}: row {row} has no number in column {table.column_names[i]!r}")
    columns = [table.column(i).to_numpy() for i in numbers]
    wide = np.stack(columns, axis=1)
    return Rows(wide, path.name, _column_ids(table, len(table)))


def _is_vectors(kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return listed and pa.types.is_floating(kind.value_type)


def _matrix(column: pa.ChunkedArray, name: str, path: Path) -> np.ndarray:
    """A column of lists of equal length as (n, d); InputError naming the first row that is another."""
    import pyarrow.compute as pc

    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), -1))
    if not len(lengths):
        raise InputError(f"{path} has a header but no rows; expected one row an item")
    if (lengths != lengths[0]).any() or lengths[0] < 1:
        row = int(((lengths != lengths[0]) | (lengths < 1)).argmax())
        has = f"{lengths[row]} numbers" if lengths[row] >= 0 else "nothing"
        raise InputError(
            f"{path}: row {row + 1} of {name!r} has {has}, the first {max(lengths[0], 0)}; expected equal ones"
        )
    flat = column.combine_chunks().flatten()
    if flat.null_count:
        raise InputError(f"{path}: column {name!r} has missing numbers; expected complete vectors")
    return flat.to_numpy(zero_copy_only=False).reshape(len(lengths), -1)


def _column_ids(table: pa.Table, n: int) -> tuple[str, ...] | None:
    """The ids of a table's rows, where a column is called like them and holds names."""
    for name in IDS:
        if name in table.column_names:
            column = table.column(name)
            if (
                pa.types.is_string(column.type)
                or pa.types.is_large_string(column.type)
                or pa.types.is_integer(column.type)
            ):
                values = column.to_pylist()
                return None if None in values else tuple(str(value) for value in values)
    return None


def _csv(path: Path, array: str | None) -> Rows:
    """A text table with a column of numbers a dimension, perhaps beside an id."""
    frame = read_table(path, need=()).frame
    key = next((name for name in IDS if name in frame.columns), None)
    columns = [name for name in frame.columns if name != key]
    if array is not None:
        raise InputError(f"{path} is a text table, which holds one array; leave --array out")
    values = np.empty((len(frame), len(columns)), dtype=np.float64)
    for place, name in enumerate(columns):
        try:
            values[:, place] = frame[name].to_numpy(dtype=object).astype(np.float64)
        except (TypeError, ValueError):
            row, cell = _first_wrong(frame[name].tolist())
            raise InputError(
                f"{path}: row {row} has {cell!r} in column {name!r}; expected numbers in all but the id"
            ) from None
    ids = None if key is None or frame[key].isna().any() else tuple(frame[key])
    return Rows(values.astype(np.float32), path.name, ids)


def _first_wrong(cells: list[Any]) -> tuple[int, Any]:
    for row, cell in enumerate(cells, 1):
        if not isinstance(cell, str) or not re.fullmatch(
            r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|[+-]?inf", cell
        ):
            return row, cell if isinstance(cell, str) else "nothing"
    return 1, cells[0]


# --- tensors ----------------------------------------------------------------------------------------------------


def _safetensors(path: Path, array: str | None) -> Rows:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            names = list(opened.keys())
            tensors = {name: opened.get_tensor(name) for name in names if array in (None, name)}
    except Exception:  # its own error types, with words for programmers
        raise InputError(f"{path} is no safetensors file, or a damaged one; copy it again") from None
    if array is not None and array not in names:
        raise InputError(f"{path} has no array {array!r}; it holds {', '.join(names) or 'nothing'}")
    return _of_arrays({name: _tensor(value) for name, value in tensors.items()}, path, array)


def _tensor(value: Any) -> Callable[[], np.ndarray]:
    """A tensor as an array; bfloat16, which NumPy has not, as float32."""
    import torch

    plain = value.detach()
    return lambda: (plain.float() if plain.dtype == torch.bfloat16 else plain).contiguous().numpy()


def _torch(path: Path, array: str | None) -> Rows:
    from core.saes.formats.torch_files import is_torch_file, read_torch

    if not is_torch_file(path):
        raise InputError(f"{path} is no file that torch.save wrote; {EXPECTED}")
    import torch

    content = read_torch(path)
    if isinstance(content, torch.Tensor):
        if array is not None:
            raise InputError(f"{path} holds one tensor without a name; leave --array out")
        return Rows(_tensor(content)(), path.name)
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds {type(content).__name__}; expected a tensor, or tensors by name")
    members: dict[str, Callable[[], Any]] = {}
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            members[str(name)] = _tensor(value)
        elif isinstance(value, list | tuple) and value and all(isinstance(one, str | int) for one in value):
            members[str(name)] = partial(np.array, [str(one) for one in value])
    return _of_arrays(members, path, array)


def _hdf5(path: Path, array: str | None) -> Rows:
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{path} is HDF5, which needs the library h5py: pip install h5py, or save the array as .npy"
        ) from None
    found: dict[str, Callable[[], Any]] = {}
    try:
        with h5py.File(path, "r") as opened:
            names: list[str] = []
            opened.visititems(lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) else None)
            for name in names:
                if array in (None, name):
                    value = np.asarray(opened[name])
                    value = np.array([_as_id(one) for one in value]) if value.dtype.kind == "O" else value
                    found[name] = partial(np.asarray, value)
    except InputError:
        raise
    except Exception:  # its own errors, in words for programmers
        raise InputError(f"{path} is no HDF5 file, or a damaged one; copy it again") from None
    return _of_arrays(found, path, array)


MEMORY_TIMES = {".parquet": 3, ".feather": 3, ".arrow": 3, ".csv": 8, ".tsv": 8, ".pt": 1, ".pth": 1, ".bin": 1}
"""Memory by the size of the file, of the kinds that are read at once; the others are read by rows or by members."""
READERS: Mapping[str, Callable[[Path, str | None], Rows]] = {
    ".npy": _numpy,
    ".npz": _numpy,
    ".parquet": _arrow,
    ".feather": _arrow,
    ".arrow": _arrow,
    ".csv": _csv,
    ".tsv": _csv,
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".bin": _torch,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}
