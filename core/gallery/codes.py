"""Sparse codes of a gallery, one folder an SAE, memory-mapped by rows and by neurons."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse

from core.config import InputError, Progress
from core.gallery.positions import Codes, unlike_forms, wrong_positions
from core.reading import map_array
from core.store import atomic_folder, file_digest, read_json, reserved_array, write_json

if TYPE_CHECKING:
    from core.retrieval.sums import GallerySums

PARTS = ("data", "indices", "indptr")
DATA, INDICES = np.dtype(np.float32), np.dtype(np.int32)
SUMS, SUMS_TYPE = "sums.npy", np.dtype(np.float64)
AGAIN = "remove that folder and encode again"
NAME_LENGTH = 16
"""Characters of the SAE's digest that name the folder; codes.json holds the whole digest, which is compared."""

BLOCK_CODES = 1 << 22
"""Codes sorted by neuron at a time: together with their sorted copy some 100 MB."""


def codes_folder(gallery: Path, sae_digest: str) -> Path:
    return gallery / "codes" / sae_digest[:NAME_LENGTH]


def write_codes(
    gallery: Path,
    sae_digest: str,
    blocks: Iterable[sparse.csr_matrix],
    shape: tuple[int, int],
    progress: Progress | None = None,
    summed: "Callable[[Codes], GallerySums] | None" = None,
) -> None:
    """Write the codes of one SAE into a gallery's folder, whole or not at all; older ones are replaced.

    `blocks` are consecutive rows of the codes (n, d_sae). Memory holds one of them, and one block of the second pass,
    which sorts what was written by neuron. What `summed` makes of the codes is kept beside them.
    """
    with atomic_folder(codes_folder(gallery, sae_digest), replace=True) as partial:
        rows, per_neuron = _append_rows(partial, blocks, shape[1])
        assert rows == shape[0], f"codes of {rows} rows were written, {shape[0]} were announced"
        _sort_by_neuron(partial, per_neuron, progress)
        if summed is not None:
            _keep_sums(partial / SUMS, summed(_matrices(partial, shape)), progress)
        digests = {path.name: file_digest(path) for path in sorted(partial.iterdir())}
        write_json(partial / "codes.json", {"sae": sae_digest, "shape": list(shape), "files": digests})


def _append_rows(folder: Path, blocks: Iterable[sparse.csr_matrix], d_sae: int) -> tuple[int, np.ndarray]:
    """Write the three arrays of the codes by rows; how many rows there were, and how many codes each neuron has."""
    per_neuron, lengths = np.zeros(d_sae, dtype=np.int64), [np.zeros(1, dtype=np.int64)]
    with _growing(folder / "csr_data.npy", DATA) as data, _growing(folder / "csr_indices.npy", INDICES) as indices:
        for block in blocks:
            block = sparse.csr_matrix(block, dtype=DATA)
            block.sum_duplicates()
            block.eliminate_zeros()
            data(block.data)
            indices(block.indices)
            per_neuron += np.bincount(block.indices, minlength=d_sae)
            lengths.append(np.diff(block.indptr))
    starts = np.concatenate(lengths).cumsum(dtype=np.int64)
    np.save(folder / "csr_indptr.npy", _narrow(starts))
    return len(starts) - 1, per_neuron


@contextmanager
def _growing(path: Path, dtype: np.dtype) -> Iterator[Callable[[np.ndarray], None]]:
    """A new .npy file, and a function that appends numbers to it."""
    length = 0

    def header() -> None:  # numpy leaves room in it, so that it can be written again when the length is known
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, described)

    def append(values: np.ndarray) -> None:
        nonlocal length
        length += len(values)
        file.write(np.ascontiguousarray(values, dtype).data)

    with open(path, "wb") as file:
        header()
        yield append
        file.seek(0)
        header()


def _narrow(starts: np.ndarray) -> np.ndarray:
    """Positions in the type of the indices where they fit: scipy maps both without a copy only if they agree."""
    return starts.astype(INDICES) if starts[-1] <= np.iinfo(INDICES).max else starts


