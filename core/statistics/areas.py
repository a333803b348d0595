"""Area under the ROC curve: exact, with DeLong's interval, and paired differences of it."""

import math

import numpy as np
from scipy.stats import rankdata

from core.statistics.estimates import Estimate, wilson


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive row scores above a negative one, ties counting one half.

    Exact, from mid-ranks (Mann-Whitney). In [0, 1]; .5: the scores say nothing. NaN where either kind is absent.
    """
    positive = np.asarray(positive, dtype=bool)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if n_pos == 0 or n_neg == 0:
        return math.nan
    return float((rankdata(scores)[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def auc_estimate(scores: np.ndarray, positive: np.ndarray) -> Estimate:
    """AUC with DeLong's interval, made on the logit scale so that it stays inside (0, 1)."""
    value = auc(scores, positive)
    if math.isnan(value):
        return Estimate.missing("rows of both kinds are needed")
    n = len(scores)
    if value in (0.0, 1.0):
        # no variance is left to estimate: the limit of n rows that were all ordered rightly, by the rarer kind
        few = min(int(np.sum(positive)), n - int(np.sum(positive)))
        lo, hi = wilson(value * few, few)
        return Estimate(value, float(lo), float(hi), n)
    spread = 1.96 * math.sqrt(_auc_variance(*placements(scores, positive))) / (value * (1 - value))
    logit = math.log(value / (1 - value))
    lo, hi = (1 / (1 + math.exp(-(logit + sign * spread))) for sign in (-1, 1))
    return Estimate(value, lo, hi, n)


def auc_difference(before: np.ndarray, after: np.ndarray, positive: np.ndarray) -> Estimate:
    """AUC of `after` minus AUC of `before` on the same rows, with DeLong's paired interval."""
    estimate = auc(after, positive) - auc(before, positive)
    if math.isnan(estimate):
        return Estimate.missing("rows of both kinds are needed")
    first, second = placements(before, positive), placements(after, positive)
    half = 1.96 * math.sqrt(_auc_variance(*(b - a for a, b in zip(first, second, strict=True))))
    return Estimate(estimate, estimate - half, estimate + half, len(before))


def placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below each positive, and of positives above each negative (DeLong et al. 1988)."""
    positive = np.asarray(positive, dtype=bool)
    scores = np.asarray(scores)
    overall = rankdata(scores)
    below = (overall[positive] - rankdata(scores[positive])) / (~positive).sum()
    above = 1 - (overall[~positive] - rankdata(scores[~positive])) / positive.sum()
    return below, above


def _auc_variance(below: np.ndarray, above: np.ndarray) -> float:
    """Variance of an AUC (or of a difference of two) from its placements."""
    return sum(float(np.var(v, ddof=1)) / len(v) if len(v) > 1 else 0.0 for v in (below, above))
