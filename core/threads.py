"""One thread for products of small arrays: several would wait for one another longer than they work.

A thread of BLAS that has nothing to do keeps a core busy for some time before it rests, so that many small products
take twice the processor's time, and many times the wall's where other processes want that core.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

SMALL = 1 << 19
"""Numbers of an array up to which one thread is at least as fast: two thousand rows of 256 columns."""


@contextmanager
def one_thread(numbers: int = 0) -> Iterator[None]:
    """Have BLAS work with one thread inside, where the arrays that are multiplied hold at most SMALL `numbers`.

    BLAS has one number of threads for the whole process: the first who comes in sets it, the last who leaves sets it
    back.
    """
    if numbers > SMALL:
        yield
        return
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


class _Limit:
    """Who is inside, and what is set back when nobody is."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._limits = threadpool_limits(1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limits.restore_original_limits()


_LIMIT = _Limit()
