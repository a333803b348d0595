"""Orth-Proj: the query without the span of the plain group prompts."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers
from core.units import unit


@INTERVENTIONS.register("orth-proj")
class OrthProj(Intervention):
    """z' = z P0, P0 = I - V V^T, V an orthonormal basis of the span of the unit, uncentred group prompts.

    Cut at numerical rank: dependent prompts remove no more than what they span.
    """

    title = "Orth-Proj"
    plain = (
        "It deletes from the search text everything that points towards the words for the groups, for example “a "
        "photo of a man” and “a photo of a woman”. The pictures stay as they are; what the deleted directions also "
        "said about the content is lost with them."
    )
    formula = r"z' = z\,(I - V V^\top), \qquad V = \mathrm{span}\{\text{group prompts}\}"
    paper = "Biased Prompts, arXiv 2302.00070"
    cost = "microseconds a query"
    changes = "query"
    needs = Needs(prompts=("spurious",))
    array_names = ("spurious_emb", "query_emb")

    def fit(self, evidence: Evidence) -> np.ndarray:
        """V (d, r)."""
        return row_space(unit(evidence.text("spurious").pooled))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return without(material.stored(), fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted),)

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "orth-proj")
        query = read.matrix("query_emb")
        V = row_space(unit(read.matrix("spurious_emb", query.shape[1])))
        return {"out": unit(without(unit(query), V)).astype(query.dtype)}
