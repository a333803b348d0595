"""The live engine: the exact ranking after neurons are switched, without encoding or indexing the gallery again.

Let B be the gallery with nothing switched (B = x for the error-preserving form, alpha x_hat + (1 - alpha) x for the
blend form). Switching changes row i to

    B_i - sum_j e_ij W_j,      e_ij = c s_j (z_ij - gamma_j),  c = 1 (error-preserving) or alpha (blend)

so that scores and lengths follow from numbers of the non-zero codes alone. gamma_j is a constant shift of every row,
w = sum_j c s_j gamma_j W_j: one dense product with B, after which the rest is as sparse as before.
"""

from typing import Any

import numpy as np

from core.config import Edit, Progress
from core.memo import Memo
from core.retrieval.flat import Ranking, best_rows, require_k
from core.retrieval.live_edit import LiveEdit, edited
from core.retrieval.live_gallery import LiveGallery
from core.retrieval.live_query import LiveQuery
from core.retrieval.remembered import answers_of


class LiveEngine:
    """Scores of a gallery under edits. Read-only towards what it is given; safe between threads.

    Rankings and scores are given in memory wherever the sums are made.
    """

    def __init__(self, gallery: LiveGallery) -> None:
        self.gallery, self.n, self.on = gallery, gallery.n, gallery.on
        self._queries, self._edits = Memo(answers_of(self.n)), Memo(answers_of(self.n))

    @property
    def nbytes(self) -> int:
        """Memory that the engine takes once every neuron has been switched."""
        forms = len(self.gallery.geometry.cross(self.gallery.W[:1]))
        return (24 + 16 * forms) * self.gallery.codes.nnz + 64 * self.n

    def edited(self, edit: Edit, progress: Progress | None = None) -> LiveEdit:
        """The rows that an edit changes, remembered by its digest. InputError for a neuron that is not there.

        `progress` follows the passes over the gallery that the first edit of a kind needs; later ones need none.
        """
        return self._edits(edit.digest, lambda: edited(self.gallery, edit, progress))

    def scores(self, query: np.ndarray, edit: Edit | None = None, base: np.ndarray | None = None) -> np.ndarray:
        """Cosine of every row with a query (d,) or with several (m, d): (n,) or (m, n), of the embeddings' precision.

        Parameters
        ----------
        base : scores of the unedited rows where they are already known; rows that the edit leaves alone keep them.
        """
        if np.ndim(query) == 2:
            vectors = np.stack([LiveQuery(self.gallery, row).q for row in query])
            products = self.on.times(self.gallery.rows_pooled, vectors)  # one pass over the rows for all queries
            pairs = zip(query, products, strict=True)
            return np.stack(
                [self._scores(LiveQuery(self.gallery, row, products=products), edit) for row, products in pairs]
            )
        return self._scores(self._query(query, base), edit)

    def _scores(self, asked: LiveQuery, edit: Edit | None) -> np.ndarray:
        return np.array(self.on.get(self._placed_scores(asked, edit)))

    def _placed_scores(self, asked: LiveQuery, edit: Edit | None) -> Any:
        if edit is None or edit.changes_nothing:
            return asked.plain
        live, scores = self.edited(edit), asked.plain + 0
        scores[live.of] = self.on.narrowed(self._changed(asked, live), self.gallery.sums.dtype)
        return scores

    def search(self, query: np.ndarray, k: int, edit: Edit | None = None, base: np.ndarray | None = None) -> Ranking:
        """The k rows most similar to the query after the edit, as a flat index over the edited rows gives them.

        Looks at the changed rows and at the first of the unedited ranking, never at every row of the gallery.
        `base` as for `scores`.
        """
        require_k(k, self.n)
        asked = self._query(query, base)
        if not self.on.by_leaders:
            rows, scores = self.on.best_rows(self._placed_scores(asked, edit), k)
            return Ranking(rows, scores.astype(np.float32))
        live = None if edit is None or edit.changes_nothing else self.edited(edit)
        if live is None or not live.count:
            rows = asked.leaders(k)[:k]
            return Ranking(rows, asked.plain[rows].astype(np.float32))
        changed = self._changed(asked, live).astype(asked.plain.dtype)
        rows, scores = (live.rows, changed) if live.everybody else self._contenders(asked, live, changed, k)
        first = best_rows(scores, k)
        return Ranking(rows[first], scores[first].astype(np.float32))

    def _contenders(
        self, asked: LiveQuery, live: LiveEdit, changed: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows, rising, among which the first k are, with their scores: unchanged leaders and changed rows."""
        wanted = min(k, self.n - live.count)
        count = 2 * k
        while True:
            leaders = asked.leaders(count)
            unchanged = leaders[~live.switched.fires(leaders)][:k]
            if len(unchanged) >= wanted:
                break
            count = 4 * len(leaders)
        known = asked.plain[unchanged]
        # k unchanged rows are at least as good as the last of them: no changed row below it is among the first k
        near = np.flatnonzero(changed >= known[-1]) if len(unchanged) == k else np.arange(len(changed))
        rows = np.concatenate([unchanged, live.switched.rows_at(near)])
        scores = np.concatenate([known, changed[near]])
        order = np.argsort(rows)
        return rows[order], scores[order]

    def _changed(self, asked: LiveQuery, live: LiveEdit) -> np.ndarray:
        """Scores of the rows that the edit changes (m,), float64."""
        weights = -live.factors * asked.neurons[live.neurons]
        if live.everybody:
            along = asked.along(live.alpha)
            along[live.at] += live.switched.sums(weights)
        else:
            along = live.switched.sums(weights, [asked.stored_of(int(j)) for j in live.neurons])
        if live.shift is not None:
            along += float(live.shift @ asked.pulled)
        if asked.offset:
            along += asked.offset * live.scales
        along /= live.whole
        return along

    def _query(self, vector: np.ndarray, base: np.ndarray | None) -> LiveQuery:
        # the query keeps its base alive, so that no other array can have its identity
        key = (np.ascontiguousarray(vector).tobytes(), None if base is None else id(base))
        return self._queries(key, lambda: LiveQuery(self.gallery, vector, base))
