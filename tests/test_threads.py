"""Small products have one thread, and everybody has all of them again afterwards, whatever the order of leaving."""

import sys
import threading
from types import ModuleType

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from core import threads
from core.threads import SMALL, one_thread


def allowed() -> list[int]:
    """Threads of every library that computes."""
    return [one["num_threads"] for one in threadpool_info()]


def test_one_thread_inside_and_all_of_them_afterwards() -> None:
    before = allowed()
    with one_thread(SMALL):
        assert set(allowed()) == {1}
        with one_thread():
            assert set(allowed()) == {1}
        assert set(allowed()) == {1}
    assert allowed() == before


def test_large_arrays_keep_their_threads() -> None:
    before = allowed()
    with one_thread(SMALL + 1):
        assert allowed() == before


def test_an_error_leaves_no_limit_behind() -> None:
    before = allowed()
    with pytest.raises(np.linalg.LinAlgError), one_thread():
        np.linalg.inv(np.zeros((2, 2)))
    assert allowed() == before


def test_libraries_are_looked_for_again_only_after_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    plain = threads.ThreadpoolController
    monkeypatch.setattr(threads, "ThreadpoolController", lambda: (looked.append(1), plain())[1])
    threads._libraries.cache_clear()
    for _ in range(3):
        test_one_thread_inside_and_all_of_them_afterwards()
    assert len(looked) == 1
    monkeypatch.setitem(sys.modules, "a_library_with_threads", ModuleType("a_library_with_threads"))
    test_one_thread_inside_and_all_of_them_afterwards()
    assert len(looked) == 2
    threads._libraries.cache_clear()


@pytest.mark.parametrize("first", [0, 1])
def test_sessions_that_overlap_leave_no_limit_behind(first: int) -> None:
    before = allowed()
    inside, leave = ([threading.Event(), threading.Event()] for _ in range(2))

    def session(number: int) -> None:
        with one_thread():
            inside[number].set()
            leave[number].wait(10)

    sessions = [threading.Thread(target=session, args=(number,), daemon=True) for number in range(2)]
    for number, each in enumerate(sessions):
        each.start()
        assert inside[number].wait(10)
    for number in (first, 1 - first):
        leave[number].set()
        sessions[number].join(10)
    assert allowed() == before
    test_one_thread_inside_and_all_of_them_afterwards()
