"""Mean-difference projection of the items: no SAE, labels of the probe half only. Plain, and a strong rival."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import mean_differences, row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers


@INTERVENTIONS.register("mean-difference")
class MeanDifference(Intervention):
    """x' = x - V V^T x, V a basis of the differences between the groups' mean unit embeddings (C - 1 directions)."""

    title = "Mean difference (items)"
    plain = (
        "It averages the pictures of each group, among pictures with known groups, and deletes the direction in which "
        "these averages differ from every picture's description. It is the plainest method there is, and it takes the "
        "group away from searches that ask for it by name as well."
    )
    formula = r"x' = x\,(I - V V^\top), \qquad V = \mathrm{span}\{\bar x_g - \bar x\}"
    paper = "a plain baseline"
    cost = "one thin product for the gallery"
    changes = "items"
    needs = Needs(references=True)

    def fit(self, evidence: Evidence) -> np.ndarray:
        """V (d, r)."""
        references = evidence.require_references()
        return row_space(mean_differences(references.pooled, references.labels))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return without(material.stored(), fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted),)
