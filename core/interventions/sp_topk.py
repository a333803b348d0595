"""S&P Top-K: the items without the directions by which the SAE's encoder reads a group."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import NOTHING, Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.neuron_edit import check_neurons
from core.interventions.subspaces import row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers

TOP = 8
"""Neurons that are selected where nobody chose any."""


@dataclass(frozen=True, eq=False)
class EncoderReading:
    """The encoder and the neurons that tell the groups apart best, best first."""

    W_enc: np.ndarray
    """(d_in, F)."""
    selected: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return self.W_enc.nbytes


@INTERVENTIONS.register("sp-topk")
class SelectAndProject(Intervention):
    """x' = (I - E (E^T E)^-1 E^T) x with E the selected columns of W_enc; nothing is decoded.

    E are the edit's neurons where it names some, else the 8 neurons whose pre-activation differs most between groups
    on the labelled items: largest range of the group means over the pooled standard deviation. Pre-activations, not
    codes, because the projection acts on what the encoder reads whether or not the neuron then fires. Strength, gamma
    and form of the edit are not used. Cut at numerical rank.
    """

    title = "S&P Top-K"
    plain = (
        "It takes the few neurons that tell the groups apart best and deletes what they react to from every picture's "
        "description, without taking the description apart and rebuilding it. The search text stays as it is."
    )
    formula = r"x' = \left(I - E (E^\top E)^{-1} E^\top\right) x, \qquad E = W^{enc}_{:,S}"
    paper = "S&P Top-K, arXiv 2509.10809"
    cost = "one thin product for the gallery"
    changes = "items"
    needs = Needs(sae=True, references=True)

    def fit(self, evidence: Evidence) -> EncoderReading:
        sae, references = evidence.require_sae(), evidence.require_references()
        W_enc = sae.arrays()["W_enc"]
        spread = group_spread(references.x.astype(np.float64) @ W_enc, references.labels)
        best = np.argsort(-spread, kind="stable")[: min(TOP, len(spread))]
        return EncoderReading(W_enc, tuple(int(j) for j in best))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        check_neurons(edit, fitted.W_enc.shape[1])
        neurons = list(edit.neurons or fitted.selected)
        V = row_space(fitted.W_enc[:, neurons].T)
        return material.embedded(without(np.asarray(material.x), V))

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        check_neurons(edit, fitted.W_enc.shape[1])
        return (low_rank.without(row_space(fitted.W_enc[:, list(edit.neurons or fitted.selected)].T)),)


def group_spread(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Largest difference of two group means over the pooled standard deviation (F,), at least 0.

    0 for a column that is constant within the groups: its deviation is below NOTHING of its mean.
    """
    groups = [values[labels == g] for g in np.unique(labels)]
    means = np.stack([rows.mean(axis=0) for rows in groups])
    inside = sum(((rows - mean) ** 2).sum(axis=0) for rows, mean in zip(groups, means, strict=True)) / len(values)
    spread, varies = np.zeros(values.shape[1]), np.sqrt(inside) > NOTHING * np.abs(means).max(axis=0)
    return np.divide(np.ptp(means, axis=0), np.sqrt(inside), out=spread, where=varies)
