"""Switching neurons: z'_j = (1 - s) z_j + s gamma for the edit's neurons, everything else as it was."""

from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import Edit, InputError, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Intervention, Material, Needs
from core.interventions.subspaces import remainder
from core.portable.pieces import Piece
from core.portable.pieces.blend import Blend
from core.portable.pieces.largest import Largest
from core.portable.pieces.switch import Switch
from core.saes.folder import Numbers
from core.saes.rules import LARGEST, PLAIN, THRESHOLD


@INTERVENTIONS.register("neuron-edit")
class NeuronEdit(Intervention):
    """Error-preserving or blended editing of SAE neurons (methods of DeBiasLens, arXiv 2602.24014).

    With dz_ij = z_ij - z'_ij = s (z_ij - gamma) for the switched neurons j:

        error-preserving: x'_i = x_i - sum_j dz_ij W_dec_j
        blend:            x'_i = alpha (z_i W_dec + b_dec) + (1 - alpha) x_i - alpha sum_j dz_ij W_dec_j

    followed by the readout at the residual attach point; s and gamma may be each neuron's own. gamma applies also to
    rows on which the neuron was off, so that gamma other than 0 changes every row. No neuron, s = 0
    (error-preserving) or alpha = 0 (blend) is exactly the original, as is every row with all dz_ij = 0 in the
    error-preserving form.

    InputError where a neuron number is not below d_sae, or the material holds no codes.
    """

    title = "Chosen neurons"
    plain = (
        "It switches off, turns down or sets to a level the few neurons that you choose, and leaves everything else in "
        "the description as it was unless the SAE's reconstruction is blended in. Without a chosen neuron and without "
        "blending nothing changes at all."
    )
    formula = r"x' = x - \sum_{j \in S} (z_j - z'_j)\, W^{dec}_j, \qquad z'_j = (1 - s)\, z_j + s\, \gamma"
    paper = "DeBiasLens, arXiv 2602.24014"
    cost = "milliseconds: only the items on which a switched neuron fires are computed again"
    changes = "edit"
    needs = Needs(edit=True, sae=True)
    array_names = (
        *("h", "sae_W_enc", "sae_b_enc", "sae_W_dec", "sae_b_dec", "sae_threshold"),
        *("selected", "alpha", "gamma"),
    )

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        codes = material.require_codes()
        check_neurons(edit, codes.shape[1])
        if edit.changes_nothing:
            return material.stored()
        if edit.form == "error-preserving":
            rows, change = code_change(codes, material.W_dec, edit)
            x = material.x[rows]
            return material.embedded(remainder(x, x - change), rows)
        # the reconstruction's precision: a product of stored float16 rows would be rounded to float16
        x = edit.alpha * material.reconstruction + (1.0 - edit.alpha) * material.x.astype(material.W_dec.dtype)
        if any(edit.each_strength):
            rows, change = code_change(codes, material.W_dec, edit)
            x[rows] -= edit.alpha * change
        return material.embedded(remainder(material.x, x))

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        assert sae is not None, "whoever asks for neurons has the SAE"
        check_neurons(edit, sae.config.d_sae)
        return () if edit.changes_nothing else (neuron_piece(sae, edit),)

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "neuron-edit")
        W_enc, W_dec = read.matrix("sae_W_enc"), read.matrix("sae_W_dec")
        h = read.array("h", last=len(W_enc))
        b_enc, b_dec = read.vector("sae_b_enc", W_enc.shape[1]), read.vector("sae_b_dec", len(W_enc))
        read.fits("sae_W_dec", W_dec.shape == W_enc.T.shape, f"shape {W_enc.T.shape}, that of sae_W_enc turned")
        alpha, gamma = read.number("alpha", 0.0, 1.0), read.number("gamma")
        selected = read.indices("selected", W_enc.shape[1])
        pre = np.maximum((h - b_dec) @ W_enc + b_enc, 0.0)
        z = np.where(pre > read.number("sae_threshold"), pre, 0.0)
        return {"out": edit_tokens(h, z, W_dec, b_dec, selected, alpha, gamma)}


def neuron_piece(sae: Numbers, edit: Edit) -> Piece:
    """The edit with what it needs of the SAE: the rows of its neurons, or more where that does not tell who fires.

    InputError where the SAE's rule is neither a threshold nor the largest of each row.
    """
    rule = getattr(sae, "rule", None)
    if rule not in (PLAIN, THRESHOLD, LARGEST):
        raise InputError(
            f"the architecture {sae.config.arch!r} has no rule in plain NumPy: its neurons cannot be taken along"
        )
    arrays, k = sae.arrays(), sae.config.k if rule is LARGEST else 0
    F, chosen = sae.config.d_sae, list(edit.neurons)
    given = arrays["threshold"] if rule is THRESHOLD else np.zeros(())
    threshold = np.broadcast_to(np.maximum(given, 0), (F,))
    shared = {name: arrays[name] for name in ("W_enc", "b_enc", "b_dec")}
    if edit.form == "blend":
        strength, gamma = np.zeros(F), np.zeros(F)
        strength[chosen], gamma[chosen] = edit.each_strength, edit.each_gamma
        own = {"W_dec": arrays["W_dec"], "threshold": threshold, "strength": strength, "gamma": gamma}
        return Blend({**shared, **own}, {"alpha": edit.alpha, "k": k})
    switched = {"W_dec": arrays["W_dec"][chosen], "strength": edit.each_strength, "gamma": edit.each_gamma}
    named = {name: np.asarray(value) for name, value in switched.items()}
    if k:
        return Largest({**shared, **named, "neurons": np.asarray(chosen)}, {"k": k})
    few = {"W_enc": arrays["W_enc"][:, chosen], "b_enc": arrays["b_enc"][chosen], "threshold": threshold[chosen]}
    return Switch({**few, **named, "b_dec": arrays["b_dec"]})


def check_neurons(edit: Edit, d_sae: int) -> None:
    """InputError where the edit names a neuron that the SAE does not have."""
    if edit.neurons and edit.neurons[-1] >= d_sae:
        raise InputError(f"neuron {edit.neurons[-1]} was given; this SAE has neurons 0 to {d_sae - 1}")


def code_change(codes: sparse.spmatrix, W_dec: np.ndarray, edit: Edit) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the edit changes (m,) and sum_j dz_ij W_dec_j for them (m, d_in)."""
    switched = list(edit.neurons)
    z = codes.tocsc()[:, switched]
    directions = W_dec[switched]
    strengths, gammas = (np.array(each, dtype=W_dec.dtype) for each in (edit.each_strength, edit.each_gamma))
    if not gammas.any():
        by_row = z.tocsr()
        rows = np.flatnonzero(np.diff(by_row.indptr))
        return rows, np.asarray(by_row[rows] @ (strengths[:, None] * directions))
    dz = strengths * (z.toarray() - gammas).astype(W_dec.dtype)
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

    Many parameters: the symbols of the published formula.
    """
    h = np.asarray(h)
    if alpha == 0.0:
        return h.copy()
    z = np.array(z, dtype=h.dtype)
    z[..., np.asarray(neurons, dtype=np.int64)] = gamma
    return ((1.0 - alpha) * h + alpha * (z @ W_dec + b_dec)).astype(h.dtype, copy=False)
