"""Maps: many directions in two dimensions, by PCA at once and by UMAP in a process of its own. The only user of umap.

`python -m core.projection FOLDER` computes the map of FOLDER/input.npy: umap takes long to load and to compile, and
inside the server it would hold up everybody.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import ROOT, InputError, digest_of
from core.store import array_digest, atomic_file, read_array, read_json, write_json

N_NEIGHBORS = 15
"""Of UMAP and of the trustworthiness that is reported."""
MIN_DIST = 0.05
EPOCHS, NEGATIVES = 1000, 15
"""Passes over the neighbourhoods, and strangers pushed away at each. Decoder rows are nearly at right angles: with
umap's own 500 and 5 their map keeps hardly more neighbours than PCA's (trustworthiness .60 against .59, here .67)."""
WORK = 10_000_000
"""Points times passes at most: very large maps get fewer passes."""
MOST = 20_000
"""Points of one map: beyond it the exact trustworthiness needs more memory than a laptop has."""
BLOCK = 2048
"""Rows whose cosines to all others are in memory at a time."""
STAGES = ("waiting", "loading", "placing", "checking", "done")


@dataclass(frozen=True)
class Projection:
    """Places (n, 2) on a map, and how far the map can be trusted."""

    places: np.ndarray
    trustworthiness: float
    """Of the UMAP map: see `trustworthiness`."""
    pca_trustworthiness: float
    """Of the PCA map of the same points."""
    nearest_cosine: float
    """Median over the points of the cosine to the nearest other one: where it is small, no two points are alike and
    any map of them says little."""
    n_neighbors: int
    seed: int


def pca_places(x: np.ndarray) -> np.ndarray:
    """First two principal components (n, 2) of the unit rows of x (n, d), float64; signs are fixed.

    Each axis points to its largest loading, so that the same input gives the same map on every machine.
    """
    unit = _unit(x)
    centred = unit - unit.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    places = centred @ (axes * np.where(signs == 0, 1, signs))
    return np.hstack([places, np.zeros((len(x), 2 - places.shape[1]))])


def umap_places(x: np.ndarray, seed: int = 0, n_neighbors: int = N_NEIGHBORS) -> np.ndarray:
    """UMAP places (n, 2) of the rows of x (n, d) by cosine, float64; the same for the same seed.

    Fewer than four rows have no neighbourhoods to keep: they get their PCA places.
    """
    if len(x) < 4:
        return pca_places(x)
    import umap

    near = min(n_neighbors, len(x) - 1)
    passes = {"n_epochs": int(min(EPOCHS, WORK / len(x))), "negative_sample_rate": NEGATIVES}
    model = umap.UMAP(near, metric="cosine", min_dist=MIN_DIST, random_state=seed, n_jobs=1, **passes)
    return np.asarray(model.fit_transform(_unit(x).astype(np.float32)), dtype=np.float64)


def trustworthiness(x: np.ndarray, places: np.ndarray, n_neighbors: int = N_NEIGHBORS) -> float:
    """How far neighbours on the map are neighbours in x (by cosine), in [0, 1]; 1: none is a stranger.

    1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j near i on the map, not in x} (r(i, j) - k), r the rank in x. NaN where
    n < 2 k + 2. Source: Venna and Kaski 2001; computed by scikit-learn.
    """
    from sklearn.manifold import trustworthiness as of_sklearn

    if len(x) < 2 * n_neighbors + 2:
        return float("nan")
    return float(of_sklearn(_unit(x), places, n_neighbors=n_neighbors, metric="cosine"))


def nearest_cosine(x: np.ndarray) -> float:
    """Median over the rows of x (n, d) of the cosine to the nearest other row, in [-1, 1]; NaN for fewer than two."""
    unit = _unit(x).astype(np.float32)
    if len(unit) < 2:
        return float("nan")
    nearest = np.empty(len(unit))
    for start in range(0, len(unit), BLOCK):
        cosines = unit[start : start + BLOCK] @ unit.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        nearest[start : start + BLOCK] = cosines.max(axis=1)
    return float(np.median(nearest))


def place_among(x: np.ndarray, places: np.ndarray, new: np.ndarray, n_neighbors: int = 5) -> np.ndarray:
    """Places (m, 2) for new rows (m, d): the mean of their nearest rows' places, weighted by cosine above the next.

    A map is not computed again for a visitor: it lands among what it resembles most.
    """
    cosines = _unit(new) @ _unit(x).T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, : n_neighbors + 1]
    values = np.take_along_axis(cosines, near, axis=1)
    weights = values[:, :-1] - values[:, -1:] + 1e-9
    return np.einsum("mk,mkd->md", weights / weights.sum(axis=1, keepdims=True), places[near[:, :-1]])


# -- a map in a folder ------------------------------------------------------------------------------------------------


def map_digest(x: np.ndarray, seed: int = 0) -> str:
    """What a map depends on: its points and its settings."""
    settings = [N_NEIGHBORS, MIN_DIST, EPOCHS, NEGATIVES, WORK]
    return digest_of([array_digest(np.ascontiguousarray(x)), seed, *settings])


def start(folder: Path, x: np.ndarray, seed: int = 0) -> None:
    """Begin to compute the UMAP map of x (n, d) into `folder`, unless it is there or under way."""
    if len(x) > MOST:
        raise InputError(f"a map of {len(x):,} points was asked for; expected at most {MOST:,}: take a part of them")
    if read_map(folder) is not None or running(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / "input.npy", sync=False) as partial, open(partial, "wb") as file:
        np.save(file, x)
    _say(folder, "waiting", seed)
    command = [sys.executable, "-m", "core.projection", str(folder)]
    # one thread: the layout is computed in a fixed order anyway, and the server needs the rest
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with open(folder / "errors.txt", "w") as errors:
        child = subprocess.Popen(command, cwd=ROOT, stdout=errors, stderr=errors, env=environment)
    _say(folder, "waiting", seed, child.pid)


def stage(folder: Path) -> str | None:
    """What the computation is doing, one of STAGES; None where nothing was begun."""
    return read_json(folder / "state.json")["stage"] if (folder / "state.json").is_file() else None


def running(folder: Path) -> bool:
    """Whether a process is computing this map; what died halfway is begun anew."""
    if stage(folder) in (None, "done"):
        return False
    process = read_json(folder / "state.json").get("process")
    if process is None:
        return False
    try:
        finished, _ = os.waitpid(process, os.WNOHANG)  # a child that has ended must be asked, or it stays
    except ChildProcessError:
        finished = 0
    if finished:
        return False
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def read_map(folder: Path) -> Projection | None:
    """The finished map of a folder; None where there is none yet."""
    about = folder / "map.json"
    if not about.is_file():
        return None
    return Projection(places=read_array(folder / "places.npy", "the places of a map"), **read_json(about))


def _compute(folder: Path) -> None:
    """The work of the process of its own."""
    seed = read_json(folder / "state.json")["seed"]
    x = read_array(folder / "input.npy", "the points of a map")
    _say(folder, "loading", seed, os.getpid())
    if len(x) >= 4:
        import umap  # noqa: F401
    _say(folder, "placing", seed, os.getpid())
    places = umap_places(x, seed)
    _say(folder, "checking", seed, os.getpid())
    found = {"trustworthiness": trustworthiness(x, places), "pca_trustworthiness": trustworthiness(x, pca_places(x))}
    found["nearest_cosine"] = nearest_cosine(x)
    with atomic_file(folder / "places.npy") as partial, open(partial, "wb") as file:
        np.save(file, places)
    known = {name: value if np.isfinite(value) else 0.0 for name, value in found.items()}
    write_json(folder / "map.json", known | {"n_neighbors": N_NEIGHBORS, "seed": seed})
    _say(folder, "done", seed)
    (folder / "input.npy").unlink(missing_ok=True)


def _say(folder: Path, now: str, seed: int, process: int | None = None) -> None:
    state: dict[str, Any] = {"stage": now, "seed": seed, "process": process}
    write_json(folder / "state.json", state)


def _unit(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0)


if __name__ == "__main__":
    _compute(Path(sys.argv[1]))
