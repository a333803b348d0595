"""The live engine: the exact ranking after neurons are switched, without encoding or indexing the gallery again.

Let B be the gallery with nothing switched (B = x for the error-preserving form, alpha x_hat + (1 - alpha) x for the
blend form). Switching changes row i to

    B_i - sum_j e_ij W_j,      e_ij = c s_j (z_ij - gamma_j),  c = 1 (error-preserving) or alpha (blend)

so that scores and lengths follow from numbers of the non-zero codes alone. gamma_j is a constant shift of every row,
w = sum_j c s_j gamma_j W_j: one dense product with B, after which the rest is as sparse as before.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import NOTHING, Edit, InputError
from core.readout import ReadoutArrays
from core.retrieval.flat import Ranking, best_rows, require_k
from core.retrieval.geometry import Geometry, Pooled, Residual
from core.retrieval.host import Host
from core.retrieval.kept import Kept
from core.retrieval.live_edit import Change, LiveEdit
from core.retrieval.live_query import LiveQuery
from core.retrieval.products import Progress
from core.retrieval.sums import Base, GallerySums
from core.retrieval.switched import Column, Switched

KEPT_BYTES = 1 << 28
"""Memory that remembered queries, sets and edits may take, each of the three."""
THIN = 1e-2
"""Share of its squared length below which a changed row is measured anew."""
LARGEST = float(np.finfo(np.float32).max)
"""Squared lengths beyond it are no embeddings: float32 could not hold them."""


@dataclass(frozen=True, eq=False)
class _Direction:
    """A decoder row as the geometry sees it."""

    cross: np.ndarray
    """(forms, d_in)."""
    pushed: np.ndarray
    """What it adds to the pooled embedding, up to the row's scale (d,)."""


