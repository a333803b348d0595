"""BendSEM: SEM_bi first, then BendVLM's second step."""

from dataclasses import dataclass

import numpy as np

from core.config import Edit
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.bendvlm import BendFit, step2_on_arrays
from core.interventions.sem_bi import SEMbi
from core.interventions.sem_family import SEM_ARRAYS
from core.interventions.sem_scores import SEMScores


@dataclass(frozen=True, eq=False)
class BendSEMFit:
    scores: SEMScores
    bend: BendFit

    @property
    def nbytes(self) -> int:
        return self.scores.nbytes + self.bend.nbytes


@INTERVENTIONS.register("bendsem")
class BendSEM(Intervention):
    """e = normalise(e0 - Q Q^T e0) with e0 the output of SEM_bi and Q as in BendVLM."""

    title = "BendSEM"
    plain = (
        "It first turns down the parts of the search text that react to words for a group, and then turns the text "
        "until it is equally near to the best fitting pictures of every group. The pictures stay as they are."
    )
    formula = r"e = \frac{e_0 - Q Q^\top e_0}{\lVert e_0 - Q Q^\top e_0\rVert}, \qquad e_0 = \mathrm{SEM}_{bi}(q)"
    paper = SEMbi.paper
    changes = "query"
    stays = "it looks up labelled items for every query, and those must not travel"
    cost = "SEM and one look at the labelled items for each query"
    needs = Needs(sae=True, prompts=("diverse", "bias", "paraphrases"), references=True)
    array_names = (*SEM_ARRAYS, "ref_emb", "ref_label", "num_neighbors")

    def fit(self, evidence: Evidence) -> BendSEMFit:
        return BendSEMFit(SEMbi().fit(evidence), BendFit.of(evidence))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: BendSEMFit | None = None) -> np.ndarray:
        if fitted is None:
            return SEMbi()(material, edit)  # which says what is missing
        modulated = SEMbi()(material, edit, fitted.scores)
        return fitted.bend.bent(modulated).astype(modulated.dtype) if len(modulated) else modulated

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        sem = SEMbi().on_arrays(arrays)
        e0 = sem["out"]
        bent = step2_on_arrays(Reader(arrays, "bendsem"), e0.astype(np.float64), e0.dtype)
        return {**sem, "e0": e0, **bent}
