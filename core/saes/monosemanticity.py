"""How alike the items are on which a neuron fires, from sums over the items: never a matrix of all pairs."""

import numpy as np
import scipy.sparse as sparse

from core.config import NOTHING
from core.units import unit

ROWS = 16_384
"""Rows whose embeddings are read at a time."""


def monosemanticity(
    codes: np.ndarray | sparse.spmatrix, embeddings: np.ndarray, rows: np.ndarray | None = None
) -> np.ndarray:
    """Monosemanticity score of every neuron (F,): mean cosine of pairs of items, weighted by the neuron's activations.

      MS_k = sum_{n<m} a_nk a_mk cos(E_n, E_m) / sum_{n<m} a_nk a_mk,   a = (code - min) / (max - min) over the items.
    With unit rows E and S_k = sum_n a_nk E_n both sums are closed: MS_k = (||S||^2 - sum a^2) / ((sum a)^2 - sum a^2),
    in which max - min cancels. In [-1, 1]; larger: the items look alike to the reference encoder. What a neuron that
    fires at random would get is the mean cosine of all pairs (`mean_cosine`), not 0. NaN where a neuron is constant
    (no more than NOTHING of its codes is above the least of them), or where fewer than two items are above its least
    code.

    Parameters
    ----------
    codes : (n, F), dense or sparse.
    embeddings : (n, d) of an independent encoder where there is one; their length plays no part. Read in pieces.
    rows : the items taken, all where None; codes and embeddings are both of all items.

    Source: Pach et al. 2025 (Sparse autoencoders learn monosemantic features in vision-language models).
    """
    z = sparse.csr_matrix(codes) if rows is None else sparse.csr_matrix(codes)[rows]
    n, n_neurons = z.shape
    least = np.asarray(z.min(axis=0).todense(), dtype=np.float64).ravel() if n else np.zeros(n_neurons)
    pulled, everything = _weighted_sums(z, embeddings, rows)
    pulled -= least[:, None] * everything  # sum_n (code - min) E_n
    total = np.asarray(z.sum(axis=0, dtype=np.float64)).ravel()
    squares = np.asarray(z.astype(np.float64).power(2).sum(axis=0)).ravel() - 2 * least * total + n * least**2
    whole, total = total, total - n * least
    defined = (_rows_above(z.tocsc(), least) >= 2) & (total > NOTHING * np.abs(whole))
    score = np.full(n_neurons, np.nan)
    top, bottom = np.square(pulled).sum(axis=1) - squares, np.square(total) - squares
    score[defined] = top[defined] / bottom[defined]
    return score


def mean_cosine(embeddings: np.ndarray, rows: np.ndarray | None = None) -> float:
    """Mean cosine of all pairs of different items: the monosemanticity of a neuron that says nothing; NaN below two."""
    n = len(embeddings) if rows is None else len(rows)
    if n < 2:
        return float("nan")
    _, everything = _weighted_sums(sparse.csr_matrix((n, 0)), embeddings, rows)
    return (float(np.square(everything).sum()) - n) / (n * n - n)


def _rows_above(z: sparse.csc_matrix, least: np.ndarray) -> np.ndarray:
    """Rows (F,) on which each neuron is above its least code, by counting."""
    n, n_neurons = z.shape
    owner = np.repeat(np.arange(n_neurons), np.diff(z.indptr))
    above = np.bincount(owner[z.data > least[owner]], minlength=n_neurons)
    silent = n - np.diff(z.indptr)
    return above + np.where(least < 0, silent, 0)


def _weighted_sums(
    z: sparse.csr_matrix, embeddings: np.ndarray, rows: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """sum_n z_nk E_n (F, d) and sum_n E_n (d,) over unit rows, in float64."""
    n, d = z.shape[0], embeddings.shape[1]
    pulled, everything = np.zeros((z.shape[1], d)), np.zeros(d)
    for start in range(0, n, ROWS):
        here = slice(start, min(start + ROWS, n))
        part = np.asarray(embeddings[here] if rows is None else embeddings[rows[here]], dtype=np.float64)
        directions = unit(part)
        pulled += z[here].astype(np.float64).T @ directions
        everything += directions.sum(axis=0)
    return pulled, everything
