"""Sums over every row of a gallery that edits of any neurons share: each one pass, made when it is first needed."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse

from core.config import InputError, Progress
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


def _stored_of(sums: np.ndarray, agree: bool) -> _Stored:
    """The sums over x, which stand in an array (forms + 2, n)."""
    return _Stored(sums[:-2], sums[-2], sums[-1], agree)


def _reconstructed_of(sums: np.ndarray) -> _Reconstructed:
    """The sums over x_hat, which stand in an array (2 forms + 2, n)."""
    forms = len(sums) // 2 - 1
    return _Reconstructed(sums[:forms], sums[-2], sums[-1], sums[forms:-2])


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
    kept : what `keep` wrote of the same rows, codes and decoder (`kept_shape`): nothing is summed anew.
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
        kept: np.ndarray | None = None,
    ) -> None:
        """Many parameters: the arrays that the sums are of."""
        self.x, self.pooled, self.codes, self._by_row = x, pooled, codes, by_row
        self.W, self.b, self.geometry = W, b, geometry
        self._given_lengths = lengths
        if kept is not None and kept.shape != self.kept_shape:
            raise InputError(
                f"the sums that are kept beside the codes have shape {kept.shape}, expected {self.kept_shape}; "
                "encode the gallery again (sae encode --gallery)"
            )
        self._kept = None if kept is None else np.asarray(kept)
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

    def _blend(self, ours: _Stored, alpha: float, progress: Progress | None) -> Base:
        theirs, keep = self._reconstructed(ours, progress), 1.0 - alpha
        return Base(
            keep**2 * ours.squares + 2 * alpha * keep * theirs.between + alpha**2 * theirs.squares,
            keep * ours.along_offset + alpha * theirs.along_offset,
            keep * ours.along_stored + alpha * theirs.along_stored,
        )

    def stored(self, progress: Progress | None = None) -> _Stored:
        """The sums over x."""
        if isinstance(self.geometry, Pooled):
            return self._of_pooled

        def make() -> _Stored:
            if self._kept is not None:
                return _stored_of(self._kept[: self._own], agree=False)  # whose reconstructions are kept too
            return self._sum_stored(np.empty((self._own, len(self.x))), progress)

        return self._passes("stored", make)

    @cached_property
    def _of_pooled(self) -> _Stored:
        squares = np.square(self.pooled_lengths)
        return _Stored(squares[None], np.zeros(len(squares)), squares, agree=True)

    def _reconstructed(self, ours: _Stored, progress: Progress | None) -> _Reconstructed:
        """The sums over x_hat, and over both."""

        def make() -> _Reconstructed:
            if self._kept is not None:
                return _reconstructed_of(self._kept[self._own :])
            return self._sum_reconstructed(np.empty((self._theirs, len(self.x))), ours, progress)

        return self._passes("reconstructed", make)

    # -- what is kept beside the codes --------------------------------------------------------------------------------

    @property
    def kept_shape(self) -> tuple[int, int]:
        """Of the float64 array that `keep` fills: one row of it for every sum, one column for every row of x."""
        return self._own + self._theirs, len(self.x)

    def keep(self, out: np.ndarray, progress: Progress | None = None) -> None:
        """Fill an array (`kept_shape`), perhaps a mapped file, with all that two passes over the rows sum."""
        ours = self._sum_stored(out[: self._own], progress) if self._own else self._of_pooled
        self._sum_reconstructed(out[self._own :], ours, progress)

    @cached_property
    def _forms(self) -> int:
        return len(self.geometry.cross(self.W[:1]))

    @property
    def _own(self) -> int:
        """How many sums over x are kept: at the pooled attach point its lengths say it all."""
        return 0 if isinstance(self.geometry, Pooled) else self._forms + 2

    @property
    def _theirs(self) -> int:
        return 2 * self._forms + 2

    # -- the passes ---------------------------------------------------------------------------------------------------

    def _sum_stored(self, out: np.ndarray, progress: Progress | None) -> _Stored:
        agree: list[bool] = []

        def work(at: slice) -> None:
            here = self.geometry.sums(in_precision(self.x[at]), in_precision(self.pooled[at]))
            out[:, at] = *here.squares, here.along_offset, here.along_stored
            agree.append(here.agree)

        parts = blocks(len(self.x), self.x.shape[1], block_bytes=READ_BYTES)
        with one_thread():  # of BLAS, for each of the threads that read
            each(parts, work, progress, "summing over the rows")
        return _stored_of(out, all(agree))

    def _sum_reconstructed(self, out: np.ndarray, ours: _Stored, progress: Progress | None) -> _Reconstructed:
        sums, offset = _reconstructed_of(out), self.geometry.offset.astype(working(self.x))

        def work(at: slice) -> None:
            x = in_precision(self.x[at])
            (c, decoder), *more = self._decoders
            square, inner = decoder.sums(self.codes_by_row, at, [x])  # centred where the form centres: x need not be
            sums.squares[0, at], sums.between[0, at] = c * square, c * inner
            sums.along_offset[at], sums.along_stored[at] = 0.0, sums.between[0, at]
            for c, decoder in more:
                pooled = in_precision(self.pooled[at]).astype(x.dtype, copy=False)
                pushed = [] if ours.agree else [self.geometry.pushed(x, pooled)[0]]
                square, along, along_stored, *inners = decoder.sums(self.codes_by_row, at, [offset, pooled, *pushed])
                scales = self.geometry.scales(ours.squares[:, at])
                sums.squares[1, at], sums.along_offset[at], sums.along_stored[at] = c * square, along, along_stored
                sums.between[1, at] = c * (inners[0] if inners else (along_stored - along) * scales)

        parts = blocks(len(self.x), self.x.shape[1], block_bytes=DECODED_BYTES)
        each(parts, work, progress, "summing over the reconstructions")
        return sums

    @cached_property
    def _decoders(self) -> list[tuple[float, "Decoder"]]:
        """Of every form its number c and what decodes to its root."""
        from core.retrieval.decoding import Decoder  # torch, which only a blend needs

        roots = zip(self.geometry.roots(self.W), self.geometry.roots(self.b[None]), strict=True)
        return [(c, Decoder(W, b[0], working(self.x))) for (c, W), (_, b) in roots]

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """x_hat of some rows, float64."""
        return np.asarray(self.codes_by_row[rows] @ self.W) + self.b
