"""Two rates of different rows beside each other: how much higher one is, as a difference and as a ratio."""

import numpy as np

from core.statistics.estimates import LEVEL, wilson


def rate_difference(
    first: np.ndarray | float,
    n_first: np.ndarray | float,
    second: np.ndarray | float,
    n_second: np.ndarray | float,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of first / n_first - second / n_second, element by element, in [-1, 1]; 0 is no difference.

    With p, q the two rates and (l, u), (l', u') their Wilson intervals:

        lo = p - q - sqrt((p - l)^2 + (u' - q)^2),  hi = p - q + sqrt((u - p)^2 + (q - l')^2)

    It has a width where both rates are 0 or 1, and covers for small and for very unequal groups.
    Source: Newcombe 1998, method 10 (MOVER).
    """
    p, q, (l1, u1), (l2, u2) = _parts(first, n_first, second, n_second, level)
    return p - q - np.hypot(p - l1, u2 - q), p - q + np.hypot(u1 - p, q - l2)


def rate_ratio(
    first: np.ndarray | float,
    n_first: np.ndarray | float,
    second: np.ndarray | float,
    n_second: np.ndarray | float,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of (first / n_first) / (second / n_second), element by element, in [0, inf]; 1 is no difference.

    The ratios r at which p - r q = 0 lies inside the interval of `rate_difference` for p - r q. Thus it holds 1
    exactly where the interval of the difference holds 0. No success of the second rate: hi = inf, and lo is what the
    second rate's upper end still allows; no success of the first: lo = 0.
    Source: Donner and Zou 2012 (MOVER-R), with Wilson intervals as parts.
    """
    p, q, (l1, u1), (l2, u2) = _parts(first, n_first, second, n_second, level)
    down, up = u2 * (2 * q - u2), l2 * (2 * q - l2)
    inner = np.maximum((p * q) ** 2 - l1 * (2 * p - l1) * down, 0.0)
    outer = np.maximum((p * q) ** 2 - u1 * (2 * p - u1) * up, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # the root of a quadratic, in the form that survives a vanishing leading term
        lo = l1 * (2 * p - l1) / (p * q + np.sqrt(inner))
        hi = (p * q + np.sqrt(outer)) / up
    return np.where(p > 0, lo, 0.0), np.where(q > 0, hi, np.inf)


def _parts(
    first: np.ndarray | float,
    n_first: np.ndarray | float,
    second: np.ndarray | float,
    n_second: np.ndarray | float,
    level: float,
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Both rates and their Wilson intervals."""
    p, q = np.asarray(first) / np.asarray(n_first), np.asarray(second) / np.asarray(n_second)
    return p, q, wilson(first, n_first, level), wilson(second, n_second, level)
