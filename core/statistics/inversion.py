"""Interval of a ranking metric by test inversion: the values that the observed one does not contradict.

A percentile bootstrap does not cover here: MaxSkew, KL and NDKL cannot be negative and are biased upward near no bias.
Instead, one family of ranked lists runs from the target through the observed shares and beyond,

    p_r(g; t) proportional to q_g (p_rg / q_g)^t        r a rank, q the target, p the observed shares, smoothed

so that t = 0 has no bias and t = 1 is what was seen. Lists are drawn along it, and the interval holds what the metric
is for every t under which a value as far out as the observed one has a chance of 2.5 % or more on either side. Equal
values count one half (mid-p), so that coverage is right on average and not only at least right.

Where the order matters, the far end is that of lists with the same chances at every rank. Where these do not reach the
observed value within five standard errors, they are followed to fifteen, and then the trend that was seen is taken: the
largest possible value is an end only where nothing else is. A list whose top differs clearly from its rest takes the
far end of lists made of a top and a rest, each with chances of its own.

Families. KL: one, of the shares with half a row of every group added. MaxSkew and MinSkew: the near end from `_tied`,
the far end from `_alone`. Ordered metrics: the near end from `_along`, the far end from `_level` (as said above), or
from `_block` where there is one and it ends nearer. Each end is kept within the metric's range, and the interval
holds the estimate.

Draws. Every family has its own default_rng(seed). Lists are drawn at t = 0 and at max(0, 1 + standard error x each of
PROPOSALS), equal values once, in rising order, ceil(draws / values of t) lists at each. Counts: multinomial(k, p), p
the chances rounded to 12 digits, over their sum. Ordered lists: random((lists, k)); the group of a row is the number of
cumulative chances of the first G - 1 groups below its random number. All lists x together stand for lists of t by L(t;
x) / sum_s L(s; x), L(t; x) = prod_r exp(t u_r) / sum_g q_g exp(t u_rg), s over the values drawn at, made to sum to 1.
On GRID equally spaced t from 0 to the largest: the weighted share of lists with more bias, equal ones (within 1e-9) one
half, made rising, and what the metric is: at the chances of t, at most what a list of one group alone shows, or the
weighted mean for an ordered one. Both are joined by straight lines and read at .025 and .975; where the share at t = 0
is above .025 the near end is 0, where the last one is below .975 the far end is that of a list of the likeliest groups.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.statistics.bands import Metric
from core.statistics.estimates import DRAWS, LEVEL
from core.statistics.omnibus import EQUAL

PROPOSALS = (-3.0, -1.5, 0.0, 1.5, 3.0, 5.0)
"""Where lists are drawn: so many standard errors of t away from what was seen, which brackets both ends."""
BLOCK_PROPOSALS = (-1.5, 0.0, 2.0, 5.0, 9.0, 15.0)
"""The same for lists of a top and a rest: a pure top can grow no further, and the rest is slow to follow."""
FURTHER = 2.0
"""Standard errors by which the rest is taken to lean further to the side of the top than it is seen to."""
BLOCK_GAIN = 7.5
"""Twice the gain in log-likelihood from which a top and a rest of their own are taken for more than chance; the best of
some ten sizes of a top gains 3.5 on average where there is no such top."""
GRID = 61
MOST_CODES = 1 << 15
"""Up to so many possible counts, those that were drawn are counted in a table."""
TREND = 0.45
"""Standard deviation to which the slope of a group's log-odds, per octave of rank, is held."""
NEWTON = 6


