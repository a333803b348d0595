"""`cluster`: a gallery built and encoded by two workers, one of them killed midway, against one process."""

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.backbones.open_clip_models import load_backbone
from core.cluster import Cluster, cluster_at
from core.datasets import DATASETS
from core.gallery import Gallery, build_gallery
from core.gallery.embedding import embed_parts
from core.gallery.spreading import spread_parts
from core.neurons import encode_gallery
from core.saes.checkpoint import load_sae

WORKERS, SIDE = 2, 96


def run(n: int = 20_000) -> dict[str, Any]:
    """`ours` is the cluster of two workers on this machine, its start not counted; `other` is this process alone."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw(folder / "pictures", n)
        alone = work(folder / "pictures", folder / "alone", None)
        begun = time.perf_counter()
        with cluster_at("local", WORKERS) as cluster:
            started = time.perf_counter() - begun
            spread = work(folder / "pictures", folder / "spread", cluster)
    return {
        "ratio": round(alone["build_s"] / spread["build_s"], 2),
        "ours": {"name": f"{WORKERS} workers, one killed", "median_ms": round(1e3 * spread["build_s"])},
        "other": {"name": "one process", "median_ms": round(1e3 * alone["build_s"])},
        "runs": 1,
        "n": n,
        "identical": {what: spread[what] == alone[what] for what in ("digest", "files", "codes")},
        "killed": spread["killed"],
        "encode_ms": {"ours": round(1e3 * spread["encode_s"]), "other": round(1e3 * alone["encode_s"])},
        "cluster_start_s": round(started, 1),
        "threads_of_one_process": len(os.sched_getaffinity(0)) if "OMP_NUM_THREADS" not in os.environ else 1,
        "load": round(os.getloadavg()[0], 1),
    }


def work(pictures: Path, out: Path, cluster: Cluster | None) -> dict[str, Any]:
    """Build and encode; how long each took, the digests of what was made, and which workers were killed."""
    items, backbone, sae = DATASETS.get("folder")().items(pictures), load_backbone("default"), load_sae("default-image")
    load = partial(load_backbone, "default", None, backbone.device.type)
    embed = embed_parts if cluster is None else partial(spread_parts, cluster, load)
    killers = [Killer(what) for what in ("build", "encode")] if cluster is not None else [None, None]
    begun = time.perf_counter()
    gallery: Gallery = build_gallery(items, backbone, out, name="g", embed=embed, progress=shown(killers[0]))
    built = time.perf_counter()
    encode_gallery(gallery, sae, progress=shown(killers[1]), cluster=cluster)
    encoded = time.perf_counter()
    (codes,) = (gallery.path / "codes").glob("*/codes.json")
    return {
        "build_s": built - begun,
        "encode_s": encoded - built,
        "digest": gallery.digest,
        "files": json.loads((gallery.path / "manifest.json").read_text())["files"],
        "codes": json.loads(codes.read_text())["files"],
        "killed": [killer.done for killer in killers if killer is not None],
    }


def draw(folder: Path, n: int) -> None:
    """Small JPEG files of coloured clouds."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(n):
        cloud = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        cloud.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{i:06d}.jpg", quality=85)


class Killer:
    """Kills one worker at its work, as the system would, when the work is about half done."""

    def __init__(self, what: str) -> None:
        self.done: dict[str, Any] = {"phase": what, "pid": None}

    def __call__(self, done: int, total: int, what: str) -> None:
        if "after" not in self.done and done >= 0.4 * total:
            self.done["after"] = done
            threading.Thread(target=self._kill, daemon=True).start()

    def _kill(self) -> None:
        while not (busy := workers_at_work()):
            time.sleep(0.01)
        os.kill(busy[0], signal.SIGKILL)
        self.done["pid"] = busy[0]


def workers_at_work() -> list[int]:
    """Processes below this one that Ray has given a part to."""
    parent, busy = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            name = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        pid = int(folder.name)
        parent[pid] = int(fields[1])
        if name.startswith(b"ray::_work"):
            busy.append(pid)

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parent and ours(parent[pid]))

    return sorted(filter(ours, busy))


def shown(killer: Killer | None) -> Callable[[int, int, str], None]:
    """Progress on standard error, and whatever else is to happen on the way."""
    last = [time.monotonic()]

    def show(done: int, total: int, what: str) -> None:
        if killer is not None:
            killer(done, total, what)
        if time.monotonic() - last[0] > 10:
            last[0] = time.monotonic()
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr)

    return show
