"""LEACE on the text side: the smallest change of a query after which no linear reader of prompts finds the group."""

from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.leace import Eraser, eraser
from core.interventions.subspaces import at_length
from core.portable.pieces import Piece
from core.saes.folder import Numbers
from core.units import unit


@INTERVENTIONS.register("leace-text")
class LEACEText(Intervention):
    """u' = u - W^+ Q Q^T W (u - mu) for unit queries u, x' = |x| u'; as `leace`, fitted on the prompts of every group.

    mu, W and Q are those of the unit group prompts, with the shrunk covariance: prompts are fewer than columns, and the
    plain one would know nothing of most directions. On these prompts the groups' means of u' are equal. No picture and
    no label is needed, and pictures stay as they are: what they say of the group can be read as before.
    """

    title = "LEACE on the text"
    plain = (
        "It learns, from sentences about each group, the smallest change after which no straight rule tells the "
        "groups apart on these, and applies it to the search text. Every picture's description stays as it is."
    )
    formula = (
        r"u' = u - W^{+} Q Q^\top W (u - \mu), "
        r"\qquad W = (\Sigma_{uu}^{1/2})^{+},\; Q = \mathrm{col}(W \Sigma_{uz}) \text{ of the group prompts}"
    )
    paper = "LEACE, arXiv 2306.03819, fitted on prompts"
    cost = "one decomposition of a d x d matrix, then one thin product for the query"
    changes = "query"
    needs = Needs(prompts=("bias",))

    def fit(self, evidence: Evidence) -> Eraser:
        texts = evidence.text("bias")
        groups = np.unique(texts.labels)
        return eraser(unit(texts.pooled), (texts.labels[:, None] == groups).astype(np.float64))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Eraser | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        return at_length(stored, fitted(unit(stored))) if len(fitted.read) else stored

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return fitted.pieces
