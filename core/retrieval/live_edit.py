"""One edit of the live engine: which rows of a gallery change, and by what."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.retrieval.switched import Switched

if TYPE_CHECKING:
    from core.retrieval.live import LiveEngine


@dataclass(frozen=True, eq=False)
class Change:
    """What an edit does, row by row."""

    rows: np.ndarray
    """Rows whose embedding changes, rising (m,)."""
    of: slice | np.ndarray
    """The same, to read numbers of the rows by: all of them without a copy where every row changes."""
    switched: Switched
    at: slice | np.ndarray
    """Places among `rows` where a switched neuron fires."""
    neurons: np.ndarray
    factors: np.ndarray
    """c s_j of every switched neuron (S,)."""
    alpha: float
    """Share of the reconstruction in B; 0 in the error-preserving form."""
    shift: np.ndarray | None
    """w (d_in,); None: no gamma."""


@dataclass(frozen=True, eq=False)
class LiveEdit(Change):
    """One edit on the gallery: which rows change, and by what; serves any number of queries."""

    engine: "LiveEngine"
    scales: np.ndarray
    """What push is divided by in the changed rows (m,) or (1,)."""
    lengths: np.ndarray
    """||x'|| of the changed rows (m,)."""

    def changes(self, rows: np.ndarray) -> np.ndarray:
        """Whether the edit changes each of some rows of the gallery (m,) bool."""
        everybody = isinstance(self.of, slice)
        return np.ones(len(rows), dtype=bool) if everybody else self.engine.on.get(self.switched.fires)[rows]

    @cached_property
    def whole(self) -> np.ndarray:
        """What the inner product of push(x') with a query is divided by (m,)."""
        return self.scales * self.lengths

    @cached_property
    def cosines(self) -> np.ndarray:
        """Cosine before and after of the changed rows (m,)."""
        return self.engine.cosines_of(self)
