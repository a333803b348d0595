"""Where the live engine makes its sums over rows: in memory, by numpy and scipy. `on_device` is the same on a GPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.retrieval.products import Rows, times
from core.retrieval.switched import Column, Switched


class Host:
    """Arrays of row numbers as they are. What an engine asks of the place where it works."""

    by_leaders = True
    """Whether a search looks at the first unchanged rows and the changed ones, rather than at every row."""

    def rows(self, x: Rows) -> Any:
        """Embeddings, ready for `times`."""
        return x

    def put(self, numbers: np.ndarray) -> Any:
        """An array of this place with the same numbers."""
        return numbers

    def get(self, numbers: Any) -> np.ndarray:
        """The same numbers in memory."""
        return numbers

    def exact(self, numbers: Any) -> Any:
        """A float64 copy."""
        return np.array(numbers, dtype=np.float64)

    def narrowed(self, numbers: Any, dtype: np.dtype) -> Any:
        """The numbers in another precision."""
        return numbers.astype(dtype, copy=False)

    def times(self, x: Any, vectors: np.ndarray, rows: Any = None) -> Any:
        """See `core.retrieval.products.times`; `x` is what `rows` gave."""
        return times(x, vectors, rows)

    def switched(self, columns: Sequence[Column], n: int) -> Switched:
        """Sums over the codes of a set of neurons."""
        return Switched(columns, n)
