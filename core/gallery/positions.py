"""Positions of stored codes, looked through once before compiled code follows them: a wrong one ends a process."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

BLOCK = 1 << 22
"""Positions looked at in one piece: 16 MB of int32."""
COMPARED = 1 << 23
"""Codes up to which each of them is compared between the two forms; of more, the counts are (about .1 s a million)."""


@dataclass(frozen=True)
class Codes:
    """Codes z (n, d_sae) of one SAE twice: `csr` is read item by item, `csc` neuron by neuron. Read-only."""

    csr: sparse.csr_matrix
    csc: sparse.csc_matrix
    sums: np.ndarray | None = None
    """Sums over every row that edits share (`core.retrieval.sums`), float64 (m, n); None: made when they are needed."""


def wrong_positions(data: np.ndarray, indices: np.ndarray, starts: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """Why arrays are no sparse matrix of `shape` (lines, places in a line), or None.

    `starts` begin with 0, never fall and end with the number of codes; `indices` lie inside a line and rise in it.
    """
    lines, places = shape
    if (
        data.dtype != np.float32
        or indices.dtype not in (np.int32, np.int64)
        or starts.dtype not in (np.int32, np.int64)
    ):
        return f"types {data.dtype}, {indices.dtype}, {starts.dtype}"
    if len(starts) != lines + 1:
        return f"positions of {len(starts) - 1} lines, expected {lines}"
    total = int(starts[-1])
    if starts[0] != 0 or total != len(data) or total != len(indices):
        return f"positions from {starts[0]} to {total} in {len(data)} values and {len(indices)} indices"
    if (starts[1:] < starts[:-1]).any():
        return f"positions fall after line {int(np.argmax(starts[1:] < starts[:-1]))}"
    if total and (int(starts.min()) < 0 or int(starts.max()) > total):
        return "positions outside the values"
    last = -1
    first = np.zeros(BLOCK, dtype=bool)
    for begin in range(0, total, BLOCK):
        here = indices[begin : begin + BLOCK]
        if int(here.min()) < 0 or int(here.max()) >= places:
            at = begin + int(np.argmax((here < 0) | (here >= places)))
            return f"index {int(indices[at])} of value {at}, expected 0 to {places - 1}"
        first[:] = False
        inside = starts[np.searchsorted(starts, begin) : np.searchsorted(starts, begin + len(here))]
        first[inside - begin] = True
        falls = np.empty(len(here), dtype=bool)
        falls[1:] = here[1:] <= here[:-1]
        falls[0] = int(here[0]) <= last
        falls &= ~first[: len(here)]
        if falls.any():
            return f"indices do not rise at value {begin + int(np.argmax(falls))}"
        last = int(here[-1])
    return None


def unlike_forms(codes: Codes) -> str | None:
    """Why the two forms are not the same codes, or None; both hold positions that are sound by themselves.

    Codes of each neuron and of each item are counted in one form and read off the other. Where there are few, every
    code is compared as well.
    """
    csr, csc = codes.csr, codes.csc
    if csr.nnz != csc.nnz:
        return f"{csr.nnz} codes by row, {csc.nnz} by neuron"
    for one, other, what in ((csr, csc, "neuron"), (csc, csr, "item")):
        counts = np.zeros(len(other.indptr) - 1, dtype=np.int64)
        for begin in range(0, one.nnz, BLOCK):
            counts += np.bincount(one.indices[begin : begin + BLOCK], minlength=len(counts))
        off = counts != np.diff(other.indptr)
        if off.any():
            at = int(np.argmax(off))
            return (
                f"{what} {at} has {int(counts[at])} codes in one form and {int(np.diff(other.indptr)[at])} in the other"
            )
    if csr.nnz <= COMPARED:
        again = sparse.csr_matrix((csr.data, csr.indices, csr.indptr), shape=csr.shape, copy=False).tocsc()
        same = np.array_equal(again.indices, csc.indices) and np.array_equal(again.data, csc.data, equal_nan=True)
        return None if same else "the codes by row are not those by neuron"
    return None
