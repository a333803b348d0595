"""`opening`: from a gallery's folder to the first ranked result in a new process, and the memory that it takes."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.config import digest_of
from core.gallery import Gallery
from core.gallery.synthetic import synth_gallery
from core.saes.base import sae_config
from core.saes.checkpoint import SAEFile
from core.saes.frozen import FrozenSAE
from core.saes.rules import LARGEST
from tests.benchmarks.toggle import D_SAE, D, firing, rates, timed

READER = """
import json, sys, time
start = time.perf_counter()
import numpy as np
from core.ranking import RankRequest, rank
from core.gallery import open_gallery
from core.scene import Scene
loaded = time.perf_counter()
gallery, times = open_gallery(sys.argv[1]), []
scene, query = Scene(gallery), np.random.default_rng(0).normal(size=gallery.embeddings().shape[1])
for half in ("all", "evaluation"):
    begin = time.perf_counter()
    rank(scene, RankRequest("gender", query_embedding=query, k=1000, half=half))
    times.append(time.perf_counter() - (loaded if not times else begin))
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({"libraries": loaded - start, "first": times[0], "half": times[1],
                  "anonymous_mb": int(status["RssAnon"].split()[0]) / 1024}))
"""


def run(n: int = 100_000, runs: int = 5) -> dict[str, Any]:
    """Medians over new processes; the files are in the page cache. `ours` begins when the libraries are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery"
        synth_gallery(n, D, path)
        found = [_opened(path) for _ in range(runs + 1)][1:]  # the first one warms the page cache
        x = np.load(path / "pooled.npy", mmap_mode="r")
        query = np.ones(D, dtype=np.float32)
        products = [timed(lambda: x @ query)[0] for _ in range(runs)]
    medians = {name: statistics.median(one[name] for one in found) for name in found[0]}
    product = statistics.median(products)
    return {
        "ratio": round(product / medians["first"], 3),
        "ours": {"median_ms": round(1e3 * medians["first"], 1)},
        "other": {"name": "matrix-vector product over the mapped rows", "median_ms": round(1e3 * product, 1)},
        "runs": runs,
        "n": n,
        "with_libraries_ms": round(1e3 * (medians["libraries"] + medians["first"]), 1),
        "half_ms": round(1e3 * medians["half"], 1),
        "anonymous_mb": round(medians["anonymous_mb"], 1),
        "load": round(os.getloadavg()[0], 1),
    }


def _opened(path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def made(path: Path, n: int, seed: int = 0) -> tuple[Gallery, SAEFile]:
    """A synthetic gallery with the stored codes of a made-up SAE, whose neurons fire as those of `toggle` do."""
    gallery, rng = synth_gallery(n, D, path, seed=seed), np.random.default_rng(seed)
    W_dec = rng.normal(size=(D_SAE, D)).astype(np.float32)
    W_dec /= np.linalg.norm(W_dec, axis=1, keepdims=True)
    arrays = {"W_enc": W_dec.T.copy(), "b_enc": np.zeros(D_SAE), "W_dec": W_dec, "b_dec": np.zeros(D)}
    sae = FrozenSAE(
        sae_config("topk", D, D_SAE, 20), {name: a.astype(np.float32) for name, a in arrays.items()}, LARGEST
    )
    file = SAEFile(sae, "made-up", digest_of(["made-up", seed]), gallery.fingerprint("pooled"))
    codes = firing(rng, rates(), n)
    codes.data *= 20.0  # rows of the synthetic gallery have lengths of about 10
    gallery.write_codes(file.digest, codes.tocsr())
    return gallery, file
