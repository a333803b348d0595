"""`scale`: a gallery of many synthetic rows end to end by whole commands: seconds, memory, size on the disk.

Imported from one file of embeddings and one table, an SAE trained on it, its codes, a ranking before and after an edit,
a dense method, a whole audit and its `verify`. Memory is what the processes of a command held at most of their own;
pages of files that the system may drop are no part of it. `--n` rows.
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks._sides import HERE

D, GROUPS, PART = 64, ("Female", "Male"), 250_000
"""Numbers of an embedding, groups, and rows that are made at once."""
PROMPTS = ("a photo of a doctor", "a photo of a nurse")
LOOK_SECONDS = 0.02
MEMORY = 2 * 2**30
"""Bytes of their own that commands may hold at a million rows."""
EDIT = ("--sae", "sae", "--off", "0,1,2", "--attribute", "gender", "--k", "100")


def run(n: int = 1_000_000, d: int = D) -> dict[str, Any]:
    """Every step's figures, in order."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _make(place, n, d)
        (place / "spec.json").write_text(json.dumps(_spec()))
        steps = {name: _measured(name, arguments, place) for name, arguments in COMMANDS.items()}
        sizes = {name: _bytes(place / name) for name in ("x.npy", "gallery", "sae", "report")}
    failed = {name: step["said"] for name, step in steps.items() if step.pop("code")}
    most = max(step["own_memory"] for step in steps.values())
    return {
        "rows": n,
        "numbers of an embedding": d,
        "steps": steps,
        "bytes": sizes,
        "failed": failed,
        "most_own_memory": most,
        "within_memory": most < MEMORY,
    }


COMMANDS: dict[str, list[str]] = {
    "import": [
        *("gallery", "import", "--embeddings", "x.npy", "--table", "table.parquet", "--texts", "texts.npy"),
        *("--text-table", "texts.csv", "--model-name", "synthetic", "--out", "gallery"),
    ],
    "train": [
        *("sae", "train", "--gallery", "gallery", "--out", "sae", "--d-sae", "256", "--k", "8"),
        *("--steps", "200", "--batch", "1024"),
    ],
    "encode": ["sae", "encode", "sae", "--gallery", "gallery"],
    "rank": ["rank", "--gallery", "gallery", "--query", PROMPTS[0], *EDIT],
    "rank again": ["rank", "--gallery", "gallery", "--query", PROMPTS[1], *EDIT],
    "dense method": [
        *("rank", "--gallery", "gallery", "--query", PROMPTS[0], "--method", "mean-difference"),
        *("--attribute", "gender", "--k", "100"),
    ],
    "audit": ["audit", "spec.json", "--out", "report"],
    "verify": ["verify", "report", "--gallery", "gallery", "--sae", "sae"],
}


def _spec() -> dict[str, Any]:
    return {
        **{"schema": 2, "gallery": "gallery", "attributes": ["gender"], "k": 100, "prompts": list(PROMPTS)},
        **{"sae": "sae", "edit": {"neurons": [0, 1, 2]}},
    }


def _make(place: Path, n: int, d: int) -> None:
    """Sparse positive combinations of directions, one of which says the group; two prompts that lean on it."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2 * d, d)).astype(np.float32)
    x = np.lib.format.open_memmap(place / "x.npy", "w+", np.float32, (n, d))
    schema = pa.schema([("id", pa.string()), ("gender", pa.string())])
    with pq.ParquetWriter(place / "table.parquet", schema) as table:
        for start in range(0, n, PART):
            size = min(PART, n - start)
            codes = rng.exponential(size=(size, 2 * d)).astype(np.float32) * (rng.random((size, 2 * d)) < 0.08)
            male = rng.random(size) < 0.5
            codes[:, 0] = np.where(male, 1.5, 0.0)
            x[start : start + size] = codes @ directions + 0.1 * rng.normal(size=(size, d)).astype(np.float32)
            columns = [[f"i{row}" for row in range(start, start + size)], [GROUPS[one] for one in male.astype(int)]]
            table.write_table(pa.table(columns, schema=schema))
    x.flush()
    np.save(place / "texts.npy", np.stack([directions[1] + directions[0], directions[2] - directions[0]]))
    (place / "texts.csv").write_text("prompt\n" + "\n".join(PROMPTS) + "\n")


def _measured(name: str, arguments: list[str], place: Path) -> dict[str, Any]:
    """Seconds and memory of a command, its children with it."""
    before, began, most = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    with (place / "said").open("w+") as said:
        command = [sys.executable, "-m", "core", *arguments]
        environment = os.environ | {"PYTHONPATH": str(HERE)}
        child = subprocess.Popen(command, cwd=place, env=environment, stdout=said, stderr=said)
        while child.poll() is None:
            most = max(most, sum(map(_own, _tree(child.pid))))
            time.sleep(LOOK_SECONDS)
        said.seek(0)
        words = said.read()[-400:]
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name}: {took:.1f} s, {used:.1f} s of the processor, {most / 2**20:,.0f} MB", file=sys.stderr, flush=True)
    ended = {"code": child.returncode, "said": words} if child.returncode else {"code": 0}
    return {"seconds": round(took, 2), "processor": round(used, 2), "own_memory": most, **ended}


def _tree(process: int) -> Iterator[int]:
    """A process and what it has started."""
    yield process
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listed.read_text().split()):
                yield from _tree(child)


def _own(process: int) -> int:
    """Bytes that a process holds for itself; 0 where it has ended."""
    with suppress(OSError):
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
        return 1024 * int(found[1]) if found else 0
    return 0


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
