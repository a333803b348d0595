"""A map is computed in a process of its own, into a folder that says how far it is.

umap takes long to load and to compile, and inside the server it would hold up everybody.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import access
from core.config import ROOT, InputError, digest_of
from core.projection.places import (
    EPOCHS,
    FEWEST,
    MIN_DIST,
    N_NEIGHBORS,
    NEGATIVES,
    WORK,
    load_umap,
    nearest_cosine,
    pca_places,
    trustworthiness,
    umap_places,
)
from core.store import array_digest, atomic_file, read_array, read_json, write_json

MOST = 20_000
"""Points of one map: beyond it the exact trustworthiness needs more memory than a laptop has."""
STAGES = ("waiting", "loading", "placing", "checking", "done")


@dataclass(frozen=True)
class Projection:
    """Places (n, 2) on a map, and how far the map can be trusted."""

    places: np.ndarray
    trustworthiness: float | None
    """Of the UMAP map: see `trustworthiness`; None where there are too few points for one."""
    pca_trustworthiness: float | None
    """Of the PCA map of the same points."""
    nearest_cosine: float | None
    """Median over the points of the cosine to the nearest other one: where it is small, no two points are alike and
    any map of them says little."""
    n_neighbors: int
    seed: int


def map_digest(x: np.ndarray, seed: int = 0) -> str:
    """What a map depends on: its points and its settings."""
    settings = [N_NEIGHBORS, MIN_DIST, EPOCHS, NEGATIVES, WORK]
    return digest_of([array_digest(np.ascontiguousarray(x)), seed, *settings])


def start(folder: Path, x: np.ndarray, seed: int = 0) -> None:
    """Begin to compute the UMAP map of x (n, d) into `folder`, unless it is there or under way."""
    if not prepare(folder, x, seed):
        return
    command = [sys.executable, "-m", "core.projection", str(folder)]
    # one thread: the layout is computed in a fixed order anyway, and the server needs the rest
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with open(folder / "errors.txt", "w") as errors:
        child = subprocess.Popen(command, cwd=ROOT, stdout=errors, stderr=errors, env=environment)
    _say(folder, "waiting", seed, child.pid)


def prepare(folder: Path, x: np.ndarray, seed: int = 0) -> bool:
    """Lay the points of a map into its folder, for `compute`; False where the map is there or under way."""
    access.require("map")
    if len(x) > MOST:
        raise InputError(f"a map of {len(x):,} points was asked for; expected at most {MOST:,}: take a part of them")
    if read_map(folder) is not None or running(folder):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / "input.npy", sync=False) as partial, open(partial, "wb") as file:
        np.save(file, x)
    _say(folder, "waiting", seed)
    return True


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


def cancel(folder: Path) -> bool:
    """End the computation of a map; False where none runs."""
    if not running(folder):
        return False
    os.kill(read_json(folder / "state.json")["process"], signal.SIGTERM)
    return True


def read_map(folder: Path) -> Projection | None:
    """The finished map of a folder; None where there is none yet."""
    about = folder / "map.json"
    if not about.is_file():
        return None
    places, said = read_array(folder / "places.npy", "the places of a map"), read_json(about)
    if len(places) < 2 * N_NEIGHBORS + 2:  # maps of earlier versions say 0
        said |= {"trustworthiness": None, "pca_trustworthiness": None}
    return Projection(places=places, **said)


def compute(folder: Path, process: int | None = None) -> None:
    """The work of the process of its own; `process` is the one that is asked after, its own without it."""
    process = process or os.getpid()
    seed = read_json(folder / "state.json")["seed"]
    x = read_array(folder / "input.npy", "the points of a map")
    _say(folder, "loading", seed, process)
    if len(x) >= FEWEST:
        load_umap()
    _say(folder, "placing", seed, process)
    places = umap_places(x, seed)
    _say(folder, "checking", seed, process)
    trust = {"trustworthiness": trustworthiness(x, places), "pca_trustworthiness": trustworthiness(x, pca_places(x))}
    trust["nearest_cosine"] = nearest_cosine(x)
    with atomic_file(folder / "places.npy") as partial, open(partial, "wb") as file:
        np.save(file, places)
    known = {name: value if np.isfinite(value) else None for name, value in trust.items()}
    write_json(folder / "map.json", known | {"n_neighbors": N_NEIGHBORS, "seed": seed})
    _say(folder, "done", seed)
    (folder / "input.npy").unlink(missing_ok=True)


def _say(folder: Path, now: str, seed: int, process: int | None = None) -> None:
    state: dict[str, Any] = {"stage": now, "seed": seed, "process": process}
    write_json(folder / "state.json", state)
