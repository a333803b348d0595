"""A few places at which a disk is full while verbs and pages write; `diskfull` and `fullpages` take fifty of each."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("gallery", "codes", "label")
VERBS = ("gallery import", "labels import", "sae train", "keys", "map")


def measured(name: str, runs: int, what: tuple[str, ...]) -> dict[str, Any]:
    """What a benchmark finds of some of what it asks for; each has to be refused at least once."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks",
        name,
        "--runs",
        str(runs),
        "--module",
        ",".join(what),
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert found["first_faults"] == [] and found["runs"] == runs * len(what)
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_full_disk_is_one_line_and_breaks_nothing() -> None:
    found = measured("diskfull", 2, VERBS)
    assert all(count["refused"] for count in found["by_verb"].values())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_full_disk_is_one_line_on_a_page_and_the_server_lives() -> None:
    found = measured("fullpages", 2, PAGES)
    assert any(count["refused"] for count in found["by_name"].values())
