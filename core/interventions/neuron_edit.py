"""Switching neurons: z'_j = (1 - s) z_j + s gamma for the edit's neurons, everything else as it was."""

import numpy as np
import scipy.sparse as sparse

from core.config import Edit, InputError
from core.interventions.base import INTERVENTIONS, Intervention, Material


@INTERVENTIONS.register("neuron-edit")
class NeuronEdit(Intervention):
    """Error-preserving or blended editing of SAE neurons (methods of DeBiasLens, arXiv 2602.24014).

    With dz_ij = z_ij - z'_ij = s (z_ij - gamma) for the switched neurons j:

        error-preserving: x'_i = x_i - sum_j dz_ij W_dec_j
        blend:            x'_i = alpha (z_i W_dec + b_dec) + (1 - alpha) x_i - alpha sum_j dz_ij W_dec_j

    followed by the readout at the residual attach point. gamma applies also to rows on which the neuron was off, so
    that gamma other than 0 changes every row. No neuron, s = 0 (error-preserving) or alpha = 0 (blend) is exactly
    the original, as is every row with all dz_ij = 0 in the error-preserving form.

    InputError where a neuron number is not below d_sae, or the material holds no codes.
    """

    title = "chosen neurons"

    def __call__(self, material: Material, edit: Edit) -> np.ndarray:
        codes = material.require_codes()
        check_neurons(edit, codes.shape[1])
        if edit.changes_nothing:
            return np.array(material.pooled, dtype=np.result_type(material.pooled.dtype, np.float32))
        if edit.form == "error-preserving":
            rows, change = code_change(codes, material.W_dec, edit)
            return material.embedded(material.x[rows] - change, rows)
        # the reconstruction's precision: a product of stored float16 rows would be rounded to float16
        x = edit.alpha * material.reconstruction + (1.0 - edit.alpha) * material.x.astype(material.W_dec.dtype)
        if edit.neurons and edit.strength > 0.0:
            rows, change = code_change(codes, material.W_dec, edit)
            x[rows] -= edit.alpha * change
        return material.embedded(x)


def check_neurons(edit: Edit, d_sae: int) -> None:
    """InputError where the edit names a neuron that the SAE does not have."""
    if edit.neurons and edit.neurons[-1] >= d_sae:
        raise InputError(f"neuron {edit.neurons[-1]} was given; this SAE has neurons 0 to {d_sae - 1}")


def code_change(codes: sparse.spmatrix, W_dec: np.ndarray, edit: Edit) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the edit changes (m,) and sum_j dz_ij W_dec_j for them (m, d_in)."""
    switched = list(edit.neurons)
    z = codes.tocsc()[:, switched]
    directions = W_dec[switched]
    if edit.gamma == 0.0:
        by_row = z.tocsr()
        rows = np.flatnonzero(np.diff(by_row.indptr))
        return rows, edit.strength * np.asarray(by_row[rows] @ directions)
    dz = edit.strength * (z.toarray() - edit.gamma).astype(W_dec.dtype)
    rows = np.flatnonzero((dz != 0).any(axis=1))
    return rows, dz[rows] @ directions


def edit_tokens(
    h: np.ndarray,
    z: np.ndarray,
    W_dec: np.ndarray,
    b_dec: np.ndarray,
    neurons: np.ndarray,
    alpha: float,
    gamma: float = 0.0,
) -> np.ndarray:
    """Blend editing of bare arrays of any leading shape: all tokens (..., d) of a hidden state with dense codes.

    h' = (1 - alpha) h + alpha (z' W_dec + b_dec), z' = z with `neurons` set to gamma; alpha = 0 returns h bit by bit.

    Parameters
    ----------
    h : hidden states (..., d).
    z : codes (..., F), zeros where a neuron is off.
    """
    h = np.asarray(h)
    if alpha == 0.0:
        return h.copy()
    z = np.array(z, dtype=h.dtype)
    z[..., np.asarray(neurons, dtype=np.int64)] = gamma
    return ((1.0 - alpha) * h + alpha * (z @ W_dec + b_dec)).astype(h.dtype, copy=False)
