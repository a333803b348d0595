"""Small products have one thread, and everybody has all of them again afterwards, whatever the order of leaving."""

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from core.threads import SMALL, one_thread


def blas() -> set[int]:
    """Threads of the libraries that multiply."""
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _several() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        yield


def test_one_thread_inside_and_all_of_them_afterwards() -> None:
    with one_thread(SMALL):
        assert blas() == {1}
    assert blas() == {2}


def test_large_arrays_keep_their_threads() -> None:
    with one_thread(SMALL + 1):
        assert blas() == {2}
    assert blas() == {2}


def test_an_error_leaves_no_limit_behind() -> None:
    with pytest.raises(np.linalg.LinAlgError), one_thread():
        np.linalg.inv(np.zeros((2, 2)))
    assert blas() == {2}


@pytest.mark.parametrize("first_leaves_first", [False, True])
def test_the_last_who_leaves_sets_it_back(first_leaves_first: bool) -> None:
    """Two sessions whose blocks overlap: each setting back what it found would leave one thread for good."""
    sessions = [ExitStack(), ExitStack()]
    for session in sessions:
        session.enter_context(one_thread())
    ordered = sessions if first_leaves_first else sessions[::-1]
    ordered[0].close()
    assert blas() == {1}
    ordered[1].close()
    assert blas() == {2}
