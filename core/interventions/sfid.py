"""SFID: the columns that tell the groups apart best are replaced by what they are where the group is unclear."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import remainder
from core.portable.pieces import Piece
from core.portable.pieces.low_rank import replaced
from core.saes.folder import Numbers
from core.units import unit

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

MOST_COLUMNS, OF_COLUMNS = 50, 512
"""50 columns are replaced in the published runs on embeddings of 512; narrower ones lose the same share."""
UNSURE = 0.7
"""An item whose most probable group is less probable than this counts as unclear."""
TREES = 100


@dataclass(frozen=True, eq=False)
class Imputation:
    """Columns to replace, and the value of each."""

    columns: np.ndarray
    values: np.ndarray
    d: int
    """Columns of a row."""

    @property
    def nbytes(self) -> int:
        return self.columns.nbytes + self.values.nbytes


@INTERVENTIONS.register("sfid")
class SFID(Intervention):
    """u'_j = v_j for the m most important columns j of the unit row u, u' = u elsewhere; x' = |x| u'.

    Importance is that of a random forest (seed 0) telling the groups of the labelled items apart; v_j is the mean over
    the items that the forest is unsure of (largest out-of-bag probability below .7; where there is none, the tenth
    that it is least sure of). m = 50 at 512 columns, in proportion below.
    """

    title = "SFID"
    plain = (
        "It finds the numbers in a picture's description from which a group can be guessed best and overwrites them "
        "with what they are, on average, in pictures where the guess is hardest. Every picture gets the same values "
        "there; the search text stays as it is."
    )
    formula = r"x'_j = \bar v_j \;\; (j \in \mathrm{top}_m\text{ importance}), \qquad x'_j = x_j \;\; \text{otherwise}"
    paper = "SFID, arXiv 2410.07593"
    cost = "a random forest once, some seconds at 1,024 columns; then nothing"
    changes = "items"
    needs = Needs(references=True, training=True)

    def fit(self, evidence: Evidence) -> Imputation:
        references = evidence.require_references()
        rows = unit(references.pooled)
        forest = guessing(rows, references.labels)
        m = min(MOST_COLUMNS, max(1, round(rows.shape[1] * MOST_COLUMNS / OF_COLUMNS)))
        columns = np.sort(np.argsort(-forest.feature_importances_, kind="stable")[:m])
        return Imputation(columns, rows[unclear(forest)][:, columns].mean(axis=0), rows.shape[1])

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Imputation | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        changed = stored.copy()
        length = np.linalg.norm(changed, axis=1, keepdims=True)
        changed[:, fitted.columns] = (length * fitted.values).astype(changed.dtype)
        return remainder(stored, changed)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (replaced(fitted.columns, fitted.values, fitted.d),)


def guessing(rows: np.ndarray, labels: np.ndarray) -> "RandomForestClassifier":
    """A random forest (seed 0) that tells the groups of unit rows (n, d) apart, with its out-of-bag guesses."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, oob_score=True, random_state=0).fit(rows, labels)


def unclear(forest: "RandomForestClassifier") -> np.ndarray:
    """Which of the rows it was fitted on (n,) have an unclear group; at least the tenth that is least sure."""
    sure = np.nan_to_num(forest.oob_decision_function_, nan=1.0).max(axis=1)
    found = sure < UNSURE
    return found if found.any() else sure <= np.quantile(sure, 0.1)
