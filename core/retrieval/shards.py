"""One ranking from many: rows that are searched in consecutive shards, each of which knows only its own."""

from collections.abc import Callable, Sequence

import numpy as np

from core.retrieval.flat import Ranking, require_k

Ask = Callable[..., list]
"""Asks every shard one thing, `ask(method, *arguments)`, and gives their answers in the order of the shards."""


def merged(rankings: Sequence[Ranking], starts: Sequence[int], k: int) -> Ranking:
    """The first k rows of all shards together, from the first ones of each: min(k, its rows) of a shard are enough.

    Parameters
    ----------
    rankings : the ranking of each shard, its rows numbered from 0.
    starts : number of each shard's first row.
    """
    numbered = zip(rankings, starts, strict=True)
    rows = np.concatenate([ranking.rows + start for ranking, start in numbered])
    scores = np.concatenate([ranking.scores for ranking in rankings])
    order = np.lexsort((rows, -scores))[:k]
    return Ranking(rows[order], scores[order])


class ShardedIndex:
    """What an index over all rows answers, asked of shards: `search`, `scores` and `unit_at` of each, then merged.

    Parameters
    ----------
    sizes : rows of each shard.
    d : columns of every row.
    """

    nbytes = 0
    """The rows are elsewhere."""

    def __init__(self, ask: Ask, sizes: Sequence[int], d: int) -> None:
        self._ask, self.d = ask, d
        self._ends = np.cumsum(sizes)
        self._starts: list[int] = (self._ends - sizes).tolist()
        self.n = int(self._ends[-1])

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k rows most similar to the query (d,); see `FlatIndex.search`. Every shard sends its first k."""
        require_k(k, self.n)
        return merged(self._ask("search", query, k), self._starts, k)

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of every row with the query, float32 (n,): all of them are sent."""
        return np.concatenate(self._ask("scores", query))

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some of the unit rows, float32 (m, d)."""
        rows = np.arange(self.n)[rows]
        owners = np.searchsorted(self._ends, rows, side="right")
        unit = np.empty((len(rows), self.d), dtype=np.float32)
        wanted = [rows[owners == shard] - start for shard, start in enumerate(self._starts)]
        for shard, rows_of_shard in enumerate(self._ask("unit_at", wanted)):
            unit[owners == shard] = rows_of_shard
        return unit

    @property
    def unit(self) -> np.ndarray:
        """Every unit row (n, d), float32: sent anew whenever it is asked for."""
        return self.unit_at(slice(None))
