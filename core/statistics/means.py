"""Means over a list of values, such as one a query, with Student's interval."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from core.statistics.estimates import LEVEL, Estimate


def mean_of(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean with Student's 95 % interval over its values; whatever their order, the same bits.

    mean -+ t(.975, n - 1) s / sqrt(n), s with n - 1. Missing where there is no value or one is not finite; without an
    interval where there is only one.
    """
    x = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not len(x) or not np.isfinite(x).all():
        return Estimate.missing("a query has no value" if len(x) else "there is nothing to average")
    mean = float(x.mean())
    if len(x) == 1:
        return Estimate(mean, n=1)
    half = float(student.ppf(0.5 + LEVEL / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Estimate(mean, mean - half, mean + half, len(x))
