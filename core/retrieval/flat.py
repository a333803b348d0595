"""Exact retrieval: a flat inner-product index, no approximation, no hidden re-ranking."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from core.config import InputError
from core.memo import Memo
from core.retrieval.nearest import flat_index, rows_of
from core.retrieval.remembered import arrays_of


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows in falling order of score; equal scores in rising order of row."""

    rows: np.ndarray
    """int64 (k,)."""
    scores: np.ndarray
    """Inner products with the unit query, float32 (k,); cosines where the rows are unit too."""

    def first(self, k: int) -> "Ranking":
        """The first k of it."""
        return Ranking(self.rows[:k], self.scores[:k])


class Index(Protocol):
    """Anything that ranks n rows of d columns by cosine with a query."""

    n: int
    d: int

    @property
    def nbytes(self) -> int: ...

    @property
    def unit(self) -> np.ndarray: ...

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray: ...

    def scores(self, query: np.ndarray) -> np.ndarray: ...

    def search(self, query: np.ndarray, k: int) -> Ranking: ...


class FlatIndex:
    """Unit rows (n, d), float32, ready to be searched exactly; read-only once made, safe between threads."""

    def __init__(self, unit: np.ndarray) -> None:
        unit = np.ascontiguousarray(unit, dtype=np.float32)
        if unit.ndim != 2 or not len(unit):
            raise InputError(f"embeddings of shape {unit.shape} were given to search in; expected (n, d), n >= 1")
        self.n, self.d = unit.shape
        self._index = flat_index(unit)
        self._scores = Memo(arrays_of(self.n))

    @cached_property
    def unit(self) -> np.ndarray:
        """The rows that are searched, (n, d) float32: the index's own memory, read-only."""
        return rows_of(self._index, self.n, self.d)

    @property
    def nbytes(self) -> int:
        """Memory that the rows take."""
        return self.n * self.d * 4

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some of the unit rows, float32 (m, d)."""
        return self.unit[rows]

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Inner product of every row with the unit query, float32 (n,), read-only; remembered."""
        unit = unit_query(query, self.d)
        return self._scores(unit.tobytes(), lambda: self.unit @ unit)

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k rows most similar to the query (d,), which is normalised here.

        Rows of equal score come in rising order, also across the k-th place: the list does not depend on how the
        index walks. InputError where k is not 1 .. n or the query does not fit.
        """
        require_k(k, self.n)
        query = unit_query(query, self.d)[None]
        take = k
        while True:
            take = min(take + 8, self.n)
            found_scores, found_rows = self._index.search(query, take)
            scores, rows = found_scores[0], found_rows[0]
            # where the last found score is tied with the k-th, rows that belong before it may not be among the found
            if take == self.n or scores[-1] < scores[k - 1]:
                break
            take *= 4
        order = np.lexsort((rows, -scores))[:k]
        return Ranking(rows[order].astype(np.int64), scores[order])


def search(unit: np.ndarray, query: np.ndarray, k: int) -> Ranking:
    """The k rows of `unit` (n, d) most similar to the query (d,); see `FlatIndex.search`."""
    return FlatIndex(unit).search(query, k)


def unit_query(query: np.ndarray, d: int) -> np.ndarray:
    """The query as float32 (d,) of length 1; InputError where it has another size, is zero or not finite."""
    query = np.asarray(query, dtype=np.float64).reshape(-1)
    if len(query) != d:
        raise InputError(f"the query embedding has {len(query)} numbers; the searched embeddings have {d}")
    length = float(np.linalg.norm(query))
    if not np.isfinite(length) or length == 0.0:
        raise InputError("the query embedding is zero or not finite and has no direction; give another query")
    return (query / length).astype(np.float32)


def best_rows(scores: np.ndarray, k: int) -> np.ndarray:
    """Rows with the k largest scores, best first, equal scores in rising order of row; int64 (k,), 1 <= k <= n."""
    n = len(scores)
    # one partition finds the k-th score; everything tied with it takes part, so that the rows decide among equals
    least = np.partition(scores, n - k)[n - k]
    rows = np.flatnonzero(scores >= least)
    return rows[np.lexsort((rows, -scores[rows]))[:k]]


def best_ranking(scores: np.ndarray, k: int) -> Ranking:
    """The k rows with the largest scores (n,), as a ranking; InputError where k is not 1 .. n."""
    require_k(k, len(scores))
    rows = best_rows(scores, k)
    return Ranking(rows, scores[rows].astype(np.float32, copy=False))


def require_k(k: int, n: int) -> None:
    """InputError unless that many rows can be retrieved."""
    if not 1 <= k <= n:
        raise InputError(f"k was {k}; expected 1 to {n}, the number of searched rows: choose a smaller k")


def ranks_of(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Place of each of `rows` among all rows by falling score, counted from 1; ties by rising row.

    Parameters
    ----------
    scores : score of every row (n,).
    """
    order = np.sort(scores)
    above = len(scores) - np.searchsorted(order, scores[rows], side="right")
    tied = len(scores) - np.searchsorted(order, scores[rows], side="left") - above
    ranks = above + 1
    for i in np.flatnonzero(tied > 1):
        ranks[i] += np.count_nonzero(scores[: rows[i]] == scores[rows[i]])
    return ranks


def same_ranking(a: Ranking, b: Ranking, tolerance: float = 1e-6) -> bool:
    """Whether two rankings are one: equal scores place by place, and equal rows but for ties, within the tolerance.

    A row of one list may be missing in the other only where its score is within the tolerance of the last score.
    """
    if len(a.rows) != len(b.rows):
        return False
    if len(a.rows) == 0:
        return True
    if float(np.abs(a.scores - b.scores).max()) > tolerance:
        return False
    place_in_b = {int(row): i for i, row in enumerate(b.rows)}
    last = float(min(a.scores[-1], b.scores[-1]))
    for i, row in enumerate(a.rows):
        j = place_in_b.get(int(row))
        partner = last if j is None else float(b.scores[j])
        if abs(float(a.scores[i]) - partner) > tolerance:
            return False
    return True
