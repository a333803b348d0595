"""A number with its interval, and the interval of a share."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

LEVEL = 0.95
NORMAL = 1.959963984540054
"""Standard errors to either side of which an interval at LEVEL reaches, where they are known: the normal quantile."""
DRAWS = 1000
MINIMUM_N = 30
"""A group with fewer searched rows is shown with its n and not interpreted."""


@dataclass(frozen=True)
class Band:
    """What a metric shows with no bias at all: the middle 95 % and the mean over permuted labels."""

    lo: float
    hi: float
    mean: float
    draws: int = DRAWS
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return {"lo": self.lo, "hi": self.hi, "mean": self.mean, "draws": self.draws, "seed": self.seed}


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and its n, or the reason why there is none."""

    estimate: float | None
    lo: float | None = None
    hi: float | None = None
    n: int | None = None
    reason: str | None = None
    null: Band | None = None
    """The null band of a bias metric; only where its target is the gallery's shares."""
    null_side: str | None = None
    """Where the estimate lies: "beyond" the null band on the side of more bias, "inside" it, or "nearer" to 0 than
    nineteen blind draws in twenty."""
    note: str | None = None
    """What must be known before the number is read, for example that its group is too small to be interpreted."""

    @property
    def distinguishable(self) -> bool | None:
        """Whether the estimate lies beyond its null band."""
        return None if self.null is None else self.null_side == "beyond"

    @classmethod
    def missing(cls, reason: str) -> "Estimate":
        """The estimate that cannot be computed, and why."""
        return cls(None, reason=reason)

    def to_json(self) -> dict[str, Any]:
        if self.estimate is None:
            return {"estimate": None, "reason": self.reason}
        value: dict[str, Any] = {"estimate": self.estimate, "lo": self.lo, "hi": self.hi, "n": self.n}
        if self.null is not None:
            value |= {"null": [self.null.lo, self.null.hi], "null_mean": self.null.mean}
            value |= {"distinguishable": self.distinguishable, "null_side": self.null_side}
        if self.note is not None:
            value |= {"note": self.note}
        return value


def student(n: int) -> float:
    """The same where they are estimated from n values: the quantile of Student's t with n - 1 degrees of freedom."""
    from scipy.special import stdtrit  # scipy is imported where it counts something: every page needs an Estimate

    return float(stdtrit(n - 1, (1 + LEVEL) / 2))


def widening(n: int) -> float:
    """How much too narrow an interval is that n resampled values give, t / NORMAL sqrt(n / (n - 1)): to be multiplied.

    The resampling takes the normal's quantile for Student's, and n for n - 1.
    """
    return student(n) / NORMAL * math.sqrt(n / (n - 1))


def wilson(successes: np.ndarray | float, n: np.ndarray | float, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share successes / n, element by element.

    [p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)] / (1 + z^2/n), inside [0, 1]; it covers near 0 and 1, where the
    textbook interval does not. n = 0 says nothing: (0, 1). Source: Wilson 1927; Brown, Cai and DasGupta 2001.
    """
    from scipy.special import ndtri

    successes, n = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    count = np.maximum(n, 1.0)
    p = successes / count
    centre = p + z2 / (2 * count)
    half = np.sqrt(z2 * (p * (1 - p) / count + z2 / (4 * count**2)))
    scale = 1 + z2 / count
    # at 0 and n successes the ends are exactly 0 and 1, whatever rounding says
    lo = np.where(successes == 0, 0.0, np.clip((centre - half) / scale, 0.0, 1.0))
    hi = np.where(successes == n, 1.0, np.clip((centre + half) / scale, 0.0, 1.0))
    return lo, hi


def share_estimate(successes: int, n: int) -> Estimate:
    """successes / n with its Wilson interval; missing where n = 0."""
    if n == 0:
        return Estimate.missing("no row with a known group")
    lo, hi = wilson(successes, n)
    return Estimate(successes / n, float(lo), float(hi), int(n))


def too_few(share: Estimate, n: int, minimum: int = MINIMUM_N) -> Estimate:
    """The estimate of a group with n searched rows, with a note where they are too few to be interpreted."""
    if n >= minimum or share.estimate is None:
        return share
    return replace(share, note=f"not interpreted: only {n} searched rows, fewer than {minimum}")