def metric_interval(
    metric: Metric, ranked: np.ndarray, target: Sequence[float] | np.ndarray, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a bias metric of one ranked list (k,), whose unknown rows (-1) are left out.

    The top k is seen as a sample of what the query retrieves. The interval of a metric of counts is about the metric
    of the true shares; that of an ordered metric is about its mean at this k, which keeps the bias of a finite list:
    compare it with the null band. `python -m tests.benchmarks coverage` simulates how often the truth is inside.
    Inside the null band the interval says little. It always holds the estimate. NaN where no group is known.
    """
    ranked = np.asarray(ranked)
    ranked = ranked[ranked >= 0]
    if len(ranked) == 0:
        return math.nan, math.nan
    q = tuple(np.asarray(target, dtype=np.float64).tolist())
    if not metric.ordered:
        ranked = np.sort(ranked)
    return _metric_interval(metric, ranked.astype(np.int64).tobytes(), q, int(draws), int(seed))


@lru_cache(maxsize=16_384)
def _metric_interval(
    metric: Metric, listed: bytes, target: tuple[float, ...], draws: int, seed: int
) -> tuple[float, float]:
    """Prompts often retrieve as many of each group, and a list is asked about in several places of a report."""
    q, ranked = np.array(target), np.frombuffer(listed, dtype=np.int64)
    estimate = float(metric(ranked, q))
    if metric.extreme:
        counted = _count_family(ranked, q)
        # the most extreme of several like groups is biased outwards, of one group that stands alone it is not: each end
        # is that of the family in which it lies further out
        near, _ = _ends(metric, _tied(counted, metric), estimate, q, draws, seed)
        _, far = _ends(metric, _alone(counted, metric), estimate, q, draws, seed)
    elif metric.ordered:
        # a trend that chance put into the list says little of its mean: it counts at the near end, where lists with a
        # trend vary less, and not at the far one
        family = _ordered_family(ranked, q)
        near, trend = _ends(metric, family, estimate, q, draws, seed)
        level = _level(family, ranked)
        pure = level.pure(metric, q)
        _, far = _ends(metric, level, estimate, q, draws, seed)
        if far == pure:
            # lists further out than five standard errors are looked at too, before the largest possible value is said
            _, far = _ends(metric, level, estimate, q, draws, seed, BLOCK_PROPOSALS)
            far = trend if far == pure else far
        block = _block(ranked, q)
        if block is not None:
            _, further = _ends(metric, block, estimate, q, draws, seed, BLOCK_PROPOSALS)
            far = min(far, further, key=lambda end: metric.bias_direction * end)
    else:
        near, far = _ends(metric, _count_family(ranked, q), estimate, q, draws, seed)
    lo, hi = np.clip(sorted((near, far)), *metric.range)
    # the estimate may lie outside: in a list shorter than the groups are many, the zero rule counts who is not there
    return min(float(lo), estimate), max(float(hi), estimate)


def _ends(
    metric: Metric,
    family: "_CountFamily | _OrderedFamily",
    estimate: float,
    target: np.ndarray,
    draws: int,
    seed: int,
    proposals: Sequence[float] = PROPOSALS,
) -> tuple[float, float]:
    """The metric at the end with less bias and at the end with more bias than observed, of one family of lists.

    Many parameters: the estimate, and the draws that its interval is inverted from.
    """
    at = np.unique(np.maximum([0.0, *(1.0 + family.step * np.array(proposals))], 0.0))
    each = -(-draws // len(at))
    lists, times = family.draw(at, each, seed)
    values = metric(lists, target) if metric.ordered else metric.from_counts(lists, target)
    grid = np.linspace(0.0, at[-1], GRID)
    exceeds = _exceeds(metric.bias_direction * values, metric.bias_direction * estimate)
    more, mean = _weighted(family, family.lean(lists), at, grid, times, np.stack([exceeds, values], axis=1))
    more = np.maximum.accumulate(more)
    truth = family.truth(metric, grid, target) if isinstance(family, _CountFamily) else mean
    tail = (1 - LEVEL) / 2
    # where no bias at all is not contradicted, the interval begins at none; where nothing more can be, it ends there
    near = 0.0 if more[0] > tail else float(np.interp(tail, more, truth))
    far = family.pure(metric, target) if more[-1] < 1 - tail else float(np.interp(1 - tail, more, truth))
    return near, far


def _exceeds(values: np.ndarray, observed: float) -> np.ndarray:
    """1 where a drawn value shows more bias than the observed one, 1/2 where it shows as much."""
    return np.where(np.abs(values - observed) <= EQUAL, 0.5, values > observed)


def _different(counts: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The different rows of counts (draws, G), each of which sums to k, and how often each stands there; None: once."""
    free, base = counts.shape[1] - 1, k + 1
    if free * math.log2(base) > 62:
        return counts, None
    code = counts[:, :free] @ base ** np.arange(free, dtype=np.int64)
    if base**free <= MOST_CODES:
        often = np.bincount(code, minlength=base**free)
        codes = np.flatnonzero(often)
        times = often[codes]
    else:
        codes, times = np.unique(code, return_counts=True)
    different = np.empty((len(codes), free + 1), dtype=np.int64)
    for g in range(free):
        different[:, g], codes = codes % base, codes // base
    different[:, free] = k - different[:, :free].sum(axis=1)
    return different, times


def _weighted(
    family: "_Family",
    leaning: np.ndarray,
    at: np.ndarray,
    grid: np.ndarray,
    times: np.ndarray | None,
    values: np.ndarray,
) -> np.ndarray:
    """Weighted means (M, grid) of values (lists, M), each drawn list standing for lists of each t.

    All lists count for every t, as draws of the mixture of the proposals (importance sampling, balance heuristic).

    Many parameters: lists of a family by how they lean, where they were drawn and how often, and what is averaged.

    Parameters
    ----------
    times : how often each list was drawn; None: once.
    """
    drawn = _log_sum(at[:, None] * leaning - family.log_sums(at)[:, None], axis=0)
    often = 0.0 if times is None else np.log(times)
    weight = grid[:, None] * leaning
    weight -= drawn - often
    weight -= weight.max(axis=1, keepdims=True)
    np.exp(weight, out=weight)
    sums = weight @ np.column_stack([values, np.ones(len(values))])
    return sums[:, :-1].T / sums[:, -1]


def _log_sum(logs: np.ndarray, axis: int) -> np.ndarray:
    """ln of the sum of exp."""
    most = logs.max(axis=axis, keepdims=True)
    return np.log(np.exp(logs - most).sum(axis=axis)) + np.squeeze(most, axis=axis)


@dataclass(frozen=True, eq=False)
class _Family:
    """Lists of k rows by t: at every rank (or at all alike) the groups' chances are q exp(t u), up to their sum."""

    u: np.ndarray
    """ln of observed share over target share (ranks, G); one row where it is the same at every rank."""
    q: np.ndarray
    k: int

    @property
    def repeats(self) -> float:
        return self.k / len(self.u)

    @property
    def step(self) -> float:
        """Standard error of t at 1, from the Fisher information."""
        p = self.chances(1.0)
        mean = (p * self.u).sum(axis=1, keepdims=True)
        return 1.0 / math.sqrt(max(self.repeats * float((p * (self.u - mean) ** 2).sum()), 1e-12))

    def chances(self, t: np.ndarray | float) -> np.ndarray:
        """(..., ranks, G) of every t (...), each row summing to 1."""
        log_p = np.log(self.q) + np.asarray(t)[..., None, None] * self.u
        p = np.exp(log_p - log_p.max(axis=-1, keepdims=True))
        return p / p.sum(axis=-1, keepdims=True)

    def log_sums(self, t: np.ndarray) -> np.ndarray:
        """Sum over the rows of a list of ln sum_g q_g exp(t u_g), one for each t."""
        inner = np.log(self.q) + t[:, None, None] * self.u
        return self.repeats * _log_sum(inner, axis=-1).sum(axis=-1)


class _CountFamily(_Family):
    """Lists as counts of each group (draws, G)."""

    def draw(self, t: np.ndarray, each: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The different ones of `each` lists of every t, and how often each was drawn; None: once."""
        # the generator branches where two groups are equally likely: the last bit must not decide, on no machine
        chances = np.round(self.chances(t)[:, 0], 12)
        chances /= chances.sum(axis=1, keepdims=True)
        return _drawn_counts(chances.tobytes(), len(t), self.k, each, seed)

    def lean(self, counts: np.ndarray) -> np.ndarray:
        return counts @ self.u[0]

    def truth(self, metric: Metric, t: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The metric of the shares of each t, within what a list of k rows can show."""
        values = metric.from_counts(self.k * self.chances(t)[:, 0], target)
        reach = metric.from_counts(self.k * np.eye(len(self.q)), target)
        return np.maximum(values, reach.min()) if metric.bias_direction < 0 else np.minimum(values, reach.max())

    def pure(self, metric: Metric, target: np.ndarray) -> float:
        counts = np.zeros(len(self.q))
        counts[self.u[0].argmax()] = self.k
        return float(metric.from_counts(counts, target))


class _OrderedFamily(_Family):
    """Lists as group numbers (draws, k)."""

    def draw(self, t: np.ndarray, each: int, seed: int) -> tuple[np.ndarray, None]:
        """`each` lists of every t, one after the other, each drawn once."""
        upper = np.cumsum(self.chances(t), axis=2)[:, None]
        chance = _chances(len(t), each, self.k, seed)
        lists = np.zeros(chance.shape, dtype=np.int8 if len(self.q) < 128 else np.int64)
        for g in range(len(self.q) - 1):
            lists += chance > upper[..., g]
        return lists.reshape(-1, self.k), None

    def lean(self, lists: np.ndarray) -> np.ndarray:
        """Sum of u over the rows of each list."""
        of_ranks = np.broadcast_to(self.u, (self.k, len(self.q)))
        total = np.full(len(lists), of_ranks[:, 0].sum())
        for g in range(1, len(self.q)):
            total += (lists == g).astype(np.float64) @ (of_ranks[:, g] - of_ranks[:, 0])
        return total

    def pure(self, metric: Metric, target: np.ndarray) -> float:
        return float(metric(np.broadcast_to(self.u.argmax(axis=1), self.k), target))


@lru_cache(maxsize=512)
def _drawn_counts(chances: bytes, times: int, k: int, each: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Different counts of `each` lists by each of `times` chances of the groups, and how often each was drawn.

    Metrics often ask for lists of the same chances: with two groups all families are one, and so they are where only
    one group departs.
    """
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(k, one, size=each) for one in np.frombuffer(chances).reshape(times, -1)]
    counts, often = _different(np.concatenate(drawn), k)
    for made in (counts, often):
        if made is not None:
            made.setflags(write=False)
    return counts, often


@lru_cache(maxsize=8)
def _chances(times: int, each: int, k: int, seed: int) -> np.ndarray:
    """The random numbers of every family of a size (times, each, k)."""
    made = np.random.default_rng(seed).random((times, each, k))
    made.setflags(write=False)
    return made


def _count_family(ranked: np.ndarray, q: np.ndarray) -> _CountFamily:
    """The family of counts through what was seen."""
    counts = np.bincount(ranked, minlength=len(q))
    p = (counts[None] + 0.5) / (counts.sum() + 0.5 * len(q))
    return _CountFamily(_apart(np.log(p / q)), q, len(ranked))


def _ordered_family(ranked: np.ndarray, q: np.ndarray) -> _OrderedFamily:
    """The family of lists through what was seen."""
    return _OrderedFamily(_apart(np.log(_along(ranked, q) / q)), q, len(ranked))


def _level(family: _OrderedFamily, ranked: np.ndarray) -> _OrderedFamily:
    """The family of lists with the same chances at every rank."""
    counts = np.bincount(ranked, minlength=len(family.q)) + 0.5
    return _OrderedFamily(_apart(np.log(counts / counts.sum() / family.q)[None]), family.q, family.k)


def _block(ranked: np.ndarray, q: np.ndarray) -> _OrderedFamily | None:
    """The family of lists with the same chances within the first b rows and within the rest; None without such a top.

    b is the likeliest of 2, 3, 4, 6, 8, 11 and so on (powers of root 2). The rest leans FURTHER standard errors more to
    the side of the top than it is seen to, so that the family goes on where the top is pure.
    """
    k, n_groups = len(ranked), len(q)
    sizes = np.unique(np.round(2.0 ** np.arange(1.0, math.log2(max(k, 2)), 0.5)).astype(int))
    sizes = sizes[sizes < k]
    if not len(sizes):
        return None
    seen = (ranked[:, None] == np.arange(n_groups)).cumsum(axis=0)
    gain = 2 * (_likelihood(seen[sizes - 1]) + _likelihood(seen[-1] - seen[sizes - 1]) - _likelihood(seen[-1]))
    if gain.max() <= BLOCK_GAIN:
        return None
    b = int(sizes[gain.argmax()])
    top, rest = ((counts + 0.5) / (counts.sum() + 0.5 * n_groups) for counts in (seen[b - 1], seen[-1] - seen[b - 1]))
    lean = np.log(top / q)
    lean_of_top = lean - rest @ lean
    spread = math.sqrt(float(rest @ lean_of_top**2) * (k - b)) / FURTHER
    further = np.log(rest / q) + (lean_of_top / spread if spread > 0 else 0.0)
    return _OrderedFamily(np.where((np.arange(k) < b)[:, None], lean, further), q, k)


def _likelihood(counts: np.ndarray) -> np.ndarray:
    """Largest log-likelihood of rows with these counts of each group (..., G)."""
    share = counts / counts.sum(axis=-1, keepdims=True)
    return np.where(counts > 0, counts * np.log(np.maximum(share, 1e-300)), 0.0).sum(axis=-1)


def _apart(u: np.ndarray) -> np.ndarray:
    """Log-ratios (ranks, G) that lead somewhere: where exactly the target was seen, to the first group."""
    close = np.ptp(u, axis=1, keepdims=True) < 1e-6
    return np.where(close & (np.arange(u.shape[1]) == 0), u + 1e-3, u)


def _alone(family: _CountFamily, metric: Metric) -> _CountFamily:
    """The family in which only the most extreme group departs from its target, and the others share the rest alike."""
    u, p = family.u[0], np.exp(family.u[0]) * family.q
    top = (metric.bias_direction * u).argmax()
    rest = np.full(len(u), np.log((1.0 - p[top]) / (1.0 - family.q[top])))
    rest[top] = u[top]
    return _CountFamily(rest[None], family.q, family.k)


def _tied(family: _CountFamily, metric: Metric) -> _CountFamily:
    """The family in which all groups that may be as extreme as the most extreme one are equally so.

    May be: the difference of the log-ratios is less than two of its standard errors.
    """
    u = family.u[0]
    rows = family.k * np.exp(u) * family.q
    top = (metric.bias_direction * u).argmax()
    near = np.abs(u - u[top]) < 2.0 * np.sqrt(1 / rows + 1 / rows[top])
    tied = np.where(near, np.log(rows[near].sum() / (family.k * family.q[near].sum())), u)
    return _CountFamily(tied[None], family.q, family.k)


def _along(ranked: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Shares (k, G) along the ranking: each group's log-odds are a line in log2 rank, then rows sum to 1.

    Fitted by Newton's method with half a row of every group added, so that a group that was not seen keeps a chance,
    and with slopes held near 0 by TREND.
    """
    k, n_groups = len(ranked), len(target)
    z = np.log2(np.arange(1, k + 1))
    z -= z.mean()
    # the added rows stand at z = 0, the middle of the ranking
    x = np.stack([np.ones(k + 1), np.append(z, 0.0)])
    weight = np.append(np.ones(k), 0.5 * n_groups)
    seen = np.vstack([ranked[:, None] == np.arange(n_groups), np.full(n_groups, 1 / n_groups)])
    start = (weight @ seen) / weight.sum()
    line = np.stack([np.log(start / (1 - start)), np.zeros(n_groups)])  # (2, G)
    penalty = np.diag([0.0, TREND**-2])
    for _ in range(NEWTON):
        p = 1 / (1 + np.exp(-(x.T @ line)))
        gradient = x @ (weight[:, None] * (seen - p)) - penalty @ line
        curvature = np.einsum("ar,rg,br->gab", x, weight[:, None] * p * (1 - p), x) + penalty
        line = line + np.linalg.solve(curvature, gradient.T[:, :, None])[:, :, 0].T
    # a similarity ranking leans most at its top: a slope that says the opposite is chance
    leans = line[0] - np.log(target / (1 - target))
    line[1] = np.where(np.sign(line[1]) == np.sign(leans), 0.0, line[1])
    p = 1 / (1 + np.exp(-(x.T @ line)[:-1]))
    return p / p.sum(axis=1, keepdims=True)
