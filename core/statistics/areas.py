"""Area under the ROC curve: exact, with an interval that holds with ties and near 0 and 1, and paired differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.statistics.estimates import Estimate, wilson
from core.statistics.mid_ranks import mid_ranks

UNSEEN = 2.5
"""Rows at the ends of the scale that are added to each part's variance ratio: what a few rows cannot have shown.
Chosen by simulation: with 2 an AUC of .99 of 100 and 100 rows is covered in 93.8 %, with 3 one of .95 of 20 and 980
rows in 97.8 %."""
UNSEEN_CHANGES = 1.0
"""The same for a part of a difference, whose scale is wide for what is on it: with 2.5 it is covered in 97.3 %."""
_NO_ROWS = "rows of both kinds are needed"


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive row scores above a negative one, ties counting one half.

    Exact, from mid-ranks (Mann-Whitney). In [0, 1]; .5: the scores say nothing. NaN where either kind is absent.
    """
    positive = np.asarray(positive, dtype=bool)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if n_pos == 0 or n_neg == 0:
        return math.nan
    return float((mid_ranks(scores)[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def auc_estimate(scores: np.ndarray, positive: np.ndarray) -> Estimate:
    """AUC with a 95 % interval: score intervals of its two means of placements, put together by square-and-add.

    The AUC A is the mean over the positives of V = share of negatives below the row, and the mean over the negatives
    of W = share of positives above the row (ties one half). Each part with n rows, mean A and variance s (divided by
    n) lies on a scale from a to b, the smallest and the largest placement that any row of either kind would have in
    it. On this scale m = (A - a) / (b - a), the variance ratio is

        rho = [n s / ((b - a)^2 m (1 - m)) + 2.5] / (n + 2.5)

    and the limits are Wilson's for the share m of n / rho rows, back on the scale. With w Wilson's upper limit of 0 of
    n, z^2 / (n + z^2), a part whose rows all have one placement has the limits A - w (A - a) and A + w (b - A): a
    neuron that fires on 0 of 40 rows gets the upper limit of 0 of 40. If all of a part's rows lie above (below) the
    commonest placement p of the rows of the other kind, which is that of a share t of them, the part's lower (upper)
    limit is at least t w (A - p) away from A: nothing else shows that a row can be tied with them. Where all scores
    are equal, a = 0 and b = 1. With l and u the parts' limits

        lo = A - sqrt(sum (A - l)^2),   hi = A + sqrt(sum (u - A)^2),   within [0, 1]

    so that A = 1 ends at exactly 1 and A = 0 at exactly 0. Missing where either kind is absent.

    Covers 93.5 to 96.5 % for continuous scores and for codes that are 0 on most rows, AUC .5 to .999, wherever an
    expected 5 rows or so contradict the order or fire; with fewer it errs to the wide side (97 to 100 %), except that
    shares of counts near 0 or 1 jump, so that single truths are covered in 90 to 93 % (as Wilson's interval does).
    A rare kind of 20 rows with a much wider distribution than the other is covered in 91 %.

    Sources: DeLong, DeLong and Clarke-Pearson 1988 (placements); Wilson 1927; Newcombe 1998 (square-and-add); Zou and
    Donner 2008.
    """
    whole = area(scores, positive)
    return Estimate.missing(_NO_ROWS) if whole is None else Estimate(whole.value, whole.lo, whole.hi, len(scores))


def auc_difference(before: np.ndarray, after: np.ndarray, positive: np.ndarray) -> Estimate:
    """AUC of `after` minus AUC of `before` on the same rows, with a paired 95 % interval, in [-1, 1]; 0: no change.

    The interval of `auc_estimate` with each row's change of placement, after - before, in the place of the placement,
    and 1 in the place of 2.5: the scale goes from the smallest to the largest change that any row would have. A
    change that reaches few rows therefore has a width also where it reaches none of the rarer kind. Where no row
    changed its place among the others both ends are 0: the rows say nothing of a change, and a width would be made up.
    """
    first, second = _every_placement(before, positive), _every_placement(after, positive)
    if first is None or second is None:
        return Estimate.missing(_NO_ROWS)
    estimate = second[0] - first[0]
    # changes of rows that moved alike must be equal to the last digit: they are counted
    below, above = (np.round(b - a, 12) for a, b in zip(first[1:], second[1:], strict=True))
    parts = _both_parts(estimate, below, above, np.asarray(positive, dtype=bool), UNSEEN_CHANGES)
    lo, hi = _square_and_add(estimate, parts)
    return Estimate(estimate, max(lo, -1.0), min(hi, 1.0), len(before))


def placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below each positive, and of positives above each negative (DeLong et al. 1988)."""
    positive = np.asarray(positive, dtype=bool)
    scores = np.asarray(scores)
    overall = mid_ranks(scores)
    below = (overall[positive] - mid_ranks(scores[positive])) / (~positive).sum()
    above = 1 - (overall[~positive] - mid_ranks(scores[~positive])) / positive.sum()
    return below, above


# --------------------------------------------------------------------------------------------------------- parts


@dataclass(frozen=True)
class Area:
    """An AUC with its limits, and what every row adds to its error."""

    value: float
    lo: float
    hi: float
    parts: np.ndarray
    """(n,); their sum of squares is DeLong's variance, and of products with another AUC's the covariance."""


def area(scores: np.ndarray, positive: np.ndarray) -> Area | None:
    """The AUC of `auc_estimate` with its rows' parts; None where either kind is absent."""
    every = _every_placement(scores, positive)
    if every is None:
        return None
    positive = np.asarray(positive, dtype=bool)
    value, below, above = every
    lo, hi = _square_and_add(value, _both_parts(value, below, above, positive))
    parts = np.where(positive, (below - value) / positive.sum(), (above - value) / (~positive).sum())
    return Area(value, max(lo, 0.0), min(hi, 1.0), parts)


def mean_area(areas: Sequence[Area]) -> Area:
    """Mean of AUCs over the same rows, such as of each group against all others.

    With d_g the distance of the g-th AUC from its lower (upper) limit and r the correlations of the rows' parts, the
    mean is sqrt(sum_gh r_gh d_g d_h) / G from its own; r = 1 where the parts of one do not vary, which is the widest.
    Source: Zou 2007, the square-and-add of dependent limits.
    """
    value = float(np.mean([each.value for each in areas]))
    parts = np.array([each.parts for each in areas])
    related = correlation(parts)
    gaps = [
        np.array(side) for side in zip(*((each.value - each.lo, each.hi - each.value) for each in areas), strict=True)
    ]
    down, up = (math.sqrt(max(float(gap @ related @ gap), 0.0)) / len(areas) for gap in gaps)
    return Area(value, max(value - down, 0.0), min(value + up, 1.0), parts.mean(axis=0))


def correlation(parts: np.ndarray, undefined: float = 1.0) -> np.ndarray:
    """Correlations (G, G) of rows' parts (G, n) about 0, `undefined` where the parts of one do not vary."""
    products = parts @ parts.T
    size = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    related = np.divide(products, size, out=np.full_like(products, undefined), where=size > 0)
    np.fill_diagonal(related, 1.0)
    return related


def bounded_limits(
    mean: float, values: np.ndarray, lo: float, hi: float, unseen: float = UNSEEN, inflation: float = 1.0
) -> tuple[float, float]:
    """Score limits of the mean of a part's values on the scale from lo to hi.

    inflation : how many times the variance of a mean of independent values the mean has.
    """
    n, width = len(values), hi - lo
    if float(values.max()) == float(values.min()):
        reach = float(wilson(0, n / inflation)[1])
        return mean - reach * (mean - lo), mean + reach * (hi - mean)
    share = min(max((mean - lo) / width, 0.0), 1.0)
    largest = share * (1 - share)
    seen = min(float(values.var()) / width**2 / largest, 1.0) if largest > 0 else 1.0
    rows = n / inflation * (n + unseen) / (n * seen + unseen)
    down, up = wilson(share * rows, rows)
    # rounding must not take the mean out of its own limits
    return min(lo + width * float(down), mean), max(lo + width * float(up), mean)


def _every_placement(scores: np.ndarray, positive: np.ndarray) -> tuple[float, np.ndarray, np.ndarray] | None:
    """AUC; share of negatives below, and of positives above, every row (n,) of either kind, itself a tie."""
    positive, scores = np.asarray(positive, dtype=bool), np.asarray(scores)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if n_pos == 0 or n_neg == 0:
        return None
    overall, within = mid_ranks(scores), np.empty(len(scores))
    within[positive], within[~positive] = mid_ranks(scores[positive]), mid_ranks(scores[~positive])
    below = np.where(positive, overall - within, within - 0.5) / n_neg
    above = 1 - np.where(positive, within - 0.5, overall - within) / n_pos
    value = float((overall[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))
    return value, below, above


def _both_parts(
    value: float, below: np.ndarray, above: np.ndarray, positive: np.ndarray, unseen: float = UNSEEN
) -> list[tuple[float, float]]:
    return [_part(value, below, positive, unseen), _part(value, above, ~positive, unseen)]


def _part(value: float, every: np.ndarray, of_kind: np.ndarray, unseen: float) -> tuple[float, float]:
    """Limits of the mean of `every` over the rows `of_kind`, on the scale of all rows."""
    mine, others = every[of_kind], every[~of_kind]
    lo, hi = float(every.min()), float(every.max())
    if lo == hi == 0.5:
        lo, hi = 0.0, 1.0
    down, up = bounded_limits(value, mine, lo, hi, unseen)
    places, counts = np.unique(others, return_counts=True)
    commonest = int(np.argmax(counts))
    place, tied = float(places[commonest]), float(counts[commonest]) / len(others)
    reach = tied * (value - place) * float(wilson(0, len(mine))[1])
    if mine.min() > place:
        down = min(down, value - reach)
    if mine.max() < place:
        up = max(up, value - reach)
    return down, up


def _square_and_add(value: float, limits: Sequence[tuple[float, float]]) -> tuple[float, float]:
    down, up = (math.hypot(*(value - limit[side] for limit in limits)) for side in (0, 1))
    return value - down, value + up
