"""An audit of answers that was stopped and is run again; the benchmark `interrupt` does many."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli import main
from tests.lvlm.few import few_pictures

ROOT = Path(__file__).resolve().parents[2]
SPEC = {
    "schema": 1,
    "kind": "lvlm",
    "gallery": "default",
    "attributes": ["gender"],
    "protocol": "vla",
    "n": 4,
    "seed": 3,
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_an_audit_of_answers_that_was_stopped_ends_as_if_nothing_had_happened() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "interrupt", "--runs", "1", "--room", "lvlm", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["failed"] == [] and found["equal_and_verified"] == 1


def test_a_run_that_was_stopped_behind_its_last_file_finds_its_own_report(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "words": ["doctor"]}))
    command = ["lvlm", "audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")]
    with few_pictures():
        assert main(command) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / ".out.partial").mkdir()
    assert main(command) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "spec.json"]
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "words": ["nurse"]}))
    assert main(command) == 2, "another audit is not replaced"
