"""One thread for arithmetic of small arrays: several would wait for one another longer than they work.

A thread that has nothing to do keeps a core busy for some time before it rests, so that many small products take twice
the processor's time, and many times the wall's where other processes want that core.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

SMALL = 1 << 19
"""Numbers of an array up to which one thread is at least as fast: two thousand rows of 256 columns."""
_BLAS = threading.Lock()
"""Held by who has limited it."""


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The libraries of this process that have threads of their own.

    To look for them takes longer than many a small product, and what brings one is a module (as many as are there).
    """
    return ThreadpoolController()


@contextmanager
def one_thread(numbers: int = 0) -> Iterator[None]:
    """Have numpy, scipy and torch work with one thread inside, where their arrays hold at most SMALL `numbers`.

    OpenMP has a number of threads for each thread that asks. BLAS has one for the whole process: of sessions that
    overlap the first alone sets it and sets it back, and the others are at most slower; one that set back what it found
    would leave one thread for good.
    """
    if numbers > SMALL:
        yield
        return
    libraries = _libraries(len(sys.modules))
    # selected first: what sets a limit back sets back all libraries that it knows
    with libraries.select(user_api="openmp").limit(limits=1):
        if not _BLAS.acquire(blocking=False):
            yield
            return
        try:
            with libraries.select(user_api="blas").limit(limits=1):
                yield
        finally:
            _BLAS.release()
