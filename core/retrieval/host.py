"""Where the live engine makes its sums over rows: in memory, by numpy and scipy. `on_device` is the same on a GPU."""

from collections.abc import Sequence

import numpy as np

from core.retrieval.flat import best_rows
from core.retrieval.products import Rows, times
from core.retrieval.row_set import RowSet
from core.retrieval.switched import Column, Placed, Switched, SwitchedRows

SELDOM = 32
"""A set of n rows takes n / 8 bytes, and half as much again for their places; a row's number takes 8."""


class Host:
    """Arrays of row numbers as they are. What an engine asks of the place where it works."""

    by_leaders = True
    """Whether a search looks at the first unchanged rows and the changed ones, rather than at every row."""

    def rows(self, x: Rows) -> Placed:
        """Embeddings, ready for `times`."""
        return x

    def put(self, numbers: np.ndarray | float) -> Placed:
        """An array of this place with the same numbers."""
        return numbers

    def get(self, numbers: Placed) -> np.ndarray:
        """The same numbers in memory."""
        return numbers

    def exact(self, numbers: Placed, of: slice | Placed = slice(None)) -> Placed:
        """A float64 copy of numbers (..., n), all of them or those at some places."""
        if isinstance(of, slice):
            return np.array(numbers[..., of], dtype=np.float64)
        return numbers.take(of, axis=-1).astype(np.float64, copy=False)

    def narrowed(self, numbers: Placed, dtype: np.dtype) -> Placed:
        """The numbers in another precision."""
        return numbers.astype(dtype, copy=False)

    def times(self, x: Placed, vectors: np.ndarray, rows: Placed = None) -> Placed:
        """See `core.retrieval.products.times`; `x` is what `rows` gave."""
        return times(x, vectors, rows)

    def row_set(self, rows: Placed, n: int) -> RowSet | None:
        """Some of n rows as a set, where they are so many that it takes less memory than they; else None."""
        return RowSet.of(rows, n) if len(rows) * SELDOM > n else None

    def switched(self, columns: Sequence[Column], n: int) -> SwitchedRows:
        """Sums over the codes of a set of neurons."""
        return Switched(columns, n)

    def best_rows(self, scores: Placed, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows with the k largest scores, best first, equal ones in rising order of row; and these scores."""
        first = best_rows(scores, k)
        return first, scores[first]
