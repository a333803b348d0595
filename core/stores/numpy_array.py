"""A NumPy array on disk, .npy."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError
from core.reading import map_array
from core.store import file_digest
from core.stores.base import BLOCK, STORES, Change, Options, Snapshot
from core.stores.files import Digest, FileRows, FileStore, Kept, require_width, write_rows

EXPECTED = "vectors (rows, columns) of floats, .npy"


@STORES.register("npy")
class NumpyArray(FileStore):
    """Rows one behind the other are read a block at a time; the header stays as NumPy writes it."""

    title = "a NumPy array"
    endings = (".npy",)
    example = "vectors.npy"

    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept, before: Digest
    ) -> tuple[str, tuple[str, ...]]:
        given = mapped(source)
        require_width(given.shape[1], change, str(source))
        if given.flags.c_contiguous:
            rows: Any = FileRows(source, given.offset, given.dtype, given.shape, before)
        else:
            rows = given  # column after column: read through the map, as no block of rows lies together
            before.close()
        return write_rows(partial, header(given), rows, change, kept, BLOCK), ()

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        return Snapshot(Path(source), None, file_digest(Path(source)))


def mapped(source: Path) -> np.memmap:
    """The array, memory-mapped; InputError where it is no matrix of floats."""
    rows = map_array(source, EXPECTED, (None, None))
    if rows.dtype.kind != "f" or rows.dtype.itemsize > 8:
        raise InputError(f"{source} holds {rows.dtype}; expected {EXPECTED}")
    assert isinstance(rows, np.memmap), "it was mapped"
    return rows


def header(rows: np.ndarray) -> bytes:
    """The head of an .npy file of rows in C order."""
    head = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(head, described)
    return head.getvalue()
