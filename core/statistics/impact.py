"""Impact ratios as New York City's Local Law 144 defines them (6 RCNY 5-300 ff.). Orientation, never a pass mark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from core.statistics.biased_draw import biased_means
from core.statistics.estimates import Estimate

SMALL_SHARE = 0.02
"""A category below this share of all rows may be left out of the comparison: it never is the benchmark."""
FOUR_FIFTHS = 0.8


@dataclass(frozen=True)
class ImpactRow:
    """One category: how often its rows are selected, and how often against the category with the highest rate."""

    n: int
    count: int
    rate: float
    """count / n; NaN where the category has no row."""
    share: float
    """n over all rows, unknown ones included."""
    under_2_percent: bool
    benchmark: bool
    """Whether it is the category that the others are compared with."""
    ratio: Estimate
    """rate / benchmark rate; 1 is as often. Missing where the benchmark rate is 0."""
    z: float
    """Two-sample z against the benchmark with pooled rate; 0 for the benchmark itself."""
    p: float
    """Two-sided, normal, of z."""
    needed_for_four_fifths: int
    """Fewest further selections at which the rate would be four fifths of the benchmark's."""

    @property
    def below_four_fifths(self) -> bool:
        return self.ratio.estimate is not None and self.ratio.estimate < FOUR_FIFTHS


@dataclass(frozen=True)
class Impact:
    """A table of selection rates; the last row is the unknown category where the data have one."""

    rows: tuple[ImpactRow, ...]
    benchmark_rate: float
    """Highest rate of the known categories that are not under 2 % of the data; NaN where there is none."""


def impact_of(n: Sequence[int], count: Sequence[int], unknown: tuple[int, int] | None = None) -> Impact:
    """Rates and impact ratios of categories from their rows and their selected rows.

    ratio = (count / n) / benchmark rate. Its interval is that of a biased draw: count_g, given count_g + count_h of
    the benchmark h, is noncentral hypergeometric with n_g and n_h rows; the benchmark is taken as the one that it is,
    and the pick of it is not part of the interval.

    Parameters
    ----------
    n, count : rows and selected rows of each known category (G,).
    unknown : the same of the rows of unknown category; they are a row of the table and never the benchmark.
    """
    rows = [(int(a), int(b)) for a, b in zip(n, count, strict=True)]
    total = sum(a for a, _ in rows) + (unknown[0] if unknown else 0)
    rates = [b / a if a else math.nan for a, b in rows]
    small = [a / total < SMALL_SHARE if total else True for a, _ in rows]
    eligible = [g for g, rate in enumerate(rates) if not small[g] and not math.isnan(rate)]
    best = max(eligible, key=lambda g: rates[g], default=None)
    highest = rates[best] if best is not None else math.nan
    known = tuple(
        _row(a, b, total, rows[best] if best is not None else None, g == best) for g, (a, b) in enumerate(rows)
    )
    more = (_row(*unknown, total, rows[best] if best is not None else None, False),) if unknown else ()
    return Impact(known + more, highest)


def _row(n: int, count: int, total: int, best: tuple[int, int] | None, is_best: bool) -> ImpactRow:
    rate, share = count / n if n else math.nan, n / total if total else 0.0
    z = _z(n, count, *best) if best is not None and n and not is_best else 0.0
    highest = best[1] / best[0] if best is not None else math.nan
    needed = max(0, math.ceil(round(FOUR_FIFTHS * highest * n - count, 9))) if best is not None and n else 0
    p = float(2 * ndtr(-abs(z))) if z else 1.0
    return ImpactRow(n, count, rate, share, share < SMALL_SHARE, is_best, _ratio(n, count, best, is_best), z, p, needed)


def _ratio(n: int, count: int, best: tuple[int, int] | None, is_best: bool) -> Estimate:
    if best is None or best[1] == 0:
        return Estimate.missing("no category that is large enough has a selected row")
    if n == 0:
        return Estimate.missing("nobody of this category was searched")
    if is_best:
        return Estimate(1.0, n=n)
    ratio, selected = (count / n) / (best[1] / best[0]), count + best[1]
    ends = biased_means(count, n, n + best[0], selected)
    lo, hi = ((x / n) / ((selected - x) / best[0]) if selected > x else math.inf for x in ends)
    # where every selected row may be the category's own the ratio has no upper end
    return Estimate(ratio, min(lo, ratio), max(hi, ratio) if math.isfinite(hi) else None, n)


def _z(n: int, count: int, n_best: int, count_best: int) -> float:
    """Difference of two rates over its standard error with the pooled rate; 0 where that is 0."""
    pooled = (count + count_best) / (n + n_best)
    variance = pooled * (1 - pooled) * (1 / n + 1 / n_best)
    return (count / n - count_best / n_best) / math.sqrt(variance) if variance > 0 else 0.0


def above_median(scores: np.ndarray) -> np.ndarray:
    """Rows (n,) whose score lies strictly above the median of all scores: what a scoring rate counts."""
    scores = np.asarray(scores)
    return scores > np.median(scores)
