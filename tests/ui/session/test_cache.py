"""Shared results never outlive what they were computed from."""

import os
from pathlib import Path

import numpy as np
import pytest

from core.config import InputError
from core.ui.session import cache
from core.ui.session.cache import resolve, stamp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "codes" / "0123").mkdir(parents=True)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "codes" / "0123" / "codes.json").write_text("{}")
    np.save(tmp_path / "codes" / "0123" / "csr_data.npy", np.zeros(5))
    return tmp_path


@pytest.mark.parametrize("changed", ["manifest.json", "codes/0123/codes.json", "codes/0123/csr_data.npy"])
def test_a_stamp_follows_every_file(folder: Path, changed: str) -> None:
    before = stamp(folder)
    assert stamp(folder) == before
    path = folder / changed
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert stamp(folder) != before


def test_a_stamp_follows_the_content_of_a_manifest_with_a_forged_time(folder: Path) -> None:
    path, before = folder / "manifest.json", stamp(folder)
    times = path.stat()
    path.write_text("[]")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert stamp(folder) != before


def test_what_is_drawn_is_of_one_moment_and_the_next_one_sees_what_changed(folder: Path) -> None:
    before, other = stamp(folder), folder / "codes"
    with cache.one_moment():
        assert stamp(folder) == before
        (folder / "more.npy").write_bytes(b"1")
        with cache.one_moment():
            assert stamp(folder) == before, "a part of what is drawn is of the same moment"
        assert stamp(folder) == before and stamp(other) != before, "of this folder"
    assert stamp(folder) != before
    with pytest.raises(ZeroDivisionError), cache.one_moment():
        raise ZeroDivisionError
    assert cache._moment.get() is None


def test_names_and_paths(tmp_path: Path) -> None:
    assert resolve("galleries", str(tmp_path)) == tmp_path.resolve()
    for name in ("", "no-such-gallery", str(tmp_path / "missing")):
        with pytest.raises(InputError, match="is not here"):
            resolve("galleries", name)
