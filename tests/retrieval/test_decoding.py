"""Sums over reconstructions that are never whole in memory are those of the whole ones."""

import numpy as np
import pytest
import scipy.sparse as sparse

from core.retrieval.decoding import COLUMNS, Decoder

N, F = 50, 40


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 1e-4), (np.float64, 1e-12)])
@pytest.mark.parametrize("d", [1, COLUMNS, 2 * COLUMNS + 7])
@pytest.mark.parametrize("at", [slice(0, N), slice(11, 30), slice(12, 12)])
def test_squares_and_inner_products_of_reconstructions(dtype: type, close: float, d: int, at: slice) -> None:
    rng = np.random.default_rng(0)
    W, b, vector = rng.normal(size=(F, d)), rng.normal(size=d), rng.normal(size=d).astype(dtype)
    dense = np.where(rng.random((N, F)) < 0.2, rng.random((N, F)), 0.0)
    dense[15] = 0.0  # a row on which nothing fires
    other = rng.normal(size=(N, d)).astype(dtype)[at]
    codes = sparse.csr_matrix(dense.astype(dtype))
    for array in (codes.data, codes.indices, other):
        array.setflags(write=False)  # as arrays of a mapped file are
    whole = dense[at] @ W + b
    square, inner, along = Decoder(W, b, np.dtype(dtype)).sums(codes, at, [other, vector])
    assert square.dtype == inner.dtype == along.dtype == dtype
    np.testing.assert_allclose(square, np.square(whole).sum(axis=1), rtol=close)
    scale = np.linalg.norm(whole, axis=1)
    np.testing.assert_allclose(inner / scale, (whole * other).sum(axis=1) / scale, atol=30 * close)
    np.testing.assert_allclose(along / scale, whole @ vector / scale, atol=30 * close)
