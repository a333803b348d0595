"""BendVLM's two steps: a projection of the query, then equal distance to what each group looks like.

Step 2 as published is a search with an optimiser; it has a closed form. Maximise e.e0 subject to |e| = 1 and
e.(p_c - p_0) = 0 for all classes c: e is the normalised part of e0 outside the span of the differences p_c - p_0.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from core.interventions.subspaces import remainder, row_space
from core.units import unit

NEIGHBOURS = {2: 100}
NEIGHBOURS_ELSE = 10
"""Nearest reference items of each group in the published runs: 100 for two groups (gender), 10 for more (race)."""


def step1_rows(spurious: np.ndarray, augmented: Sequence[np.ndarray]) -> np.ndarray:
    """Directions (m, d) that step 1 removes: unit group prompts and half differences of each query's unit variants."""
    rows = [unit(spurious)] if len(spurious) else []
    for variants in map(unit, augmented):
        rows += [((variants[i] - variants[j]) / 2)[None] for i, j in combinations(range(len(variants)), 2)]
    return np.concatenate(rows)


def prototypes(e0: np.ndarray, references: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """p_c (C, d), float64: mean of the k reference rows of each class with the largest mean cosine to the queries.

    Classes in the order of their labels; of equal cosines the earlier row is nearer; a class with fewer than k rows
    gives all of them.

    Parameters
    ----------
    e0 : queries (Q, d); their length does not matter. All of them share the prototypes.
    references : unit rows (m, d).
    """
    references = np.asarray(references, dtype=np.float64)
    likeness = references @ unit(e0).mean(axis=0)
    means = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        nearest = rows[np.argsort(-likeness[rows], kind="stable")[:k]]
        means.append(references[nearest].mean(axis=0))
    return np.stack(means)


def equalised(e0: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """e (Q, d), float64 unit rows: the nearest to e0 with equal inner products with all anchors (C, d); zeros where
    nothing of e0 has them.

    e = normalise(e0 - Q Q^T e0), Q an orthonormal basis, cut at numerical rank, of {p_c - p_0}.
    """
    Q = row_space(remainder(anchors[1:], anchors[1:] - anchors[0]))
    e0 = np.asarray(e0, dtype=np.float64)
    return unit(remainder(e0, e0 - (e0 @ Q) @ Q.T))
