"""Maps: many directions in two dimensions by PCA and by UMAP, and how far to trust each. The only user of umap."""

from contextlib import suppress
from types import ModuleType

import numpy as np

from core.units import unit

N_NEIGHBORS = 15
"""Of UMAP and of the trustworthiness that is reported."""
MIN_DIST = 0.05
EPOCHS, NEGATIVES = 1000, 15
"""Passes over the neighbourhoods, and strangers pushed away at each. Decoder rows are nearly at right angles: with
umap's own 500 and 5 their map keeps hardly more neighbours than PCA's (trustworthiness .60 against .59, here .67)."""
WORK = 10_000_000
"""Points times passes at most: very large maps get fewer passes."""
FEWEST = 4
"""Fewer points have no neighbourhoods to keep."""
BLOCK = 2048
"""Rows whose cosines to all others are in memory at a time."""


def pca_places(x: np.ndarray) -> np.ndarray:
    """First two principal components (n, 2) of the unit rows of x (n, d), float64; signs are fixed.

    Each axis points to its largest loading, so that the same input gives the same map on every machine.
    """
    rows = unit(x)
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    places = centred @ (axes * np.where(signs == 0, 1, signs))
    return np.hstack([places, np.zeros((len(x), 2 - places.shape[1]))])


def load_umap() -> ModuleType:
    """Have umap in memory: whoever says how far a map is wants to know when that is over.

    What umap compiles it keeps for some of its functions alone; for the others it would take most of a small map's time
    in every process again. They are kept beside umap too, or where numba keeps what it may not write there.
    """
    import umap
    from numba.core.dispatcher import Dispatcher
    from umap import layouts, umap_

    compiled = [one for module in (umap_, layouts) for one in vars(module).values() if isinstance(one, Dispatcher)]
    for one in compiled:
        with suppress(RuntimeError):  # there is nowhere to keep it
            one.enable_caching()
    return umap


def umap_places(x: np.ndarray, seed: int = 0, n_neighbors: int = N_NEIGHBORS) -> np.ndarray:
    """UMAP places (n, 2) of the rows of x (n, d) by cosine, float64; the same for the same seed.

    Fewer than FEWEST rows get their PCA places.
    """
    if len(x) < FEWEST:
        return pca_places(x)
    umap = load_umap()
    near = min(n_neighbors, len(x) - 1)
    passes = {"n_epochs": int(min(EPOCHS, WORK / len(x))), "negative_sample_rate": NEGATIVES}
    model = umap.UMAP(near, metric="cosine", min_dist=MIN_DIST, random_state=seed, n_jobs=1, **passes)
    return np.asarray(model.fit_transform(unit(x).astype(np.float32)), dtype=np.float64)


def trustworthiness(x: np.ndarray, places: np.ndarray, n_neighbors: int = N_NEIGHBORS) -> float:
    """How far neighbours on the map are neighbours in x (by cosine), in [0, 1]; 1: none is a stranger.

    1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j near i on the map, not in x} (r(i, j) - k), r the rank in x. NaN where
    n < 2 k + 2. Source: Venna and Kaski 2001; computed by scikit-learn.
    """
    from sklearn.manifold import trustworthiness as of_sklearn

    if len(x) < 2 * n_neighbors + 2:
        return float("nan")
    return float(of_sklearn(unit(x), places, n_neighbors=n_neighbors, metric="cosine"))


def nearest_cosine(x: np.ndarray) -> float:
    """Median over the rows of x (n, d) of the cosine to the nearest other row, in [-1, 1]; NaN for fewer than two."""
    rows = unit(x).astype(np.float32)
    if len(rows) < 2:
        return float("nan")
    nearest = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        cosines = rows[start : start + BLOCK] @ rows.T
        here = np.arange(len(cosines))
        cosines[here, start + here] = -np.inf
        nearest[start : start + BLOCK] = cosines.max(axis=1)
    return float(np.median(nearest))


def place_among(x: np.ndarray, places: np.ndarray, new: np.ndarray, n_neighbors: int = 5) -> np.ndarray:
    """Places (m, 2) for new rows (m, d): the mean of their nearest rows' places, weighted by cosine above the next.

    A map is not computed again for a visitor: it lands among what it resembles most.
    """
    cosines = unit(new) @ unit(x).T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, : n_neighbors + 1]
    values = np.take_along_axis(cosines, near, axis=1)
    weights = values[:, :-1] - values[:, -1:] + 1e-9
    return np.einsum("mk,mkd->md", weights / weights.sum(axis=1, keepdims=True), places[near[:, :-1]])
