"""`ivf`: a query to some lists of an inverted file, against the exact ranking: time, and what is missed."""

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.gallery import build_ivf, synth_gallery
from core.gallery.synthetic import SPREAD
from core.ranking import recall_of
from core.retrieval import IvfIndex, StoredIndex
from tests.benchmarks.toggle import D, K, timed

SHARES = (1 / 64, 1 / 16, 1 / 8, 1 / 4)
"""Lists looked at, as shares of all."""
KINDS = ("items", "prompts")


def run(n: int = 100_000, runs: int = 15) -> dict[str, Any]:
    """Medians of interleaved runs, each with a query of its own, at several numbers of lists looked at.

    Recall@1000 is measured on gallery rows and on made-up prompts: rows turned away from what all rows have in common,
    as texts lie apart from pictures. `ratio` is that of the fewest lists with a recall of .95 on prompts, or of the
    most lists where none have it. Synthetic rows hardly cluster, so that real galleries need fewer lists.
    """
    with tempfile.TemporaryDirectory() as folder:
        gallery = synth_gallery(n, D, Path(folder) / "gallery")
        x = gallery.embeddings()
        asked = queries(x)
        building, _ = timed(lambda: build_ivf(gallery, queries=asked["items"]))
        opened = {"items": build_ivf(gallery, queries=asked["items"])}
        opened["prompts"] = build_ivf(gallery, queries=asked["prompts"])
        size = sum(path.stat().st_size for path in (gallery.path / "ivf").iterdir())
        points, exact = _measured(x, opened, asked, runs)
    good = [p for p in points if p["recall"]["prompts"]["estimate"] >= 0.95] or points[-1:]
    return {
        "ratio": round(exact / good[0]["median_ms"], 2),
        "ours": {"median_ms": good[0]["median_ms"]},
        "other": {"name": "every row, exactly", "median_ms": round(exact, 2)},
        "runs": runs,
        "n": n,
        "d": D,
        "k": K,
        "lists": len(opened["items"].inverted),
        "build_s": round(building, 1),
        "index_mb": round(size / 2**20, 1),
        "points": points,
        "load": round(os.getloadavg()[0], 1),
    }


def queries(x: np.ndarray, count: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """Queries of both kinds (count, d), float32."""
    rng = np.random.default_rng(seed)
    rows = np.asarray(x[np.sort(rng.choice(len(x), count, replace=False))], dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    common = np.asarray(x[:: max(1, len(x) // 10_000)], dtype=np.float32).mean(axis=0)
    common /= np.linalg.norm(common)
    apart = rows - np.outer(rows @ common, 0.8 * common)
    apart += (SPREAD / np.sqrt(D)) * rng.normal(size=apart.shape).astype(np.float32)
    return {"items": rows, "prompts": apart}


def _measured(x: np.ndarray, opened: dict, asked: dict, runs: int) -> tuple[list[dict[str, Any]], float]:
    stored, inverted = StoredIndex(x), opened["items"].inverted
    assert len(stored.lengths) == len(x)  # known before anything is timed, as on a page that has shown a ranking
    places = sorted({max(1, round(share * len(inverted))) for share in SHARES})
    times: dict[int, list[float]] = {probes: [] for probes in (0, *places)}
    looked_at: dict[int, list[int]] = {probes: [] for probes in places}
    for number in range(runs):
        query = asked[KINDS[number % 2]][number % 64] + np.float32(1e-4) * number  # never asked before
        times[0].append(timed(lambda q=query: stored.search(q, K))[0])
        for probes in places:
            index = IvfIndex(opened["items"].rows, opened["items"].lengths, inverted, probes)
            if index.looked_at(query + np.float32(1e-3)) >= K:  # another query: nothing is remembered of this one
                times[probes].append(timed(lambda i=index, q=query: i.search(q, min(K, i.looked_at(q))))[0])
            looked_at[probes].append(index.looked_at(query))
    points = [
        {
            "probes": probes,
            "share": round(probes / len(inverted), 4),
            "looked_at": int(statistics.median(looked_at[probes])),
            "median_ms": round(1e3 * statistics.median(times[probes]), 2),
            "recall": {kind: recall_of(opened[kind], probes, min(K, len(x))).to_json() for kind in KINDS},
        }
        for probes in places
        if times[probes]  # fewer lists do not hold as many rows as are asked for
    ]
    return points, 1e3 * statistics.median(times[0])
