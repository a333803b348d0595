"""Results by what they depend on: made by the first who asks, then shared between threads and sessions."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class Memo:
    """Results of pure functions by key, within bounds: those that were used longest ago go first.

    Several who ask for the same result at once wait for one computation; others do not wait. An error is not kept: the
    next one who asks tries again. Results are shared and must not be changed; arrays are made read-only.

    Parameters
    ----------
    entries : results that are kept; None: any number.
    max_bytes : memory that they may take together, by their `nbytes`; a larger one is not kept. None: any.
    """

    def __init__(self, entries: int | None = None, max_bytes: int | None = None) -> None:
        self._entries, self._max_bytes = entries, max_bytes
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._running: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        self._bytes = 0

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of `key`, from `make` where there is none. `make` may ask for other keys, not for its own."""
        with self._lock:
            if key in self._values:
                return self._used(key)
            running = self._running.setdefault(key, threading.Lock())
        with running:
            with self._lock:
                if key in self._values:
                    return self._used(key)
            try:
                value = make()
                if isinstance(value, np.ndarray):
                    value.setflags(write=False)
                self._keep(key, value)
            finally:
                with self._lock:
                    self._running.pop(key, None)
            return value

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    @property
    def nbytes(self) -> int:
        """Memory of what is kept; 0 where no bound of it was given."""
        return self._bytes

    def forget(self, key: Hashable) -> None:
        """Have `key` made again when it is asked for."""
        with self._lock:
            self._bytes -= self._values.pop(key, (None, 0))[1]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def _used(self, key: Hashable) -> Any:
        self._values.move_to_end(key)
        return self._values[key][0]

    def _keep(self, key: Hashable, value: object) -> None:
        size = 0
        if self._max_bytes is not None:
            size = int(getattr(value, "nbytes", 0)) or sys.getsizeof(value)
            if size > self._max_bytes:
                return
        with self._lock:
            self._bytes += size - self._values.pop(key, (None, 0))[1]
            self._values[key] = (value, size)
            while self._overfull():
                self._bytes -= self._values.popitem(last=False)[1][1]

    def _overfull(self) -> bool:
        many = self._entries is not None and len(self._values) > self._entries
        return many or (self._max_bytes is not None and self._bytes > self._max_bytes)
