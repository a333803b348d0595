"""Lean and effect over a list of prompts: means of points per group, with labels permuted once for all prompts.

Prompts that retrieve the same people share their luck. So a draw permutes the labels of the searched rows once and
counts every prompt with them; never prompt by prompt. A row matters by the sum of its places over the prompts alone, so
that a draw is one sum of these weights for each label.

p is about these prompts. The interval is about prompts and people like these (`over_prompts`): it may hold 0 where p
is small, because a mean of few prompts says little about other prompts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from core.statistics.effect import Direction, direction_of, first_largest
from core.statistics.estimates import LEVEL, MINIMUM_N, Estimate
from core.statistics.lean import ALPHA, lean_of
from core.statistics.lists import mean_estimate
from core.statistics.multiplicity import holm
from core.statistics.omnibus import EQUAL, FAMILY_P, OMNIBUS_DRAWS

MOST_SHIFTED = 1 << 21
"""Labels whose shuffles are taken with all their turns; of more, one shuffle alone would cost more than the draws."""
ROUNDING = 1e-12
"""Spread of permuted means up to which a group's mean is the same in every draw."""


@dataclass(frozen=True)
class MeanLean:
    """Mean over prompts of the lean in points."""

    points: tuple[Estimate, ...]
    """Mean of s_g - p_g over prompts, each group (G,); n is the number of prompts."""
    shares: tuple[Estimate, ...]
    """Mean of s_g over these prompts, with the interval of other rows like these and the same prompts."""
    base: tuple[float, ...]
    """p_g."""
    p: float | None
    """All groups at once: the largest departure in standard errors of the permuted means. None: not computed."""
    p_group: tuple[float, ...]
    p_adjusted: tuple[float, ...]
    """Over the groups (Holm); with two groups this is p."""
    departure: tuple[float, ...]
    """Mean in standard deviations of the permuted means."""
    smallest_p: float
    small: tuple[bool, ...]
    """Groups with too few searched rows to be interpreted."""

    @property
    def beyond_chance(self) -> bool | None:
        return None if self.p is None else self.p <= ALPHA

    @property
    def leading(self) -> int | None:
        """As `Lean.leading`."""
        if not self.beyond_chance:
            return None
        named = [g for g, d in enumerate(self.departure) if d > 0 and self.p_adjusted[g] <= ALPHA and not self.small[g]]
        return max(named, key=lambda g: self.departure[g], default=None)


@dataclass(frozen=True)
class MeanEffect:
    """Mean over prompts of the change of share."""

    changes: tuple[Estimate, ...]
    p: float
    p_group: tuple[float, ...]
    smallest_p: float
    leading_before: int | None
    leading_after: int | None
    group: int
    direction: Direction
    lean_direction: Direction


