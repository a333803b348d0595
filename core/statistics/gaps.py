"""Largest difference of accuracies between groups, and the accuracy of the group served worst, by test inversion.

The largest of many noisy differences is large even where every group is served alike, and an interval of the pair that
was picked does not know that it was picked. Here every value d of the largest difference is tested with the statistic

    T(d) = max over contrasts c of (c . x - d) / se_c        x the groups' rates, se_c at the rates that d stands for

whose distribution is drawn at rates of every group for which the largest difference is exactly d:

nearer : d below the observed one; the rates closest to the observed ones (least squares, rows as weights), so that
    all groups beyond the bound are tied there. Groups that are tied are what biases a largest difference outwards.
further : d above it; the observed departures from the mean of all rows, stretched. Where a small group lies between
    others by chance, it is the one that may be far out: a contrast known much worse than the observed largest one is
    also moved to d alone, and the rates under which T is less surprising count.

The interval holds every d under which T is neither too large nor too small. Equal values count one half (mid-p), and
draws are binomial by the inverse of their distribution at the same stratified uniforms for every d, so that the tails
are smooth in d: (permutation(draws) + 1/2) / draws of each group in turn, default_rng(seed), groups by rising size and
then right answers. Ends are found by ten halvings, the outer side kept. `python -m tests.benchmarks coverage` simulates
how often the truth is inside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln, ndtri, xlog1py, xlogy

from core.config import InputError
from core.statistics.estimates import DRAWS, LEVEL, NORMAL, Estimate, wilson

TWO_TAILS, GAP_TAILS, SMALLEST_TAILS = (0.025, 0.025), (0.03, 0.02), (0.025, 0.013)
"""Chance given to the end nearer to no difference and to the further one: of two groups, and of more, where the
observed departures hold noise, which makes the further end a little too near."""
WITHOUT_UPPER = 2.0
"""Standard errors below which a largest difference cannot lie above its interval, so that the lower end has all 5 %."""
EQUAL = 1e-9
EVEN = 0.1
"""Chance below which groups are so even that the draws cannot say how much: the largest contrast then counts alone."""
STEPS = 10
NORMAL_FROM = 400.0
"""Variance of a count from which its distribution is taken from the normal one, with a term for its skewness."""
CONTRASTS = 60
"""Of more contrasts than these, the ones nearest to the bound are looked at."""

KNOWN_WORSE = 1.5
"""A contrast with so many times the standard error of the largest one, or a larger one, may be the largest in truth."""

Rates = Callable[[float], np.ndarray]


@dataclass(frozen=True)
class Picked(Estimate):
    """A number picked as the most extreme of several, and beside it what it is without the pick."""

    corrected: float | None = None
    """Median-unbiased: the value under which one as extreme as observed is as likely as not; inside the interval."""

    def to_json(self) -> dict[str, Any]:
        value = super().to_json()
        return value if self.estimate is None else value | {"corrected": self.corrected}


def accuracy_gap(right: np.ndarray, n: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Picked:
    """Largest minus smallest accuracy of a group, with a 95 % interval of the true largest difference.

    max over groups of p_g - min over groups of p_g, in [0, 1]; 0: all groups are served alike. The groups' sizes are
    taken as they are. The interval may start at 0, which it leaves out in 5 % of samples without any difference, and
    it holds the observed difference. Groups without a row are left out; fewer than two groups have no difference.

    Parameters
    ----------
    right, n : right answers and rows of each group (G,), whole numbers.

    Raises
    ------
    InputError : numbers that are no counts, or more right answers than rows.
    """
    rates, n = _groups(right, n)
    if len(n) < 2:
        return _missing("a difference needs two groups with rows")
    first, second = np.triu_indices(len(n), 1)
    contrasts = np.eye(len(n))[first] - np.eye(len(n))[second]
    return _gap(
        _Family(rates, n, np.concatenate([contrasts, -contrasts]), _squeezed(rates, n), _stretched(rates, n)),
        draws,
        seed,
    )


def gap_to_smallest(right: np.ndarray, n: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Picked:
    """Accuracy over all rows minus the smallest accuracy of a group, with a 95 % interval of the true one.

    sum over groups of n_g p_g / N - min over groups of p_g, in [0, 1]; 0: all groups are served alike. Otherwise as
    `accuracy_gap`.
    """
    rates, n = _groups(right, n)
    if len(n) < 2:
        return _missing("a difference needs two groups with rows")
    return _gap_to_smallest(tuple(rates.tolist()), tuple(n.tolist()), draws, seed)


@lru_cache(maxsize=1024)
def _gap_to_smallest(rates_of: tuple[float, ...], n_of: tuple[float, ...], draws: int, seed: int) -> Picked:
    """An edit changes few answers or none, so that the same counts are asked about again."""
    rates, n = np.array(rates_of), np.array(n_of)
    contrasts = np.tile(n / n.sum(), (len(n), 1)) - np.eye(len(n))
    return _gap(_Family(rates, n, contrasts, _lifted(rates, n), _stretched(rates, n, to_mean=True)), draws, seed)


def smallest_accuracy(right: np.ndarray, n: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Picked:
    """Accuracy of the group served worst, with a 95 % interval that knows that this group was picked.

    min over groups of p_g, in [0, 1]; `n` is the rows of that group. One group has its Wilson interval.

    Parameters
    ----------
    right, n : right answers and rows of each group (G,), whole numbers; groups without a row are left out.

    Raises
    ------
    InputError : as `accuracy_gap`.
    """
    rates, n = _groups(right, n)
    if not len(n):
        return _missing("no row with a known group")
    if len(n) == 1:
        lo, hi = wilson(rates[0] * n[0], n[0])
        return Picked(float(rates[0]), float(lo), float(hi), int(n[0]), corrected=float(rates[0]))
    return _smallest_accuracy(tuple(rates.tolist()), tuple(n.tolist()), draws, seed)


@lru_cache(maxsize=1024)
def _smallest_accuracy(rates_of: tuple[float, ...], n_of: tuple[float, ...], draws: int, seed: int) -> Picked:
    rates, n = np.array(rates_of), np.array(n_of)
    worst = int(rates.argmin())
    family = _Family(rates, n, -np.eye(len(n)), lambda d: np.maximum(rates, -d), _lowered(rates, n), least=-1.0)
    low, middle, high = family.ends(draws, seed)
    return Picked(float(rates[worst]), max(0.0, -high), min(1.0, -low), int(n[worst]), corrected=abs(middle))


@dataclass(frozen=True, eq=False)
class _Family:
    """What is tested: the largest of some contrasts of the groups' rates."""

    rates: np.ndarray
    n: np.ndarray
    contrasts: np.ndarray
    """(contrasts, G)."""
    nearer: Rates
    """Rates (G,) of a largest contrast below the observed one."""
    further: Rates
    """Rates (G,) of one above it."""
    least: float = 0.0
    """Smallest possible value; the largest is one more."""

    def ends(self, draws: int, seed: int) -> tuple[float, float, float]:
        """Lower end, median-unbiased value and upper end."""
        rng = np.random.default_rng(seed)
        uniforms = (np.stack([rng.permutation(draws) for _ in self.n]) + 0.5) / draws
        observed = float((self.contrasts @ self.rates).max())
        bounded = self.least == 0.0
        below, above = TWO_TAILS if len(self.n) == 2 else GAP_TAILS if bounded else SMALLEST_TAILS

        def larger(d: float) -> float:
            return self._tails(self.nearer(d), d, uniforms)[0]

        def allowed(d: float) -> float:
            if not bounded:
                return below
            near = min(d / (WITHOUT_UPPER * self._errors(self.nearer(d))[self._largest()]), 1.0)
            return (1 - LEVEL) + (below - (1 - LEVEL)) * near

        # groups more even than chance makes them are no evidence against a difference: the chance of so even a sample
        # under d is compared with the one under no difference (CLs: Read 2002, Journal of Physics G 28, 2693)
        none = 0.0 if bounded else -float(self.n @ self.rates / self.n.sum())
        even = self._tails(self.nearer(none), none, uniforms)[1]
        lucky, even = even < EVEN, max(even, EVEN)

        def smaller(d: float) -> float:
            ways = [rates for rates in (self.further(d), self._alone(d, lucky)) if rates is not None]
            reached = [rates for rates in ways if abs((self.contrasts @ rates).max() - d) < 1e-6]
            return max((self._tails(rates, d, uniforms)[1] for rates in reached), default=0.0) - above * even

        # a chance that is the given one to 9 digits is not more than it: the last bit must not decide
        lo = _root(lambda d: larger(d) - allowed(d) - EQUAL, self.least, observed)
        middle = _root(lambda d: larger(d) - 0.5, lo, observed)
        hi = _root(lambda d: EQUAL - smaller(d), observed, self.least + 1.0)
        if lucky:
            hi = max(hi, observed + NORMAL * self._errors(self.rates)[self._largest()])
        return lo, middle, float(min(hi, self.least + 1.0))

    def _largest(self) -> int:
        # rounded, here and below: among equals the first, whatever the last bit says
        return int(np.round(self.contrasts @ self.rates, 9).argmax())

    def _errors(self, rates: np.ndarray) -> np.ndarray:
        """Standard error of every contrast; a row of each kind is added, so that none is 0."""
        p = (self.n * rates + 1) / (self.n + 2)
        return np.sqrt(self.contrasts**2 @ (p * (1 - p) / self.n))

    def _alone(self, d: float, even: bool) -> np.ndarray | None:
        """The likeliest rates at which one contrast that is known worse than the largest one is d, and no other moves.

        Of two groups, and of groups that are all alike, any contrast.
        """
        errors = self._errors(self.rates)
        worse = errors >= KNOWN_WORSE * errors[self._largest()]
        if len(self.n) == 2 or even or np.ptp(self.rates) < 1e-9:
            worse = np.ones(len(errors), dtype=bool)
        contrasts = self.contrasts[worse]
        if not len(contrasts):
            return None
        p = (self.n * self.rates + 1) / (self.n + 2)
        along = contrasts * p * (1 - p) / self.n
        moved = np.broadcast_to(self.rates, contrasts.shape)
        for _ in range(3):
            # a rate that would leave 0 to 1 stays at the end, and the others make up for it
            along = np.where(((moved <= 0) & (along < 0)) | ((moved >= 1) & (along > 0)), 0.0, along)
            missing = d - (contrasts * moved).sum(axis=1)
            reach = (contrasts * along).sum(axis=1)
            moved = np.clip(moved + along * np.where(reach > 0, missing / np.maximum(reach, 1e-12), 0.0)[:, None], 0, 1)
        fitting = np.abs((contrasts * moved).sum(axis=1) - d) < 1e-6
        if not fitting.any():
            return None
        likely = (xlogy(self.rates, moved) + xlog1py(1 - self.rates, -moved)) @ self.n
        return moved[np.where(fitting, np.round(likely, 9), -np.inf).argmax()]

    def _tails(self, rates: np.ndarray, d: float, uniforms: np.ndarray) -> tuple[float, float]:
        """Chance of a T at least as large as the observed one, and of one at most as large."""
        errors, contrasts = self._errors(rates), self.contrasts
        if len(errors) > CONTRASTS:
            scores = [(contrasts @ x - d) / errors for x in (rates, self.rates)]
            kept = np.unique([np.argpartition(-score, CONTRASTS)[:CONTRASTS] for score in scores])
            errors, contrasts = errors[kept], contrasts[kept]
        seen = float(((contrasts @ self.rates - d) / errors).max())
        drawn = ((contrasts @ _drawn(rates, self.n, uniforms) - d) / errors[:, None]).max(axis=0)
        equal = np.abs(drawn - seen) < 1e-9
        more = float(np.where(equal, 0.5, drawn > seen).mean())
        return more, 1.0 - more


