"""The only user of faiss: an exact index over rows in memory, and the centres that rows gather around."""

from typing import Any

import numpy as np

from core.config import Progress

ROUNDS = 10
"""Rounds of k-means: later ones hardly move a centre."""


def flat_index(unit: np.ndarray) -> Any:
    """faiss's exact inner-product index over a copy of the rows (n, d), float32."""
    import faiss

    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    assert index.ntotal == len(unit)
    return index


def rows_of(index: Any, n: int, d: int) -> np.ndarray:
    """The memory of a flat index, (n, d) float32, read-only."""
    import faiss

    view = faiss.rev_swig_ptr(index.get_xb(), n * d).reshape(n, d)
    view.flags.writeable = False
    return view


def k_means(rows: np.ndarray, count: int, seed: int, progress: Progress | None = None) -> np.ndarray:
    """Means (count, d) of the clusters that k-means finds in rows (m, d), m >= count; float32."""
    import faiss

    centres = None
    for done in range(ROUNDS):
        means = faiss.Kmeans(
            rows.shape[1], count, niter=1, seed=seed, min_points_per_centroid=1, max_points_per_centroid=len(rows)
        )
        means.train(rows, init_centroids=centres)
        centres = means.centroids
        if progress is not None:
            progress(done + 1, ROUNDS, "finding centres")
    return np.array(centres, dtype=np.float32)


class Centres:
    """Finds the centre nearest to a row."""

    def __init__(self, centres: np.ndarray) -> None:
        import faiss

        self._index = faiss.IndexFlatL2(centres.shape[1])
        self._index.add(np.ascontiguousarray(centres, dtype=np.float32))

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """The number of the centre nearest to each row (m, d), int32 (m,)."""
        return self._index.search(np.ascontiguousarray(rows, dtype=np.float32), 1)[1][:, 0].astype(np.int32)
