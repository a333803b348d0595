"""An index of which a method took some rows away wholly: they have no direction and are near to nothing."""

import numpy as np

from core.retrieval.flat import Index, Ranking, require_k


class LackingIndex:
    """Rows without a direction come last, in rising order, with score -inf: no list that others fill holds one.

    Parameters
    ----------
    inner : an index over all rows, zeros where a row has no direction.
    lost : places of these rows, rising.
    """

    def __init__(self, inner: Index, lost: np.ndarray) -> None:
        self._inner, self._lost = inner, lost
        self.n, self.d = inner.n, inner.d

    @property
    def nbytes(self) -> int:
        return self._inner.nbytes + self._lost.nbytes

    @property
    def unit(self) -> np.ndarray:
        """Every unit row (n, d), float32; zeros where there is no direction."""
        return self._inner.unit

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray:
        return self._inner.unit_at(rows)

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of every row with the query, float32 (n,); -inf where a row has no direction."""
        scores = np.array(self._inner.scores(query))
        scores[self._lost] = -np.inf
        return scores

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k rows most similar to the query (d,); see `FlatIndex.search`."""
        require_k(k, self.n)
        ranking = self._inner.search(query, min(k + len(self._lost), self.n))
        kept = ~np.isin(ranking.rows, self._lost)
        rows = np.concatenate([ranking.rows[kept], self._lost])[:k]
        nowhere = np.full(len(self._lost), -np.inf, dtype=np.float32)
        return Ranking(rows, np.concatenate([ranking.scores[kept], nowhere])[:k])
