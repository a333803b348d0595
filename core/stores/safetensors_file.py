"""Tensors in one file, .safetensors."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError
from core.reading import parse_json
from core.store import file_digest, write_blocks
from core.stores.base import BLOCK, STORES, Change, Options, Snapshot
from core.stores.files import Digest, FileRows, FileStore, Kept, require_width, write_rows

TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
HEAD_BYTES = 100 << 20
"""Largest head that the format allows."""


@STORES.register("safetensors")
class SafetensorsFile(FileStore):
    """One tensor is edited in its place in the file; the head and the other tensors are copied byte by byte."""

    title = "a safetensors file"
    endings = (".safetensors",)
    example = "vectors.safetensors"

    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept, before: Digest
    ) -> tuple[str, tuple[str, ...]]:
        rows, start, stop, name = located(source, options.column)
        require_width(rows.shape[1], change, f"{source}: {name}")
        with open(source, "rb") as file:
            head = file.read(start)
            file.seek(stop)
            tail = file.read()
        rows = FileRows(source, start, rows.dtype, rows.shape, before)
        return write_rows(partial, head, rows, change, kept, BLOCK, tail), ()

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        rows, *_ = located(Path(source), options.column)
        path = folder / "vectors.npy"
        blocks = (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))
        write_blocks(path, blocks, rows.shape, rows.dtype)
        return Snapshot(path, None, file_digest(Path(source)))


def located(source: Path, column: str | None) -> tuple[FileRows, int, int, str]:
    """The tensor of vectors, where it begins and ends in the file, and its name."""
    try:
        with open(source, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = source.stat().st_size
            if not 2 <= length <= min(HEAD_BYTES, size):
                raise InputError(f"{source} is no safetensors file, or a damaged one; copy it again")
            said: dict[str, Any] = parse_json(file.read(length), str(source), "copy it again")
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror})") from None
    tensors = {name: one for name, one in said.items() if name != "__metadata__"}
    try:
        fit = [name for name, one in tensors.items() if len(one["shape"]) == 2 and one["dtype"] in TYPES]
        if column is not None and column not in fit:
            raise InputError(f"{source} has no matrix of floats {column!r}; it holds {', '.join(fit) or 'none'}")
        name = column or ("embeddings" if "embeddings" in fit else fit[0] if len(fit) == 1 else None)
        if name is None:
            kinds = json.dumps({key: [one["dtype"], *one["shape"]] for key, one in list(tensors.items())[:5]})
            raise InputError(f"{source} holds {kinds}; name the vectors (F16, F32 or F64, two axes) with --column")
        begin, end = (8 + length + int(place) for place in tensors[name]["data_offsets"])
        n, d = (int(length) for length in tensors[name]["shape"])
        dtype, shape = np.dtype(TYPES[tensors[name]["dtype"]]), (n, d)
        if end - begin != dtype.itemsize * shape[0] * shape[1] or end > size:
            raise InputError(f"{source} is damaged: the tensor {name!r} is cut; copy it again")
        rows = FileRows(source, begin, dtype, shape)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source} is no safetensors file, or a damaged one ({error}); copy it again") from None
    return rows, begin, end, name
