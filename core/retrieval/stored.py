"""Exact retrieval from stored embeddings as they are: no unit rows, no index, hence no second gallery in memory."""

from functools import cached_property

import numpy as np

from core.config import InputError
from core.memo import Memo
from core.retrieval.flat import Ranking, best_ranking, unit_query
from core.retrieval.products import Rows, squared_lengths, times, working
from core.retrieval.remembered import SCORES_BYTES, arrays_of


class StoredIndex:
    """Rows of any length and float type (n, d), perhaps memory-mapped, searched by cosine; safe between threads.

    The same ranking as a flat index over the unit rows, up to ties within the rounding of float32. Every query is one
    pass over the rows; beside them memory holds their lengths and the scores of the last few queries.

    Parameters
    ----------
    lengths : L2 lengths of the rows (n,), where they are known.
    """

    def __init__(self, x: Rows, lengths: np.ndarray | None = None) -> None:
        if len(x.shape) != 2 or not len(x):
            raise InputError(f"embeddings of shape {x.shape} were given to search in; expected (n, d), n >= 1")
        self._x, self._given_lengths = x, lengths
        self.n, self.d = x.shape
        self._scores = Memo(arrays_of(self.n))

    @property
    def nbytes(self) -> int:
        """Memory that the index takes: its rows where they are not mapped, lengths and scores."""
        return (0 if isinstance(self._x, np.memmap) else self._x.nbytes) + 4 * self.n + SCORES_BYTES

    @cached_property
    def lengths(self) -> np.ndarray:
        """L2 length of every row, float32 (n,); InputError for a row that has no direction."""
        lengths = self._given_lengths
        if lengths is None:
            lengths = np.sqrt(squared_lengths(self._x)).astype(np.float32)
        usable = np.isfinite(lengths) & (lengths > 0)
        if not usable.all():
            raise InputError(f"row {int((~usable).argmax())} is zero or not finite: it has no direction")
        return lengths

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of every row with the query, float32 (n,), read-only; remembered."""
        unit = unit_query(query, self.d)
        return self._scores(unit.tobytes(), lambda: self._scored(unit))

    def _scored(self, unit: np.ndarray) -> np.ndarray:
        scores = times(self._x, unit[None])[0]
        scores /= self.lengths
        return scores.astype(np.float32, copy=False)

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k rows most similar to the query (d,); see `FlatIndex.search`."""
        return best_ranking(self.scores(query), k)

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some of the rows, divided by their lengths, float32 (m, d)."""
        return np.asarray(self._x[rows], dtype=working(self._x)).astype(np.float32) / self.lengths[rows][:, None]

    @property
    def unit(self) -> np.ndarray:
        """Every unit row (n, d), float32: made anew whenever it is asked for."""
        return self.unit_at(slice(None))


class PartIndex:
    """Some rows of a stored index, rising, numbered from 0: searched without a copy of them."""

    def __init__(self, whole: StoredIndex, rows: np.ndarray) -> None:
        self.whole, self.rows = whole, rows
        self.n, self.d = len(rows), whole.d
        self._scores = Memo(arrays_of(self.n))

    @property
    def nbytes(self) -> int:
        """Memory that the part takes beside the whole."""
        return self.rows.nbytes + SCORES_BYTES

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of every row of the part with the query, float32 (n,); remembered."""
        unit = unit_query(query, self.d)
        return self._scores(unit.tobytes(), lambda: self.whole.scores(query)[self.rows])

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k rows most similar to the query (d,); see `FlatIndex.search`."""
        return best_ranking(self.scores(query), k)

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some rows of the part, divided by their lengths, float32 (m, d)."""
        return self.whole.unit_at(self.rows[rows])

    @property
    def unit(self) -> np.ndarray:
        """Every unit row of the part (n, d), float32: made anew whenever it is asked for."""
        return self.whole.unit_at(self.rows)
