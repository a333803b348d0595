"""An edit applied to a million rows: its speed against a plain copy by the same library, and its memory."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.config import Edit, Fingerprint
from core.interventions import INTERVENTIONS
from core.portable import PortableEdit, SideEdit, read_edit, write_edit
from core.saes.base import new_sae, sae_config

N, D, F, NEURONS, RUNS = 1_000_000, 512, 4096, 16, 3
BLOCK = 16_384
MEMORY = 1 << 30


def run(n: int = N, runs: int = RUNS) -> dict[str, Any]:
    """Median seconds of `edit apply` and of a plain copy of the same file, in turn, each in a process of its own.

    `ratio` is copy / apply of the slower kind: 1 is as fast as a copy, .5 takes twice as long. Both are synced to disk.
    """
    with tempfile.TemporaryDirectory(prefix="unskew-apply") as name:
        folder = Path(name)
        write_edit(_edit(), folder / "edit")
        kinds = {kind: _one(folder, kind, n, runs) for kind in (".npy", ".parquet")}
    slowest = min(kinds, key=lambda kind: kinds[kind]["ratio"])
    return {
        "n": n,
        "d": D,
        "runs": runs,
        "ratio": kinds[slowest]["ratio"],
        "ours": kinds[slowest]["ours"],
        "other": {"name": f"plain copy, {slowest}", **kinds[slowest]["other"]},
        "kinds": kinds,
        "within_memory": all(one["memory_bytes"] < MEMORY for one in kinds.values()),
    }


def _edit() -> PortableEdit:
    """Sixteen neurons that fire on some rows."""
    rng = np.random.default_rng(0)
    sae = new_sae(sae_config("batch-topk", D, F, 32))
    W = rng.normal(size=(F, D)).astype(np.float32)
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    arrays = {"W_enc": W.T, "W_dec": W, "b_enc": np.zeros(F), "b_dec": np.zeros(D), "threshold": np.array(0.05)}
    sae.load_arrays({name: np.asarray(value, dtype=np.float32) for name, value in arrays.items()})
    pieces = INTERVENTIONS.get("neuron-edit")().pieces(None, "image", Edit(tuple(range(NEURONS))), sae.frozen())
    method = {"name": "neuron-edit", "title": "Chosen neurons", "formula": "", "paper": "none"}
    side = SideEdit(pieces, Fingerprint("synthetic", "w", "image", "pooled", D))
    return PortableEdit({"items": side}, {"name": "apply", "method": method, "measured": [], "limits": []})


def _one(folder: Path, kind: str, n: int, runs: int) -> dict[str, Any]:
    source = folder / f"x{kind}"
    _write(source, n)
    found: dict[str, list[dict[str, float]]] = {"copy": [], "apply": []}
    for _ in range(runs):
        for what in found:
            target = folder / f"y{kind}"
            code = f"from tests.benchmarks.apply import child; child({what!r}, {str(folder)!r}, {kind!r})"
            ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            found[what].append(json.loads(ended.stdout))
            target.unlink()
    source.unlink()
    seconds = {what: float(np.median([one["seconds"] for one in each])) for what, each in found.items()}
    work = {what: float(np.median([one["processor"] for one in each])) for what, each in found.items()}
    return {
        "ratio": seconds["copy"] / seconds["apply"],
        "ours": {"median_ms": 1e3 * seconds["apply"], "processor_ms": 1e3 * work["apply"]},
        "other": {"median_ms": 1e3 * seconds["copy"], "processor_ms": 1e3 * work["copy"]},
        "memory_bytes": max(one["memory"] for one in found["apply"]),
    }


def _write(path: Path, n: int) -> None:
    rng = np.random.default_rng(1)
    blocks = (rng.standard_normal((min(BLOCK, n - start), D), dtype=np.float32) for start in range(0, n, BLOCK))
    if path.suffix == ".npy":
        out = np.lib.format.open_memmap(path, "w+", np.float32, (n, D))
        start = 0
        for block in blocks:
            out[start : start + len(block)] = block
            start += len(block)
        return
    with pq.ParquetWriter(path, _schema(), use_dictionary=False) as writer:
        for block in blocks:
            writer.write_batch(_batch(block))


def _schema() -> pa.Schema:
    return pa.schema([("vector", pa.list_(pa.float32(), D))])


def _batch(block: np.ndarray) -> pa.RecordBatch:
    column = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), D)
    return pa.RecordBatch.from_arrays([column], schema=_schema())


def child(what: str, folder: str, kind: str) -> None:
    """Copy or edit one file, and print how long it took and how much memory it held at most."""
    from core.home.applying import apply_edit

    source, target = Path(folder) / f"x{kind}", Path(folder) / f"y{kind}"
    edit = read_edit(Path(folder) / "edit")
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    if what == "apply":
        apply_edit(edit, str(source), str(target))
    else:
        _copy(source, target)
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "processor": processor, "memory": _most_memory()}))


def _most_memory() -> int:
    """Bytes that this process held at most, pages of files among them. What getrusage says begins with the parent's."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(said["VmHWM"].split()[0]) * 1024


def _copy(source: Path, target: Path) -> None:
    """The same file by the same library, block by block, synced."""
    if source.suffix == ".npy":
        rows = np.load(source, mmap_mode="r")
        with open(target, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": rows.dtype.str, "fortran_order": False, "shape": rows.shape}
            )
            for start in range(0, len(rows), BLOCK):
                rows[start : start + BLOCK].tofile(file)
    else:
        opened = pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        packed = opened.metadata.row_group(0).column(0).compression
        with pq.ParquetWriter(target, opened.schema_arrow, compression=packed, use_dictionary=False) as writer:
            for batch in opened.iter_batches(BLOCK):
                writer.write_batch(batch)
    handle = os.open(target, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
