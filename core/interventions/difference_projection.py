"""The differences between the groups' directions are deleted on both sides, what the groups share stays."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import remainder, row_space, unit_means, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers


@INTERVENTIONS.register("difference-projection")
class DifferenceProjection(Intervention):
    """v' = v - V V^T v, V a basis of the differences c_i - c_j of the unit group directions (C - 1 directions).

    c_i is the unit mean of a group's unit prompts. v'.c_i is then the same for all groups, as after `wring`, which
    keeps the row's length by stretching what the groups share; here dividing the row by its length stretches all of it.
    """

    title = "Differences alone"
    plain = (
        "It deletes from the search text and from every picture's description the direction in which the words for "
        "one group differ from those for another, so that each is equally near to all groups. What the groups have "
        "in common stays; everything else becomes a little stronger."
    )
    formula = r"v' = v\,(I - V V^\top), \qquad V = \mathrm{span}\{c_i - c_j\}"
    paper = "a plain rival of WRING"
    cost = "one thin product for the gallery"
    changes = "both"
    needs = Needs(prompts=("bias",))

    def fit(self, evidence: Evidence) -> np.ndarray:
        """V (d, r)."""
        texts = evidence.text("bias")
        directions = unit_means(texts.pooled, texts.labels)
        return row_space(remainder(directions[1:], directions[1:] - directions[0]))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return without(material.stored(), fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted),)
