"""Computed once, for all threads and sessions."""

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Once:
    """Values by key, each made by the first who asks and then shared; arrays are shared read-only."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._made: dict[Hashable, object] = {}

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, from `make` where nobody has asked before; the others wait meanwhile."""
        with self.lock:
            if key not in self._made:
                value = make()
                if isinstance(value, np.ndarray):
                    value.setflags(write=False)
                self._made[key] = value
            return self._made[key]  # type: ignore[return-value]

    def __contains__(self, key: Hashable) -> bool:
        return key in self._made

    def forget(self, key: Hashable) -> None:
        """Have `key` made again when it is asked for."""
        with self.lock:
            self._made.pop(key, None)
