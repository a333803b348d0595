"""Products of many rows with a few vectors: one pass over the rows, which may be memory-mapped, block by block."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import numpy as np

from core.config import Progress

BLOCK_BYTES = 1 << 22
"""Rows worked on at a time: they stay in the processor's cache while all vectors pass over them."""
MOST_THREADS = 16
"""A pass waits for memory more than for arithmetic: more threads than a socket has memory channels gain nothing."""
COMPUTED_BYTES = 1 << 25
"""The same for rows that are not stored but worked out when they are read: enough for BLAS to work at full speed."""
FEW = 2
"""Fewer than one row in so many is picked out; more are read past, as copying a row costs that much more."""


LONG = 16
"""Parts from which on a pass is worth telling of."""
_FOLLOWER: ContextVar[Progress | None] = ContextVar("follower", default=None)


@contextmanager
def followed(progress: Progress | None) -> Iterator[None]:
    """Long passes inside report to `progress`, where they are given nobody else to report to.

    The first ranking of a large gallery is several passes, in places that know nothing of who waits for them.
    """
    before = _FOLLOWER.set(progress)
    try:
        yield
    finally:
        _FOLLOWER.reset(before)


class Rows(Protocol):
    """Rows (n, d) that are read some at a time: an array, perhaps memory-mapped, or what works them out."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def nbytes(self) -> int:
        """Memory that they take; 0 where they are worked out."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice | np.ndarray) -> np.ndarray: ...


def threads() -> int:
    """Blocks that are worked on at once: the cores this process may use, fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(asked) if asked.isdigit() else cores, MOST_THREADS))


def each(
    parts: Sequence[slice],
    work: Callable[[slice], None],
    progress: Progress | None = None,
    what: str = "",
    at_once: int | None = None,
) -> None:
    """Do the work of every part, some at once; `progress` counts rows as "what", in the thread that asked.

    Without one a long pass reports to whoever follows (`followed`).

    The work should leave Python's lock alone and start no threads of its own: of numpy that is einsum, arithmetic
    and sparse products, not the products of BLAS, whose threads would wait for those of the other parts.
    """
    if progress is None and len(parts) >= LONG:
        progress, what = _FOLLOWER.get(), what or "reading the gallery"
    end, at_once = parts[-1].stop if parts else 0, min(at_once or threads(), len(parts))
    waiting: Iterator[slice] = iter(parts)
    finished: list[int] = []

    def run(follow: Progress | None) -> None:
        try:
            for part in waiting:  # shared: whoever is free takes the next one
                work(part)
                finished.append(part.stop - part.start)
                if follow is not None and (done := sum(finished)) < end:
                    follow(done, end, what)
        except BaseException:
            for _ in waiting:  # nobody begins another one
                pass
            raise

    with ThreadPoolExecutor(max(at_once - 1, 1)) as pool:
        others = [pool.submit(run, None) for _ in range(at_once - 1)]
        run(progress)
        for other in others:
            other.result()
    if progress is not None and parts:
        progress(end, end, what)


def working(x: Rows) -> np.dtype:
    """The precision in which sums over the rows of `x` are made: their own, at least float32."""
    return np.result_type(x.dtype, np.float32)


def blocks(n: int, columns: int, item_bytes: int = 8, block_bytes: int | None = None) -> list[slice]:
    """Slices of n rows that take BLOCK_BYTES each, or another number of bytes."""
    step = max(1, (block_bytes or BLOCK_BYTES) // (max(columns, 1) * item_bytes))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def passes(
    x: Rows, work: Callable[[slice], None], progress: Progress | None = None, what: str = "", n: int | None = None
) -> None:
    """Do the work of every block of the rows of `x`, or of n that are picked out of them.

    Blocks of stored rows are worked on at once. Rows that are worked out when they are read come one large block
    after another: their arithmetic is that of BLAS, which has threads of its own.
    """
    n, item = len(x) if n is None else n, working(x).itemsize
    if isinstance(x, np.ndarray):
        each(blocks(n, x.shape[1], item), work, progress, what)
    else:
        each(blocks(n, x.shape[1], item, COMPUTED_BYTES), work, progress, what, at_once=1)


def times(
    x: Rows, vectors: np.ndarray, rows: np.ndarray | None = None, dtype: np.dtype | type | None = None
) -> np.ndarray:
    """vectors . x of every row, or of some rows: (m, rows) for vectors (m, d).

    Summed in the rows' own precision, at least float32, or in `dtype`.
    """
    if rows is not None and len(rows) * FEW > len(x):
        return times(x, vectors, dtype=dtype)[:, rows]
    dtype = np.dtype(dtype or working(x))
    vectors = np.ascontiguousarray(vectors, dtype=dtype)
    n = len(x) if rows is None else len(rows)
    products = np.empty((len(vectors), n), dtype=dtype)

    def work(at: slice) -> None:
        block = in_precision(x[at] if rows is None else x[rows[at]]).astype(dtype, copy=False)
        for vector, product in zip(vectors, products, strict=True):
            np.einsum("ij,j->i", block, vector, out=product[at])

    passes(x, work, n=n)
    return products


def in_precision(rows: np.ndarray) -> np.ndarray:
    """A few rows in the precision in which sums are made."""
    rows = np.asarray(rows)
    return widened(rows) if rows.dtype == np.float16 else rows.astype(working(rows), copy=False)


def widened(half: np.ndarray) -> np.ndarray:
    """Finite float16 numbers as float32, exactly, several times faster than numpy converts them.

    The bits of a float16 (sign, 5 of exponent, 10 of mantissa) moved to their places in a float32 are the same number
    times 2^-112, the difference of the two exponents' origins; subnormal numbers included.
    """
    wide = half.view(np.int16).astype(np.int32)
    wide <<= 13
    wide &= np.int32(-0x70002000)  # the sign, which astype spread over the upper bits, and the 15 other bits
    return np.multiply(wide.view(np.float32), np.float32(2.0**112), out=wide.view(np.float32))


def squared_lengths(x: Rows, dtype: np.dtype | type | None = None) -> np.ndarray:
    """||x||^2 of every row (n,), summed in the rows' own precision, at least float32, or in `dtype`."""
    dtype = np.dtype(dtype or working(x))
    squares = np.empty(len(x), dtype=dtype)

    def work(at: slice) -> None:
        block = np.asarray(x[at], dtype=dtype)  # NaN and infinity included: this is where they are noticed
        np.einsum("ij,ij->i", block, block, out=squares[at])

    passes(x, work)
    return squares
