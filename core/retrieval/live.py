"""The live engine: the exact ranking after neurons are switched, without encoding or indexing the gallery again.

Let B be the gallery with nothing switched (B = x for the error-preserving form, alpha x_hat + (1 - alpha) x for the
blend form). Switching changes row i to

    B_i - sum_j e_ij W_j,      e_ij = c s_j (z_ij - gamma_j),  c = 1 (error-preserving) or alpha (blend)

so that scores and lengths follow from numbers of the non-zero codes alone. gamma_j is a constant shift of every row,
w = sum_j c s_j gamma_j W_j: one dense product with B, after which the rest is as sparse as before.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from core.config import Edit, InputError
from core.readout import ReadoutArrays
from core.retrieval.flat import Ranking, best_rows, unit_query
from core.retrieval.geometry import Geometry, Pooled, Residual, blocks

KEPT_QUERIES, KEPT_EDITS = 64, 32
THIN = 1e-3
"""Share of its squared length below which a changed row is measured anew."""
LARGEST = float(np.finfo(np.float32).max)
"""Squared lengths beyond it are no embeddings: float32 could not hold them."""


@dataclass(frozen=True)
class _Base:
    """The gallery with nothing switched, row by row, in float64."""

    squares: np.ndarray
    """The geometry's forms (forms, n)."""
    along_offset: np.ndarray
    """push(B) . offset (n,)."""
    own: np.ndarray
    """push(B) . stored pooled embedding (n,): what cosines before and after are made of."""


@dataclass(frozen=True)
class _Column:
    """One neuron on the rows where it fires: everything that switching it needs to know of the gallery."""

    rows: np.ndarray
    values: np.ndarray
    crosses: np.ndarray
    """x . cross(W_j) of every form (forms, m)."""
    own: np.ndarray
    """Stored pooled embedding . push(W_j) (m,)."""

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.values.nbytes + self.crosses.nbytes + self.own.nbytes


@dataclass(frozen=True, eq=False)
class LiveEdit:
    """One edit on the gallery: which rows change, and by what; serves any number of queries."""

    rows: np.ndarray
    """Rows whose embedding changes, rising (m,)."""
    codes: np.ndarray
    """e_ij without the shift (m, S), float64."""
    neurons: np.ndarray
    alpha: float
    """Share of the reconstruction in B; 0 in the error-preserving form."""
    shift: np.ndarray | None
    """w (d_in,); None: no gamma."""
    scales: np.ndarray
    """What push is divided by in the changed rows (m,)."""
    lengths: np.ndarray
    """||x'|| of the changed rows (m,)."""
    cosines: np.ndarray
    """Cosine before and after of the changed rows (m,)."""


