"""Shared results are computed once, kept within bounds, and changed by nobody."""

import threading

import numpy as np
import pytest

from core.config import InputError
from core.memo import Memo


def test_one_computation_for_many_who_ask_at_once() -> None:
    memo, calls, together = Memo(4), [], threading.Barrier(16)
    seen: list[int] = []

    def compute() -> int:
        calls.append(1)
        threading.Event().wait(0.05)
        return 7

    def ask() -> None:
        together.wait()
        seen.append(memo("key", compute))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), seen) == (1, [7] * 16)


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(2)
    for key in ("a", "b", "a", "c"):
        memo(key, lambda key=key: key)
    assert [key in memo for key in "abc"] == [True, False, True]
    assert memo("a", lambda: "again") == "a"
    assert memo("b", lambda: "again") == "again"


def test_an_error_is_not_kept_and_blocks_nobody() -> None:
    memo = Memo(2)

    def fail() -> int:
        raise InputError("not now")

    for _ in range(2):
        with pytest.raises(InputError):
            memo("key", fail)
    assert memo("key", lambda: 1) == 1


def test_different_keys_do_not_wait_for_each_other() -> None:
    memo, inside, done = Memo(4), threading.Event(), threading.Event()

    def slow() -> int:
        inside.set()
        assert done.wait(5)
        return 1

    thread = threading.Thread(target=lambda: memo("slow", slow))
    thread.start()
    assert inside.wait(5)
    assert memo("fast", lambda: 2) == 2
    done.set()
    thread.join()


def test_bytes_are_bounded_and_what_is_larger_than_all_is_not_kept() -> None:
    memo = Memo(max_bytes=100)
    for key, n in (("a", 5), ("b", 5), ("c", 5), ("large", 20)):
        assert len(memo(key, lambda n=n: np.zeros(n))) == n
    assert ("a" in memo, "b" in memo, "c" in memo, "large" in memo) == (False, True, True, False)
    assert memo.nbytes == 80
    memo.forget("b")
    assert (memo.nbytes, "b" in memo) == (40, False)
    memo.clear()
    assert (memo.nbytes, "c" in memo) == (0, False)


def test_arrays_are_read_only_and_one_result_may_ask_for_another() -> None:
    memo = Memo()
    doubled = memo("doubled", lambda: 2 * memo("plain", lambda: np.arange(3)))
    assert doubled.tolist() == [0, 2, 4]
    with pytest.raises(ValueError, match="read-only"):
        doubled[0] = 1
