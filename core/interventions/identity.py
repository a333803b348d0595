"""The baseline: nothing is changed."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Intervention, Material
from core.portable.pieces import Piece
from core.saes.folder import Numbers


@INTERVENTIONS.register("identity")
class Identity(Intervention):
    """The stored embeddings as they are."""

    title = "original"
    plain = "The model answers as it is, without any change. It is the baseline that every method is compared with."
    formula = "x' = x"
    paper = "none: the model itself"
    cost = "nothing"
    changes = "items"

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return material.stored()

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return ()
