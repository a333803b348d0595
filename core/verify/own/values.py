"""Numbers as a report writes them, and the intervals of shares and of plain means."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

Value = dict[str, Any]
"""A number with its interval and n, or the reason why there is none."""
NO_TARGET = "not applicable"
SMALL = 30
"""Searched rows below which a group is not interpreted."""
SHOWN = 0.05
"""A p up to here is beyond chance."""
TAIL = 0.025
DRAWS = 1000
Z = float(ndtri(1 - TAIL))


def value(estimate: float, lo: float | None = None, hi: float | None = None, n: int | None = None) -> Value:
    """A number with its 95 % interval."""
    return {"estimate": estimate, "lo": lo, "hi": hi, "n": n}


def missing(reason: str) -> Value:
    """A number that cannot be computed."""
    return {"estimate": None, "reason": reason}


def aimed(number: Value, target: Any = NO_TARGET) -> Value:
    """The number with what it is compared with."""
    return number | {"target": target}


def small_note(number: Value, n: int) -> Value:
    """The number of a group with n searched rows, marked where these are too few."""
    if n >= SMALL or number["estimate"] is None:
        return number
    return number | {"note": f"not interpreted: only {n} searched rows, fewer than {SMALL}"}


def wilson_ends(x: float, n: float, z: float = Z) -> tuple[float, float]:
    """The two roots of n (x/n - p)^2 = z^2 p (1 - p): Wilson's interval of x of n; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    whole, n = x == n, max(n, 1.0)
    # (n + z^2) p^2 - (2 x + z^2) p + x^2 / n = 0
    a, b, c = n + z * z, 2 * x + z * z, x * x / n
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    high = (b + root) / (2 * a)
    low = c / (a * high) if high > 0 else 0.0
    return 0.0 if x == 0 else low, 1.0 if whole else min(high, 1.0)


def share_of(x: int, n: int) -> Value:
    """x / n with Wilson's interval."""
    if n == 0:
        return missing("no row with a known group")
    return value(x / n, *wilson_ends(x, n), n)


def student(n: float) -> float:
    """The 97.5 % point of Student's distribution of n values."""
    return float(stdtrit(n - 1, 1 - TAIL))


def inside(mean: float, lo: float, hi: float, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
    """Ends of an interval of a mean, moved so that they stay within the possible values.

    As many standard errors away as before, on the scale sqrt(x - a) with one end a, arcsin sqrt((x - a) / (b - a)) with
    two; a mean at an end, or outside, only stops the interval there.
    """
    if math.isinf(least) and math.isinf(most):
        return lo, hi
    if math.isinf(least):
        down, up = inside(-mean, -hi, -lo, -most)
        return -up, -down
    size = most - least if math.isfinite(most) else 1.0
    share = (mean - least) / size
    if share <= 0 or (share >= 1 and math.isfinite(most)):
        return max(lo, min(least, mean)), min(hi, max(most, mean))
    if math.isinf(most):
        root = math.sqrt(share)
        ends = [root + (end - mean) / (2 * root) for end in (lo, hi)]
        return least + max(ends[0], 0.0) ** 2, least + max(ends[1], 0.0) ** 2
    angle, slope = math.asin(math.sqrt(share)), 2 * math.sqrt(share * (1 - share))
    turned = [min(max(angle + (end - mean) / size / slope, 0.0), math.pi / 2) for end in (lo, hi)]
    return least + size * math.sin(turned[0]) ** 2, least + size * math.sin(turned[1]) ** 2


def plain_mean(values: Sequence[float] | np.ndarray, least: float, most: float) -> Value:
    """Mean of values with Student's interval, kept within the possible values."""
    x = [float(v) for v in values]
    n = len(x)
    mean = math.fsum(x) / n
    if min(x) == max(x) and mean in (least, most):
        down, up = wilson_ends(n if mean == most else 0, n)
        return value(mean, least + (most - least) * down, least + (most - least) * up, n)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in x) / (n - 1))
    half = student(n) * spread / math.sqrt(n)
    return value(mean, *inside(mean, mean - half, mean + half, least, most), n)


def middle(drawn: np.ndarray) -> tuple[float, float]:
    """2.5 % and 97.5 % points of draws, between neighbours by a straight line."""
    x = np.sort(np.asarray(drawn, dtype=np.float64).ravel())
    ends = []
    for tail in (TAIL, 1 - TAIL):
        place = tail * (len(x) - 1)
        low = math.floor(place)
        high = min(low + 1, len(x) - 1)
        ends.append(float(x[low] + (place - low) * (x[high] - x[low])))
    return ends[0], ends[1]