def _gap(family: _Family, draws: int, seed: int) -> Picked:
    observed = float((family.contrasts @ family.rates).max())
    lo, middle, hi = family.ends(draws, seed)
    return Picked(max(observed, 0.0), lo, hi, int(family.n.sum()), corrected=middle)


def _missing(reason: str) -> Picked:
    return Picked(None, reason=reason)


def _groups(right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates and rows of the groups that have rows, in an order of their own: the same whatever order they come in."""
    right, n = np.asarray(right, dtype=np.float64).ravel(), np.asarray(n, dtype=np.float64).ravel()
    counts = np.concatenate([right, n])
    if len(right) != len(n) or not np.isfinite(counts).all() or (counts < 0).any() or (counts % 1 != 0).any():
        raise InputError(f"right answers {right.tolist()} of rows {n.tolist()}; expected two counts of every group")
    if (right > n).any():
        raise InputError(f"right answers {right.tolist()} of rows {n.tolist()}; expected at most as many as rows")
    order = np.lexsort((right, n))
    right, n = right[order], n[order]
    return right[n > 0] / n[n > 0], n[n > 0]


def _root(f: Callable[[float], float], lo: float, hi: float) -> float:
    """Where a function that rises from below 0 to above it reaches 0; `lo` or `hi` where it does not."""
    if f(lo) >= 0:
        return lo
    start, end = lo, hi
    for _ in range(STEPS):
        middle = (start + end) / 2
        start, end = (start, middle) if f(middle) >= 0 else (middle, end)
    return end


def _drawn(rates: np.ndarray, n: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Observed rates (G, draws) of groups with these true rates, rising with their uniforms."""
    drawn = np.empty_like(uniforms)
    for g, (p, size) in enumerate(zip(rates, n, strict=True)):
        variance = size * p * (1 - p)
        if variance < 1e-9:
            drawn[g] = p
        elif variance > NORMAL_FROM:
            z = ndtri(uniforms[g])
            drawn[g] = p + (np.sqrt(variance) * z + (1 - 2 * p) * (z**2 - 1) / 6) / size
        else:
            reach = 9 * np.sqrt(variance) + 10
            counts = np.arange(max(np.floor(size * p - reach), 0), min(np.ceil(size * p + reach), size) + 1)
            chance = gammaln(size + 1) - gammaln(counts + 1) - gammaln(size - counts + 1)
            below = np.cumsum(np.exp(chance + counts * np.log(p) + (size - counts) * np.log1p(-p)))
            drawn[g] = counts[np.searchsorted(below[:-1], uniforms[g] * below[-1])] / size
    return drawn


# ------------------------------------------------------------------------------------- rates for which the largest is d


def _squeezed(rates: np.ndarray, n: np.ndarray) -> Rates:
    """Rates cut off below and above so that they span d, with the mean of all rows left as it is."""

    def squeezed(d: float) -> np.ndarray:
        lo, hi = rates.min(), max(rates.max() - d, rates.min())
        for _ in range(30):
            middle = (lo + hi) / 2
            rises = n @ (rates - np.clip(rates, middle, middle + d)) > 0
            lo, hi = (middle, hi) if rises else (lo, middle)
        return np.clip(rates, hi, hi + d)

    return squeezed


def _lifted(rates: np.ndarray, n: np.ndarray) -> Rates:
    """The lowest rates lifted to d below the mean of all rows, and all moved back so that this mean stays."""
    weights = n / n.sum()

    def lifted(d: float) -> np.ndarray:
        lo, hi = rates.min(), rates.max()
        for _ in range(30):
            middle = (lo + hi) / 2
            lo, hi = (middle, hi) if weights @ np.maximum(rates, middle) - middle > d else (lo, middle)
        up = np.maximum(rates, hi)
        return np.clip(up - weights @ (up - rates), 0.0, 1.0)

    return lifted


def _stretched(rates: np.ndarray, n: np.ndarray, to_mean: bool = False) -> Rates:
    """Departures from the mean of all rows stretched until they span d (or the lowest lies d below the mean)."""
    departures = _departures(rates, n)
    mean = float(n @ rates / n.sum())
    span = -departures.min() if to_mean else np.ptp(departures)

    def stretched(d: float) -> np.ndarray:
        moved = mean + departures * d / span
        return np.clip(moved - min(moved.min(), 0.0) - max(moved.max() - 1.0, 0.0), 0.0, 1.0)

    return stretched


def _lowered(rates: np.ndarray, n: np.ndarray) -> Rates:
    """Departures from the mean of all rows stretched until the lowest is -d."""
    departures = _departures(rates, n)
    mean = float(n @ rates / n.sum())
    return lambda d: np.clip(mean + departures * (mean + d) / -departures.min(), 0.0, 1.0)


def _departures(rates: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Rates less their mean over all rows; where all are equal, the smallest group departs, which is known worst."""
    departures = rates - n @ rates / n.sum()
    if np.ptp(rates) > 1e-9:
        return departures
    alone = np.zeros(len(n))
    alone[n.argmin()] = -1.0
    return alone - n @ alone / n.sum()
