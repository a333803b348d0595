"""Memory between two questions: what a toggle of one neuron does not change is not computed again."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Bench:
    """Results of pure steps by the digests of everything they depend on; the oldest go when memory is full.

    One bench may serve many sessions: it holds nothing of a session's choices, only results that are equal for equal
    keys. Uploads never go through it.

    Parameters
    ----------
    max_bytes : memory that the kept results may take together (arrays counted by `nbytes`).
    """

    def __init__(self, max_bytes: int = 2 << 30) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def remember(self, key: tuple, make: Callable[[], T]) -> T:
        """The result filed under `key` (strings and numbers), made by `make` if there is none."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        # made outside the lock: two sessions may make the same thing at once, and both are right
        value = make()
        size = int(getattr(value, "nbytes", 0)) or sys.getsizeof(value)
        with self._lock:
            if key not in self._kept and size <= self._max_bytes:
                self._kept[key] = (value, size)
                self._bytes += size
                while self._bytes > self._max_bytes:
                    self._bytes -= self._kept.popitem(last=False)[1][1]
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Memory of what is kept."""
        return self._bytes
