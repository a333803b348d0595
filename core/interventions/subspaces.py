"""Directions and what is left without them: bases cut at numerical rank, projections."""

import numpy as np

from core.config import NOTHING
from core.units import unit


def row_space(rows: np.ndarray, eps: float = float(np.finfo(np.float32).eps)) -> np.ndarray:
    """Orthonormal basis V (d, r), float64, of the span of rows (n, d); r is their numerical rank.

    Singular values up to s_1 max(n, d) eps count as zero. `eps` is the precision of what the rows were computed from:
    embeddings are float32, also where a sum of them is held in float64, so that a dependent row leaves a singular
    value of that size and not exactly 0.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if len(rows) <= 1:
        length = np.linalg.norm(rows)
        return rows.T / length if length > 0 else np.zeros((rows.shape[1], 0))
    _, s, Vt = np.linalg.svd(rows, full_matrices=False)
    return Vt[s > s[0] * max(rows.shape) * eps].T  # of zeros alone nothing is kept


def without(x: np.ndarray, V: np.ndarray) -> np.ndarray:
    """x - x V V^T: rows (n, d) without their part in the span of V (d, r), in the dtype of x; zeros where nothing of
    a row is left (see `remainder`).
    """
    x = np.asarray(x)
    dtype = np.result_type(x.dtype, np.float32)
    V = V.astype(dtype)
    x = x.astype(dtype, copy=False)
    return remainder(x, x - (x @ V) @ V.T)


def remainder(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after` (n, d) with zeros in the rows that are shorter than NOTHING of the row before, or in a single row (d,).

    What rounding leaves of a row that is wholly removed would else be normalised and ranked like any other row.
    """
    left, whole = _squared_lengths(after), _squared_lengths(before)
    lost = left < NOTHING**2 * whole
    return np.where(lost[..., None], np.zeros_like(after), after) if lost.any() else after


def at_length(stored: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Rows |x| u' in the dtype of the stored rows x (n, d), for changed unit rows u' (n, d); zeros where nothing of a
    row is left (see `remainder`).
    """
    length = np.linalg.norm(np.asarray(stored, dtype=np.float64), axis=1, keepdims=True)
    return remainder(stored, (length * units).astype(stored.dtype))


def unit_means(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Unit means (G, d), float64, of each group's unit rows, in the order of the labels."""
    rows = unit(rows)
    return unit(np.stack([rows[labels == g].mean(axis=0) for g in np.unique(labels)]))


def _squared_lengths(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.result_type(x.dtype, np.float32))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by whoever asked for the edit
        return np.einsum("...j,...j->...", x, x)


def mean_differences(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Group means minus their mean (G, d), float64: the directions in which the groups' unit rows differ on average.

    Groups weigh equally, however many rows they have. Zeros where a group's mean is that of all (see `remainder`).
    """
    rows = unit(rows)
    means = np.stack([rows[labels == g].mean(axis=0) for g in np.unique(labels)])
    return remainder(means, means - means.mean(axis=0))
