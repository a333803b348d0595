"""Sums over every row of a gallery that edits of any neurons share: each one pass, made when it is first needed."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse

from core.config import Progress
from core.memo import Memo
from core.retrieval.geometry import Geometry, Pooled
from core.retrieval.products import blocks, each, in_precision, squared_lengths, times, working
from core.threads import one_thread

if TYPE_CHECKING:
    from core.retrieval.decoding import Decoder

READ_BYTES = 1 << 21
"""Rows summed at a time, counted in float64: both kinds stay in a core's own cache while all vectors pass over them."""
DECODED_BYTES = 1 << 24
"""Rows decoded at a time, counted in float64: enough that columns of the decoder are read several times over."""


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
            here = self.geometry.sums(in_precision(self.x[at]), in_precision(self.pooled[at]))
            squares[:, at], along[at], along_stored[at] = here.squares, here.along_offset, here.along_stored
            agree.append(here.agree)

        parts = blocks(len(self.x), self.x.shape[1], block_bytes=READ_BYTES)
        with one_thread():  # of BLAS, for each of the threads that read
            each(parts, work, progress, "reading the gallery for its first edit")
        return _Stored(squares, along, along_stored, all(agree))

    def _sum_reconstructed(self, progress: Progress | None) -> _Reconstructed:
        (squares, along, along_stored), between = self._empty(), self._empty()[0]
        ours, offset = self.stored(progress), self.geometry.offset.astype(working(self.x))

        def work(at: slice) -> None:
            x = in_precision(self.x[at])
            (c, decoder), *more = self._decoders
            square, inner = decoder.sums(self.codes_by_row, at, [x])  # centred where the form centres: x need not be
            squares[0, at], between[0, at] = c * square, c * inner
            along[at], along_stored[at] = 0.0, between[0, at]
            for c, decoder in more:
                pooled = in_precision(self.pooled[at]).astype(x.dtype, copy=False)
                pushed = [] if ours.agree else [self.geometry.pushed(x, pooled)[0]]
                square, along[at], along_stored[at], *inners = decoder.sums(
                    self.codes_by_row, at, [offset, pooled, *pushed]
                )
                scales = self.geometry.scales(ours.squares[:, at])
                squares[1, at] = c * square
                between[1, at] = c * (inners[0] if inners else (along_stored[at] - along[at]) * scales)

        parts = blocks(len(self.x), self.x.shape[1], block_bytes=DECODED_BYTES)
        each(parts, work, progress, "decoding the gallery for its first blend")
        return _Reconstructed(squares, along, along_stored, between)

    @cached_property
    def _decoders(self) -> list[tuple[float, "Decoder"]]:
        """Of every form its number c and what decodes to its root."""
        from core.retrieval.decoding import Decoder  # torch, which only a blend needs

        roots = zip(self.geometry.roots(self.W), self.geometry.roots(self.b[None]), strict=True)
        return [(c, Decoder(W, b[0], working(self.x))) for (c, W), (_, b) in roots]

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """x_hat of some rows, float64."""
        return np.asarray(self.codes_by_row[rows] @ self.W) + self.b

    def _empty(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n, forms = len(self.x), len(self.geometry.cross(self.W[:1]))
        return np.empty((forms, n)), np.empty(n), np.empty(n)