class LiveEngine:
    """Scores of a gallery under edits. Read-only towards what it is given; safe between threads.

    Parameters
    ----------
    x : embeddings (n, d_in) at the attach point, any float type, may be memory-mapped.
    codes : z (n, F) of `x`, by column.
    W_dec, b_dec : the decoder (F, d_in) and its bias (d_in,).
    pooled : stored pooled embeddings (n, d) where `x` are residuals; rows that an edit leaves alone keep them.
    readout : from residuals to pooled embeddings; None at the pooled attach point.
    """

    def __init__(
        self,
        x: np.ndarray,
        codes: sparse.spmatrix,
        W_dec: np.ndarray,
        b_dec: np.ndarray,
        pooled: np.ndarray | None = None,
        readout: ReadoutArrays | None = None,
    ) -> None:
        if (readout is None) != (pooled is None):
            raise InputError("residuals need their pooled embeddings and the readout; pooled embeddings need neither")
        self.x, self.pooled, self.codes = x, x if pooled is None else pooled, codes.tocsc()
        self.n, self.d_sae = self.codes.shape
        self.W, self.b = np.asarray(W_dec, dtype=np.float64), np.asarray(b_dec, dtype=np.float64)
        self.geometry: Geometry = Pooled(x.shape[1]) if readout is None else Residual(readout)
        self._lock = threading.Lock()
        self._columns: dict[int, _Column] = {}
        self._decoded: dict[int, np.ndarray] = {}
        self._queries: OrderedDict[bytes, _Query] = OrderedDict()
        self._edits: OrderedDict[str, LiveEdit] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Memory that the engine takes once every neuron has been switched."""
        return 48 * self.codes.nnz + 64 * self.n

    # -- what is asked ------------------------------------------------------------------------------------------------

    def edited(self, edit: Edit) -> LiveEdit:
        """The rows that an edit changes, remembered by its digest. InputError for a neuron that is not there."""
        return self._remember(self._edits, edit.digest, lambda: self._edited(edit), KEPT_EDITS)

    def scores(self, query: np.ndarray, edit: Edit | None = None, base: np.ndarray | None = None) -> np.ndarray:
        """Cosine of every row with a query (d,) or with several (m, d): (n,) or (m, n), of the embeddings' precision.

        Parameters
        ----------
        base : scores of the unedited rows where they are already known; rows that the edit leaves alone keep them.
        """
        if np.ndim(query) == 2:
            return np.stack([self.scores(row, edit) for row in query])
        asked = self._query(query)
        scores = np.array(asked.plain if base is None else base)
        if edit is None or edit.changes_nothing:
            return scores
        live = self.edited(edit)
        along = asked.along(live.alpha)[live.rows] - live.codes @ asked.neurons[live.neurons]
        if live.shift is not None:
            along += float(live.shift @ asked.pulled)
        scores[live.rows] = (along / live.scales + asked.offset) / live.lengths
        return scores

    def search(self, query: np.ndarray, k: int, edit: Edit | None = None) -> Ranking:
        """The k rows most similar to the query after the edit, as a flat index over the edited rows gives them."""
        if not 1 <= k <= self.n:
            raise InputError(f"k was {k}; expected 1 to {self.n}, the number of searched rows: choose a smaller k")
        scores = self.scores(query, edit)
        rows = best_rows(scores, k)
        return Ranking(rows, scores[rows].astype(np.float32))

    # -- an edit ------------------------------------------------------------------------------------------------------

    def _edited(self, edit: Edit) -> LiveEdit:
        alpha = edit.alpha if edit.form == "blend" else 0.0
        share = alpha if edit.form == "blend" else 1.0
        on = [place for place, s in enumerate(edit.each_strength) if s > 0 and not edit.changes_nothing]
        neurons = np.array([edit.neurons[place] for place in on], dtype=np.int64)
        if edit.neurons and edit.neurons[-1] >= self.d_sae:
            raise InputError(f"neuron {edit.neurons[-1]} was given; this SAE has neurons 0 to {self.d_sae - 1}")
        factors = share * np.array([edit.each_strength[place] for place in on])
        gammas = np.array([edit.each_gamma[place] for place in on])
        shift = (factors * gammas) @ self.W[neurons] if gammas.any() else None
        columns = [self._column(int(j)) for j in neurons]
        rows, codes, places = self._changed(columns, factors, everybody=alpha > 0 or shift is not None)
        base = self._base(alpha)
        squares, along = base.squares[:, rows].copy(), base.along_offset[rows].copy()
        own = base.own[rows].copy()
        if shift is not None:
            self._add_shift(shift, alpha, rows, squares, along, own)
        self._subtract(neurons, columns, codes, alpha, shift, places, squares, along, own)
        thin = np.flatnonzero((squares < THIN * base.squares[:, rows]).any(axis=0))
        if len(thin):  # nearly everything is taken away: the difference of large numbers says too little
            squares[:, thin] = self._forms_of(rows[thin], alpha, shift, codes[thin] @ self.W[neurons])
        scales, lengths = self.geometry.scales(squares), self.geometry.lengths(squares, along)
        if not (squares < LARGEST).all():
            raise InputError("the edit gives embeddings that are not finite; choose a smaller gamma or fewer neurons")
        if not (lengths > 0).all():
            raise InputError("the edit leaves nothing of some items; switch fewer neurons, or less strongly")
        before = self._pooled_lengths[rows]
        common = self._pooled_along_offset[rows]
        cosines = (own / scales + common) / (lengths * before)
        return LiveEdit(rows, codes, neurons, alpha, shift, scales, lengths, cosines)

    def _forms_of(self, rows: np.ndarray, alpha: float, shift: np.ndarray | None, away: np.ndarray) -> np.ndarray:
        """The forms of a few changed rows, from the rows themselves."""
        b = (1.0 - alpha) * np.asarray(self.x[rows], dtype=np.float64) - away
        if alpha > 0:
            b += alpha * self._decode(rows)
        if shift is not None:
            b += shift
        return self.geometry.forms(b, b)

    def _changed(self, columns: list[_Column], factors: np.ndarray, everybody: bool) -> tuple[np.ndarray, np.ndarray]:
        """Rows on which a switched neuron fires (or all), and c s_j z_ij of them, dense over the switched neurons."""
        if everybody:
            rows = np.arange(self.n)
        else:
            touched = np.zeros(self.n, dtype=bool)
            for column in columns:
                touched[column.rows] = True
            rows = np.flatnonzero(touched)
        place = np.empty(self.n, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        places = [place[column.rows] for column in columns]
        codes = np.zeros((len(rows), len(columns)), order="F")
        for s, (column, factor) in enumerate(zip(columns, factors, strict=True)):
            codes[places[s], s] = factor * column.values
        return rows, codes, places

    def _subtract(
        self,
        neurons: np.ndarray,
        columns: list[_Column],
        codes: np.ndarray,
        alpha: float,
        shift: np.ndarray | None,
        places: list[np.ndarray],
        squares: np.ndarray,
        along: np.ndarray,
        own: np.ndarray,
    ) -> None:
        """Take sum_j e_j W_j off the forms and inner products of the changed rows, in place."""
        if not len(neurons):
            return
        directions, geometry = self.W[neurons], self.geometry
        pushed, crosses = geometry.push(directions), geometry.cross(directions)
        along -= codes @ (pushed @ geometry.offset)
        for s, (j, column, here) in enumerate(zip(neurons, columns, places, strict=True)):
            e = codes[here, s]
            own[here] -= e * column.own
            inner = (1.0 - alpha) * column.crosses
            if alpha > 0:
                inner = inner + alpha * self._decoded_crosses(int(j), column)
            if shift is not None:
                inner = inner + (crosses[:, s] @ shift)[:, None]
            squares[:, here] -= 2.0 * e * inner
        for f, cross in enumerate(crosses):
            squares[f] += np.einsum("ij,ij->i", codes @ (directions @ cross.T), codes)

    def _add_shift(
        self,
        shift: np.ndarray,
        alpha: float,
        rows: np.ndarray,
        squares: np.ndarray,
        along: np.ndarray,
        own: np.ndarray,
    ) -> None:
        """Add a constant vector to every row: one dense product."""
        pushed, crosses = self.geometry.push(shift[None])[0], self.geometry.cross(shift[None])[:, 0]
        inner = (1.0 - alpha) * self._times(self.x, crosses)
        if alpha > 0:
            inner += alpha * (self.codes @ (self.W @ crosses.T) + crosses @ self.b).T
        squares += 2.0 * inner[:, rows] + (crosses @ shift)[:, None]
        along += float(pushed @ self.geometry.offset)
        own += self._times(self.pooled, pushed[None])[0][rows]

    # -- the gallery --------------------------------------------------------------------------------------------------

    def _base(self, alpha: float) -> _Base:
        """B = alpha x_hat + (1 - alpha) x from sums that are made once, whatever alpha."""
        if alpha == 0.0:
            return self._stored
        ours, theirs, keep = self._stored, self._reconstructed, 1.0 - alpha
        return _Base(
            keep**2 * ours.squares + 2 * alpha * keep * self._between + alpha**2 * theirs.squares,
            keep * ours.along_offset + alpha * theirs.along_offset,
            keep * ours.own + alpha * theirs.own,
        )

    @cached_property
    def _stored(self) -> _Base:
        return self._summed(lambda rows: np.asarray(self.x[rows], dtype=np.float64))

    @cached_property
    def _reconstructed(self) -> _Base:
        return self._summed(self._decode)

    def _decode(self, rows: slice | np.ndarray) -> np.ndarray:
        return np.asarray(self._by_row[rows] @ self.W + self.b)

    @cached_property
    def _between(self) -> np.ndarray:
        """A_f x . A_f x_hat (forms, n)."""
        parts = [
            self.geometry.forms(np.asarray(self.x[rows], dtype=np.float64), self._decode(rows))
            for rows in blocks(self.n, self.x.shape[1])
        ]
        return np.concatenate(parts, axis=1)

    def _summed(self, rows_of: Callable[[slice], np.ndarray]) -> _Base:
        squares, along, own = [], [], []
        for rows in blocks(self.n, self.x.shape[1]):
            b = rows_of(rows)
            pushed = self.geometry.push(b)
            squares.append(self.geometry.forms(b, b))
            along.append(pushed @ self.geometry.offset)
            own.append(np.einsum("ij,ij->i", pushed, np.asarray(self.pooled[rows], dtype=np.float64)))
        return _Base(np.concatenate(squares, axis=1), np.concatenate(along), np.concatenate(own))

    @cached_property
    def _by_row(self) -> sparse.csr_matrix:
        return self.codes.tocsr()

    @cached_property
    def _pooled_lengths(self) -> np.ndarray:
        if isinstance(self.geometry, Pooled):
            return np.sqrt(self._stored.squares[0])
        parts = (np.asarray(self.pooled[rows], np.float64) for rows in blocks(self.n, self.pooled.shape[1]))
        return np.concatenate([np.sqrt(np.einsum("ij,ij->i", part, part)) for part in parts])

    @cached_property
    def _pooled_along_offset(self) -> np.ndarray:
        if isinstance(self.geometry, Pooled):
            return np.zeros(self.n)
        return self._times(self.pooled, self.geometry.offset[None])[0]

    @staticmethod
    def _times(x: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """vectors . x of every row (m, n), in float64 sums of the rows' own precision."""
        dtype = np.result_type(x.dtype, np.float32)
        vectors = np.ascontiguousarray(vectors.T, dtype=dtype)
        if x.dtype == dtype:
            return np.asarray(x @ vectors, dtype=np.float64).T
        parts = [np.asarray(x[rows], dtype=dtype) @ vectors for rows in blocks(len(x), x.shape[1])]
        return np.concatenate(parts).astype(np.float64).T

    def _column(self, j: int) -> _Column:
        """The neuron's rows, codes and inner products with the gallery; made at its first use."""
        with self._lock:
            if j in self._columns:
                return self._columns[j]
        here = slice(self.codes.indptr[j], self.codes.indptr[j + 1])
        values = np.asarray(self.codes.data[here], dtype=np.float64)
        rows = np.asarray(self.codes.indices[here], dtype=np.int64)[values != 0]
        values = values[values != 0]
        direction = self.W[j][None]
        crosses = self._at(self.x, rows, self.geometry.cross(direction)[:, 0])
        own = self._at(self.pooled, rows, self.geometry.push(direction))[0]
        column = _Column(rows, values, crosses, own)
        with self._lock:
            return self._columns.setdefault(j, column)

    @staticmethod
    def _at(x: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """vectors . x of some rows (m, len(rows)), summed in the rows' own precision."""
        dtype = np.result_type(x.dtype, np.float32)
        vectors = np.ascontiguousarray(vectors.T, dtype=dtype)
        parts = [np.asarray(x[rows[at]], dtype=dtype) @ vectors for at in blocks(len(rows), x.shape[1])]
        return np.concatenate([*parts, np.zeros((0, vectors.shape[1]))]).astype(np.float64).T

    def _decoded_crosses(self, j: int, column: _Column) -> np.ndarray:
        """x_hat . cross(W_j) on the neuron's rows (forms, m); made at the first blend."""
        with self._lock:
            if j in self._decoded:
                return self._decoded[j]
        cross = self.geometry.cross(self.W[j][None])[:, 0]
        made = (self._by_row[column.rows] @ (self.W @ cross.T) + cross @ self.b).T
        with self._lock:
            return self._decoded.setdefault(j, made)

    # -- a query ------------------------------------------------------------------------------------------------------

    def _query(self, vector: np.ndarray) -> "_Query":
        key = np.ascontiguousarray(vector).tobytes()
        return self._remember(self._queries, key, lambda: _Query(self, vector), KEPT_QUERIES)

    def _remember(self, kept: OrderedDict, key, make: Callable, most: int):
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        value = make()  # outside the lock: two threads may make the same thing, and both are right
        with self._lock:
            kept[key] = value
            while len(kept) > most:
                kept.popitem(last=False)
        return value


class _Query:
    """A query's inner products with the gallery and with the decoder."""

    def __init__(self, engine: LiveEngine, vector: np.ndarray) -> None:
        unit_query(vector, engine.pooled.shape[1])  # refuses what has no direction
        q = np.asarray(vector, dtype=np.float64).reshape(-1)
        self._engine, self.q = engine, q / np.linalg.norm(q)
        self.offset = float(self.q @ engine.geometry.offset)
        """q . offset."""
        self.pulled = engine.geometry.pull(self.q[None])[0]

    @cached_property
    def neurons(self) -> np.ndarray:
        """q . push(W_j) of every neuron (F,)."""
        return self._engine.W @ self.pulled

    @cached_property
    def plain(self) -> np.ndarray:
        """Cosine with every stored row (n,), of the embeddings' precision."""
        engine = self._engine
        scores = engine._times(engine.pooled, self.q[None])[0] / engine._pooled_lengths
        return scores.astype(np.result_type(engine.x.dtype, np.float32), copy=False)

    @cached_property
    def stored(self) -> np.ndarray:
        """q . push(x) of every row (n,)."""
        return self._engine._times(self._engine.x, self.pulled[None])[0]

    @cached_property
    def decoded(self) -> np.ndarray:
        """q . push(x_hat) of every row (n,)."""
        return self._engine.codes @ self.neurons + float(self._engine.b @ self.pulled)

    def along(self, alpha: float) -> np.ndarray:
        """q . push(B) of every row (n,)."""
        return self.stored if alpha == 0.0 else (1.0 - alpha) * self.stored + alpha * self.decoded
