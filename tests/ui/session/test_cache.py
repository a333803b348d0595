"""Shared results are computed once, kept within bounds, and never outlive what they were computed from."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from core.config import InputError
from core.ui.session.cache import Memo, resolve, stamp


def test_one_computation_for_many_who_ask_at_once() -> None:
    memo, calls, together = Memo(4), [], threading.Barrier(16)
    seen: list[int] = []

    def compute() -> int:
        calls.append(1)
        threading.Event().wait(0.05)
        return 7

    def ask() -> None:
        together.wait()
        seen.append(memo.get("key", compute))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), seen) == (1, [7] * 16)


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(2)
    for key in ("a", "b", "a", "c"):
        memo.get(key, lambda key=key: key)
    assert len(memo) == 2
    assert memo.get("a", lambda: "again") == "a"
    assert memo.get("b", lambda: "again") == "again"


def test_an_error_is_not_kept_and_blocks_nobody() -> None:
    memo = Memo(2)

    def fail() -> int:
        raise InputError("not now")

    for _ in range(2):
        with pytest.raises(InputError):
            memo.get("key", fail)
    assert memo.get("key", lambda: 1) == 1


def test_different_keys_do_not_wait_for_each_other() -> None:
    memo, inside, done = Memo(4), threading.Event(), threading.Event()

    def slow() -> int:
        inside.set()
        assert done.wait(5)
        return 1

    thread = threading.Thread(target=lambda: memo.get("slow", slow))
    thread.start()
    assert inside.wait(5)
    assert memo.get("fast", lambda: 2) == 2
    done.set()
    thread.join()


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


def test_names_and_paths(tmp_path: Path) -> None:
    assert resolve("galleries", str(tmp_path)) == tmp_path.resolve()
    for name in ("", "no-such-gallery", str(tmp_path / "missing")):
        with pytest.raises(InputError, match="is not here"):
            resolve("galleries", name)
