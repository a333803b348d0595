"""Many tests at once: what of it survives. NaN (no test was made) stays NaN and is not counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.config import InputError


def holm(p: np.ndarray | Sequence[float]) -> np.ndarray:
    """Adjusted p: the smallest family-wise error rate at which each test is a finding, whatever the dependence.

    p_(i) -> max over j <= i of (m - j + 1) p_(j), at most 1. For headline findings. Source: Holm 1979.
    """
    return _stepwise(p, lambda ordered, m: np.maximum.accumulate(ordered * np.arange(m, 0, -1)))


def benjamini_hochberg(p: np.ndarray | Sequence[float]) -> np.ndarray:
    """Adjusted p: the smallest false discovery rate at which each test is a finding.

    p_(i) -> min over j >= i of m p_(j) / j, at most 1. For exploration. Source: Benjamini and Hochberg 1995.
    """

    def stepped(ordered: np.ndarray, m: int) -> np.ndarray:
        scaled = ordered * m / np.arange(1, m + 1)
        return np.minimum.accumulate(scaled[::-1])[::-1]

    return _stepwise(p, stepped)


CORRECTIONS: dict[str, Callable[..., np.ndarray]] = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}


@dataclass(frozen=True, eq=False)
class Corrected:
    """A family of tests after correction, with the number of tests that it was corrected for."""

    p: np.ndarray
    """As tested (tests,); NaN where no test was made."""
    adjusted: np.ndarray
    m: int
    """Tests made: what every adjusted p was corrected for."""
    method: str

    @property
    def findings(self) -> np.ndarray:
        """Whether each test is a finding at 5 %, bool (tests,)."""
        return self.adjusted <= 0.05


def corrected(p: np.ndarray | Sequence[float], method: str = "holm") -> Corrected:
    """One family of tests, corrected together; InputError for an unknown correction or a p outside [0, 1]."""
    if method not in CORRECTIONS:
        raise InputError(f"the correction was {method!r}; expected one of {', '.join(CORRECTIONS)}")
    p = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(p)
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise InputError("a p value lies outside 0 to 1; give p values as they were tested")
    return Corrected(p, CORRECTIONS[method](p), int(known.sum()), method)


def _stepwise(p: np.ndarray | Sequence[float], step: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """Steps over the rising p of the tests made, put back in their places."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    adjusted[order] = np.minimum(step(p[order], len(order)), 1.0)
    return adjusted
