"""Neurons that resemble a neuron: by what they write, and by when they fire."""

import numpy as np

from core.config import InputError
from core.neurons.matrices import AnyCodes, by_row, column


def nearest_neurons(W_dec: np.ndarray, neuron: int, n: int = 10) -> list[tuple[int, float]]:
    """(neuron, cosine of decoder rows) of the n others that write most alike, largest first; range [-1, 1]."""
    W = np.asarray(W_dec, dtype=np.float64)
    if not 0 <= neuron < len(W):
        raise InputError(f"neuron {neuron} was asked for; this SAE has neurons 0 to {len(W) - 1}")
    lengths = np.linalg.norm(W, axis=1)
    scale = lengths * lengths[neuron]
    return _largest(np.divide(W @ W[neuron], scale, out=np.zeros(len(W)), where=scale > 0), neuron, n)


def neurons_towards(W_dec: np.ndarray, direction: np.ndarray, n: int = 10) -> list[tuple[int, float]]:
    """(neuron, cosine) of the n neurons whose decoder rows (F, d) point most along a direction (d,), largest first.

    InputError where the direction is of another space or has no length.
    """
    W, v = np.asarray(W_dec, dtype=np.float64), np.asarray(direction, dtype=np.float64).reshape(-1)
    length = np.linalg.norm(v)
    if W.shape[1] != len(v) or not np.isfinite(length) or length == 0:
        raise InputError(f"a direction of {len(v)} numbers and length {length:g} was given; expected {W.shape[1]}")
    scale = np.linalg.norm(W, axis=1) * length
    return _largest(np.divide(W @ v, scale, out=np.zeros(len(W)), where=scale > 0), -1, n)


def coactive_neurons(codes: AnyCodes, neuron: int, n: int = 10) -> list[tuple[int, float]]:
    """(neuron, overlap) of the n others that fire on the same items, largest first.

    overlap = items on which both fire / items on which either fires (Jaccard), in [0, 1]; 1 is always together.
    """
    at, _ = column(codes, neuron)
    csr = by_row(codes)
    own = csr[at]
    together = np.bincount(own.indices[own.data != 0], minlength=csr.shape[1])
    alone = np.bincount(csr.indices[csr.data != 0], minlength=csr.shape[1])
    either = len(at) + alone - together
    return _largest(np.divide(together, either, out=np.zeros(len(either)), where=either > 0), neuron, n)


def _largest(scores: np.ndarray, neuron: int, n: int) -> list[tuple[int, float]]:
    """The n largest scores of other neurons, ties by index."""
    order = np.argsort(-scores, kind="stable")
    return [(int(j), float(scores[j])) for j in order[order != neuron][:n]]
