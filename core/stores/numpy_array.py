"""A NumPy array on disk, .npy."""

import io
from pathlib import Path

import numpy as np

from core.config import InputError
from core.reading import map_array
from core.store import file_digest
from core.stores.base import BLOCK, STORES, Change, Options, Snapshot
from core.stores.files import FileStore, Kept, require_width, write_rows

EXPECTED = "vectors (rows, columns) of floats, .npy"


@STORES.register("npy")
class NumpyArray(FileStore):
    """Rows one behind the other, mapped into memory; the header stays as NumPy writes it."""

    title = "a NumPy array"
    endings = (".npy",)
    example = "vectors.npy"

    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept
    ) -> tuple[str, tuple[str, ...]]:
        rows = mapped(source)
        require_width(rows.shape[1], change, str(source))
        return write_rows(partial, header(rows), rows, change, kept, BLOCK), ()

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        return Snapshot(Path(source), None, file_digest(Path(source)))


def mapped(source: Path) -> np.ndarray:
    """The array, memory-mapped; InputError where it is no matrix of floats."""
    rows = map_array(source, EXPECTED, (None, None))
    if rows.dtype.kind != "f" or rows.dtype.itemsize > 8:
        raise InputError(f"{source} holds {rows.dtype}; expected {EXPECTED}")
    return rows


def header(rows: np.ndarray) -> bytes:
    """The head of an .npy file of rows in C order."""
    head = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(head, described)
    return head.getvalue()
