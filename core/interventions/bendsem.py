"""BendSEM: SEM_bi first, then BendVLM's second step."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import Edit
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Material, Needs
from core.interventions.bendvlm import BendEvidence, step2_on_arrays
from core.interventions.sem_bi import SEMbi
from core.interventions.sem_family import SEM_ARRAYS
from core.interventions.sem_scores import SEMScores


@dataclass(frozen=True, eq=False)
class BendSEMEvidence:
    scores: SEMScores
    bend: BendEvidence

    @property
    def nbytes(self) -> int:
        return self.scores.nbytes + self.bend.nbytes


@INTERVENTIONS.register("bendsem")
class BendSEM(SEMbi):
    """e = normalise(e0 - Q Q^T e0) with e0 the output of SEM_bi and Q as in BendVLM."""

    title = "BendSEM"
    plain = (
        "It first turns down the parts of the search text that react to words for a group, and then turns the text "
        "until it is equally near to the best fitting pictures of every group. The pictures stay as they are."
    )
    formula = r"e = \frac{e_0 - Q Q^\top e_0}{\lVert e_0 - Q Q^\top e_0\rVert}, \qquad e_0 = \mathrm{SEM}_{bi}(q)"
    cost = "SEM and one look at the labelled items for each query"
    fitted_as = None
    needs = Needs(sae=True, prompts=("diverse", "bias", "paraphrases"), references=True)
    array_names = (*SEM_ARRAYS, "ref_emb", "ref_label", "num_neighbors")

    def fit(self, evidence: Evidence) -> BendSEMEvidence:
        return BendSEMEvidence(super().fit(evidence), BendEvidence.of(evidence))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        modulated = super().__call__(material, edit, fitted and fitted.scores)
        return fitted.bend.bent(modulated).astype(modulated.dtype) if len(modulated) else modulated

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        found = super().on_arrays(arrays)
        e0 = found["out"]
        bent = step2_on_arrays(Reader(arrays, "bendsem"), e0.astype(np.float64), e0.dtype)
        return {**found, "e0": e0, **bent}
