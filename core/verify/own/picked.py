"""The smallest accuracy of several groups and its gap to the accuracy of all, with intervals that know of the pick.

Every value d of the largest of some contrasts of the groups' rates is tested by T = max over contrasts c of
(c . x - d) / se_c, se_c at rates for which the largest contrast is d. Two families of rates: nearer to no difference
(the observed ones, cut off so that d is the largest contrast) and further away (the observed departures from the mean
of all rows, stretched to d; or one contrast that is known much worse than the largest, moved to d alone). Draws are
binomial, by the inverse of their distribution at stratified uniforms of default_rng(0), the same for every d.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtri, xlog1py, xlogy

from core.verify.own.values import DRAWS, Value, value, wilson_ends

LOWEST, GAP = "lowest", "gap"
CHANCES = {LOWEST: (0.025, 0.013), GAP: (0.03, 0.02)}
"""Chance given to the end nearer to no difference and to the further one; two groups have .025 and .025."""
EQUAL = 1e-9
CANNOT_LIE_ABOVE, TOO_EVEN, WORSE, STEPS, NORMAL_FROM, MOST_CONTRASTS = 2.0, 0.1, 1.5, 10, 400.0, 60


def lowest_accuracy(right: Sequence[int], n: Sequence[int]) -> Value:
    """The smallest of right / n, with its interval and its median-unbiased value."""
    rates, sizes = _in_order(right, n)
    worst = int(rates.argmin())
    if len(sizes) == 1:
        return value(float(rates[0]), *wilson_ends(right[0], n[0]), int(n[0])) | {"corrected": float(rates[0])}
    lo, half, hi = Pick(LOWEST, rates, sizes).ends()
    return value(float(rates[worst]), max(-hi, 0.0), min(-lo, 1.0), int(sizes[worst])) | {"corrected": abs(half)}


def gap_below_all(right: Sequence[int], n: Sequence[int]) -> Value:
    """Accuracy of all rows minus the smallest of right / n; one group has no gap."""
    if len(n) < 2:
        return value(0.0, 0.0, 0.0, int(sum(n)))
    rates, sizes = _in_order(right, n)
    pick = Pick(GAP, rates, sizes)
    lo, half, hi = pick.ends()
    return value(max(pick.seen, 0.0), lo, hi, int(sizes.sum())) | {"corrected": half}


def _in_order(right: Sequence[int], n: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rates and sizes by size, then by right answers: whatever order the groups come in."""
    pairs = np.array(sorted((float(m), float(x)) for m, x in zip(n, right, strict=True)))
    return pairs[:, 1] / pairs[:, 0], pairs[:, 0]


