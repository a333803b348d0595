"""`gpu`: what one GPU does in ten minutes: a training step, embedding, the live engine, first edits.

Training stands beside the published trainer and embedding beside the bare forward pass (see `train` and `embed`); the
engine's answers are compared with those in memory. `--n` rows of the engine. Without a GPU the same runs on the CPU
with small sizes, which says that it runs and nothing of how fast a GPU is.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch

from core.config import Edit
from core.retrieval import LiveEngine, LiveGallery, StoredIndex, same_ranking
from core.retrieval.on_device import Device
from tests.benchmarks import embed, residual, toggle, train
from tests.benchmarks.toggle import EACH, K, measured, timed

ROWS, SMALL, FEW = 10_000_000, 4_000, 1_000_000
"""Rows of the engine on a GPU and without one; at most so many residuals."""
MODEL = "ViT-L-14"
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}
TOLERANCE = 1e-5
"""By which scores of float32 sums in another order may differ."""


def run(n: int | None = None, runs: int = 5) -> dict[str, Any]:
    """Figures of each part; seconds that each took, data and warming up included."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = n or (ROWS if device == "cuda" else SMALL)
    parts = {
        "training": lambda: _training(runs, device),
        "embedding": lambda: _embedding(min(runs, 3), device),
        "engine": lambda: engine(rows, runs, device),
        "first edits": lambda: first_edits(min(rows, FEW), device),
    }
    found: dict[str, Any] = {}
    for name, work in parts.items():
        began = time.perf_counter()
        found[name] = work()
        found[name]["took_s"] = round(time.perf_counter() - began, 1)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)  # kept where the time runs out
    return {"device": torch.cuda.get_device_name() if device == "cuda" else "cpu, small sizes", **found}


def _training(runs: int, device: str) -> dict[str, Any]:
    if device == "cuda":
        return train.on(device, runs)
    return {"skipped": "`train` times it on a CPU"}


def _embedding(runs: int, device: str) -> dict[str, Any]:
    """Pictures a second of a model of real size with random weights."""
    if device == "cuda":
        config = open_clip.get_model_config(MODEL)
        return embed.run(n=16, runs=runs, models={MODEL: config})
    return embed.run(n=8, runs=1, models={"tiny": TINY})


def engine(rows: int, runs: int, device: str) -> dict[str, Any]:
    """Medians of milliseconds: two neurons that were never switched together, the same at another strength."""
    with tempfile.TemporaryDirectory() as folder:
        x, codes, W_dec, labels, query = toggle.material(rows, Path(folder))
        k = min(K, rows // 4)
        placing, on = timed(lambda: LiveEngine(LiveGallery(x, codes, W_dec, np.zeros(x.shape[1]), on=Device(device))))
        base = StoredIndex(x).scores(query)
        opening, _ = timed(lambda: on.search(query, k, None, base))
        for j in range(2 * EACH):
            on.search(query, k, Edit((j,)), base)
        pairs = [(j, EACH + j) for j in range(EACH)][:runs]
        edits, weaker = [Edit(pair) for pair in pairs], [Edit(pair, strength=0.5) for pair in pairs]
        first = [timed(lambda e=e: measured(labels, on.search(query, k, e, base))) for e in edits]
        slid = [timed(lambda e=e: on.search(query, k, e, base))[0] for e in weaker]
        memory = LiveEngine(LiveGallery(x, codes, W_dec, np.zeros(x.shape[1])))
        same = same_ranking(first[0][1][0], memory.search(query, k, edits[0], base), TOLERANCE)
    return {
        "rows": rows,
        "placed_s": round(placing + opening, 2),
        "switch_ms": round(1e3 * statistics.median(took for took, _ in first), 2),
        "slider_ms": round(1e3 * statistics.median(slid), 2),
        "as_in_memory": bool(same),
    }


def first_edits(rows: int, device: str) -> dict[str, Any]:
    """Seconds of the first edit of each kind at the residual attach point, with the passes over all rows it needs."""
    x, pooled, codes, W_dec, readout, _, query = residual.material(rows)
    made = LiveEngine(LiveGallery(x, codes, W_dec, np.zeros(x.shape[1]), pooled, readout, on=Device(device)))
    base = StoredIndex(pooled).scores(query)
    k = min(K, rows // 4)
    edits = {"error-preserving": Edit((0,)), "blend": Edit((0,), form="blend", alpha=0.5)}
    return {"rows": rows} | {
        f"{name}_s": round(timed(lambda e=edit: made.search(query, k, e, base))[0], 3) for name, edit in edits.items()
    }
