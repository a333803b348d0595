"""Items that belong together (a scene, a person, a film): numbered, checked, and dealt into halves as wholes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from core.config import InputError
from core.tables import RESERVED

PASSES = 5
"""Rounds of moving single clusters to the other half; later ones hardly ever find anything left to do."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which items belong together by one column of the table."""

    numbers: np.ndarray
    """Cluster of every row, int64 (n,): the values in sorted order, then every row without a value by itself."""
    n: int
    """Number of clusters."""
    alone: int
    """Rows without a value: each is a cluster of its own."""


def clusters_of(values: pd.Series) -> Clusters:
    """The clusters of a column: equal values are together, a row without a value is by itself."""
    codes, known = pd.factorize(values, sort=True)
    missing = codes < 0
    numbers = np.array(codes, dtype=np.int64)
    numbers[missing] = len(known) + np.arange(missing.sum())
    numbers.setflags(write=False)
    return Clusters(numbers, len(known) + int(missing.sum()), int(missing.sum()))


def require_together(frame: pd.DataFrame, column: str, source: str) -> Clusters:
    """The clusters of a column that keeps rows together.

    Raises
    ------
    InputError
        there is no such column, every row is alone, or all rows are together.
    """
    if column not in frame.columns:
        there = ", ".join(name for name in frame.columns if name not in RESERVED) or "none"
        raise InputError(f"{source} has no column {column!r} that could keep rows together; its columns are: {there}")
    clusters = clusters_of(frame[column])
    if clusters.n == len(frame):
        raise InputError(
            f"{source}: no two rows have the same {column!r}, so it keeps nothing together; give a column whose "
            "values repeat (a scene, a person), or leave --together out"
        )
    if clusters.n == 1:
        raise InputError(
            f"{source}: all {len(frame)} rows have the same {column!r}, so they cannot be split into halves; give a "
            "column with at least two values, or leave --together out"
        )
    return clusters


def split_together(frame: pd.DataFrame, attributes: Sequence[str], column: str, seed: int) -> np.ndarray:
    """Each row's half, "probe" or "evaluation", with the rows of a cluster in the same one.

    With v_c the rows of cluster c in every cell (each value of each attribute, missing is one; each combination of
    them; all rows) and e the rows by which the probe half is ahead, the clusters are dealt largest first, equal ones
    in the order of sha256(seed, value), to the half that lowers sum_cells e^2 / rows of the cell: a cell counts by
    how far its own rows are from halves. Then single clusters change sides as long as that lowers it further. The
    result depends on ids, values, attributes and the seed, not on the order of the rows.

    Parameters
    ----------
    frame : column `id` (unique), the attribute columns and `column`.

    Returns
    -------
    halves : (n,) array of str.
    """
    clusters = clusters_of(frame[column])
    cells = _cells(frame, attributes)
    rows = np.repeat(clusters.numbers, cells.shape[1])
    shape = (clusters.n, int(cells.max()) + 1)
    held = sparse.csr_matrix((np.ones(cells.size), (rows, cells.ravel())), shape=shape)
    held.sum_duplicates()
    weight = 1.0 / np.asarray(held.sum(axis=0)).ravel()
    draws = _draws(frame, column, clusters, seed)
    sizes = np.bincount(clusters.numbers, minlength=clusters.n)
    order = np.lexsort((np.array(draws, dtype="S16"), -sizes))
    probe = _dealt(held, weight, order, [draw[0] % 2 == 0 for draw in draws])
    return np.where(probe[clusters.numbers], "probe", "evaluation")


def _dealt(held: sparse.csr_matrix, weight: np.ndarray, order: np.ndarray, otherwise: Sequence[bool]) -> np.ndarray:
    """Whether each cluster goes to the probe half, bool (C,); `otherwise` decides where both are as good."""
    parts = [slice(a, b) for a, b in zip(held.indptr[:-1].tolist(), held.indptr[1:].tolist(), strict=True)]
    own = held.multiply(held) @ weight  # what a cluster adds by itself, on whichever side it is
    ahead, side = np.zeros(held.shape[1]), np.zeros(held.shape[0])

    def pull(c: int) -> float:
        where = held.indices[parts[c]]
        return float((ahead[where] * weight[where]) @ held.data[parts[c]])

    def put(c: int, sign: float) -> None:
        ahead[held.indices[parts[c]]] += (sign - side[c]) * held.data[parts[c]]
        side[c] = sign

    for c in order.tolist():
        found = pull(c)
        put(c, (1.0 if otherwise[c] else -1.0) if found == 0 else -np.sign(found))
    for _ in range(PASSES):
        moved = False
        for c in order.tolist():
            if side[c] * pull(c) > own[c] * (1 + 1e-9):  # the change of the sum is 4 (own - side * pull)
                put(c, -side[c])
                moved = True
        if not moved:
            break
    return side > 0


def _cells(frame: pd.DataFrame, attributes: Sequence[str]) -> np.ndarray:
    """Numbers of the cells that each row is in (n, cells a row); they follow from the values, not from their order."""
    columns, start, together = [np.zeros(len(frame), dtype=np.int64)], 1, np.zeros(len(frame), dtype=np.int64)
    for name in attributes:
        codes, known = pd.factorize(frame[name], sort=True)
        columns.append(start + codes + 1)
        start += len(known) + 1
        together = np.unique(together * (len(known) + 1) + codes + 1, return_inverse=True)[1]
    if len(attributes) > 1:
        columns.append(start + together)
    cells = np.stack(columns, axis=1)
    return np.unique(cells, return_inverse=True)[1].reshape(cells.shape)


def _draws(frame: pd.DataFrame, column: str, clusters: Clusters, seed: int) -> list[bytes]:
    """A reproducible draw for every cluster, from its value, or from the id of a row without one."""
    first = np.unique(clusters.numbers, return_index=True)[1]
    rows = zip(frame[column].iloc[first].tolist(), frame["id"].iloc[first].tolist(), strict=True)
    named = [("alone", item) if pd.isna(value) else ("together", value) for value, item in rows]
    return [hashlib.sha256(f"{seed} {name!r}".encode()).digest()[:16] for name in named]
