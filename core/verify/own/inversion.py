"""Interval of a metric of one list by test inversion: the values that what was seen does not contradict.

One-parameter families of lists run from the target (t = 0) through what was seen (t = 1) and beyond. At every rank the
chances are proportional to q_g exp(t u_g), q the target and u the log of an observed share over it. Lists are drawn at
some t, stand for those at every t by their likelihood (all drawn lists as one mixture), and an end of the interval is
what the metric is at the t where a value as far out as the observed one has a chance of 2.5 %, equal values one half.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.verify.own.metrics import RANGES, counted, of_counts, of_lists
from core.verify.own.values import DRAWS, TAIL

AT = (-3.0, -1.5, 0.0, 1.5, 3.0, 5.0)
"""Standard errors of t from t = 1 at which lists are drawn, and t = 0; none below 0."""
AT_OF_TOPS = (-1.5, 0.0, 2.0, 5.0, 9.0, 15.0)
"""The same for lists of a top and a rest."""
FURTHER, GAIN, SLOPE, POINTS = 2.0, 7.5, 0.45, 61


def metric_ends(name: str, known: np.ndarray, target: tuple[float, ...], seed: int) -> tuple[float, float]:
    """Both ends for a list of group numbers without unknown rows."""
    listed = np.asarray(known, dtype=np.int64)
    return _metric_ends(name, (listed if name == "ndkl" else np.sort(listed)).tobytes(), tuple(target), seed)


@lru_cache(maxsize=16_384)
def _metric_ends(name: str, listed: bytes, target: tuple[float, ...], seed: int) -> tuple[float, float]:
    """Lists of as many rows of each group have the same ends, but for ndkl."""
    known = np.frombuffer(listed, dtype=np.int64)
    q, k = np.array(target), len(known)
    estimate = float(of_lists(name, known, q))
    counts = counted(known, len(q)) + 0.5
    plain = Family(name, apart(np.log(counts / counts.sum() / q))[None], q, k)
    if name == "kl":
        near, far = plain.ends(estimate, seed)
    elif name == "ndkl":
        level = Family(name, np.repeat(plain.u, k, axis=0), q, k)
        along = Family(name, np.stack([apart(row) for row in np.log(trend(known, q) / q)]), q, k)
        (near, of_trend), far = along.ends(estimate, seed), level.ends(estimate, seed)[1]
        if far == level.pure():
            far = level.ends(estimate, seed, AT_OF_TOPS)[1]
            far = of_trend if far == level.pure() else far
        if (block := top_and_rest(known, q)) is not None:
            far = min(far, Family(name, block, q, k).ends(estimate, seed, AT_OF_TOPS)[1])
    else:
        near = Family(name, tied(name, plain)[None], q, k).ends(estimate, seed)[0]
        far = Family(name, alone(name, plain)[None], q, k).ends(estimate, seed)[1]
    least, most = RANGES[name]
    ends = [min(max(end, least), most) for end in (near, far)]
    return min(*ends, estimate), max(*ends, estimate)


@dataclass(frozen=True, eq=False)
class Family:
    """Lists of k rows; `u` has one row where the order does not matter, else one a rank."""

    name: str
    u: np.ndarray
    q: np.ndarray
    k: int

    @property
    def ordered(self) -> bool:
        return self.name == "ndkl"

    def chances(self, t: float) -> np.ndarray:
        """Chance of each group at each rank (ranks, G)."""
        weight = np.exp(t * (self.u - self.u.max(axis=1, keepdims=True))) * self.q
        return weight / weight.sum(axis=1, keepdims=True)

    def log_total(self, t: float) -> float:
        """ln of the sum of q exp(t u) of a whole list."""
        most = self.u.max(axis=1)
        inner = np.log((np.exp(t * (self.u - most[:, None])) * self.q).sum(axis=1)) + t * most
        return float(inner.sum()) * self.k / len(self.u)

    def error(self) -> float:
        """Standard error of t at 1: one over the root of the variance of a list's sum of u."""
        p = self.chances(1.0)
        variance = (p * self.u**2).sum(axis=1) - (p * self.u).sum(axis=1) ** 2
        return 1 / math.sqrt(max(float(variance.sum()) * self.k / len(self.u), 1e-12))

    def drawn(self, t: float, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Counts (draws, G)."""
        # the generator branches where two groups are equally likely: the last bit must not decide
        rounded = np.round(self.chances(t)[0], 12)
        return rng.multinomial(self.k, rounded / rounded.sum(), size=draws)

    def listed(self, t: float, chance: np.ndarray) -> np.ndarray:
        """Group numbers (draws, k), from a random number for each."""
        up_to = np.cumsum(self.chances(t), axis=1)
        return sum((chance > up_to[:, g]).astype(np.int8) for g in range(len(self.q) - 1))  # type: ignore[return-value]

    def measured(self, lists: np.ndarray) -> np.ndarray:
        return of_lists(self.name, lists, self.q) if self.ordered else of_counts(self.name, lists, self.q)

    def leaning(self, lists: np.ndarray) -> np.ndarray:
        """Sum of u over the rows of each list."""
        if self.ordered:
            return sum((lists == g).astype(np.float64) @ self.u[:, g] for g in range(len(self.q)))  # type: ignore[return-value]
        return lists @ self.u[0]

    def ends(self, estimate: float, seed: int, places: tuple[float, ...] = AT) -> tuple[float, float]:
        """The end with less bias than seen and the one with more."""
        rng, error = np.random.default_rng(seed), self.error()
        at = sorted({0.0, *(max(1 + error * place, 0.0) for place in places)})
        each, often = -(-DRAWS // len(at)), np.ones(1)
        if self.ordered:
            chance = uniform(seed, len(at), each, self.k)
            lists = np.concatenate([self.listed(t, own) for t, own in zip(at, chance, strict=True)])
        else:
            lists = np.concatenate([self.drawn(t, each, rng) for t in at])
            # lists of the same counts are one, counted as often as they were drawn
            if len(self.q) * math.log2(self.k + 1) < 62:
                name = sum(lists[:, g] * (self.k + 1) ** g for g in range(len(self.q)))
                _, first, often = np.unique(name, return_index=True, return_counts=True)
                lists = lists[first]
        values, leaning = self.measured(lists), self.leaning(lists)
        of_each = np.stack([t * leaning - self.log_total(t) for t in at])
        mixture = of_each.max(axis=0) + np.log(np.exp(of_each - of_each.max(axis=0)).sum(axis=0))
        equal = np.abs(values - estimate) <= EQUAL
        more = (values < estimate) if self.name == "min_skew" else (values > estimate)
        counts_as = np.where(equal, 0.5, more)
        grid = np.linspace(0.0, at[-1], POINTS)
        log = np.outer(grid, leaning) - mixture
        weight = np.exp(log - log.max(axis=1)[:, None]) * often
        chance, averaged = (weight @ np.stack([counts_as, values], axis=1) / weight.sum(axis=1)[:, None]).T
        chance = np.maximum.accumulate(chance)
        truth = averaged if self.ordered else self.at(grid)
        near = 0.0 if chance[0] > TAIL else float(np.interp(TAIL, chance, truth))
        far = self.pure() if chance[-1] < 1 - TAIL else float(np.interp(1 - TAIL, chance, truth))
        return near, far

    def at(self, grid: np.ndarray) -> np.ndarray:
        """A metric of counts at the shares of each t, no further out than any list of k rows can show."""
        weight = np.exp(grid[:, None] * (self.u[0] - self.u[0].max())) * self.q
        found = of_counts(self.name, self.k * weight / weight.sum(axis=1, keepdims=True), self.q)
        reach = of_counts(self.name, self.k * np.eye(len(self.q)), self.q)
        return np.maximum(found, reach.min()) if self.name == "min_skew" else np.minimum(found, reach.max())

    def pure(self) -> float:
        """The metric of the list that has the group of the largest u at every rank."""
        first = np.repeat(self.u, self.k // len(self.u), axis=0).argmax(axis=1)
        return float(of_lists(self.name, first, self.q))


EQUAL = 1e-9


@lru_cache(maxsize=8)
def uniform(seed: int, times: int, draws: int, k: int) -> list[np.ndarray]:
    """Random numbers (draws, k) of the lists of each t; every family begins with the same."""
    rng = np.random.default_rng(seed)
    return [rng.random((draws, k)) for _ in range(times)]


def apart(u: np.ndarray) -> np.ndarray:
    """Where exactly the target was seen, the family leads to the first group."""
    return u + np.eye(len(u))[0] * 1e-3 if u.max() - u.min() < 1e-6 else u


def extreme(name: str, u: np.ndarray) -> int:
    return int(np.argmin(u) if name == "min_skew" else np.argmax(u))


def tied(name: str, plain: Family) -> np.ndarray:
    """All groups within two standard errors of the most extreme one have its log-ratio in common."""
    u = plain.u[0].copy()
    rows = plain.k * np.exp(u) * plain.q
    top = extreme(name, u)
    near = [g for g in range(len(u)) if abs(u[g] - u[top]) < 2 * math.sqrt(1 / rows[g] + 1 / rows[top])]
    together = math.log(sum(rows[g] for g in near) / (plain.k * sum(plain.q[g] for g in near))) if near else 0.0
    u[near] = together
    return u


def alone(name: str, plain: Family) -> np.ndarray:
    """Only the most extreme group departs from its target; the others share the rest as the target does."""
    top = extreme(name, plain.u[0])
    share = math.exp(plain.u[0][top]) * plain.q[top]
    u = np.full(len(plain.q), math.log((1 - share) / (1 - plain.q[top])))
    u[top] = plain.u[0][top]
    return u


def trend(known: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Shares (k, G) along a ranking: a logistic line of each group in log2 rank, made to sum to 1.

    The line has half a row of every group more at the middle of the ranking and its slope a normal prior of width
    SLOPE; six steps of Newton's method from the plain share. A slope against the group's lean is none.
    """
    k, n_groups = len(known), len(q)
    z = np.log2(np.arange(1.0, k + 1))
    z = z - z.mean()
    lines = np.empty((k, n_groups))
    for g in range(n_groups):
        seen = (known == g).astype(np.float64)
        share = (seen.sum() + 0.5) / (k + 0.5 * n_groups)
        level, slope = math.log(share / (1 - share)), 0.0
        for _ in range(6):
            p, more = 1 / (1 + np.exp(-level - slope * z)), 1 / (1 + math.exp(-level))
            off, bend = seen - p, p * (1 - p)
            added = 0.5 * n_groups
            up = off.sum() + added * (1 / n_groups - more), off @ z - slope / SLOPE**2
            a, b = bend.sum() + added * more * (1 - more), bend @ z
            c = bend @ (z * z) + 1 / SLOPE**2
            level, slope = (
                level + (c * up[0] - b * up[1]) / (a * c - b * b),
                slope + (a * up[1] - b * up[0]) / (a * c - b * b),
            )
        leans = level - math.log(q[g] / (1 - q[g]))
        lines[:, g] = 1 / (1 + np.exp(-level - (0.0 if np.sign(slope) == np.sign(leans) else slope) * z))
    return lines / lines.sum(axis=1, keepdims=True)


def top_and_rest(known: np.ndarray, q: np.ndarray) -> np.ndarray | None:
    """Log-ratios (k, G) of lists of a top and a rest that are clearly unlike; None where they are not.

    Sizes of a top: powers of root 2 from 2 on, whole, below k; the one whose two parts gain most log-likelihood, if
    twice the gain is above GAIN. The rest leans FURTHER standard errors more to the side of the top than it is seen to.
    """
    k, n_groups = len(known), len(q)

    def likelihood(counts: np.ndarray) -> float:
        return math.fsum(c * math.log(c / counts.sum()) for c in counts if c)

    every = counted(known, n_groups)
    best, gained = 0, -math.inf
    power = 1.0
    while power < math.log2(max(k, 2)):
        b, power = int(np.round(2.0**power)), power + 0.5
        if b >= k:
            continue
        top = counted(known[:b], n_groups)
        gain = 2 * (likelihood(top) + likelihood(every - top) - likelihood(every))
        if gain > gained + EQUAL:
            best, gained = b, gain
    if gained <= GAIN:
        return None
    top = counted(known[:best], n_groups)
    of_top, of_rest = ((c + 0.5) / (c.sum() + 0.5 * n_groups) for c in (top, every - top))
    u_top = np.log(of_top / q)
    side = u_top - of_rest @ u_top
    spread = math.sqrt(float(of_rest @ side**2) * (k - best))
    u_rest = np.log(of_rest / q) + (side * FURTHER / spread if spread > 0 else 0.0)
    return np.stack([u_top if rank < best else u_rest for rank in range(k)])
