"""Sums over reconstructions of many rows, which are never whole in memory: some columns of the decoder at a time."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

COLUMNS = 64
"""Columns of the decoder that are added up at a time: with some thousand neurons they stay near a processor, so that
a code costs a fifth of what it costs to read whole rows of the decoder."""

_OPENMP = ThreadpoolController().select(user_api="openmp")
"""The threads of torch, of which a thread that decodes gets none but itself: others decode other rows meanwhile."""


class Decoder:
    """x_hat = z W + b of many rows. Read-only and safe between threads.

    Parameters
    ----------
    W, b : (F, d) and (d,), any float type.
    dtype : of the sums, float32 or float64.
    """

    def __init__(self, W: np.ndarray, b: np.ndarray, dtype: np.dtype) -> None:
        self._W = [torch.from_numpy(np.array(W[:, at], dtype=dtype, order="C")) for at in _columns(len(b))]
        self._b, self._dtype = torch.from_numpy(b.astype(dtype)), dtype

    def sums(self, codes: sparse.csr_matrix, rows: slice, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        """||x_hat||^2 (m,) of some rows of the codes (n, F), and x_hat . other (m,) for each other (m, d) or (d,)."""
        torch.get_num_threads()  # what a thread asks of torch first sets how many threads it has
        with _OPENMP.limit(limits=1):
            return self._sums(codes, rows, others)

    def _sums(self, codes: sparse.csr_matrix, rows: slice, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        first, last = codes.indptr[rows.start], codes.indptr[rows.stop]
        which = _tensor(codes.indices[first:last])
        starts = torch.from_numpy((codes.indptr[rows] - first).astype(codes.indices.dtype))
        values = _tensor(codes.data[first:last].astype(self._dtype, copy=False))
        seen = [_tensor(other) for other in others]
        sums = [values.new_zeros(len(starts), COLUMNS) for _ in (None, *others)]
        for at, W in zip(_columns(len(self._b)), self._W, strict=True):
            part = torch.nn.functional.embedding_bag(which, W, starts, mode="sum", per_sample_weights=values)
            part += self._b[at]
            for products, other in zip(sums, (part, *(other[..., at] for other in seen)), strict=True):
                products[:, : part.shape[1]].addcmul_(part, other)
        return [products.sum(dim=1).numpy() for products in sums]


def _columns(d: int) -> list[slice]:
    return [slice(start, min(start + COLUMNS, d)) for start in range(0, d, COLUMNS)]


def _tensor(array: np.ndarray) -> Tensor:
    """The array without a copy, if it may be; torch takes none that is read-only without a word."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
