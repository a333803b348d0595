"""Products of many rows with a few vectors: one pass over the rows, which may be memory-mapped, block by block."""

import numpy as np

BLOCK_BYTES = 1 << 22
"""Rows worked on at a time: they stay in the processor's cache while all vectors pass over them."""


def working(x: np.ndarray) -> np.dtype:
    """The precision in which sums over the rows of `x` are made: their own, at least float32."""
    return np.result_type(x.dtype, np.float32)


def blocks(n: int, columns: int, item_bytes: int = 8) -> list[slice]:
    """Slices of n rows that take BLOCK_BYTES each."""
    step = max(1, BLOCK_BYTES // (max(columns, 1) * item_bytes))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def times(x: np.ndarray, vectors: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """vectors . x of every row, or of some rows: (m, rows) for vectors (m, d), summed in the rows' own precision."""
    dtype = working(x)
    vectors = np.ascontiguousarray(vectors, dtype=dtype)
    n = len(x) if rows is None else len(rows)
    products = np.empty((len(vectors), n), dtype=dtype)
    whole = x.dtype == dtype and rows is None
    for at in [slice(0, n)] if whole and len(vectors) == 1 else blocks(n, x.shape[1], dtype.itemsize):
        part = np.asarray(x[at] if rows is None else x[rows[at]])
        block = widened(part) if part.dtype == np.float16 else np.asarray(part, dtype=dtype)
        for vector, product in zip(vectors, products, strict=True):
            np.dot(block, vector, out=product[at])
    return products


def widened(half: np.ndarray) -> np.ndarray:
    """Finite float16 numbers as float32, exactly, several times faster than numpy converts them.

    The bits of a float16 (sign, 5 of exponent, 10 of mantissa) moved to their places in a float32 are the same number
    times 2^-112, the difference of the two exponents' origins; subnormal numbers included.
    """
    wide = half.view(np.int16).astype(np.int32)
    wide <<= 13
    wide &= np.int32(-0x70002000)  # the sign, which astype spread over the upper bits, and the 15 other bits
    return np.multiply(wide.view(np.float32), np.float32(2.0**112), out=wide.view(np.float32))


def squared_lengths(x: np.ndarray) -> np.ndarray:
    """||x||^2 of every row (n,), summed in the rows' own precision."""
    dtype = working(x)
    squares = np.empty(len(x), dtype=dtype)
    for at in blocks(len(x), x.shape[1], dtype.itemsize):
        block = np.asarray(x[at], dtype=dtype)
        np.einsum("ij,ij->i", block, block, out=squares[at])
    return squares
