"""An inverted file: rows listed by the centre that they are nearest to; a query looks at a few lists alone.

The lists hold the rows as they are stored, one list behind the other, so that a list is read in one go and its scores
are exact: nothing is quantised. What may be missed are rows of the lists that are not looked at, and how many these
are is measured: see `Recall`.
"""

from dataclasses import dataclass

import numpy as np

from core.config import InputError
from core.memo import Memo
from core.retrieval.flat import Ranking, require_k, unit_query
from core.retrieval.products import each, in_precision


@dataclass(frozen=True, eq=False)
class InvertedLists:
    """n rows in L lists."""

    centres: np.ndarray
    """Mean unit row of each list (L, d), float32."""
    members: np.ndarray
    """Row numbers, list after list, rising within each (n,)."""
    starts: np.ndarray
    """Where each list begins, and the end of the last (L + 1,)."""

    @classmethod
    def of(cls, centres: np.ndarray, nearest: np.ndarray) -> "InvertedLists":
        """From the number of every row's list (n,)."""
        members = np.argsort(nearest, kind="stable")
        narrow = np.int32 if len(nearest) <= np.iinfo(np.int32).max else np.int64
        starts = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=len(centres)))])
        return cls(centres, members.astype(narrow), starts)

    @property
    def n(self) -> int:
        return len(self.members)

    def __len__(self) -> int:
        return len(self.centres)

    def order(self, query: np.ndarray) -> np.ndarray:
        """All lists (L,), the one whose mean row scores highest first."""
        along = np.einsum("ij,j->i", self.centres, unit_query(query, self.centres.shape[1]))
        return np.argsort(-along, kind="stable")

    def slices(self, query: np.ndarray, probes: int) -> list[slice]:
        """Where the members of the first `probes` lists are."""
        return [slice(int(self.starts[j]), int(self.starts[j + 1])) for j in self.order(query)[:probes]]


@dataclass(frozen=True, eq=False)
class Recall:
    """What looking at some lists alone finds of exact rankings, for queries whose exact rankings are known."""

    queries: np.ndarray
    """(m, d), float32."""
    lists: np.ndarray
    """The list of every row of each exact ranking (m, depth), best row first, int32."""

    @property
    def depth(self) -> int:
        return self.lists.shape[1]

    def at(self, inverted: InvertedLists, probes: int, k: int) -> np.ndarray:
        """recall@k of each query (m,): share of its exact first k rows that are in the lists looked at; 1: all.

        What is looked at is ranked exactly, so that this is the share of the exact first k that a search returns.
        """
        inside = [
            np.isin(lists[:k], inverted.order(q)[:probes]) for q, lists in zip(self.queries, self.lists, strict=True)
        ]
        return np.array([hits.mean() for hits in inside])

    def probes_for(self, inverted: InvertedLists, k: int, wanted: float) -> int:
        """The smallest number of lists to look at whose mean recall@k is at least `wanted`."""
        place = np.empty(len(inverted), dtype=np.int64)
        needed = np.zeros(len(inverted) + 1)
        for query, lists in zip(self.queries, self.lists, strict=True):
            place[inverted.order(query)] = np.arange(1, len(inverted) + 1)
            needed += np.bincount(place[lists[:k]], minlength=len(inverted) + 1)
        reached = np.cumsum(needed) / needed.sum()
        return int(np.argmax(reached >= min(wanted, reached[-1])))


class IvfIndex:
    """Rows (n, d), perhaps some of those that the lists were made of, searched in the lists nearest to a query.

    Parameters
    ----------
    listed : the rows in the order of `inverted.members`, in the precision in which they are stored.
    lengths : their L2 lengths (n,), float32.
    part : numbers of the rows that are searched, rising; None: all.
    """

    def __init__(
        self,
        listed: np.ndarray,
        lengths: np.ndarray,
        inverted: InvertedLists,
        probes: int,
        part: np.ndarray | None = None,
    ) -> None:
        if not 1 <= probes <= len(inverted):
            raise InputError(f"probes was {probes}; expected 1 to {len(inverted)}, the number of lists")
        self._listed, self._lengths, self._part = listed, lengths, part
        self.inverted, self.probes = inverted, probes
        self.n, self.d = len(listed) if part is None else len(part), listed.shape[1]
        self._found = Memo(4)

    nbytes = 0

    def looked_at(self, query: np.ndarray) -> int:
        """How many rows a query is compared with."""
        return len(self._scored(query)[0])

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k best of the rows looked at, with their exact cosines; InputError where fewer than k are looked at."""
        require_k(k, self.n)
        places, scores = self._scored(query)
        if len(places) < k:
            raise InputError(
                f"{self.probes} of {len(self.inverted)} lists hold {len(places)} of the searched rows; {k} are needed "
                "for k and its intervals: look at more lists (probes) or use the exact index"
            )
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= least)  # ties with the k-th take part, so that the rows decide among equals
        first = near[np.lexsort((places[near], -scores[near]))[:k]]
        return Ranking(places[first], scores[first])

    def _scored(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the rows looked at, list after list, and their cosines, float32."""
        unit = unit_query(query, self.d)
        return self._found(unit.tobytes(), lambda: self._score(unit))

    def _score(self, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lists = self.inverted.slices(unit, self.probes)
        ends = np.cumsum([part.stop - part.start for part in lists])
        scores = np.empty(ends[-1], dtype=np.float32)

        def work(number: slice) -> None:
            for part, end in zip(lists[number], ends[number], strict=True):
                block = in_precision(self._listed[part])
                along = np.einsum("ij,j->i", block, unit.astype(block.dtype))
                scores[end - len(block) : end] = along / self._lengths[part]

        each([slice(i, i + 1) for i in range(len(lists))], work)
        rows = np.concatenate([self.inverted.members[part] for part in lists]).astype(np.int64)
        if self._part is None:
            return rows, scores
        places = np.minimum(np.searchsorted(self._part, rows), self.n - 1)
        inside = self._part[places] == rows
        return places[inside], scores[inside]
