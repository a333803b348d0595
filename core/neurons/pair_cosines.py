"""Do items of one group look more alike than any two items, to the model and to the SAE?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.statistics import NORMAL, Estimate
from core.units import unit

ROWS = 16_384
"""Rows read at a time."""

RowsOf = Callable[[np.ndarray], sparse.csr_matrix | np.ndarray]
"""Gives the given rows as they are: (b, d), dense or sparse."""


@dataclass(frozen=True)
class PairCosines:
    """Mean cosines over all pairs of items, in one space."""

    random: Estimate
    """All pairs of different items with a known group."""
    shared: Estimate
    """The pairs that share their group."""
    gap: Estimate
    """shared - random; 0: sharing the group says nothing about looking alike."""


@dataclass(frozen=True)
class SimilarityGap:
    """How far sharing a group makes items alike, before the SAE (embeddings) and after it (codes)."""

    attribute: str
    n: int
    """Items with a known group and at least one active neuron."""
    silent: int
    """Items with a known group left out because no neuron fires on them: they have no direction."""
    pairs: int
    """Pairs of different items."""
    shared_pairs: int
    before: PairCosines
    after: PairCosines
    change: Estimate
    """Gap after minus gap before, on the same items."""

    def to_json(self) -> dict[str, Any]:
        spaces = {
            space: {name: getattr(cosines, name).to_json() for name in ("random", "shared", "gap")}
            for space, cosines in (("before", self.before), ("after", self.after))
        }
        counts = {"n": self.n, "silent": self.silent, "pairs": self.pairs, "shared_pairs": self.shared_pairs}
        return {"attribute": self.attribute, **counts, **spaces, "change": self.change.to_json()}


def similarity_gap(
    attribute: str, embeddings: np.ndarray, codes: sparse.csr_matrix, groups: np.ndarray, rows: np.ndarray
) -> SimilarityGap:
    """Mean cosine of random pairs and of pairs that share their group, of embeddings and of codes.

    Every pair of items is counted, none is drawn: with unit rows e and T = sum e the mean over all pairs is
    (||T||^2 - n) / (n (n - 1)), and over pairs within groups the same with sums over the groups, so that neither pairs
    nor a matrix of them is ever made. Intervals (95 %) are jackknifed over items, as pairs that share an item are
    not independent. Missing where fewer than three items or no shared pair is there.

    Parameters
    ----------
    embeddings : (n, d) raw.
    codes : (n, F) of the same items.
    groups : (n,) number of each item's group, -1 where it is unknown.
    rows : the items taken.

    Source: DeBiasLens, figure 3.
    """
    known = rows[groups[rows] >= 0]
    active = known[np.diff(codes.indptr)[known] > 0]
    _, number = np.unique(groups[active], return_inverse=True)
    sizes = np.bincount(number) if len(active) else np.zeros(0, dtype=np.int64)
    n, shared = len(active), int((sizes * (sizes - 1)).sum()) // 2
    counts = (n, len(known) - n, n * (n - 1) // 2, shared)
    if n < 3 or shared == 0:
        none = Estimate.missing("fewer than three items, or no two of one group")
        nothing = PairCosines(none, none, none)
        return SimilarityGap(attribute, *counts, nothing, nothing, none)
    before, gap_before, gaps_before = _cosines(
        lambda at: np.asarray(embeddings[at], dtype=np.float64), active, number, sizes
    )
    after, gap_after, gaps_after = _cosines(lambda at: codes[at].astype(np.float64), active, number, sizes)
    change = _jackknifed(gap_after - gap_before, gaps_after - gaps_before)
    return SimilarityGap(attribute, *counts, before, after, change)


def _cosines(
    rows_of: RowsOf, active: np.ndarray, number: np.ndarray, sizes: np.ndarray
) -> tuple[PairCosines, float, np.ndarray]:
    """Mean cosines in one space, their gap, and the gap (n,) without each item."""
    n, sums = len(active), None
    parts = [slice(start, min(start + ROWS, n)) for start in range(0, n, ROWS)]
    for here in parts:
        rows = _unit_rows(rows_of(active[here]))
        member = sparse.csr_matrix((np.ones(len(number[here])), (number[here], np.arange(len(number[here])))))
        member.resize(len(sizes), rows.shape[0])
        summed = member @ rows
        summed = summed.toarray() if sparse.issparse(summed) else summed
        sums = summed if sums is None else sums + summed
    assert sums is not None, "there are items"
    same, everyone = np.empty(n), np.empty(n)
    whole = sums.sum(axis=0)
    for here in parts:
        rows = _unit_rows(rows_of(active[here]))
        same[here], everyone[here] = _row_dots(rows, sums, number[here]), rows @ whole
    # Twice the sum over pairs, whole and without item i: ||T - e_i||^2 - (n - 1) = ||T||^2 - n - 2 (T . e_i - 1).
    random, shared = float(whole @ whole) - n, float(np.square(sums).sum()) - n
    random_without, shared_without = random - 2 * (everyone - 1), shared - 2 * (same - 1)
    pairs, shared_pairs = n * (n - 1), float((sizes * (sizes - 1)).sum())
    without = shared_pairs - 2 * (sizes[number] - 1)
    means = random_without / ((n - 1) * (n - 2))
    shared_means = np.divide(shared_without, without, out=np.full(n, np.nan), where=without > 0)
    at = (random / pairs, shared / shared_pairs)
    gap, gaps = at[1] - at[0], shared_means - means
    cosines = PairCosines(_jackknifed(at[0], means), _jackknifed(at[1], shared_means), _jackknifed(gap, gaps))
    return cosines, gap, gaps


def _jackknifed(value: float, without: np.ndarray) -> Estimate:
    """A value with its 95 % interval from the values without each of the n items."""
    n = len(without)
    if np.isnan(without).any():
        return Estimate.missing("all pairs that share a group share one item")
    half = NORMAL * math.sqrt((n - 1) / n * float(np.square(without - without.mean()).sum()))
    return Estimate(value, value - half, value + half, n)


def _unit_rows(x: sparse.csr_matrix | np.ndarray) -> sparse.csr_matrix | np.ndarray:
    """Rows divided by their length."""
    if isinstance(x, np.ndarray):
        return unit(x)
    length = np.sqrt(np.asarray(x.power(2).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / length) @ x)


def _row_dots(rows: sparse.csr_matrix | np.ndarray, sums: np.ndarray, number: np.ndarray) -> np.ndarray:
    """e_i . T of its own group, for each row."""
    if isinstance(rows, np.ndarray):
        return np.einsum("bd,bd->b", rows, sums[number])
    place = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    return np.bincount(place, weights=rows.data * sums[number[place], rows.indices], minlength=rows.shape[0])