def mean_lean(
    tops: np.ndarray,
    labels: np.ndarray,
    drawn: np.ndarray,
    counts: Sequence[int],
    tests: int = 1,
    seed: int = 0,
    design_effect: float = 1.0,
) -> MeanLean:
    """The mean lean of several prompts.

    Rows that belong together (`design_effect` above 1) tell less: departures and intervals are those of so many times
    fewer rows, p is then normal, and that of all groups the smallest one times their number.

    Parameters
    ----------
    tops : rows (prompts, k) that each prompt retrieves.
    labels : group number of every searched row (n,); -1 unknown, and stays so in every draw.
    drawn : shares over resamples of the images (draws, prompts, G), see `ListDraws.shares`.
    counts : searched rows of each group (G,).
    tests : size of the family that p will be corrected with.
    design_effect : see `core.statistics.clusters.design_effect`; the largest of the prompts'.

    Many parameters: bare arrays: lists, labels, the draws of the null, and how they are tested.
    """
    n_groups = len(counts)
    base = np.asarray(counts, dtype=np.float64) / sum(counts)
    weights, rows = _weights([(tops, 1.0)], labels)
    observed = _shares(tops, labels, n_groups) - base
    points = tuple(
        mean_estimate(observed[:, g], drawn[:, :, g] - base[g], seed, (-float(base[g]), 1.0 - float(base[g])))
        for g in range(n_groups)
    )
    nothing = (math.nan,) * n_groups
    small = tuple(n < MINIMUM_N for n in counts)
    shares = tuple(_these_prompts(observed[:, g] + base[g], drawn[:, :, g]) for g in range(n_groups))
    own_ends = _own_ends(tops, labels, counts)
    points = tuple(_opened(one, ends - base[g]) for g, (one, ends) in enumerate(zip(points, own_ends, strict=True)))
    shares = tuple(map(_opened, shares, own_ends))
    if not np.isfinite(observed).all() or (len(rows) == sum(counts) and np.ptp(weights) < 1e-12):
        return MeanLean(points, shares, tuple(base.tolist()), None, nothing, nothing, (0.0,) * n_groups, 1.0, small)
    null = permuted_means(weights, np.asarray(counts), n_groups, _draws(tests), seed) - base
    p, p_of_group, departure = _tested(observed.mean(axis=0), null)
    smallest = _smallest(len(null), n_groups)
    if design_effect > 1.0:
        departure = tuple(d / math.sqrt(design_effect) for d in departure)
        p_of_group = tuple(float(2 * ndtr(-abs(d))) for d in departure)
        p, smallest = min(p_of_group) if n_groups == 2 else min(1.0, n_groups * min(p_of_group)), 0.0
        points, shares = (tuple(_widened(e, math.sqrt(design_effect)) for e in part) for part in (points, shares))
    adjusted = p_of_group if n_groups == 2 else tuple(holm(p_of_group).tolist())
    return MeanLean(points, shares, tuple(base.tolist()), p, p_of_group, adjusted, departure, smallest, small)


def mean_effect(
    before: MeanLean,
    after: MeanLean,
    tops: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    drawn: np.ndarray,
    target: Sequence[float],
    tests: int = 1,
    seed: int = 0,
) -> MeanEffect | None:
    """The mean change of several prompts; the labels of all rows that were exchanged are permuted once a draw.

    Parameters
    ----------
    tops : rows (prompts, k) before and after.
    drawn : share after minus share before over resamples of the images (draws, prompts, G).
    target : target share of each group (G,).

    None where a list has no known row.

    Many parameters: bare arrays: both lists, labels, the draws of the null, and how they are tested.
    """
    n_groups = len(before.base)
    observed = _shares(tops[1], labels, n_groups) - _shares(tops[0], labels, n_groups)
    if not np.isfinite(observed).all():
        return None
    changes = tuple(mean_estimate(observed[:, g], drawn[:, :, g], seed, (-1.0, 1.0)) for g in range(n_groups))
    moved = [np.setxor1d(a, b) for a, b in zip(*tops, strict=True)]
    weights, rows = _weights([(tops[1], 1.0), (tops[0], -1.0)], labels, np.unique(np.concatenate(moved)))
    own_sizes = np.bincount(labels[rows], minlength=n_groups)
    p, p_group, departure, smallest = 1.0, (1.0,) * n_groups, (0.0,) * n_groups, 1.0
    if (own_sizes > 0).sum() > 1:
        null = permuted_means(weights, own_sizes, n_groups, _draws(tests), seed)
        # rows that stay add the same to every draw: what an exchange blind to groups changes on average
        fixed = observed.mean(axis=0) - np.array([weights[labels[rows] == g].sum() for g in range(n_groups)])
        p, p_group, departure = _tested(observed.mean(axis=0) - fixed, null)
        smallest = _smallest(len(null), n_groups)
    group = before.leading
    if group is None:
        group = first_largest(np.abs(departure if any(departure) else observed.mean(axis=0)))
    shares = before.shares[group], after.shares[group]
    return MeanEffect(
        changes,
        p,
        p_group,
        smallest,
        before.leading,
        after.leading,
        group,
        direction_of(*shares, float(target[group]), p),
        direction_of(*shares, before.base[group], p),
    )


