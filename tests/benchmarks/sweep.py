"""`sweep`: 200 strengths of one edit, each an exact ranking with metrics, intervals and null band."""

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.config import Edit
from core.gallery import Gallery
from core.ranking import RankRequest, rank, sweep
from core.saes.checkpoint import SAEFile
from core.scene import Scene
from tests.benchmarks.opening import made
from tests.benchmarks.toggle import timed

POINTS, K = 200, 100
EDIT = Edit((0, 4))
"""One neuron that fires on 20 % of the rows, one on 5 %."""


def run(n: int = 100_000, runs: int = 5) -> dict[str, Any]:
    """Medians of interleaved runs. The other way asks for each of a few points by `rank` and is scaled to all."""
    with tempfile.TemporaryDirectory() as folder:
        return _measured(*made(Path(folder) / "gallery", n), runs)


def _measured(gallery: Gallery, sae: SAEFile, runs: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    times: dict[str, list[float]] = {"ours": [], "first": [], "other": []}
    for _ in range(runs):
        scene, query = Scene(gallery, {"image": sae}), rng.normal(size=gallery.embeddings().shape[1])
        request = RankRequest("gender", query_embedding=query, k=K, edits={"image": EDIT})
        # a page has shown the ranking without edit; what is new to the engine counts the first time
        rank(scene, RankRequest("gender", query_embedding=query, k=K))
        for name, far in (("first", 1.0), ("ours", 0.9)):
            values = np.linspace(0.0, far, POINTS)
            took, _ = timed(lambda v=values, s=scene, r=request: sweep(s, r, "strength", v))
            times[name].append(took)
        for strength in (0.31, 0.62):
            one = RankRequest("gender", query_embedding=query, k=K, edits={"image": Edit(EDIT.neurons, strength)})
            times["other"].append(POINTS * timed(lambda r=one, s=scene: rank(s, r))[0])
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {
        "ratio": round(medians["other"] / medians["ours"], 1),
        "ours": {"median_ms": round(medians["ours"], 1)},
        "other": {"name": "one ranking a point", "median_ms": round(medians["other"], 1)},
        "runs": runs,
        "n": gallery.n,
        "points": POINTS,
        "k": K,
        "first_ms": round(medians["first"], 1),
        "load": round(os.getloadavg()[0], 1),
    }
