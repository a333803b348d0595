"""Bare arrays by name, read with one line for every mistake: what was given, what was expected."""

from typing import NoReturn

import numpy as np

from core.config import InputError
from core.interventions.base import Arrays


class Reader:
    """Takes the arrays of one method out of a table of them.

    Every reader returns the array in its own floating dtype (float32 at least) and refuses what is missing, has
    another shape, or holds NaN or infinity.
    """

    def __init__(self, arrays: Arrays, method: str) -> None:
        self.arrays, self.method = arrays, method

    def array(self, name: str, ndim: int | None = None, last: int | None = None) -> np.ndarray:
        """Finite numbers with `ndim` axes, of which the last has length `last`."""
        if name not in self.arrays:
            have = ", ".join(sorted(self.arrays)) or "none"
            raise InputError(f"{self.method} needs the array {name!r}; arrays given: {have}")
        given = np.asarray(self.arrays[name])
        if given.dtype.kind not in "fiu":
            self._refuse(name, f"type {given.dtype}", "real numbers")
        if ndim is not None and given.ndim != ndim:
            self._refuse(name, f"shape {given.shape}", f"{ndim} axes")
        if last is not None and (not given.ndim or given.shape[-1] != last):
            self._refuse(name, f"shape {given.shape}", f"a last axis of {last}")
        given = given.astype(np.result_type(given.dtype, np.float32), copy=False)
        if not np.isfinite(given).all():
            self._refuse(name, "NaN or infinity", "finite numbers")
        return given

    def matrix(self, name: str, columns: int | None = None, least: int = 1) -> np.ndarray:
        """(n, columns) with at least `least` rows."""
        given = self.array(name, 2, columns)
        self.fits(name, len(given) >= least, f"at least {least} rows")
        return given

    def vector(self, name: str, length: int) -> np.ndarray:
        return self.array(name, 1, length)

    def number(self, name: str, low: float = -np.inf, high: float = np.inf) -> float:
        given = self.array(name)
        self.fits(name, given.size == 1, "one number")
        value = float(given.reshape(-1)[0])
        if not low <= value <= high:
            self._refuse(name, f"{value:g}", f"a number from {low:g} to {high:g}")
        return value

    def whole(self, name: str) -> np.ndarray:
        """Whole numbers (n,)."""
        given = self.array(name, 1)
        self.fits(name, bool((given == np.rint(given)).all()), "whole numbers")
        return given.astype(np.int64)

    def indices(self, name: str, below: int) -> np.ndarray:
        given = self.whole(name)
        self.fits(name, not len(given) or bool(given.min() >= 0 and given.max() < below), f"numbers below {below}")
        return given

    def sizes(self, name: str, total: int, what: str) -> list[int]:
        """Sizes of blocks, each at least 1, that add up to the rows of `what`."""
        given = self.whole(name)
        self.fits(name, len(given) > 0 and bool((given >= 1).all()), "whole numbers of at least 1")
        self.fits(name, int(given.sum()) == total, f"a sum of {total}, the rows of {what}")
        return given.tolist()

    def count(self, name: str) -> int:
        """One whole number of at least 1."""
        value = self.number(name, 1)
        self.fits(name, value == int(value), "a whole number")
        return int(value)

    def fits(self, name: str, holds: bool, expected: str) -> None:
        """InputError unless a condition of the array holds."""
        if not holds:
            given = np.asarray(self.arrays[name])
            self._refuse(name, f"{given.item()}" if given.size == 1 else f"shape {given.shape}", expected)

    def _refuse(self, name: str, given: str, expected: str) -> NoReturn:
        raise InputError(f"{self.method}: the array {name!r} has {given}; expected {expected}")
