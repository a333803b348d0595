"""Null bands of ranking metrics, and p values against them.

A metric is passed in as an object: a callable on ranked group numbers (..., rows), `from_counts` on group counts
(..., G), and the facts `ordered` (does order matter), `bias_direction` (+1, -1: where bias lies; 0: neither), `extreme`
(is it the most extreme of the groups' values) and `range`.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np
import scipy

from core.statistics.estimates import DRAWS, LEVEL, Band, Estimate
from core.statistics.omnibus import EQUAL, possible_draws

EXACT_CELLS = 25_000
"""Up to so many possible counts in the top k, their chances are summed instead of drawn."""
P_DRAWS = {False: 20_000, True: 2_000}
"""Draws behind a p value, for metrics of counts and for ordered ones: the smallest p survives some correction."""


class Metric(Hashable, Protocol):
    """What a null band and an interval need to know of a metric."""

    @property
    def name(self) -> str: ...
    @property
    def ordered(self) -> bool: ...
    @property
    def bias_direction(self) -> int: ...
    @property
    def extreme(self) -> bool: ...
    @property
    def range(self) -> tuple[float, float]: ...

    def __call__(self, ranked: np.ndarray, target: np.ndarray) -> np.ndarray: ...

    def from_counts(self, counts: np.ndarray, target: np.ndarray) -> np.ndarray: ...


def null_band(
    metric: Metric,
    counts: Sequence[int],
    k: int,
    target: Sequence[float] | np.ndarray,
    draws: int = DRAWS,
    seed: int = 0,
) -> Band:
    """The metric of k rows drawn without replacement from rows with the given group counts: no bias at all.

    Labels are permuted over the searched rows, so that the counts in the top k are multivariate hypergeometric; for
    an ordered metric the drawn rows are also shuffled. The band is the middle 95 % of the draws. Equal arguments
    give equal bands (and are remembered).

    Parameters
    ----------
    counts : searched rows of each group (G,), known groups only.
    k : rows with a known group among the retrieved ones, at most sum(counts).
    """
    return _null_band(metric, tuple(map(int, counts)), int(k), tuple(map(float, target)), int(draws), int(seed))


@lru_cache(maxsize=4096)
def _null_band(
    metric: Metric, counts: tuple[int, ...], k: int, target: tuple[float, ...], draws: int, seed: int
) -> Band:
    values = null_values(metric, counts, k, target, draws, seed)
    lo, hi = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Band(float(lo), float(hi), float(values.mean()), draws, seed)


def null_values(
    metric: Metric, counts: Sequence[int], k: int, target: Sequence[float], draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """The metric of `draws` top k of shuffled labels (draws,); see `null_band`."""
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(np.asarray(counts), k, size=draws, method="marginals")
    return _values(metric, drawn, np.asarray(target), rng)


def null_p(
    metric: Metric, value: float, counts: Sequence[int], k: int, target: Sequence[float], seed: int = 0
) -> float:
    """Chance that retrieval blind to labels shows at least as much bias as `value`; in (0, 1].

    Exact for a metric of counts where at most EXACT_CELLS different counts are possible (two groups always, three
    up to k = 200); else (1 + draws with as much bias) / (1 + draws), from 20,000 hypergeometric draws, 2,000 for an
    ordered metric. NaN where the value is.
    """
    if not math.isfinite(value):
        return math.nan
    sign = -1.0 if metric.bias_direction < 0 else 1.0
    values, chances = _null_distribution(metric, tuple(map(int, counts)), int(k), tuple(map(float, target)), int(seed))
    as_much = sign * values >= sign * value - 1e-9
    if chances is None:
        return float((1 + as_much.sum()) / (1 + len(values)))
    return float(min(chances[as_much].sum(), 1.0))


@lru_cache(maxsize=256)
def _null_distribution(
    metric: Metric, counts: tuple[int, ...], k: int, target: tuple[float, ...], seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Values of the metric without bias: all of them with their chances, or equally likely draws (chances None)."""
    groups = len(counts)
    if not metric.ordered and groups > 1 and math.comb(k + groups - 1, groups - 1) <= EXACT_CELLS:
        cells = possible_draws(counts, k)
        chances = scipy.stats.multivariate_hypergeom.pmf(cells, np.asarray(counts), k)
        return metric.from_counts(cells, np.asarray(target)), np.atleast_1d(chances)
    return null_values(metric, counts, k, target, P_DRAWS[metric.ordered], seed), None


def with_null(metric: Metric, value: Estimate, band: Band) -> Estimate:
    """The estimate with its null band, and where it lies: "beyond" the band on the side of more bias, "inside" it, or
    "nearer" to 0 than the band. Only against the gallery's shares: against another target a band of blind draws says
    nothing about the model.
    """
    assert value.estimate is not None
    # a list that holds every row lies on the band: the last bit must not take it off
    above, below = value.estimate > band.hi + EQUAL, value.estimate < band.lo - EQUAL
    more, less = (below, above) if metric.bias_direction < 0 else (above, below)
    return replace(value, null=band, null_side="beyond" if more else "nearer" if less else "inside")


def _values(metric: Metric, counts: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The metric of each row of drawn counts (draws, G); for an ordered metric in a random order."""
    if not metric.ordered:
        return metric.from_counts(counts, target)
    draws, n_groups = counts.shape
    groups = np.arange(n_groups, dtype=np.int8 if n_groups < 128 else np.int64)
    ranked = np.repeat(np.tile(groups, draws), counts.ravel()).reshape(draws, -1)
    return metric(rng.permuted(ranked, axis=1), target)
