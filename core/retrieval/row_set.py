"""A set of rows of a gallery as bits: whether a row is in it, and which of its rows that is, without a search."""

from functools import cached_property

import numpy as np

WORD = 64
"""Rows that share a word."""
TO_WORD, IN_WORD = 6, WORD - 1
"""A row's number, shifted by the one, is that of its word; of its last bits, which the other keeps, that of its bit."""
MANY = 16
"""More than one row in so many is looked up in a byte for every row, which takes a pass over all but less for each."""


class RowSet:
    """Rows of a gallery, n / 8 bytes of them.

    Parameters
    ----------
    words : a bit for every row, the lowest of the first word for row 0; uint64 (ceil(n / WORD),).
    """

    def __init__(self, words: np.ndarray) -> None:
        self._words = words

    @classmethod
    def none(cls, n: int) -> "RowSet":
        """The set of none of n rows."""
        return cls(np.zeros(-(-n // WORD), dtype=np.uint64))

    @classmethod
    def of(cls, rows: np.ndarray, n: int) -> "RowSet":
        """The set of some of n rows."""
        bits = np.zeros(-(-n // WORD) * WORD, dtype=bool)
        bits[rows] = True
        return cls(np.packbits(bits, bitorder="little").view("<u8"))

    def __or__(self, other: "RowSet") -> "RowSet":
        return RowSet(self._words | other._words)

    def __and__(self, other: "RowSet") -> "RowSet":
        return RowSet(self._words & other._words)

    @property
    def rows(self) -> np.ndarray:
        """Its rows, rising, int64."""
        return np.flatnonzero(self._bytes)

    @property
    def _bytes(self) -> np.ndarray:
        return np.unpackbits(self._words.view(np.uint8), bitorder="little").view(bool)

    @cached_property
    def _before(self) -> np.ndarray:
        """How many of its rows come before those of every word."""
        counts = np.bitwise_count(self._words)
        before = np.zeros(len(counts), dtype=np.int32)
        np.cumsum(counts[:-1], out=before[1:])
        return before

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Whether each of some rows, int64 (m,), is in the set; (m,) bool."""
        if len(rows) * MANY > len(self._words) * WORD:
            return self._bytes.take(rows)
        words = self._words.take(rows >> TO_WORD)
        words >>= (rows & IN_WORD).view(np.uint64)
        words &= np.uint64(1)
        return words.astype(bool)

    def place(self, rows: np.ndarray) -> np.ndarray:
        """How many rows of the set come before each of some rows, int64 (m,): its place, where it is in; (m,) int32."""
        words = rows >> TO_WORD
        before = np.left_shift(np.uint64(1), (rows & IN_WORD).view(np.uint64)) - np.uint64(1)
        return self._before.take(words) + np.bitwise_count(self._words.take(words) & before)
