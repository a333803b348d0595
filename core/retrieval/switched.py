"""A set of switched neurons on the rows where they fire, whatever their strengths: sums and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sparse

from core.retrieval.products import blocks
from core.retrieval.row_set import RowSet

Placed = Any
"""An array of the place where sums are made: numpy's in memory, a tensor on a GPU."""
Start = Placed | Sequence[Placed] | None
"""What a sum over a set is added to."""
STEP = 1 << 14
"""Rows that are worked on at a time: what is made of them stays in a core's own cache."""
DENSE = 1 << 18
"""Codes, most of them zero, that are multiplied with their zeros rather than by sparse products."""


@dataclass(frozen=True, eq=False)
class Column:
    """One neuron on the rows where it fires: everything that switching it needs to know of the gallery."""

    rows: Placed
    """Rising (m,)."""
    values: Placed
    """z of them (m,), float64."""
    crosses: Placed
    """z (x . cross(W_j)) of every form (forms, m), float64."""
    row_set: RowSet | None = None
    """The rows as a set, where they are so many that it takes less memory than they."""


class SwitchedRows(Protocol):
    """The rows on which any neuron of a set fires, and sums over the set's codes there, in the place of the sums.

    A sum is added to the numbers (m,) that are given, in place, or to those of every neuron's own rows, in which all
    neurons agree on a row; to zeros where nothing is given.
    """

    count: int
    """How many rows they are, m."""

    @property
    def rows(self) -> Placed:
        """The rows, each once, in an order of the set's own (m,): that of every sum."""

    @property
    def rising(self) -> slice | Placed:
        """Places among `rows` that put them in rising order (m,)."""

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        """The rows at some rising places, in memory."""

    def fires(self, rows: np.ndarray) -> np.ndarray:
        """Whether any neuron of the set fires on some rows of the gallery (rows,) bool, in memory."""

    def sums(self, weights: np.ndarray, to: Start = None) -> Placed:
        """sum_j weights_j z_ij (m,)."""

    def weighted(self, numbers: Sequence[Placed], weights: np.ndarray, to: Start = None) -> Placed:
        """sum_j weights_j z_ij numbers_ij (m,), with numbers of each neuron on its own rows."""

    def along(self, form: int, weights: np.ndarray, to: Start = None) -> Placed:
        """sum_j weights_j z_ij (x_i . cross(W_j)) of a form (m,)."""

    def squares(self, form: int, weights: np.ndarray, gram: np.ndarray, to: Start = None) -> Placed:
        """`along`, and sum_jl gram_jl z_ij z_il (m,) for a symmetric gram (S, S)."""

    def codes_of(self, rows: np.ndarray) -> np.ndarray:
        """z of a few rows of the gallery (rows, S), dense; 0 where no neuron of the set fires."""


@dataclass(frozen=True, eq=False)
class _Part:
    """A neuron's rows in two: those that it adds to the rows of the neurons before it, and those that they have."""

    neuron: int
    """Its place in the set."""
    at: slice
    """Places of the added rows among the rows of the set."""
    added: slice | np.ndarray
    """Their places among the neuron's own rows."""
    again: np.ndarray
    """Places of the others among them."""
    rows: np.ndarray
    """These others."""


