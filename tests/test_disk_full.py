"""A few places at which a disk is full while verbs write; the benchmark `diskfull` takes fifty of every verb."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VERBS = ("gallery import", "labels import", "sae train", "keys", "map")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_full_disk_is_one_line_and_breaks_nothing() -> None:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks",
        "diskfull",
        "--runs",
        "2",
        "--module",
        ",".join(VERBS),
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["first_faults"] == [] and found["runs"] == 2 * len(VERBS)
    assert all(count["refused"] for count in found["by_verb"].values())
