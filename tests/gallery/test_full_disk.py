"""A disk that is full, played by a largest size of files in a child process: one line with the path, no signal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import InputError
from core.store import DiskFull, atomic_file, atomic_folder, is_full, reserved_array, resumable_folder, write_blocks

ROOT = Path(__file__).resolve().parents[2]
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from core.cli import main
sys.exit(main(sys.argv[2:]))
"""


def limited(size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line where no file may grow beyond `size` bytes."""
    command = [sys.executable, "-c", LIMITED, str(size), *arguments]
    # bytecode that is cut off at the largest size would be read by everybody after
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    x = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)
    np.save(folder / "x.npy", x)
    labels = pd.DataFrame({"id": [f"item {i}" for i in range(2000)], "gender": ["Male", "Female"] * 1000})
    labels.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.mark.parametrize("size", [5_000, 60_000, 500_000])
def test_an_import_says_which_path(given: Path, tmp_path: Path, size: int) -> None:
    arguments = ["gallery", "import", "--embeddings", f"{given}/x.npy", "--table", f"{given}/labels.csv"]
    done = limited(size, *arguments, "--model-name", "m", "--out", f"{tmp_path}/gallery")
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stderr.count("\n") == 1 and f"{tmp_path}/" in done.stderr and "bytes are free" in done.stderr
    assert not (tmp_path / "gallery").exists()


def test_arrays_are_reserved_before_they_are_mapped(tmp_path: Path) -> None:
    a = reserved_array(tmp_path / "a.npy", np.dtype(np.float32), (3, 2))
    a[:] = np.arange(6).reshape(3, 2)
    assert isinstance(a, np.memmap)
    a.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.arange(6).reshape(3, 2))
    assert reserved_array(tmp_path / "b.npy", np.dtype(np.int32), (0, 4)).shape == (0, 4)
    write_blocks(tmp_path / "c.npy", iter([np.ones((2, 3)), np.zeros((1, 3))]), (3, 3), np.dtype(np.float16))
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), np.array([[1] * 3, [1] * 3, [0] * 3], np.float16))
    code = """
import resource, sys
from pathlib import Path
import numpy as np
from core.store import DiskFull, reserved_array
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    reserved_array(Path(sys.argv[1]), np.dtype(np.float32), (10_000,))
except DiskFull as error:
    print(error)
"""
    path = tmp_path / "d.npy"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and f"{path} cannot be written" in done.stdout and "needs 40,000 bytes" in done.stdout


def test_a_full_disk_is_told_from_bad_input(tmp_path: Path) -> None:
    for errors in (
        OSError(28, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        OSError("57600 requested and 17376 written"),
    ):
        for make in (atomic_file, atomic_folder):
            with pytest.raises(DiskFull, match=r"x\.json cannot be written.*bytes are free"), make(tmp_path / "x.json"):
                raise errors
    assert not is_full(OSError(2, "No such file")) and list(tmp_path.iterdir()) == []
    # work that can go on stays where the disk was full, and goes where the input was wrong
    for error, left in ((OSError(28, "No space left"), True), (InputError("bad"), False)):
        with pytest.raises(InputError), resumable_folder(tmp_path / "job") as partial:
            (partial / "chunk").write_text(json.dumps(1))
            raise error
        assert (tmp_path / ".job.partial").exists() == left
