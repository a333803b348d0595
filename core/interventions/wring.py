"""WRING: what a row says of the groups is turned until it says as much of each, and its length stays."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import row_space, unit_means
from core.portable.pieces import Piece
from core.portable.pieces.turn import Turn
from core.saes.folder import Numbers
from core.units import unit


@dataclass(frozen=True, eq=False)
class Shared:
    """The groups' directions, and the one that is equally near to all of them."""

    V: np.ndarray
    """Orthonormal basis (d, r) of the span of the group directions."""
    w: np.ndarray
    """Unit (d,), in that span; w.c is the same for every group direction c."""

    @property
    def nbytes(self) -> int:
        return self.V.nbytes + self.w.nbytes


@INTERVENTIONS.register("wring")
class Wring(Intervention):
    """v' = v - P v + |P v| w, P the projection on the span of the unit group directions c_i, w equally near to them.

    c_i is the unit mean of a group's unit prompts, A = [c_1 ... c_m] and w = normalise(A (A^T A)^-1 1), both cut at
    numerical rank. |v'| = |v|, v'.c_i is the same for all groups, what is orthogonal to the span stays, a second time
    changes nothing. Projections shorten a row, and dividing it by its length then strengthens everything else it says;
    this does not. Where w.v < 0 the shared part changes its sign (`turned`). Not linear. The formula is from a public
    summary, not from the paper's text.
    """

    title = "Rotation (WRING)"
    plain = (
        "It turns the search text and every picture's description until each says as much of one group as of the "
        "others, and keeps its length. What a description says of anything else stays as strong as it was, which is "
        "not so where something is deleted."
    )
    formula = (
        r"v' = v - P v + \lVert P v\rVert\, w, "
        r"\qquad P = A (A^\top A)^{+} A^\top,\; w = \frac{A (A^\top A)^{+} 1}{\lVert A (A^\top A)^{+} 1\rVert}"
    )
    paper = "WRING, Gerych et al., ICLR 2026, OpenReview tkE29O0jzF"
    cost = "one thin product for the gallery"
    changes = "both"
    needs = Needs(prompts=("bias",))

    def fit(self, evidence: Evidence) -> Shared:
        texts = evidence.text("bias")
        return shared_direction(unit_means(texts.pooled, texts.labels))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Shared | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        return rotated(stored, fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (Turn({"V": fitted.V, "w": fitted.w}),)

    def remarks(self, material: Material, fitted: Shared | None = None) -> tuple[str, ...]:
        assert fitted is not None, "it is fitted before it is asked"
        n = int(turned(material.pooled, fitted).sum())
        if not n:
            return ()
        what = "search texts" if material.side == "text" else "pictures"
        return (f"{self.title} turns the sign of what all groups share in {n} of {len(material.pooled)} {what}",)


def shared_direction(directions: np.ndarray) -> Shared:
    """Span and shared direction of unit group directions (m, d); dependent ones are cut at numerical rank."""
    A = np.asarray(directions, dtype=np.float64)
    V = row_space(A)
    inside = A @ V
    w = V @ np.linalg.lstsq(inside, np.ones(len(A)), rcond=None)[0]
    return Shared(V, unit(w))


def rotated(rows: np.ndarray, shared: Shared) -> np.ndarray:
    """v - P v + |P v| w for rows (n, d), in their dtype."""
    coordinates = np.asarray(rows, dtype=np.float64) @ shared.V
    length = np.linalg.norm(coordinates, axis=1, keepdims=True)
    return (rows + (length * shared.w - coordinates @ shared.V.T)).astype(rows.dtype)


def turned(rows: np.ndarray, shared: Shared) -> np.ndarray:
    """Which rows (n,) point away from the shared direction, so that their shared part changes its sign."""
    return np.asarray(rows, dtype=np.float64) @ shared.w < 0
