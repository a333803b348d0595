"""One thread for arithmetic of small arrays: several would wait for one another longer than they work.

A thread that has nothing to do keeps a core busy for some time before it rests, so that many small products take twice
the processor's time, and many times the wall's where other processes want that core.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

SMALL = 1 << 19
"""Numbers of an array up to which one thread is at least as fast: two thousand rows of 256 columns."""


@contextmanager
def one_thread(numbers: int = 0) -> Iterator[None]:
    """Have numpy, scipy and torch work with one thread inside, where their arrays hold at most SMALL `numbers`.

    OpenMP has a number of threads for each thread that asks. BLAS has one for the whole process: the first who comes in
    sets it, the last who leaves sets it back.
    """
    if numbers > SMALL:
        yield
        return
    libraries = ThreadpoolController()
    with libraries.limit(limits=1, user_api="openmp"):
        _BLAS.enter(libraries)
        try:
            yield
        finally:
            _BLAS.leave()


class _Shared:
    """The limit of all who are inside at the same time."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def enter(self, libraries: ThreadpoolController) -> None:
        with self._lock:
            if not self._inside:
                self._limit = libraries.limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


_BLAS = _Shared()
