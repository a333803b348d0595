"""A set of switched neurons on the rows where they fire, whatever their strengths: sparse sums and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sparse

Placed = Any
"""An array of the place where sums are made: numpy's in memory, a tensor on a GPU."""


@dataclass(frozen=True, eq=False)
class Column:
    """One neuron on the rows where it fires: everything that switching it needs to know of the gallery."""

    rows: Placed
    """Rising (m,)."""
    values: Placed
    """z of them (m,), float64."""
    crosses: Placed
    """z (x . cross(W_j)) of every form (forms, m), float64."""


class SwitchedRows(Protocol):
    """The rows on which any neuron of a set fires, and sums over the set's codes there, in the place of the sums."""

    fires: Placed
    """Whether any neuron of the set fires (n,)."""
    rows: Placed
    """Those rows, rising (m,)."""

    def sums(self, weights: np.ndarray) -> Placed:
        """sum_j weights_j z_ij (m,)."""

    def along(self, form: int, weights: np.ndarray) -> Placed:
        """sum_j weights_j z_ij (x_i . cross(W_j)) of a form (m,)."""

    def weighted(self, numbers: Sequence[Placed], weights: np.ndarray) -> Placed:
        """sum_j weights_j z_ij numbers_ij (m,), with numbers of each neuron on its own rows."""

    def squares(self, gram: np.ndarray) -> Placed:
        """sum_jl gram_jl z_ij z_il (m,) for a symmetric gram (S, S) without negative eigenvalues."""

    def codes_of(self, rows: np.ndarray) -> np.ndarray:
        """z of a few rows of the gallery (rows, S), dense; 0 where no neuron of the set fires."""


class Switched:
    """`SwitchedRows` in memory.

    Parameters
    ----------
    columns : the neurons, in the order in which factors come.
    n : rows of the gallery.
    """

    def __init__(self, columns: Sequence[Column], n: int) -> None:
        self.fires = np.zeros(n, dtype=bool)
        for column in columns:
            self.fires[column.rows] = True
        self.rows = np.flatnonzero(self.fires)
        place = np.empty(n, dtype=np.int32)
        place[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        self._places = np.concatenate([place[column.rows] for column in columns] or [np.zeros(0, np.int32)])
        self._starts = np.cumsum([0, *(len(column.rows) for column in columns)], dtype=np.int32)
        self._values = np.concatenate([column.values for column in columns] or [np.zeros(0)])
        self.codes = self._matrix(self._values)
        """z (m, S)."""
        forms = range(len(columns[0].crosses) if columns else 0)
        self._crosses = [self._matrix(np.concatenate([c.crosses[form] for c in columns])) for form in forms]

    def sums(self, weights: np.ndarray) -> np.ndarray:
        return self.codes @ weights

    def along(self, form: int, weights: np.ndarray) -> np.ndarray:
        return self._crosses[form] @ weights

    def weighted(self, numbers: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
        return self._matrix(self._values * np.concatenate(numbers)) @ weights

    def squares(self, gram: np.ndarray) -> np.ndarray:
        """sum_jl gram_jl z_ij z_il (m,) for a symmetric gram (S, S) without negative eigenvalues.

        With gram = R R^T it is the squared length of z_i R: as many sparse sums as the gram has rank, and no pass
        over pairs of neurons.
        """
        total = np.zeros(len(self.rows))
        for column in gram_root(gram).T:
            part = self.codes @ column
            total += np.square(part, out=part)
        return total

    @cached_property
    def _by_row(self) -> sparse.csr_matrix:
        return self.codes.tocsr()

    def codes_of(self, rows: np.ndarray) -> np.ndarray:
        dense = np.zeros((len(rows), self.codes.shape[1]))
        firing = self.fires[rows]
        dense[firing] = self._by_row[np.searchsorted(self.rows, rows[firing])].toarray()
        return dense

    def _matrix(self, data: np.ndarray) -> sparse.csc_matrix:
        shape = (len(self.rows), len(self._starts) - 1)
        return sparse.csc_matrix((data, self._places, self._starts), shape=shape)


def gram_root(gram: np.ndarray) -> np.ndarray:
    """R (S, rank) with R R^T = gram, a symmetric matrix (S, S) without negative eigenvalues."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > 0.0
    return vectors[:, kept] * np.sqrt(values[kept])
