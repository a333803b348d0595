"""A control: what passing through the SAE does by itself, with no neuron switched."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Intervention, Material, Needs
from core.interventions.neuron_edit import NeuronEdit
from core.portable.pieces import Piece
from core.saes.folder import Numbers


@INTERVENTIONS.register("reconstruction-only")
class ReconstructionOnly(Intervention):
    """x' = alpha (z W_dec + b_dec) + (1 - alpha) x with untouched codes.

    alpha is the edit's in the blend form and 1 in the error-preserving form, which has no reconstruction of its own:
    there this is the largest harm that a lossy SAE could do. The edit's neurons are not used.
    """

    title = "SAE reconstruction only"
    plain = (
        "The pictures' descriptions are taken apart into neurons and put together again, with no neuron switched. "
        "Whatever changes here is a loss of the tool itself and no effect of any method."
    )
    formula = r"x' = \alpha\,(z\, W^{dec} + b^{dec}) + (1 - \alpha)\, x"
    paper = "a control"
    cost = "one product of codes and decoder for the gallery"
    changes = "edit"
    needs = Needs(sae=True)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return NeuronEdit()(material, reconstruction(edit))

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return NeuronEdit().pieces(fitted, side, reconstruction(edit), sae)


def reconstruction(edit: Edit) -> Edit:
    """The same as an edit of no neuron: a blend with the edit's alpha, or with 1 where the edit blends nothing."""
    return Edit(form="blend", alpha=edit.alpha if edit.form == "blend" else 1.0)