def _these_prompts(observed: np.ndarray, drawn: np.ndarray) -> Estimate:
    """Mean over prompts (prompts,) with the interval of its resamples (draws, prompts): rows vary, prompts do not."""
    if not np.isfinite(observed).all():
        return Estimate.missing("a prompt retrieves no row with a known group")
    mean, means = float(observed.mean()), np.nanmean(drawn, axis=1)
    lo, hi = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - means.mean() + mean
    return Estimate(mean, max(min(float(lo), mean), 0.0), min(max(float(hi), mean), 1.0), len(observed))


def _own_ends(tops: np.ndarray, labels: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Mean over prompts of the ends of each group's own share interval (G, 2); NaN where a list has no known row."""
    retrieved = [np.bincount(labels[top][labels[top] >= 0], minlength=len(counts)).tolist() for top in tops]
    ends = [[(group.share.lo, group.share.hi) for group in lean_of(counts, each).groups] for each in retrieved]
    return np.array(ends, dtype=np.float64).mean(axis=0)


def _opened(value: Estimate, ends: np.ndarray) -> Estimate:
    """The mean with the prompts' own ends where resampling gives it none: lists of one group alone have no spread, and
    other people would have some.
    """
    if value.estimate is None or value.lo is None or value.hi is None:
        return value
    lo, hi = value.lo, value.hi
    return replace(
        value,
        lo=min(float(ends[0]), lo) if value.estimate - lo < EQUAL else lo,
        hi=max(float(ends[1]), hi) if hi - value.estimate < EQUAL else hi,
    )


def _widened(value: Estimate, factor: float) -> Estimate:
    """The estimate with ends so many times as far away."""
    if value.estimate is None or value.lo is None or value.hi is None:
        return value
    lo, hi = (value.estimate + factor * (end - value.estimate) for end in (value.lo, value.hi))
    return replace(value, lo=max(lo, -1.0), hi=min(hi, 1.0))


def permuted_means(weights: np.ndarray, sizes: np.ndarray, n_groups: int, draws: int, seed: int) -> np.ndarray:
    """Sum of the weights of the rows that get each label, over draws of labels without replacement (B, G), B >= draws.

    Up to MOST_SHIFTED labels, N of them: default_rng(seed).permutation(N) gives the rows N places round a circle, in
    their order, the rest being rows of no weight. Then .permuted shuffles the labels (in the order of the groups),
    ceil(draws / N) times as rows of one matrix, and every shuffle is taken with all its N turns round the circle,
    B = N ceil(draws / N). Each turn of a shuffle is as likely as any other order, so that no chance is biased; and two
    turns hardly know of each other, for the rows lie scattered: simulated for 12 to 12,000 labels, a share of B turns
    has .75 to 1.1 times the error sqrt(p (1 - p) / B) of B shuffles, and p <= a comes no more often than a. A product
    of spectra counts all at once.

    More labels: `draws` draws, class by class, where a class is the rows of one weight (rounded to 12 digits, rising,
    0 left out): counts of each group from what is left, by hypergeometric draws group by group.

    Parameters
    ----------
    weights : of the rows that get a label (rows,).
    sizes : labels of each group that there are to give (G,), at least as many as rows.
    """
    n = int(np.sum(sizes))
    if n > MOST_SHIFTED:
        return _by_classes(weights, sizes, draws, np.random.default_rng(seed))
    places, shuffled = _shuffled(tuple(np.asarray(sizes).tolist()), -(-draws // n), seed)
    placed = np.zeros(n)
    placed[places[: len(weights)]] = weights
    spectrum = np.conj(np.fft.rfft(placed))
    total = np.empty((n_groups, shuffled.shape[1], n))
    for g in range(n_groups - 1):
        total[g] = np.fft.irfft(shuffled[g] * spectrum, n)
    total[-1] = np.sum(weights) - total[:-1].sum(axis=0)
    return total.reshape(n_groups, -1).T


@lru_cache(maxsize=4)
def _shuffled(sizes: tuple[int, ...], times: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows round the circle (N,), and the spectrum of who has the label of each group but the last, in
    every shuffle (G - 1, times, N // 2 + 1): the same for all arms of an audit.
    """
    rng, n, n_groups = np.random.default_rng(seed), sum(sizes), len(sizes)
    places = rng.permutation(n)
    labels = np.repeat(np.arange(n_groups, dtype=np.int8 if n_groups < 128 else np.int64), sizes)
    shuffled = rng.permuted(np.tile(labels, (times, 1)), axis=1)
    spectra = np.empty((n_groups - 1, times, n // 2 + 1), dtype=np.complex128)
    for g in range(n_groups - 1):
        spectra[g] = np.fft.rfft(shuffled == g)
    for made in (places, spectra):
        made.setflags(write=False)
    return places, spectra


def _by_classes(weights: np.ndarray, sizes: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """`permuted_means` of very many labels."""
    values, classes = np.unique(np.round(weights, 12), return_counts=True)
    left = np.broadcast_to(np.asarray(sizes, dtype=np.int64), (draws, len(sizes))).copy()
    total = np.zeros(left.shape)
    for value, size in zip(values, classes, strict=True):
        if value == 0.0:
            continue
        given = _without_replacement(left, int(size), rng)
        total += value * given
        left -= given
    return total


def _without_replacement(left: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Counts of each group (draws, G) among `size` labels taken from what is left in each draw."""
    given = np.zeros_like(left)
    wanted = np.full(len(left), size, dtype=np.int64)
    rest = left.sum(axis=1)
    for g in range(left.shape[1] - 1):
        rest = rest - left[:, g]
        given[:, g] = rng.hypergeometric(left[:, g], rest, wanted)
        wanted = wanted - given[:, g]
    given[:, -1] = wanted
    return given


def _draws(tests: int) -> int:
    """Draws after which the smallest two-sided p, corrected for the family, still reaches .001."""
    return max(OMNIBUS_DRAWS, 2 * math.ceil(tests / FAMILY_P) - 1)


def _smallest(draws: int, n_groups: int) -> float:
    """The smallest p that so many draws can give; with two groups p is twice a tail."""
    return (2.0 if n_groups == 2 else 1.0) / (1 + draws)


def _tested(observed: np.ndarray, null: np.ndarray) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """p of all groups by the largest departure, two-sided p of each, and the departures, from permuted means."""
    draws, n_groups = null.shape
    p_of_group, departure, largest = [], np.zeros(n_groups), np.zeros(draws)
    for g in range(n_groups):
        own = null[:, g]
        above, below = int((own >= observed[g] - EQUAL).sum()), int((own <= observed[g] + EQUAL).sum())
        p_of_group.append(min(1.0, 2 * (1 + min(above, below)) / (1 + draws)))
        centre = own.mean()
        away = own - centre
        spread = math.sqrt(float(away @ away) / draws)
        # labels that nobody gets, or weights that are all alike: what is left of the spread is rounding
        varies = spread > ROUNDING
        departure[g] = (observed[g] - centre) / spread if varies else 0.0
        if n_groups > 2 and varies:
            np.maximum(largest, np.abs(away) / spread, out=largest)
    if n_groups == 2:
        return p_of_group[0], tuple(p_of_group), tuple(departure.tolist())
    p = (1 + int((largest >= np.abs(departure).max() - EQUAL).sum())) / (1 + draws)
    return p, tuple(p_of_group), tuple(departure.tolist())


def _weights(
    lists: Sequence[tuple[np.ndarray, float]], labels: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What each row of known group adds to the mean share of its group, and the rows.

    A row in the top k of a prompt with K known rows adds 1 / (K prompts).
    """
    n = len(labels)
    weight = np.zeros(n)
    for tops, sign in lists:
        for top in tops:
            known = top[labels[top] >= 0]
            weight[known] += sign / (max(len(known), 1) * len(tops))
    rows = np.unique(np.concatenate([np.ravel(tops) for tops, _ in lists])) if rows is None else rows
    rows = rows[labels[rows] >= 0]
    return weight[rows], rows


def _shares(tops: np.ndarray, labels: np.ndarray, n_groups: int) -> np.ndarray:
    """Shares over the known rows (prompts, G); NaN where a list has none."""
    of_rows = labels[tops]
    counts = np.stack([(of_rows == g).sum(axis=-1) for g in range(n_groups)], axis=-1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts / counts.sum(axis=-1, keepdims=True)
