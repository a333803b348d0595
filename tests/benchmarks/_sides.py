"""Two checkouts of this project measured in turn: processor time, pairs, medians."""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]


def processor_seconds(command: Sequence[str], folder: Path = HERE) -> tuple[float, str]:
    """User and system seconds of a command and its children, and what it printed; RuntimeError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(folder)}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"{' '.join(command)} in {folder} ended with {done.returncode}: {done.stderr[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def in_turn(sides: dict[str, tuple[Sequence[str], Path]], runs: int) -> dict[str, Any]:
    """Seconds of each side, run A, B, A, B after one run of each that is not counted; the first over the second.

    Every pair has a ratio of its own, so that a machine that slows down slows both; given are the medians.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs + 1):
        for name, (command, folder) in sides.items():
            took, _ = processor_seconds(command, folder)
            if run:
                seconds[name].append(took)
    first, second = seconds.values()
    return {
        **{name: {"median": statistics.median(own), "all": own} for name, own in seconds.items()},
        "ratio": statistics.median(a / b for a, b in zip(first, second, strict=True)),
    }


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]