class LiveEngine:
    """Scores of a gallery under edits. Read-only towards what it is given; safe between threads.

    Parameters
    ----------
    x : embeddings (n, d_in) at the attach point, any float type, may be memory-mapped.
    codes : z (n, F) of `x`, by column.
    W_dec, b_dec : the decoder (F, d_in) and its bias (d_in,).
    pooled : stored pooled embeddings (n, d) where `x` are residuals; rows that an edit leaves alone keep them.
    readout : from residuals to pooled embeddings; None at the pooled attach point.
    lengths : lengths of the pooled embeddings (n,) where they are known.
    codes_by_row : the codes by row, where they are at hand; else made where they are needed.
    on : where sums over rows are made; None: in memory. Rankings and scores are given in memory wherever it is.
    """

    def __init__(
        self,
        x: np.ndarray,
        codes: sparse.spmatrix,
        W_dec: np.ndarray,
        b_dec: np.ndarray,
        pooled: np.ndarray | None = None,
        readout: ReadoutArrays | None = None,
        lengths: np.ndarray | None = None,
        codes_by_row: sparse.spmatrix | None = None,
        on: Host | None = None,
    ) -> None:
        if (readout is None) != (pooled is None):
            raise InputError("residuals need their pooled embeddings and the readout; pooled embeddings need neither")
        self.x, self.pooled, self.codes = x, x if pooled is None else pooled, codes.tocsc()
        self.n, self.d_sae = self.codes.shape
        self.W, self.b = np.asarray(W_dec, dtype=np.float64), np.asarray(b_dec, dtype=np.float64)
        self.geometry: Geometry = Pooled(x.shape[1]) if readout is None else Residual(readout)
        self.sums = GallerySums(x, self.pooled, self.codes, codes_by_row, self.W, self.b, self.geometry, lengths)
        self.on = on or Host()
        self._lock = threading.Lock()
        self._bases = Kept[Base](2)
        self._directions: dict[int, _Direction] = {}
        self._columns: dict[int, Column] = {}
        self._decoded: dict[int, np.ndarray] = {}
        self._owns: dict[int, np.ndarray] = {}
        kept = min(max(KEPT_BYTES // (24 * self.n), 4), 64)
        self._queries, self._edits = Kept[LiveQuery](kept), Kept[LiveEdit](kept)
        self._sets = Kept[Switched](kept // 4)

    @property
    def nbytes(self) -> int:
        """Memory that the engine takes once every neuron has been switched."""
        return 40 * self.codes.nnz + 64 * self.n

    @cached_property
    def rows_x(self) -> Any:
        """The embeddings where the sums are made."""
        return self.on.rows(self.x)

    @cached_property
    def rows_pooled(self) -> Any:
        return self.rows_x if self.pooled is self.x else self.on.rows(self.pooled)

    @cached_property
    def pooled_lengths(self) -> Any:
        """Lengths of the stored pooled embeddings (n,), float64."""
        return self.on.put(self.sums.pooled_lengths)

    # -- what is asked ------------------------------------------------------------------------------------------------

    def edited(self, edit: Edit, progress: Progress | None = None) -> LiveEdit:
        """The rows that an edit changes, remembered by its digest. InputError for a neuron that is not there.

        `progress` follows the passes over the gallery that the first edit of a kind needs; later ones need none.
        """
        return self._edits(edit.digest, lambda: self._edited(edit, progress))

    def scores(self, query: np.ndarray, edit: Edit | None = None, base: np.ndarray | None = None) -> np.ndarray:
        """Cosine of every row with a query (d,) or with several (m, d): (n,) or (m, n), of the embeddings' precision.

        Parameters
        ----------
        base : scores of the unedited rows where they are already known; rows that the edit leaves alone keep them.
        """
        if np.ndim(query) == 2:
            vectors = np.stack([LiveQuery(self, row).q for row in query])
            products = self.on.times(self.rows_pooled, vectors)  # one pass over the rows for all queries
            pairs = zip(query, products, strict=True)
            return np.stack([self._scores(LiveQuery(self, row, products=products), edit) for row, products in pairs])
        return self._scores(self._query(query, base), edit)

    def _scores(self, asked: LiveQuery, edit: Edit | None) -> np.ndarray:
        return np.array(self.on.get(self._placed_scores(asked, edit)))

    def _placed_scores(self, asked: LiveQuery, edit: Edit | None) -> Any:
        if edit is None or edit.changes_nothing:
            return asked.plain
        live, scores = self.edited(edit), asked.plain + 0
        scores[live.of] = self.on.narrowed(self._changed(asked, live), self.sums.dtype)
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
        if live is None or not len(live.rows):
            rows = asked.leaders(k)[:k]
            return Ranking(rows, asked.plain[rows].astype(np.float32))
        changed = self._changed(asked, live).astype(asked.plain.dtype)
        if len(live.rows) == self.n:
            rows, scores = live.rows, changed
        else:
            rows, scores = self._contenders(asked, live, changed, k)
        first = best_rows(scores, k)
        return Ranking(rows[first], scores[first].astype(np.float32))

    def _contenders(
        self, asked: LiveQuery, live: LiveEdit, changed: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows, rising, among which the first k are, with their scores: unchanged leaders and changed rows."""
        wanted = min(k, self.n - len(live.rows))
        count = 2 * k
        while True:
            leaders = asked.leaders(count)
            unchanged = leaders[~live.switched.fires[leaders]][:k]
            if len(unchanged) >= wanted:
                break
            count = 4 * len(leaders)
        own = asked.plain[unchanged]
        # k unchanged rows are at least as good as the last of them: no changed row below it is among the first k
        near = np.flatnonzero(changed >= own[-1]) if len(unchanged) == k else np.arange(len(changed))
        rows, scores = np.concatenate([unchanged, live.rows[near]]), np.concatenate([own, changed[near]])
        order = np.argsort(rows)
        return rows[order], scores[order]

    def _changed(self, asked: LiveQuery, live: LiveEdit) -> np.ndarray:
        """Scores of the rows that the edit changes (m,), float64."""
        along = self.on.exact(asked.along(live.alpha)[live.of])
        along[live.at] -= live.switched.sums(live.factors * asked.neurons[live.neurons])
        if live.shift is not None:
            along += float(live.shift @ asked.pulled)
        if asked.offset:
            along += asked.offset * live.scales
        along /= live.whole
        return along

    # -- an edit ------------------------------------------------------------------------------------------------------

    def _edited(self, edit: Edit, progress: Progress | None) -> LiveEdit:
        alpha = edit.alpha if edit.form == "blend" else 0.0
        share = alpha if edit.form == "blend" else 1.0
        on = [place for place, s in enumerate(edit.each_strength) if s > 0 and not edit.changes_nothing]
        neurons = np.array([edit.neurons[place] for place in on], dtype=np.int64)
        if edit.neurons and edit.neurons[-1] >= self.d_sae:
            raise InputError(f"neuron {edit.neurons[-1]} was given; this SAE has neurons 0 to {self.d_sae - 1}")
        factors = share * np.array([edit.each_strength[place] for place in on])
        gammas = np.array([edit.each_gamma[place] for place in on])
        shifts = factors * gammas  # may vanish where neither factor does
        shift = shifts @ self.W[neurons] if shifts.any() else None
        switched = self._sets(
            neurons.tobytes(), lambda: self.on.switched([self._column(int(j)) for j in neurons], self.n)
        )
        everybody = alpha > 0 or shift is not None
        rows, of = (self.on.put(np.arange(self.n)), slice(None)) if everybody else (switched.rows, switched.rows)
        at = switched.rows if everybody else slice(None)
        change = Change(rows, of, switched, at, neurons, factors, alpha, shift)
        self._base(alpha, progress)
        with np.errstate(over="ignore", invalid="ignore"):  # said in words below
            squares = self._squares(change)
            scales = self.geometry.scales(squares)
            lengths = self.geometry.lengths(squares, self._along_offset(change))
        if not (squares < LARGEST).all():
            raise InputError("the edit gives embeddings that are not finite; choose a smaller gamma or fewer neurons")
        lost = ~(lengths >= NOTHING * self.pooled_lengths[change.of])
        lost |= (squares < NOTHING**2 * self._base(0.0).squares[:, change.of]).any(axis=0)
        if lost.any():
            raise InputError(
                f"the edit leaves nothing of some items ({int(lost.sum())} of {self.n}); switch fewer neurons, or less "
                "strongly"
            )
        return LiveEdit(**vars(change), engine=self, scales=scales, lengths=lengths)

    def _squares(self, change: Change) -> np.ndarray:
        """The geometry's forms of the changed rows (forms, m)."""
        rows, switched, factors, alpha, shift = change.rows, change.switched, change.factors, change.alpha, change.shift
        squares = self.on.exact(self._base(alpha).squares[:, change.of])
        least = THIN * squares
        if shift is not None:
            self._add_shift(squares, change)
        directions = self.W[change.neurons]
        for form, cross in enumerate(self._crosses(change.neurons)):
            inner = switched.along(form, 2.0 * (1.0 - alpha) * factors)
            if alpha > 0:
                decoded = [self._decoded_crosses(int(j))[form] for j in change.neurons]
                inner += switched.weighted(decoded, 2.0 * alpha * factors)
            if shift is not None:
                inner += switched.sums(2.0 * factors * (cross @ shift))
            inner -= switched.squares(np.outer(factors, factors) * (directions @ cross.T))
            squares[form, change.at] -= inner
        thin = (squares < least).any(axis=0)
        if thin.any():  # nearly everything is taken away: the difference of large numbers says too little
            few = self.on.get(rows[thin])
            away = (switched.codes_of(few) * factors) @ directions
            squares[:, thin] = self.on.put(self._forms_of(few, alpha, shift, away))
        return squares

    def _add_shift(self, squares: np.ndarray, change: Change) -> None:
        """Add what a constant vector does to every row's forms: one dense product."""
        shift, alpha = change.shift, change.alpha
        crosses = self.geometry.cross(shift[None])[:, 0]
        inner = (1.0 - alpha) * self.on.times(self.rows_x, crosses)
        if alpha > 0:
            inner = inner + self.on.put(alpha * (self.codes @ (self.W @ crosses.T) + crosses @ self.b).T)
        squares += 2.0 * inner + self.on.put((crosses @ shift)[:, None])

    def _along_offset(self, change: Change) -> np.ndarray:
        """push(B - sum_j e_j W_j) . offset of the changed rows (m,); (1,) where there is no offset."""
        offset = self.geometry.offset
        if not offset.any():
            return np.zeros(1)
        along = self.on.exact(self._base(change.alpha).along_offset[change.of])
        if len(change.neurons):
            pushed = np.stack([self._direction(int(j)).pushed for j in change.neurons])
            along[change.at] -= change.switched.sums(change.factors * (pushed @ offset))
        if change.shift is not None:
            along += float(self.geometry.push(change.shift[None])[0] @ offset)
        return along

    def cosines_of(self, live: LiveEdit) -> np.ndarray:
        """Cosine of the changed rows before and after an edit (m,); `LiveEdit.cosines` remembers them."""
        own = self.on.exact(self._base(live.alpha).own[live.of])
        if len(live.neurons):
            own[live.at] -= self._own_of(live)
        if live.shift is not None:
            own += self.on.times(self.rows_pooled, self.geometry.push(live.shift[None]))[0][live.of]
        own /= live.scales
        if self.geometry.offset.any():
            own += self.on.put(self.sums.pooled_along_offset)[live.of]
        return own / (live.lengths * self.pooled_lengths[live.of])

    def _forms_of(self, rows: np.ndarray, alpha: float, shift: np.ndarray | None, away: np.ndarray) -> np.ndarray:
        """The forms of a few changed rows, from the rows themselves."""
        b = (1.0 - alpha) * np.asarray(self.x[rows], dtype=np.float64) - away
        if alpha > 0:
            b += alpha * self.sums.decode(rows)
        if shift is not None:
            b += shift
        pushed = self.geometry.push(b)
        return self.geometry.forms(b, b, pushed, pushed)

    def _base(self, alpha: float, progress: Progress | None = None) -> Base:
        """The gallery with nothing switched, where the sums are made."""

        def make() -> Base:
            base = self.sums.base(alpha, progress)
            return Base(*(self.on.put(numbers) for numbers in (base.squares, base.along_offset, base.own)))

        return self._bases(alpha, make)

    # -- neurons and queries ------------------------------------------------------------------------------------------

    def _direction(self, j: int) -> _Direction:
        """The decoder row as the geometry sees it; made at the neuron's first use."""

        def make() -> _Direction:
            w = self.W[j][None]
            return _Direction(self.geometry.cross(w)[:, 0], self.geometry.push(w)[0])

        return self._of_neuron(self._directions, j, make)

    def _crosses(self, neurons: np.ndarray) -> np.ndarray:
        """Cross vectors of a set (forms, S, d_in); no form of an empty set."""
        crosses = [self._direction(int(j)).cross for j in neurons]
        return np.stack(crosses, axis=1) if crosses else np.zeros((0, 0, 0))

    def _column(self, j: int) -> Column:
        """The neuron's rows, codes and inner products with the gallery; made at its first use."""

        def make() -> Column:
            here = slice(self.codes.indptr[j], self.codes.indptr[j + 1])
            values = np.asarray(self.codes.data[here], dtype=np.float64)
            rows = np.asarray(self.codes.indices[here], dtype=np.int64)[values != 0]
            rows, values = self.on.put(rows), self.on.put(values[values != 0])
            crosses = self.on.times(self.rows_x, self._direction(j).cross, rows)
            return Column(rows, values, crosses * values)

        return self._of_neuron(self._columns, j, make)

    def _own_of(self, live: LiveEdit) -> np.ndarray:
        """sum_j e_ij (stored pooled embedding . push(W_j)) where a switched neuron fires."""
        if isinstance(self.geometry, Pooled):
            return live.switched.along(0, live.factors)
        return live.switched.weighted([self._own(int(j)) for j in live.neurons], live.factors)

    def _own(self, j: int) -> np.ndarray:
        """Stored pooled embedding . push(W_j) on the neuron's rows (m,); made when cosines are asked for."""
        push, rows = self._direction(j).pushed[None], self._column(j).rows
        return self._of_neuron(self._owns, j, lambda: self.on.exact(self.on.times(self.rows_pooled, push, rows)[0]))

    def _decoded_crosses(self, j: int) -> np.ndarray:
        """x_hat . cross(W_j) on the neuron's rows (forms, m); made at the first blend."""
        cross, rows = self._direction(j).cross, self.on.get(self._column(j).rows)

        def make() -> Any:
            return self.on.put((self.sums.codes_by_row[rows] @ (self.W @ cross.T) + cross @ self.b).T)

        return self._of_neuron(self._decoded, j, make)

    def _of_neuron(self, kept: dict, j: int, make: Callable):
        with self._lock:
            if j in kept:
                return kept[j]
        made = make()
        with self._lock:
            return kept.setdefault(j, made)

    def _query(self, vector: np.ndarray, base: np.ndarray | None) -> LiveQuery:
        # the query keeps its base alive, so that no other array can have its identity
        key = (np.ascontiguousarray(vector).tobytes(), None if base is None else id(base))
        return self._queries(key, lambda: LiveQuery(self, vector, base))
