"""Mean-difference projection of the query: the direction between the groups' prompts is deleted from it."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import mean_differences, row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers


@INTERVENTIONS.register("mean-difference-text")
class MeanDifferenceText(Intervention):
    """z' = z - V V^T z, V a basis of the differences between the groups' mean unit prompts (C - 1 directions)."""

    title = "Mean difference (prompt)"
    plain = (
        "It averages many sentences about each group and deletes the direction in which these averages differ from "
        "the search text. The pictures stay as they are; a lean that the text has for other reasons remains."
    )
    formula = r"z' = z\,(I - V V^\top), \qquad V = \mathrm{span}\{\bar t_g - \bar t\}"
    paper = "a plain baseline"
    cost = "microseconds a query"
    changes = "query"
    needs = Needs(prompts=("bias",))

    def fit(self, evidence: Evidence) -> np.ndarray:
        """V (d, r)."""
        texts = evidence.text("bias")
        labels = np.repeat(np.arange(len(texts.sizes)), texts.sizes)
        return row_space(mean_differences(texts.pooled, labels))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return without(material.stored(), fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted),)
