"""Rows of length one: float32 with the same bits however many are normalised at once, or float64."""

import numpy as np

from core.config import InputError

BLOCK_ROWS = 16_384
"""Rows worked on at a time: 16,384 x 1,024 float32 are 64 MB."""


def norms(x: np.ndarray) -> np.ndarray:
    """L2 length of every row: sqrt(sum_j x_ij^2), float32 (n,), summed in float32."""
    x = np.asarray(x, dtype=np.float32)
    return np.sqrt(np.einsum("ij,ij->i", x, x))


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows divided by their L2 length: a new float32 array (n, d) from an array or memory map of any float type.

    A row's result depends on that row alone, bit by bit, so that edited and unedited rows can be mixed.

    Raises
    ------
    InputError
        a row is zero and has no direction.
    """
    unit = np.array(x, dtype=np.float32, order="C")
    for start in range(0, len(unit), BLOCK_ROWS):
        block = unit[start : start + BLOCK_ROWS]
        length = norms(block)
        if not (length > 0).all():
            raise InputError(f"row {start + int((~(length > 0)).argmax())} is zero or not finite: it has no direction")
        block /= length[:, None]
    return unit


def unit(x: np.ndarray) -> np.ndarray:
    """Rows (n, d), or one (d,), divided by their length, float64; a row of zeros stays zero."""
    x = np.asarray(x, dtype=np.float64)
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(length > 0, length, 1.0)
