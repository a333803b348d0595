"""Clamping one feature of an SAE inside a language model: the published readings and ours, on bare arrays.

The published ones (debiaSAE, arXiv 2410.13146) read a feature's activation as a = h . e, without bias and threshold,
and move along the decoder row scaled to length 1. So "clamping" fires where the SAE does not, and does not reach the
value that it is told. Ours is the error-preserving edit of `core.lvlm.methods.neuron_edit` with gamma = s, on the
tokens where the neuron fires.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.config import InputError, one_of
from core.interventions.arrays import Reader
from core.interventions.base import Arrays

CLAMP = "sae-clamp"
FIXED = 5.0
"""The threshold of the published code for SAEs that have none."""


def sae_clamp(arrays: Arrays) -> dict[str, np.ndarray]:
    """`out` for W_enc (d, F), W_dec (F, d), b_enc (F), threshold (F) or absent, h (..., L, d), feature, scale, mode.

    mode: constant h + s d; per-input h + s d on every token of an input in which any token but the first has a > T;
    per-token h + s d where a > T; clamping h + (s - a) d where a > 0; conditional-clamping where a > max(T, 0); ours
    h + (s - z) W_dec where z > 0. Several features: one after the other on the changed h; ours all at once.

    Parameters
    ----------
    arrays : `feature` and `scale` one number each or as many; `threshold` absent: 5, as the published code has it.
    """
    read = Reader(arrays, CLAMP)
    W_enc, W_dec = read.matrix("W_enc"), read.matrix("W_dec")
    h = read.array("h", last=len(W_enc))
    if h.ndim < 2:
        raise InputError(f"sae-clamp: the array 'h' has shape {h.shape}; expected tokens by columns, (..., L, d)")
    count = W_enc.shape[1]
    b_enc = read.vector("b_enc", count)
    threshold = read.vector("threshold", count) if "threshold" in arrays else np.full(count, FIXED, W_enc.dtype)
    features = np.atleast_1d(read.array("feature")).astype(np.int64)
    scales = np.atleast_1d(read.array("scale"))
    read.fits("feature", bool((features >= 0).all() and (features < count).all()), f"numbers below {count}")
    read.fits("scale", len(scales) == len(features), f"{len(features)} numbers, one a feature")
    mode = str(np.asarray(arrays["mode"]).item()) if "mode" in arrays else "ours"
    one_of(mode, (*PUBLISHED, "ours"), "mode")
    if mode == "ours":
        return {"out": _ours(h, W_enc[:, features], b_enc[features], W_dec[features], threshold[features], scales)}
    out = h
    for j, s in zip(features, scales, strict=True):
        activation = out @ W_enc[:, j]
        out = out + PUBLISHED[mode](activation, s, threshold[j])[..., None] * (W_dec[j] / np.linalg.norm(W_dec[j]))
    return {"out": out}


def _per_input(a: np.ndarray, s: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    fires = (a[..., 1:] > threshold).any(axis=-1, keepdims=True)
    return np.where(fires, s, 0).astype(a.dtype) * np.ones_like(a)


PUBLISHED: dict[str, Callable[..., np.ndarray]] = {
    "constant": lambda a, s, threshold: np.full_like(a, s),
    "per-input": _per_input,
    "per-token": lambda a, s, threshold: np.where(a > threshold, s, 0).astype(a.dtype),
    "clamping": lambda a, s, threshold: np.where(a > 0, s - a, 0).astype(a.dtype),
    "conditional-clamping": lambda a, s, threshold: np.where(a > max(threshold, 0), s - a, 0).astype(a.dtype),
}
"""Activation, value and threshold of a feature to how far each token moves along its decoder row."""


def _ours(
    h: np.ndarray, e: np.ndarray, b: np.ndarray, W: np.ndarray, threshold: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    pre = h @ e + b
    z = np.where(pre > threshold, pre, 0)
    return h + np.where(z > 0, scales - z, 0).astype(h.dtype) @ W
