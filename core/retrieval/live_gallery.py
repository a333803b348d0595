"""A gallery as the live engine reads it: rows, codes and decoder where the sums are made, and what neurons do to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import InputError, Progress
from core.memo import Memo
from core.readout import ReadoutArrays
from core.retrieval.geometry import Geometry, Pooled, Residual
from core.retrieval.host import Host
from core.retrieval.remembered import answers_of
from core.retrieval.sums import Base, GallerySums
from core.retrieval.switched import Column, Placed, SwitchedRows


@dataclass(frozen=True, eq=False)
class Direction:
    """A decoder row as the geometry sees it."""

    cross: np.ndarray
    """(forms, d_in)."""
    pushed: np.ndarray
    """What it adds to the pooled embedding, up to the row's scale (d,)."""


class LiveGallery:
    """What queries and edits of one gallery share; each number is made when it is first needed. Safe between threads.

    Parameters
    ----------
    x : embeddings (n, d_in) at the attach point, any float type, may be memory-mapped.
    codes : z (n, F) of `x`, by column.
    W_dec, b_dec : the decoder (F, d_in) and its bias (d_in,).
    pooled : stored pooled embeddings (n, d) where `x` are residuals; rows that an edit leaves alone keep them.
    readout : from residuals to pooled embeddings; None at the pooled attach point.
    lengths : lengths of the pooled embeddings (n,) where they are known.
    codes_by_row : the codes by row, where they are at hand; else made where they are needed.
    on : where sums over rows are made; None: in memory.
    kept : sums over all rows that were made before, as `GallerySums.keep` fills them; else made where they are needed.
    """

    def __init__(
        self,
        x: np.ndarray,
        codes: sparse.spmatrix,
        W_dec: np.ndarray,
        b_dec: np.ndarray,
        pooled: np.ndarray | None = None,
        readout: ReadoutArrays | None = None,
        lengths: np.ndarray | None = None,
        codes_by_row: sparse.spmatrix | None = None,
        on: Host | None = None,
        kept: np.ndarray | None = None,
    ) -> None:
        """Many parameters: the arrays of a gallery that edits read."""
        if (readout is None) != (pooled is None):
            raise InputError("residuals need their pooled embeddings and the readout; pooled embeddings need neither")
        self.x, self.pooled, self.codes = x, x if pooled is None else pooled, codes.tocsc()
        self.n, self.d_sae = self.codes.shape
        self.W, self.b = np.asarray(W_dec, dtype=np.float64), np.asarray(b_dec, dtype=np.float64)
        self.geometry: Geometry = Pooled(x.shape[1]) if readout is None else Residual(readout)
        parts = (x, self.pooled, self.codes, codes_by_row, self.W, self.b, self.geometry)
        self.sums = GallerySums(*parts, lengths, kept)
        self.on = on or Host()
        self._bases, self._sets = Memo(2), Memo(answers_of(self.n) // 4)
        self._directions, self._columns, self._squares = Memo(), Memo(), Memo()
        self._decoded, self._along_pooled = Memo(), Memo()

    @cached_property
    def rows_x(self) -> Any:
        """The embeddings where the sums are made."""
        return self.on.rows(self.x)

    @cached_property
    def rows_pooled(self) -> Any:
        """The stored pooled embeddings there."""
        return self.rows_x if self.pooled is self.x else self.on.rows(self.pooled)

    @cached_property
    def pooled_lengths(self) -> Any:
        """Lengths of the stored pooled embeddings (n,), float64."""
        return self.on.put(self.sums.pooled_lengths)

    @cached_property
    def longest(self) -> float:
        """The largest of these lengths."""
        return float(self.pooled_lengths.max())

    def base(self, alpha: float, progress: Progress | None = None) -> Base:
        """The gallery with nothing switched, where the sums are made."""

        def make() -> Base:
            base = self.sums.base(alpha, progress)
            return Base(*(self.on.put(numbers) for numbers in (base.squares, base.along_offset, base.along_stored)))

        return self._bases(alpha, make)

    # -- neurons ------------------------------------------------------------------------------------------------------

    def direction(self, j: int) -> Direction:
        """The decoder row as the geometry sees it; made at the neuron's first use."""

        def make() -> Direction:
            w = self.W[j][None]
            return Direction(self.geometry.cross(w)[:, 0], self.geometry.push(w)[0])

        return self._directions(j, make)

    def crosses(self, neurons: Sequence[int], form: int) -> np.ndarray:
        """Cross vectors of a set and a form (S, d_in)."""
        return np.array([self.direction(j).cross[form] for j in neurons]).reshape(len(neurons), self.W.shape[1])

    def column(self, j: int) -> Column:
        """The neuron's rows, codes and inner products with the gallery; made at its first use."""

        def make() -> Column:
            here = slice(self.codes.indptr[j], self.codes.indptr[j + 1])
            values = np.asarray(self.codes.data[here], dtype=np.float64)
            rows = np.asarray(self.codes.indices[here], dtype=np.int64)[values != 0]
            rows, values = self.on.put(rows), self.on.put(values[values != 0])
            crosses = self.on.times(self.rows_x, self.direction(j).cross, rows)
            return Column(rows, values, crosses * values, self.on.row_set(rows, self.n))

        return self._columns(j, make)

    def switched(self, neurons: np.ndarray) -> SwitchedRows:
        """Sums over the codes of a set of neurons, remembered whatever their strengths."""
        return self._sets(neurons.tobytes(), lambda: self.on.switched([self.column(int(j)) for j in neurons], self.n))

    def along_pooled(self, switched: SwitchedRows, neurons: np.ndarray, factors: np.ndarray) -> Any:
        """sum_j factor_j z_ij (stored pooled embedding . push(W_j)) where a switched neuron fires (m,)."""
        if isinstance(self.geometry, Pooled):
            return switched.along(0, factors)
        return switched.weighted([self._pooled_along(int(j)) for j in neurons], factors)

    def _pooled_along(self, j: int) -> Any:
        """Stored pooled embedding . push(W_j) on the neuron's rows (m,); made when cosines are asked for."""
        push, rows = self.direction(j).pushed[None], self.column(j).rows
        return self._along_pooled(j, lambda: self.on.exact(self.on.times(self.rows_pooled, push, rows)[0]))

    def squares(self, j: int) -> Placed:
        """The stored rows' forms on the neuron's rows (forms, m); made when it is first switched without a blend."""
        return self._squares(j, lambda: self.on.exact(self.base(0.0).squares, self.column(j).rows))

    def decoded_crosses(self, j: int) -> Any:
        """x_hat . cross(W_j) on the neuron's rows (forms, m); made at the first blend."""
        cross, rows = self.direction(j).cross, self.on.get(self.column(j).rows)

        def make() -> Any:
            return self.on.put((self.sums.codes_by_row[rows] @ (self.W @ cross.T) + cross @ self.b).T)

        return self._decoded(j, make)
