"""A report compared and computed again, as processor time; with `--other DIR` beside another checkout.

Each side verifies the report of the same spec that it wrote itself; prompts are not encoded again. Measured is what
comes after the imports.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks._sides import HERE, processor_seconds, python
from tests.benchmarks.audit import spec_of

CODE = """
import json, sys, time
from pathlib import Path
import numpy, pandas, scipy.special, scipy.stats
from core.verify import verify
began, wall = time.process_time(), time.perf_counter()
verdict = verify(Path(sys.argv[1]), [], [], None, None, False)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, verdict.equal]))
"""


def run(runs: int = 2, n: int = 50, other: str | None = None) -> dict[str, Any]:
    """Seconds of each side, in turn."""
    sides = {"here": HERE} | ({"other": Path(other)} if other is not None else {})
    seconds: dict[str, list[list[Any]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.json"
        spec.write_text(json.dumps(spec_of(n)))
        for side, place in sides.items():
            processor_seconds([sys.executable, "-m", "core", "audit", str(spec), "--out", f"{folder}/{side}"], place)
        for _ in range(runs):
            for side, place in sides.items():
                _, printed = processor_seconds([*python(CODE), f"{folder}/{side}"], place)
                seconds[side].append(json.loads(printed.splitlines()[-1]))
        evidence = sum(path.stat().st_size for path in Path(folder, "here").iterdir())
    found: dict[str, Any] = {
        side: {
            "processor": statistics.median(own[0] for own in each),
            "wall": statistics.median(own[1] for own in each),
            "equal": all(own[2] for own in each),
        }
        for side, each in seconds.items()
    }
    if other is not None:
        found["times as fast"] = statistics.median(
            b[0] / a[0] for a, b in zip(seconds["here"], seconds["other"], strict=True)
        )
    return {"prompts": n, "bytes of the report": evidence, **found}
