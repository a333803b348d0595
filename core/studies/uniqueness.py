"""Uniqueness of neurons: how many of its sixteen strongest items a neuron shares with another one."""

from itertools import pairwise
from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from core.config import InputError, Progress
from core.figures import Picture, Series
from core.neurons import codes_of
from core.neurons.matrices import AnyCodes, by_neuron
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult

TOP = 16
BINS = 10


@STUDIES.register("uniqueness")
class Uniqueness(Study):
    """Jaccard index of the sets of the 16 items on which two neurons fire most: |A and B| / |A or B|.

    0: no item in common; 1: the same sixteen. Over all pairs of neurons that fire on at least 16 of the measured items,
    after Pach et al. 2025. What two random sets would share is beside it. The numbers describe these items exactly;
    they are no estimates.
    """

    title = "Uniqueness of neurons"
    question = "Do neurons say different things, or do several fire on the same items?"
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        gallery, sae = request.gallery, request.require_sae()
        half = request.scene.half(request.half)
        rows = gallery.rows(half, request.where)
        neurons, tops = top_sets(codes_of(gallery, sae, progress).csc, rows)
        if len(neurons) < 2:
            raise InputError(
                f"{len(neurons)} neurons fire on {TOP} of the {len(rows):,} measured items; expected two at least"
            )
        index = jaccard(tops)
        np.fill_diagonal(index, -1.0)
        nearest = index.argmax(axis=1)
        most = index[np.arange(len(neurons)), nearest]
        table = pd.DataFrame({"neuron": neurons, "nearest": neurons[nearest], "jaccard": most, "n": len(rows)})
        table = table.sort_values(["jaccard", "neuron"], ascending=[False, True], ignore_index=True)
        pairs = index[np.triu_indices(len(neurons), 1)]
        findings = {
            "neurons": len(neurons),
            "pairs": len(pairs),
            "mean_jaccard": float(pairs.mean()),
            "random_jaccard": random_jaccard(len(rows)),
            "pairs_without_a_common_item": float((pairs == 0).mean()),
            "neurons_with_a_twin": float((most >= 0.5).mean()),
        }
        counts, edges = np.histogram(most, BINS, (0.0, 1.0))
        names = [f"{low:.1f} to {high:.1f}" for low, high in pairwise(edges)]
        series = Series("share of neurons", names, (counts / counts.sum()).tolist())
        notes = (
            f"mean over {len(pairs):,} pairs {findings['mean_jaccard']:.4f}; two random sets of {TOP} of {len(rows):,} "
            f"items would share {findings['random_jaccard']:.4f}",
            f"{findings['neurons_with_a_twin']:.1%} of {len(neurons):,} neurons have another one with at least half of "
            "all items in common",
        )
        picture = Picture(
            self.title, "bars", "", "share of neurons", (series,), "largest Jaccard index of each neuron with another"
        )
        settings = {"study": "uniqueness", "half": half, "where": dict(request.where), "top": TOP, **request.digests()}
        return StudyResult(table, picture, settings, notes, findings, table.head(20))


def top_sets(codes: AnyCodes, rows: np.ndarray, top: int = TOP) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Neurons that fire on at least `top` of the rows (rising), and the sets of those on which each fires most (m, n),
    of equal values the earlier row.
    """
    z = by_neuron(codes)[rows].tocsc()
    z.eliminate_zeros()
    z.sort_indices()
    neurons = np.flatnonzero(np.diff(z.indptr) >= top)
    places = []
    for j in neurons:
        at, values = z.indices[z.indptr[j] : z.indptr[j + 1]], z.data[z.indptr[j] : z.indptr[j + 1]]
        places.append(np.sort(at[np.lexsort((at, -values))[:top]]))
    columns = np.concatenate(places) if places else np.zeros(0, dtype=np.int64)
    starts = np.arange(0, len(columns) + 1, top)
    return neurons, sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(neurons), len(rows)))


def jaccard(sets: sparse.csr_matrix) -> np.ndarray:
    """Jaccard index of every two sets (m, m), from 0 to 1."""
    common = (sets @ sets.T).toarray()
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    return common / np.maximum(sizes[:, None] + sizes - common, 1.0)


def random_jaccard(n: int, top: int = TOP) -> float:
    """Expected Jaccard index of two random sets of `top` of n items: over i common ones, hypergeometric."""
    from scipy.stats import hypergeom

    i = np.arange(top + 1)
    return float((hypergeom.pmf(i, n, min(top, n), min(top, n)) * i / (2 * top - i)).sum())
