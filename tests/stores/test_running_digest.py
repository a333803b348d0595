"""The digest taken while a file is read or written: the same as of the finished file, whatever was handed over."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from core.stores.base import Change
from core.stores.files import Digest

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.mark.parametrize("handed", [[], [(0, 3_000_000)], [(128, 5000), (5128, 1)], [(2_000_000, 1_000_000)]])
def test_what_is_not_handed_over_is_read(tmp_path: Path, handed: list[tuple[int, int]]) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    digest = Digest(path)
    for at, size in handed:
        digest.take(at, memoryview(CONTENT)[at : at + size])
    assert digest.hex() == hashlib.sha256(CONTENT).hexdigest()


def test_a_file_that_grows_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    digest = Digest(path)
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(CONTENT), 700_000):
            file.write(CONTENT[start : start + 700_000])
            digest.upto(file.tell())
    assert digest.hex() == hashlib.sha256(CONTENT).hexdigest()


def test_a_file_that_is_gone_is_an_error_and_no_wait(tmp_path: Path) -> None:
    digest = Digest(tmp_path / "nothing")
    for at in range(40):
        digest.upto(at + 1)
    with pytest.raises(FileNotFoundError):
        digest.hex()


def test_rows_are_written_where_they_fit_and_are_the_same() -> None:
    x = np.random.default_rng(1).normal(size=(700, 8)).astype(np.float32)

    def edit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    plain, out = Change(edit, 8, "")(x), np.zeros_like(x)
    assert Change(edit, 8, "")(x, out) is out and (out == plain).all()
    for other in (np.zeros((3, 8), np.float32), np.zeros_like(x, dtype=np.float64)):
        made = Change(edit, 8, "")(x, other)
        assert made is not other and (made == plain).all() and not other.any()
