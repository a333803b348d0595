"""Sums over every row of a gallery that edits of any neurons share: each one pass, made when it is first needed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from core.config import Progress
from core.memo import Memo
from core.retrieval.geometry import Geometry, Pooled
from core.retrieval.products import blocks, each, in_precision, squared_lengths, times, working

Decoder = tuple[np.ndarray, np.ndarray]
"""W and b."""


@dataclass(frozen=True, eq=False)
class Base:
    """The gallery with nothing switched, row by row, in float64."""

    squares: np.ndarray
    """The geometry's forms (forms, n)."""
    along_offset: np.ndarray
    """push(B) . offset (n,)."""
    along_stored: np.ndarray
    """push(B) . stored pooled embedding (n,): what cosines before and after are made of."""

    @cached_property
    def most(self) -> list[float]:
        """The largest of every form (forms,)."""
        return [float(form.max()) for form in self.squares]


@dataclass(frozen=True, eq=False)
class _Stored(Base):
    """The rows x themselves."""

    agree: bool
    """Whether push(x) of every row follows from its stored pooled embedding."""


@dataclass(frozen=True, eq=False)
class _Reconstructed(Base):
    """The rows x_hat = z W + b."""

    between: np.ndarray
    """The forms between x and x_hat (forms, n)."""


class GallerySums:
    """What is summed over the rows x, their reconstructions and both together. Safe between threads.

    Parameters
    ----------
    x : embeddings (n, d_in) at the attach point.
    pooled : stored pooled embeddings (n, d); `x` itself at the pooled attach point.
    codes : z (n, F) by column.
    by_row : the same by row, where it is at hand.
    W, b : decoder (F, d_in) and bias (d_in,), float64.
    lengths : of the pooled embeddings (n,), where they are known.
    """

    def __init__(
        self,
        x: np.ndarray,
        pooled: np.ndarray,
        codes: sparse.csc_matrix,
        by_row: sparse.csr_matrix | None,
        W: np.ndarray,
        b: np.ndarray,
        geometry: Geometry,
        lengths: np.ndarray | None,
    ) -> None:
        """Many parameters: the arrays that the sums are of."""
        self.x, self.pooled, self.codes, self._by_row = x, pooled, codes, by_row
        self.W, self.b, self.geometry = W, b, geometry
        self._given_lengths = lengths
        self._passes = Memo(2)
        self._blends = Memo(1)

    @property
    def dtype(self) -> np.dtype:
        """The precision of scores: that of the embeddings, at least float32."""
        return working(self.pooled)

    @cached_property
    def codes_by_row(self) -> sparse.csr_matrix:
        return self.codes.tocsr() if self._by_row is None else self._by_row

    @cached_property
    def pooled_lengths(self) -> np.ndarray:
        """Lengths of the stored pooled embeddings (n,), float64."""
        if self._given_lengths is not None:
            return self._given_lengths.astype(np.float64)
        return np.sqrt(squared_lengths(self.pooled), dtype=np.float64)

    @cached_property
    def pooled_along_offset(self) -> np.ndarray:
        """Stored pooled embedding . offset (n,), float64."""
        return times(self.pooled, self.geometry.offset[None])[0].astype(np.float64)

    def base(self, alpha: float, progress: Progress | None = None) -> Base:
        """B = alpha x_hat + (1 - alpha) x, from sums that are made once, whatever alpha."""
        ours = self.stored(progress)
        return ours if alpha == 0.0 else self._blends(alpha, lambda: self._blend(ours, alpha, progress))

    def _blend(self, ours: Base, alpha: float, progress: Progress | None) -> Base:
        theirs, keep = self._passes("reconstructed", lambda: self._sum_reconstructed(progress)), 1.0 - alpha
        return Base(
            keep**2 * ours.squares + 2 * alpha * keep * theirs.between + alpha**2 * theirs.squares,
            keep * ours.along_offset + alpha * theirs.along_offset,
            keep * ours.along_stored + alpha * theirs.along_stored,
        )

    def stored(self, progress: Progress | None = None) -> _Stored:
        """The sums over x."""
        if isinstance(self.geometry, Pooled):
            return self._of_pooled
        return self._passes("stored", lambda: self._sum_stored(progress))

    @cached_property
    def _of_pooled(self) -> _Stored:
        squares = np.square(self.pooled_lengths)
        return _Stored(squares[None], np.zeros(len(squares)), squares, agree=True)

    def _sum_stored(self, progress: Progress | None) -> _Stored:
        squares, along, along_stored = self._empty()
        agree: list[bool] = []

        def work(at: slice) -> None:
            x, pooled = in_precision(self.x[at]), in_precision(self.pooled[at])
            pushed, same = self.geometry.pushed(x, pooled)
            agree.append(same)
            squares[:, at] = self.geometry.forms(x, x, pushed, pushed)
            along[at], along_stored[at] = self._along(pushed), np.einsum("ij,ij->i", pushed, pooled)

        self._each(work, progress, "reading the gallery for its first edit")
        return _Stored(squares, along, along_stored, all(agree))

    def _sum_reconstructed(self, progress: Progress | None) -> _Reconstructed:
        (squares, along, along_stored), between = self._empty(), self._empty()[0]
        decoder, pushed_decoder = self._decoders
        apart = not isinstance(self.geometry, Pooled)

        def work(at: slice) -> None:
            codes = self.codes_by_row[at]
            x, x_hat = in_precision(self.x[at]), _decoded(codes, decoder)
            pushed, pushed_hat = x, x_hat
            if apart:
                pushed, _ = self.geometry.pushed(x, in_precision(self.pooled[at]))
                pushed_hat = _decoded(codes, pushed_decoder)
            squares[:, at] = self.geometry.forms(x_hat, x_hat, pushed_hat, pushed_hat)
            between[:, at] = self.geometry.forms(x, x_hat, pushed, pushed_hat)
            along[at] = self._along(pushed_hat) if apart else 0.0
            along_stored[at] = (
                np.einsum("ij,ij->i", pushed_hat, in_precision(self.pooled[at])) if apart else between[0, at]
            )

        self._each(work, progress, "decoding the gallery for its first blend")
        return _Reconstructed(squares, along, along_stored, between)

    @cached_property
    def _decoders(self) -> tuple[Decoder, Decoder]:
        """W and b, and what push gives for both, in the precision of the rows."""

        def ready(W: np.ndarray, b: np.ndarray) -> Decoder:
            dtype = working(self.x)
            return np.ascontiguousarray(W, dtype=dtype), np.ascontiguousarray(b, dtype=dtype)

        return ready(self.W, self.b), ready(self.geometry.push(self.W), self.geometry.push(self.b[None])[0])

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """x_hat of some rows."""
        return _decoded(self.codes_by_row[rows], self._decoders[0])

    def _along(self, pushed: np.ndarray) -> np.ndarray:
        return np.einsum("ij,j->i", pushed, self.geometry.offset.astype(pushed.dtype))

    def _empty(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n, forms = len(self.x), len(self.geometry.cross(self.W[:1]))
        return np.empty((forms, n)), np.empty(n), np.empty(n)

    def _each(self, work: Callable[[slice], None], progress: Progress | None, what: str) -> None:
        each(blocks(len(self.x), self.x.shape[1]), work, progress, what)


def _decoded(codes: sparse.csr_matrix, decoder: Decoder) -> np.ndarray:
    """z W + b in the precision of W."""
    W, b = decoder
    rows = np.asarray(codes.astype(W.dtype, copy=False) @ W)
    rows += b
    return rows
