"""Neurons that resemble a neuron: by what they write, by when they fire, and by what fires them."""

import numpy as np

from core.config import NOTHING, InputError
from core.neurons.matrices import AnyCodes, by_row, column

BLOCK = 16_384
"""Rows whose embeddings are in memory at a time."""


def nearest_neurons(W_dec: np.ndarray, neuron: int, n: int = 10) -> list[tuple[int, float]]:
    """(neuron, cosine of decoder rows) of the n others that write most alike, largest first; range [-1, 1]."""
    W = np.asarray(W_dec, dtype=np.float64)
    if not 0 <= neuron < len(W):
        raise InputError(f"neuron {neuron} was asked for; this SAE has neurons 0 to {len(W) - 1}")
    lengths = np.linalg.norm(W, axis=1)
    scale = lengths * lengths[neuron]
    return _largest(np.divide(W @ W[neuron], scale, out=np.full(len(W), np.nan), where=scale > 0), neuron, n)


def neurons_towards(W_dec: np.ndarray, direction: np.ndarray, n: int = 10) -> list[tuple[int, float]]:
    """(neuron, cosine) of the n neurons whose decoder rows (F, d) point most along a direction (d,), largest first.

    InputError where the direction is of another space or has no length.
    """
    W, v = np.asarray(W_dec, dtype=np.float64), np.asarray(direction, dtype=np.float64).reshape(-1)
    length = np.linalg.norm(v)
    if W.shape[1] != len(v) or not np.isfinite(length) or length == 0:
        raise InputError(f"a direction of {len(v)} numbers and length {length:g} was given; expected {W.shape[1]}")
    scale = np.linalg.norm(W, axis=1) * length
    return _largest(np.divide(W @ v, scale, out=np.full(len(W), np.nan), where=scale > 0), -1, n)


def coactive_neurons(codes: AnyCodes, neuron: int, n: int = 10) -> list[tuple[int, float]]:
    """(neuron, overlap) of the n others that fire on the same items, largest first.

    overlap = items on which both fire / items on which either fires (Jaccard), in [0, 1]; 1 is always together.
    """
    at, _ = column(codes, neuron)
    csr = by_row(codes)
    firing = csr[at]
    together = np.bincount(firing.indices[firing.data != 0], minlength=csr.shape[1])
    alone = np.bincount(csr.indices[csr.data != 0], minlength=csr.shape[1])
    either = len(at) + alone - together
    return _largest(np.divide(together, either, out=np.full(len(either), np.nan), where=either > 0), neuron, n)


def firing_centres(codes: AnyCodes, x: np.ndarray, rows: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """What fires each of some neurons: the mean embedding of its items by strength, beside that of all items (m, d).

    c_j = sum_i z_ij x_i / sum_i z_ij - mean_i x_i over the rows, float64; 0 for a neuron that is silent on them, or
    fires on all of them alike (a difference below NOTHING of the mean).
    Neurons whose centres point the same way fire on items that look alike, also where no two decoder rows are near.

    Parameters
    ----------
    x : (n, d) embeddings that the codes were made from, may be a memory map; read a block of rows at a time.
    rows : (r,) rows that count, rising.
    """
    csr = by_row(codes)
    total, weight, mean = np.zeros((len(neurons), x.shape[1])), np.zeros(len(neurons)), np.zeros(x.shape[1])
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        z, block = csr[part][:, neurons].astype(np.float64), np.asarray(x[part], dtype=np.float64)
        total += z.T @ block
        weight += np.asarray(z.sum(axis=0)).ravel()
        mean += block.sum(axis=0)
    fired = weight > 0
    total[fired] /= weight[fired, None]
    mean /= max(len(rows), 1)
    total[fired] -= mean
    total[np.linalg.norm(total, axis=1) < NOTHING * np.linalg.norm(mean)] = 0.0
    return total


def _largest(scores: np.ndarray, neuron: int, n: int) -> list[tuple[int, float]]:
    """The n largest scores of other neurons, ties by index; NaN is no score."""
    order = np.argsort(-scores, kind="stable")
    return [(int(j), float(scores[j])) for j in order[(order != neuron) & ~np.isnan(scores[order])][:n]]
