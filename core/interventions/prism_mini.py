"""PRISM-mini: query and items without the span of the plain group prompts."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers
from core.units import unit


@INTERVENTIONS.register("prism-mini")
class PrismMini(Intervention):
    """z' = z P and x' = x P with P = I - V V^T, V a basis of the span of the unit group prompts.

    Orth-Proj on both sides: after it neither query nor item has anything in that span. Cut at numerical rank.
    """

    title = "PRISM-mini"
    plain = (
        "It deletes everything that points towards the words for the groups, from the search text and from every "
        "picture's description alike. Nothing is trained; what the deleted directions also said about the content is "
        "lost on both sides."
    )
    formula = r"z' = z P, \quad x' = x P, \qquad P = I - V (V^\top V)^{-1} V^\top"
    paper = "PRISM, arXiv 2507.08979"
    cost = "one thin product for the gallery"
    changes = "both"
    needs = Needs(prompts=("spurious",))
    array_names = ("spurious_emb", "query_emb", "image_emb")

    def fit(self, evidence: Evidence) -> np.ndarray:
        """V (d, r)."""
        return row_space(unit(evidence.text("spurious").pooled))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return without(material.stored(), fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted),)

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "prism-mini")
        query = read.matrix("query_emb")
        image = read.matrix("image_emb", query.shape[1])
        V = row_space(unit(read.matrix("spurious_emb", query.shape[1])))
        sides = {"text_out": query, "image_out": image}
        return {name: without(unit(rows), V).astype(rows.dtype) for name, rows in sides.items()}
