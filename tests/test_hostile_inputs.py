"""Files that somebody made to break what reads them, each through its first door; `python -m tests.benchmarks hostile`
takes them through all doors, and changes of them by the thousand.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.hostile import MAKER

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not MAKER.is_file(), reason=f"{MAKER} is not here: it writes the hostile files")
def test_every_hostile_file_is_taken_or_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "hostile", "--number", "95", "--n", "1", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["given_corpus"] and not found["code_ran"]
    assert found["first_faults"] == []
