"""BendVLM: each query is bent until it is equally near to the pictures of every group that suit it best."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import Edit
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.bend import NEIGHBOURS, NEIGHBOURS_ELSE, equalised, prototypes, step1_rows
from core.interventions.subspaces import row_space, without
from core.units import unit


@dataclass(frozen=True, eq=False)
class BendFit:
    """What both steps look at."""

    spurious: np.ndarray
    """Plain group prompts (n, d); (0, d) where there are none."""
    references: np.ndarray
    """Labelled items (m, d), unit rows, float64."""
    labels: np.ndarray
    k: int

    @property
    def nbytes(self) -> int:
        return self.references.nbytes + self.labels.nbytes + self.spurious.nbytes

    @classmethod
    def of(cls, evidence: Evidence) -> "BendFit":
        references = evidence.require_references()
        none = np.zeros((0, references.pooled.shape[1]))
        spurious = evidence.text("spurious").pooled if "spurious" in evidence.texts else none
        k = NEIGHBOURS.get(len(np.unique(references.labels)), NEIGHBOURS_ELSE)
        return cls(spurious, unit(references.pooled), references.labels, k)

    def bent(self, e0: np.ndarray) -> np.ndarray:
        """Step 2 for each query (Q, d) by itself, with its own neighbours; unit rows, float64."""
        return np.concatenate([equalised(e[None], prototypes(e[None], *self._anchors())) for e in e0])

    def _anchors(self) -> tuple[np.ndarray, np.ndarray, int]:
        return self.references, self.labels, self.k


@INTERVENTIONS.register("bendvlm")
class BendVLM(Intervention):
    """e0 = normalise(q (I - V V^T)), then e = normalise(e0 - Q Q^T e0).

    V spans the plain group prompts and the half differences of the query said of every group, Q the differences of
    the groups' prototypes. Step 1 uses whichever of these texts there are, and is left out where there are none. Both
    bases are cut at numerical rank (a truncated SVD of fixed size returns arbitrary directions beyond it).
    """

    title = "BendVLM"
    plain = (
        "For each search text it looks up the pictures of every group that fit it best, among pictures with known "
        "groups, and turns the text until it is equally near to all of them. The pictures stay as they are, and each "
        "search text is turned on its own."
    )
    formula = (
        r"e = \frac{e_0 - Q Q^\top e_0}{\lVert e_0 - Q Q^\top e_0\rVert}, "
        r"\qquad Q = \mathrm{span}\{p_c - p_0\}, \quad e\cdot p_c = e \cdot p_0"
    )
    paper = "BendVLM, arXiv 2411.04420"
    cost = "under a millisecond a query, one look at the labelled items"
    stays = "it looks up labelled items for every query, and those must not travel"
    changes = "query"
    needs = Needs(references=True, wanted=("spurious", "augmented"))
    array_names = ("query_emb", "spurious_emb", "augmentation_emb", "ref_emb", "ref_label", "num_neighbors")

    def fit(self, evidence: Evidence) -> BendFit:
        return BendFit.of(evidence)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        stored = material.stored()
        variants = material.augmented or (None,) * len(stored)
        started = [_step1(q, fitted.spurious, more) for q, more in zip(stored, variants, strict=True)]
        return fitted.bent(np.stack(started)).astype(stored.dtype) if started else stored

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "bendvlm")
        query = read.matrix("query_emb")
        spurious = read.matrix("spurious_emb", query.shape[1], least=2)
        augmented = read.matrix("augmentation_emb", query.shape[1])
        rows = len(query) * len(spurious)
        read.fits("augmentation_emb", len(augmented) == rows, f"{rows} rows, one for each query and group")
        V = row_space(step1_rows(spurious, np.split(augmented, len(query))))
        e0 = unit(without(unit(query), V))
        return {"e0": e0.astype(query.dtype), **step2_on_arrays(read, e0, query.dtype)}


def step2_on_arrays(read: Reader, e0: np.ndarray, dtype: np.dtype) -> dict[str, np.ndarray]:
    """`out` and `step2_prototypes` from queries (Q, d) after step 1 and the reference arrays."""
    references, labels = read.matrix("ref_emb", e0.shape[1], least=2), read.whole("ref_label")
    read.fits("ref_label", len(labels) == len(references), f"{len(references)} labels, one a row of ref_emb")
    read.fits("ref_label", len(np.unique(labels)) >= 2, "labels of at least two classes")
    anchors = prototypes(e0, references, labels, read.count("num_neighbors"))
    return {"out": equalised(e0, anchors).astype(dtype), "step2_prototypes": anchors}


def _step1(query: np.ndarray, spurious: np.ndarray, augmented: np.ndarray | None) -> np.ndarray:
    """The unit query (d,) outside the span of the group prompts and of its own variants' differences."""
    if not len(spurious) and augmented is None:
        return unit(query)
    V = row_space(step1_rows(spurious, [] if augmented is None else [augmented]))
    return unit(without(unit(query), V))
