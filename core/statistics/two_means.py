"""The difference of two groups' means without equal variances: Welch's interval and test."""

import math
from dataclasses import dataclass

import numpy as np
import scipy

from core.statistics.estimates import LEVEL, Estimate


@dataclass(frozen=True)
class TwoMeans:
    """mean(x) - mean(y), its interval and the test of no difference."""

    difference: Estimate
    t: float | None = None
    df: float | None = None
    p: float | None = None
    """Two-sided; None where no test can be made."""


def welch(x: np.ndarray, y: np.ndarray) -> TwoMeans:
    """Difference of means with Welch's 95 % interval; 0 is no difference.

    se^2 = s_x^2 / n_x + s_y^2 / n_y (s with n - 1), df = se^4 / sum over groups of (s^2 / n)^2 / (n - 1),
    interval difference -+ t(.975, df) se, p = 2 P(T_df > |difference| / se). A group of one has no interval and no
    test; nor have two groups without any spread, but for an interval of no width.

    Parameters
    ----------
    x, y : one number a picture (n_x,), (n_y,): answers about one picture are no independent rows.

    Source: Welch 1947.
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (x, y))
    if not len(x) or not len(y):
        return TwoMeans(Estimate.missing("a group has no picture"))
    difference, n = float(x.mean() - y.mean()), len(x) + len(y)
    if min(len(x), len(y)) < 2:
        return TwoMeans(Estimate(difference, n=n, note="no interval: a group has one picture"))
    parts = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
    error = math.sqrt(parts.sum())
    if error == 0:
        return TwoMeans(Estimate(difference, difference, difference, n))
    df = float(parts.sum() ** 2 / (parts**2 / (np.array([len(x), len(y)]) - 1)).sum())
    half = float(scipy.stats.t.ppf(0.5 + LEVEL / 2, df)) * error
    t = difference / error
    return TwoMeans(
        Estimate(difference, difference - half, difference + half, n), t, df, float(2 * scipy.stats.t.sf(abs(t), df))
    )
