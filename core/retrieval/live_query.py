"""One query under any edit: its inner products with the gallery and the decoder, each made when first needed."""

from functools import cached_property

import numpy as np

from core.memo import Memo
from core.retrieval.flat import best_rows, unit_query
from core.retrieval.live_gallery import LiveGallery

LEADERS = 4096
"""First rows of the unedited ranking that are looked at for those that an edit leaves alone."""
OWN_BYTES = 16
"""Memory, for every row of the gallery, that a query's inner products on the rows of single neurons may take."""


class LiveQuery:
    """A query's inner products with the gallery and with the decoder.

    Parameters
    ----------
    base : cosines with the stored rows (n,), where they are known.
    products : inner products with the stored rows (n,), where they are known.
    """

    def __init__(
        self,
        gallery: LiveGallery,
        vector: np.ndarray,
        base: np.ndarray | None = None,
        products: np.ndarray | None = None,
    ) -> None:
        unit_query(vector, gallery.pooled.shape[1])  # refuses what has no direction
        q = np.asarray(vector, dtype=np.float64).reshape(-1)
        self._gallery, self.q, self._base, self._given = gallery, q / np.linalg.norm(q), base, products
        self.offset = float(self.q @ gallery.geometry.offset)
        """q . offset."""
        self.pulled = gallery.geometry.pull(self.q[None])[0]
        self._own = Memo(max_bytes=OWN_BYTES * gallery.n)
        self._leaders = np.zeros(0, dtype=np.int64)

    @cached_property
    def neurons(self) -> np.ndarray:
        """q . push(W_j) of every neuron (F,)."""
        return self._gallery.W @ self.pulled

    @cached_property
    def plain(self) -> np.ndarray:
        """Cosine with every stored row (n,), of the embeddings' precision; the scores that were given, if any."""
        gallery = self._gallery
        if self._base is not None:
            return gallery.on.put(self._base)
        return gallery.on.narrowed(self._products / gallery.pooled_lengths, gallery.sums.dtype)

    @cached_property
    def _products(self) -> np.ndarray:
        """q . stored pooled embedding of every row (n,)."""
        gallery = self._gallery
        return gallery.on.times(gallery.rows_pooled, self.q[None])[0] if self._given is None else self._given

    @cached_property
    def stored(self) -> np.ndarray:
        """q . push(x) of every row (n,)."""
        gallery = self._gallery
        if gallery.pooled is gallery.x:
            return self._products if self._base is None else self.plain * gallery.pooled_lengths
        if gallery.sums.stored().agree:
            # x' = push(x) / scale + offset is what was stored, and its product with q is known
            along = self.plain * gallery.pooled_lengths - self.offset
            return along * gallery.on.put(gallery.geometry.scales(gallery.sums.stored().squares))
        return gallery.on.times(gallery.rows_x, self.pulled[None])[0]

    @cached_property
    def decoded(self) -> np.ndarray:
        """q . push(x_hat) of every row (n,)."""
        gallery = self._gallery
        return gallery.on.put(gallery.sums.codes_by_row @ self.neurons + float(gallery.b @ self.pulled))

    def stored_of(self, j: int) -> np.ndarray:
        """q . push(x) on the rows where a neuron fires (m,), float64; some neurons' are remembered."""
        gallery = self._gallery
        return self._own(j, lambda: gallery.on.exact(self.stored, gallery.column(j).rows))

    def along(self, alpha: float) -> np.ndarray:
        """q . push(B) of every row (n,), float64, in an array that is the caller's."""
        if alpha == 0.0:
            return self._gallery.on.exact(self.stored)
        along = self._gallery.on.exact(self.decoded)
        along *= alpha
        along += (1.0 - alpha) * self.stored
        return along

    def leaders(self, count: int) -> np.ndarray:
        """At least `count` first rows of the unedited ranking (all, where there are no more), best first."""
        leaders = self._leaders
        if len(leaders) < min(count, len(self.plain)):
            leaders = best_rows(self.plain, min(max(count, LEADERS), len(self.plain)))
            self._leaders = leaders
        return leaders
