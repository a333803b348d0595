"""What a verb costs before it does anything: processor time of whole commands, over the import that it may need.

`--help`, a wrong option and `gallery info` against `import numpy`; `rank` against `import torch`. With `--other DIR`
the same verbs of another checkout stand beside.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks._sides import HERE, in_turn, python

ASKED = {"help": 3.0, "wrong option": 3.0, "gallery info": 3.0, "rank by an embedding": 1.5, "rank by a prompt": 1.5}
"""Most that each may cost, in imports."""


def run(runs: int = 5, other: str | None = None) -> dict[str, Any]:
    """Every verb against its import, and against the other checkout."""
    from core.gallery import open_gallery

    with tempfile.TemporaryDirectory() as folder:
        query = Path(folder) / "q.npy"
        np.save(query, open_gallery("default").embeddings()[0])
        verb = [sys.executable, "-m", "core"]
        rank = [*verb, "rank", "--gallery", "default", "--attribute", "gender"]
        verbs = {
            "help": ([*verb, "--help"], "numpy"),
            "wrong option": ([*verb, "rank", "--nothing"], "numpy"),
            "gallery info": ([*verb, "gallery", "info", "default"], "numpy"),
            "rank by an embedding": ([*rank, "--query-embedding", str(query)], "torch"),
            "rank by a prompt": ([*rank, "--query", "a photo of a doctor"], "torch"),
        }
        found: dict[str, Any] = {}
        for name, (command, needs) in verbs.items():
            here = in_turn({"here": (command, HERE), f"import {needs}": (python(f"import {needs}"), HERE)}, runs)
            found[name] = here | {"asked": ASKED[name], "holds": here["ratio"] <= ASKED[name]}
            if other is not None:
                sides = {"here": (command, HERE), "other": (command, Path(other))}
                found[name]["against the other"] = in_turn(sides, runs)
    return found