@dataclass(frozen=True, eq=False)
class _Term:
    """A sum over the neurons, of weights times numbers of their own rows, or times the squares of the numbers."""

    numbers: Sequence[np.ndarray]
    weights: np.ndarray
    squared: bool = False

    def of(self, neuron: int, numbers: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """What some numbers of a neuron are in the sum."""
        product = np.multiply(numbers, float(self.weights[neuron]), out=out)
        return np.multiply(product, numbers, out=product) if self.squared else product


@dataclass(frozen=True, eq=False)
class _Entries:
    """A neuron's codes on rows where several fire."""

    neuron: int
    own: np.ndarray
    """Their places among its own rows."""
    number: np.ndarray
    """Of each, which of the rows with several it is on."""


class Switched:
    """`SwitchedRows` in memory.

    On most rows one neuron fires alone. The rows of the neuron that fires most come first, as they are; then those
    that the next one adds to them, and so on. So a sum over the set is made of neighbouring numbers, but for rows on
    which a second neuron fires.

    Parameters
    ----------
    columns : the neurons, in the order in which factors come.
    n : rows of the gallery.
    """

    def __init__(self, columns: Sequence[Column], n: int) -> None:
        self._columns = columns
        none = np.zeros(0, dtype=np.int64)
        self._fires = several = RowSet.none(n)
        self._parts: list[_Part] = []
        sets, self.count = [], 0
        for neuron in sorted(range(len(columns)), key=lambda s: -len(columns[s].rows)):
            rows = columns[neuron].rows
            sets.append(columns[neuron].row_set or RowSet.of(rows, n))
            added: slice | np.ndarray = slice(None)
            again = none
            if self.count:
                known = self._fires.has(rows)
                added, again = np.flatnonzero(~known), np.flatnonzero(known)
                several |= self._fires & sets[-1]
            self._fires |= sets[-1]
            start, self.count = self.count, self.count + len(rows) - len(again)
            self._parts.append(_Part(neuron, slice(start, self.count), added, again, rows[again]))
        self._find_several(several, sets)

    def _find_several(self, several: RowSet, sets: list[RowSet]) -> None:
        """Where the rows stand on which several neurons fire, given as a set, with those of every part's neuron."""
        again = [part.rows for part in self._parts if len(part.rows)]
        rows = several.rows if len(again) > 1 else np.concatenate([np.zeros(0, dtype=np.int64), *again])
        self._several = np.empty(len(rows), dtype=np.int64)
        """Their places among the rows of the set."""
        self._entries: list[_Entries] = []
        found = 0
        for part, own_set in zip(self._parts, sets, strict=True):
            column = self._columns[part.neuron]
            if found == len(rows):
                break
            if isinstance(part.added, slice):
                number = np.flatnonzero(own_set.has(rows))
                own = place = own_set.place(rows[number])
            else:
                place = np.flatnonzero(several.has(column.rows[part.added]))
                own = part.added[place]
                number = several.place(column.rows[own])
            self._several[number] = part.at.start + place
            self._entries.append(_Entries(part.neuron, own, number))
            found += len(number)
        self._again = []
        """Of every part the places of rows that earlier ones have."""
        for part in self._parts:
            number = np.arange(len(rows)) if len(part.rows) == len(rows) else several.place(part.rows)
            self._entries.append(_Entries(part.neuron, part.again, number))
            self._again.append(self._several[number])

    @cached_property
    def rows(self) -> np.ndarray:
        own = [self._columns[part.neuron].rows[part.added] for part in self._parts]
        return np.concatenate([np.zeros(0, dtype=np.int64), *own])

    @cached_property
    def rising(self) -> np.ndarray:
        return np.argsort(self.rows, kind="stable")  # merges the parts, which rise already

    def fires(self, rows: np.ndarray) -> np.ndarray:
        return self._fires.has(rows)

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        rows = [np.zeros(0, dtype=np.int64)]
        for part in self._parts:
            low, high = np.searchsorted(places, (part.at.start, part.at.stop))
            own = places[low:high] - part.at.start
            rows.append(self._columns[part.neuron].rows[own if isinstance(part.added, slice) else part.added[own]])
        return np.concatenate(rows)

    def sums(self, weights: np.ndarray, to: Start = None) -> np.ndarray:
        return self._added([_Term(self._values, weights)], to)

    def weighted(self, numbers: Sequence[np.ndarray], weights: np.ndarray, to: Start = None) -> np.ndarray:
        products = [column.values * number for column, number in zip(self._columns, numbers, strict=True)]
        return self._added([_Term(products, weights)], to)

    def along(self, form: int, weights: np.ndarray, to: Start = None) -> np.ndarray:
        return self._added([_Term(self._crosses(form), weights)], to)

    def squares(self, form: int, weights: np.ndarray, gram: np.ndarray, to: Start = None) -> np.ndarray:
        own = np.diagonal(gram)
        terms = [_Term(self._values, own, squared=True), _Term(self._crosses(form), weights)]
        to = self._added(terms, to)
        pairs = gram - np.diag(own)
        for at in blocks(len(self._several), len(self._columns)):
            codes = self._together[at]
            if isinstance(codes, np.ndarray):
                sums = np.einsum("ij,ij->i", codes @ pairs, codes)
            else:
                row = np.repeat(np.arange(codes.shape[0]), np.diff(codes.indptr))
                sums = np.add.reduceat(codes.data * (codes @ pairs)[row, codes.indices], codes.indptr[:-1])
            to[self._several[at]] += sums
        return to

    @cached_property
    def _together(self) -> np.ndarray | sparse.csr_matrix:
        """z of the rows on which several neurons fire (several, S)."""
        shape = len(self._several), len(self._columns)
        if shape[0] * shape[1] <= DENSE:
            dense = np.zeros(shape)
            for entries in self._entries:
                dense[entries.number, entries.neuron] = self._columns[entries.neuron].values[entries.own]
            return dense
        ordered = sorted(self._entries, key=lambda entries: entries.neuron)
        values = np.concatenate([self._columns[e.neuron].values[e.own] for e in ordered])
        number = np.concatenate([e.number for e in ordered]).astype(np.int32, copy=False)
        counts = np.bincount([e.neuron for e in ordered], [len(e.own) for e in ordered], shape[1])
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return sparse.csc_matrix((values, number, starts), shape=shape).tocsr()

    def codes_of(self, rows: np.ndarray) -> np.ndarray:
        dense = np.zeros((len(rows), len(self._columns)))
        firing = self.fires(rows)
        dense[firing] = self._by_row[self._fires.place(rows[firing])].toarray()
        return dense

    @cached_property
    def _by_row(self) -> sparse.csr_matrix:
        """z of the rows, rising (m, S)."""
        values = np.concatenate([column.values for column in self._columns])
        places = np.concatenate([self._fires.place(column.rows) for column in self._columns])
        starts = np.cumsum([0, *(len(column.rows) for column in self._columns)])
        return sparse.csc_matrix((values, places, starts), shape=(self.count, len(self._columns))).tocsr()

    @property
    def _values(self) -> list[np.ndarray]:
        return [column.values for column in self._columns]

    def _crosses(self, form: int) -> list[np.ndarray]:
        return [column.crosses[form] for column in self._columns]

    def _added(self, terms: Sequence[_Term], to: Start) -> np.ndarray:
        """Terms added to `to`: all of them to some rows before the next ones."""
        starts = to if isinstance(to, Sequence) else None
        total = np.zeros(self.count) if to is None else np.empty(self.count) if isinstance(to, Sequence) else to
        step = np.empty(STEP)
        for part in self._parts:
            here = total[part.at]
            before = here if starts is None else starts[part.neuron][part.added]
            own = [term.numbers[part.neuron][part.added] for term in terms]
            for start in range(0, len(here), STEP):
                at, before_at = slice(start, start + STEP), before[start : start + STEP]
                for term, numbers in zip(terms, own, strict=True):
                    product = term.of(part.neuron, numbers[at], step[: len(before_at)])
                    before_at = np.add(before_at, product, out=here[at])
        for part, places in zip(self._parts, self._again, strict=True):
            for term in terms:
                total[places] += term.of(part.neuron, term.numbers[part.neuron][part.again])
        return total
