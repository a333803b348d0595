"""An audit of many prompts and every control, as processor time; with `--other DIR` beside another checkout.

Fifty prompts and three attributes on the default gallery, three neurons switched; arms: original, edit, reconstruction,
twenty draws of random neurons, projection. Measured is what comes after the imports. The numbers of both sides are
compared: how many differ by more than 1e-9, and by how much at most, by what they are.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks._sides import HERE, processor_seconds, python

CODE = """
import json, sys, time
import faiss, numpy, open_clip, pandas, scipy.optimize, scipy.stats, torch
import sklearn.linear_model, sklearn.model_selection
from core.audit.run import run
from core.audit.spec import AuditSpec
from core.store import plain
spec = AuditSpec.load(sys.argv[1])
began, wall = time.process_time(), time.perf_counter()
result = run(spec)
took = time.process_time() - began
json.dump(plain({"attributes": result.attributes, "findings": result.findings}), open(sys.argv[2], "w"))
print(json.dumps([took, time.perf_counter() - wall]))
"""
DRAWN = ("p", "p_group", "p_adjusted", "p_smallest")
"""Numbers of a mean over prompts that are drawn, and differ where the draws do."""


def spec_of(n: int) -> dict[str, Any]:
    """The spec with its first n prompts."""
    words = json.loads((HERE / "assets" / "prompts" / "planted.json").read_text())["words"]
    prompts = [word["prompt"] for word in words] + ["a photo of a person", "a portrait of a person"]
    return {
        **{"schema": 2, "gallery": "default", "attributes": ["gender", "age", "skin"], "k": 100},
        **{"sae": "default-image", "edit": {"select": "attribution", "size": 3, "per_query": False}},
        "prompts": prompts[:n],
    }


def run(runs: int = 2, n: int = 50, other: str | None = None) -> dict[str, Any]:
    """Seconds of each side, in turn, and how far their numbers agree."""
    sides = {"here": HERE} | ({"other": Path(other)} if other is not None else {})
    seconds: dict[str, list[list[float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.json"
        spec.write_text(json.dumps(spec_of(n)))
        out = {side: Path(folder) / f"{side}.json" for side in sides}
        for _ in range(runs):
            for side, place in sides.items():
                _, printed = processor_seconds([*python(CODE), str(spec), str(out[side])], place)
                seconds[side].append(json.loads(printed))
        numbers = {side: json.loads(path.read_text()) for side, path in out.items()}
    found: dict[str, Any] = {
        side: {"processor": statistics.median(own[0] for own in each), "wall": statistics.median(w for _, w in each)}
        for side, each in seconds.items()
    }
    if other is not None:
        ratios = [b[0] / a[0] for a, b in zip(seconds["here"], seconds["other"], strict=True)]
        found |= {
            "times as fast": statistics.median(ratios),
            "differences": differing(numbers["here"], numbers["other"]),
        }
    return {"prompts": n, **found}


def differing(one: Any, other: Any) -> dict[str, Any]:
    """Numbers that differ by more than 1e-9: drawn p of means, leakage, and all others, each with the largest."""
    found: dict[str, list[float]] = {"drawn p": [], "leakage": [], "other": []}

    def walk(a: Any, b: Any, path: tuple[str, ...]) -> None:
        if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
            for key in a:
                walk(a[key], b[key], (*path, key))
        elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            for x, y in zip(a, b, strict=True):
                walk(x, y, path)
        elif isinstance(a, int | float) and isinstance(b, int | float):
            if abs(a - b) > 1e-9:
                drawn = set(path) & set(DRAWN) and ("arms" in path or path[0] == "findings")
                found["leakage" if "leakage" in path else "drawn p" if drawn else "other"].append(abs(a - b))
        elif a != b:
            found["other"].append(float("inf"))

    walk(one, other, ())
    return {name: {"n": len(own), "largest": max(own, default=0.0)} for name, own in found.items()}