@dataclass(frozen=True, eq=False)
class Pick:
    """One of the two questions about the rates of some groups."""

    kind: str
    rates: np.ndarray
    n: np.ndarray

    @property
    def contrasts(self) -> np.ndarray:
        each = np.eye(len(self.n))
        return -each if self.kind == LOWEST else self.n / self.n.sum() - each

    @property
    def seen(self) -> float:
        return float((self.contrasts @ self.rates).max())

    @property
    def mean(self) -> float:
        return float(self.n @ self.rates / self.n.sum())

    @property
    def least(self) -> float:
        return -1.0 if self.kind == LOWEST else 0.0

    # --- rates at which the largest contrast is d ---------------------------------------------------------------

    def nearer(self, d: float) -> np.ndarray:
        if self.kind == LOWEST:
            return np.maximum(self.rates, -d)
        weights = self.n / self.n.sum()
        floor = _rising(lambda at: weights @ np.maximum(self.rates, at) - at <= d, self.rates.min(), self.rates.max())
        lifted = np.maximum(self.rates, floor)
        return np.clip(lifted - weights @ (lifted - self.rates), 0.0, 1.0)

    def further(self, d: float) -> np.ndarray:
        away = self.rates - self.n @ self.rates / self.n.sum()
        if np.ptp(self.rates) <= 1e-9:
            # all alike: the smallest group departs, which is known worst
            alone = -np.eye(len(self.n))[self.n.argmin()]
            away = alone - self.n @ alone / self.n.sum()
        if self.kind == LOWEST:
            return np.clip(self.mean + away * (self.mean + d) / -away.min(), 0.0, 1.0)
        moved = self.mean + away * d / -away.min()
        return np.clip(moved - min(moved.min(), 0.0) - max(moved.max() - 1.0, 0.0), 0.0, 1.0)

    def one_alone(self, d: float, lucky: bool) -> np.ndarray | None:
        """The likeliest rates at which one contrast known much worse than the largest is d and no other moves."""
        contrasts, errors = self.contrasts, self.errors(self.rates)
        any_of_them = len(self.n) == 2 or lucky or np.ptp(self.rates) < 1e-9
        kept = [c for c, e in zip(contrasts, errors, strict=True) if any_of_them or e >= WORSE * errors[self.largest]]
        p = (self.n * self.rates + 1) / (self.n + 2)
        best, likeliest = None, -math.inf
        for contrast in kept:
            along, moved = contrast * p * (1 - p) / self.n, self.rates.copy()
            for _ in range(3):
                stuck = ((moved <= 0) & (along < 0)) | ((moved >= 1) & (along > 0))
                along = np.where(stuck, 0.0, along)
                reach = float(contrast @ along)
                step = (d - float(contrast @ moved)) / max(reach, 1e-12) if reach > 0 else 0.0
                moved = np.clip(moved + along * step, 0.0, 1.0)
            if abs(float(contrast @ moved) - d) < 1e-6:
                likely = round(float((xlogy(self.rates, moved) + xlog1py(1 - self.rates, -moved)) @ self.n), 9)
                if best is None or likely > likeliest:
                    best, likeliest = moved, likely
        return best

    # --- the test -----------------------------------------------------------------------------------------------

    @property
    def largest(self) -> int:
        return int(np.round(self.contrasts @ self.rates, 9).argmax())

    def errors(self, rates: np.ndarray) -> np.ndarray:
        """Standard error of each contrast, with a row of each kind more."""
        p = (self.n * rates + 1) / (self.n + 2)
        return np.sqrt((self.contrasts**2 * (p * (1 - p) / self.n)).sum(axis=1))

    def ends(self) -> tuple[float, float, float]:
        """Lower end, median-unbiased value and upper end of the largest contrast."""
        rng = np.random.default_rng(0)
        uniforms = (np.stack([rng.permutation(DRAWS) for _ in self.n]) + 0.5) / DRAWS
        near, far = CHANCES[self.kind] if len(self.n) > 2 else (0.025, 0.025)

        def given(d: float) -> float:
            """Chance that the lower end may leave: all of it where nothing can lie above the interval."""
            if self.kind == LOWEST:
                return near
            reached = min(d / (CANNOT_LIE_ABOVE * self.errors(self.nearer(d))[self.largest]), 1.0)
            return 0.05 + (near - 0.05) * reached

        none = -self.mean if self.kind == LOWEST else 0.0
        even = self.tails(self.nearer(none), none, uniforms)[1]
        lucky, even = even < TOO_EVEN, max(even, TOO_EVEN)

        def left(d: float) -> float:
            ways = [self.further(d), self.one_alone(d, lucky)]
            reached = [x for x in ways if x is not None and abs((self.contrasts @ x).max() - d) < 1e-6]
            return max((self.tails(x, d, uniforms)[1] for x in reached), default=0.0) - far * even

        lo = _first(lambda d: self.tails(self.nearer(d), d, uniforms)[0] > given(d) + EQUAL, self.least, self.seen)
        half = _first(lambda d: self.tails(self.nearer(d), d, uniforms)[0] - 0.5 >= 0, lo, self.seen)
        hi = _first(lambda d: left(d) <= EQUAL, self.seen, self.least + 1.0)
        if lucky:
            hi = max(hi, self.seen + float(ndtri(0.975)) * float(self.errors(self.rates)[self.largest]))
        return lo, half, min(hi, self.least + 1.0)

    def tails(self, rates: np.ndarray, d: float, uniforms: np.ndarray) -> tuple[float, float]:
        """Chance of a T as large as the observed one or larger, and of the others; equal ones count half."""
        contrasts, errors = self.contrasts, self.errors(rates)
        if len(errors) > MOST_CONTRASTS:
            scores = [(contrasts @ x - d) / errors for x in (rates, self.rates)]
            kept = np.unique([np.argpartition(-score, MOST_CONTRASTS)[:MOST_CONTRASTS] for score in scores])
            contrasts, errors = contrasts[kept], errors[kept]
        seen = float(((contrasts @ self.rates - d) / errors).max())
        drawn = np.stack([_binomial(p, m, u) for p, m, u in zip(rates, self.n, uniforms, strict=True)])
        t = ((contrasts @ drawn - d) / errors[:, None]).max(axis=0)
        equal = np.abs(t - seen) < 1e-9
        more = float(((t > seen) & ~equal).sum() + 0.5 * equal.sum()) / DRAWS
        return more, 1.0 - more


def _first(reached: Callable[[float], bool], lo: float, hi: float) -> float:
    """Ten halvings towards the first value at which something that stays true is reached; `hi` where it never is."""
    if reached(lo):
        return lo
    for _ in range(STEPS):
        at = (lo + hi) / 2
        lo, hi = (lo, at) if reached(at) else (at, hi)
    return hi


def _rising(reached: Callable[[float], bool], lo: float, hi: float) -> float:
    for _ in range(30):
        at = (lo + hi) / 2
        lo, hi = (lo, at) if reached(at) else (at, hi)
    return hi


def _binomial(p: float, n: float, uniforms: np.ndarray) -> np.ndarray:
    """Rates of binomial draws of n at the uniforms' points of their distribution."""
    variance = n * p * (1 - p)
    if variance < 1e-9:
        return np.full(len(uniforms), p)
    if variance > NORMAL_FROM:
        z = ndtri(uniforms)
        return p + (math.sqrt(variance) * z + (1 - 2 * p) * (z * z - 1) / 6) / n
    reach = 9 * math.sqrt(variance) + 10
    x = np.arange(max(math.floor(n * p - reach), 0), min(math.ceil(n * p + reach), n) + 1)
    log = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1) + x * math.log(p) + (n - x) * math.log1p(-p)
    up_to = np.cumsum(np.exp(log))
    return x[np.searchsorted(up_to[:-1], uniforms * up_to[-1])] / n
