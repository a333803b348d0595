"""SPD: INLP's subspace, and in it for every picture what is there where the group is unclear."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.inlp import nullspace
from core.interventions.sfid import guessing, unclear
from core.interventions.subspaces import at_length
from core.portable.pieces import Piece
from core.portable.pieces.low_rank import LowRank
from core.saes.folder import Numbers
from core.units import unit


@dataclass(frozen=True, eq=False)
class Neutral:
    """The subspace and the constant that everybody gets there."""

    V: np.ndarray
    """Orthonormal basis (d, r)."""
    constant: np.ndarray
    """m V (r,)."""

    @property
    def nbytes(self) -> int:
        return self.V.nbytes + self.constant.nbytes


@INTERVENTIONS.register("spd")
class SPD(Intervention):
    """u' = u P + m (I - P) for unit rows u, x' = |x| u', with INLP's P (5 rounds) and m the mean of unclear items.

    An item is unclear where SFID's random forest gives its most probable group less than .7. Formula and constant are
    from public summaries of the paper, not from its text: what is certain is (I - P)(u' - m) = 0.
    """

    title = "SPD"
    plain = (
        "It finds what straight rules look at to tell the groups apart and gives every picture the same value there, "
        "that of pictures whose group is hard to guess. What lies outside stays as it is, and so does the search text."
    )
    formula = r"u' = u P + \bar m (I - P), \qquad P \text{ of INLP},\; \bar m \text{ over items of unclear group}"
    paper = "SPD, arXiv 2511.18123"
    cost = "up to five logistic regressions and a random forest once, then one thin product for the gallery"
    changes = "items"
    needs = Needs(references=True, training=True)

    def fit(self, evidence: Evidence) -> Neutral:
        references = evidence.require_references()
        rows = unit(references.pooled)
        V = nullspace(rows, references.labels)
        m = rows[unclear(guessing(rows, references.labels))].mean(axis=0)
        return Neutral(V, m @ V)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Neutral | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        if not fitted.V.shape[1]:
            return stored
        units = unit(stored)
        return at_length(stored, units + (fitted.constant - units @ fitted.V) @ fitted.V.T)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (LowRank({"R": fitted.V, "c": fitted.constant, "W": fitted.V.T}),)
