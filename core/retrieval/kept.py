"""A few results by what they depend on; the ones that were used longest ago go first. Safe between threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_BYTES = 1 << 27
"""Memory that the scores of an index's last queries may take."""
LIVE_BYTES = 1 << 28
"""Memory that a live engine's queries, sets and edits may take, each of the three."""


def kept_arrays(n: int) -> int:
    """How many float32 arrays (n,) are remembered."""
    return min(max(KEPT_BYTES // (4 * n), 2), 64)


def kept_rows(n: int) -> int:
    """How many queries or edits of a live engine on n rows are remembered: each takes some 24 bytes a row."""
    return min(max(LIVE_BYTES // (24 * n), 4), 64)


class Kept(Generic[T]):
    """At most `most` values by key."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, from `make` where there is none."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()  # outside the lock: two threads may make the same thing, and both are right
        with self._lock:
            value = self._values.setdefault(key, value)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