def _sort_by_neuron(folder: Path, per_neuron: np.ndarray, progress: Progress | None) -> None:
    """Write the codes neuron by neuron from those by row: each block's go behind those of the blocks before."""
    by_row = {part: map_array(folder / f"csr_{part}.npy", "codes by row") for part in PARTS}
    starts = np.concatenate([[0], np.cumsum(per_neuron)])
    np.save(folder / "csc_indptr.npy", _narrow(starts))
    total = int(starts[-1])
    data = reserved_array(folder / "csc_data.npy", DATA, (total,))
    indices = reserved_array(folder / "csc_indices.npy", INDICES, (total,))
    free = starts[:-1].copy()
    n = len(by_row["indptr"]) - 1
    first = 0
    while first < n:
        begin = int(by_row["indptr"][first])
        last = max(first + 1, int(np.searchsorted(by_row["indptr"], begin + BLOCK_CODES, side="right")) - 1)
        ends = by_row["indptr"][first : last + 1].astype(np.int64) - begin
        here = slice(begin, begin + int(ends[-1]))
        parts = (by_row["data"][here], by_row["indices"][here], ends)
        block = sparse.csr_matrix(parts, shape=(last - first, len(free))).tocsc()
        lengths = np.diff(block.indptr)
        to = np.repeat(free - block.indptr[:-1], lengths) + np.arange(block.nnz)
        data[to], indices[to] = block.data, block.indices + first
        free += lengths
        first = last
        if progress is not None:
            progress(first, n, "sorting the codes by neuron")
    for array in (data, indices):
        if isinstance(array, np.memmap):
            array.flush()


def _keep_sums(path: Path, sums: "GallerySums", progress: Progress | None) -> None:
    out = reserved_array(path, SUMS_TYPE, sums.kept_shape)
    sums.keep(out, progress)
    if isinstance(out, np.memmap):
        out.flush()


def open_codes(gallery: Path, sae_digest: str, n: int) -> Codes | None:
    """The codes of one SAE without reading them; None where there are none for exactly this SAE and n items."""
    folder = codes_folder(gallery, sae_digest)
    if not (folder / "codes.json").is_file():
        return None
    about = _about(folder)
    if about["sae"] != sae_digest or about["shape"][0] != n:
        return None
    shape = (n, about["shape"][1])
    codes = _matrices(folder, shape)
    if wrong := unlike_forms(codes):
        raise InputError(f"{folder} holds broken codes ({wrong}); {AGAIN}")
    return codes if not (folder / SUMS).is_file() else replace(codes, sums=_mapped_sums(folder / SUMS, n))


def _matrices(folder: Path, shape: tuple[int, int]) -> Codes:
    return Codes(_map(folder, "csr", sparse.csr_matrix, shape), _map(folder, "csc", sparse.csc_matrix, shape))


def _mapped_sums(path: Path, n: int) -> np.ndarray:
    sums = map_array(path, f"sums over the rows of this gallery; {AGAIN}", (None, n))
    if sums.dtype != SUMS_TYPE:
        raise InputError(f"{path} holds {sums.dtype} numbers, expected {SUMS_TYPE}; {AGAIN}")
    return sums


def _about(folder: Path) -> dict[str, Any]:
    """codes.json of one SAE: its digest, the shape (n, d_sae) and the digests of the arrays."""
    about = read_json(folder / "codes.json")
    whole = isinstance(about, dict) and {"sae", "shape", "files"} <= set(about) and isinstance(about["files"], dict)
    sizes = about["shape"] if whole and isinstance(about["shape"], list) else []
    if len(sizes) != 2 or not all(type(size) is int and 0 <= size < 1 << 40 for size in sizes):
        raise InputError(f"{folder} holds a broken codes.json; {AGAIN}")
    return about


def _map(folder: Path, form: str, make: type, shape: tuple[int, int]) -> sparse.spmatrix:
    expected = f"codes of this gallery; {AGAIN}"
    parts = [np.asarray(map_array(folder / f"{form}_{part}.npy", expected, (None,))) for part in PARTS]
    wrong = wrong_positions(parts[0], parts[1], parts[2], shape if form == "csr" else shape[::-1])
    if wrong:
        raise InputError(f"{folder} holds broken codes ({form}: {wrong}); {AGAIN}")
    matrix = make(tuple(parts), shape=shape, copy=False)
    # Said here, so that scipy neither reads everything to find out nor tries to sort the read-only arrays.
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def check_codes(gallery: Path) -> list[str]:
    """One line for every codes file whose bytes are not those that were written."""
    wrong = []
    for folder in sorted(path.parent for path in (gallery / "codes").glob("[!.]*/codes.json")):
        for name, digest in _about(folder)["files"].items():
            path = folder / name
            if not path.is_file():
                wrong.append(f"{path.relative_to(gallery)} is missing")
            elif file_digest(path) != digest:
                wrong.append(f"{path.relative_to(gallery)} was changed after it was written")
    return wrong
