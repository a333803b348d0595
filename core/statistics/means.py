"""Means over a list of values, such as one a query: Student's interval, on a scale that ends where the values do."""

import math
from collections.abc import Sequence

import numpy as np

from core.statistics.estimates import Estimate, student, wilson

UNBOUNDED = (-math.inf, math.inf)


def mean_of(values: Sequence[float] | np.ndarray, within: tuple[float, float] = UNBOUNDED) -> Estimate:
    """Mean with Student's 95 % interval over its values; whatever their order, the same bits.

    mean -+ t(.975, n - 1) s / sqrt(n), s with n - 1, taken on the scale of `kept_within`. Values that all lie at one
    end of a finite range have Wilson's interval of a share of it. Missing where there is no value or one is not
    finite; without an interval where there is only one.

    Parameters
    ----------
    within : smallest and largest possible value.
    """
    x = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not len(x) or not np.isfinite(x).all():
        return Estimate.missing("a query has no value" if len(x) else "there is nothing to average")
    mean = float(x.mean())
    if len(x) == 1:
        return Estimate(mean, n=1)
    least, most = within
    if x[0] == x[-1] and mean in within and math.isfinite(most - least):
        share = wilson(len(x) * (mean == most), len(x))
        lo, hi = (least + (most - least) * float(end) for end in share)
        return Estimate(mean, lo, hi, len(x))
    half = float(student(len(x)) * x.std(ddof=1) / np.sqrt(len(x)))
    ends = kept_within(mean, mean - half, mean + half, within)
    return Estimate(mean, float(ends[0]), float(ends[1]), len(x))


def kept_within(
    mean: np.ndarray | float, lo: np.ndarray | float, hi: np.ndarray | float, within: tuple[float, float] = UNBOUNDED
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of an interval of a mean (...) moved to where they never leave the possible values.

    With one end a the ends lie as many standard errors from the mean on the scale sqrt(x - a), with two, a and b, on
    arcsin sqrt((x - a) / (b - a)), as before on the plain one (delta method): near a the interval reaches further to
    the side on which skewed values of few prompts lie. A mean at an end, or outside, is only kept from reaching
    further out. Without an end nothing is changed.
    """
    least, most = within
    mean, lo, hi = (np.asarray(x, dtype=np.float64) for x in (mean, lo, hi))
    if math.isinf(least) and math.isinf(most):
        return lo, hi
    if math.isinf(least):
        down, up = kept_within(-mean, -hi, -lo, (-most, math.inf))
        return -up, -down
    bounded = math.isfinite(most)
    size = most - least if bounded else 1.0
    share = (mean - least) / size
    inside = (share > 0) & (share < 1 if bounded else True)
    kept = np.where(inside, share, 0.5)
    slope = 2 * np.sqrt(kept * (1 - kept) if bounded else kept)
    middle = np.arcsin(np.sqrt(kept)) if bounded else np.sqrt(kept)
    ends = [middle + (end - mean) / size / slope for end in (lo, hi)]
    if bounded:
        ends = [np.sin(np.clip(end, 0.0, np.pi / 2)) for end in ends]
    moved = [least + size * np.maximum(end, 0.0) ** 2 for end in ends]
    outer = np.maximum(lo, np.minimum(least, mean)), np.minimum(hi, np.maximum(most, mean))
    return np.where(inside, moved[0], outer[0]), np.where(inside, moved[1], outer[1])
