"""Areas under the ROC curve by counting pairs, and how well a probe reads a group before and after an edit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from core.verify.own.values import Value, missing, value, wilson_ends

UNSEEN, UNSEEN_CHANGES = 2.5, 1.0
"""Rows added to the variance ratio of a part of an area, and of a difference of areas."""
ONE_KIND = "rows of both kinds are needed"


def placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every row the share of negatives below it and of positives above it, ties (itself too) one half."""
    negatives, positives = np.sort(scores[~positive]), np.sort(scores[positive])
    below = np.searchsorted(negatives, scores) + np.searchsorted(negatives, scores, side="right")
    upto = np.searchsorted(positives, scores) + np.searchsorted(positives, scores, side="right")
    return below / (2 * len(negatives)), (2 * len(positives) - upto) / (2 * len(positives))


def area_of(scores: np.ndarray, positive: np.ndarray) -> Value:
    """AUC with the square-and-add of the score intervals of its two means of placements."""
    if positive.all() or not positive.any():
        return missing(ONE_KIND)
    below, above = placements(scores, positive)
    area = float(below[positive].mean())
    lo, hi = _both(area, (below, above), positive, UNSEEN)
    return value(area, max(lo, 0.0), min(hi, 1.0), len(scores))


def area_change(before: np.ndarray, after: np.ndarray, positive: np.ndarray) -> Value:
    """AUC after minus before of the same rows, from the rows' changes of placement."""
    if positive.all() or not positive.any():
        return missing(ONE_KIND)
    old, new = placements(before, positive), placements(after, positive)
    change = float(new[0][positive].mean()) - float(old[0][positive].mean())
    moved = (np.round(new[0] - old[0], 12), np.round(new[1] - old[1], 12))
    lo, hi = _both(change, moved, positive, UNSEEN_CHANGES)
    return value(change, max(lo, -1.0), min(hi, 1.0), len(before))


def _both(mean: float, parts: Sequence[np.ndarray], positive: np.ndarray, unseen: float) -> tuple[float, float]:
    ends = [_part(mean, every, own, unseen) for every, own in zip(parts, (positive, ~positive), strict=True)]
    return mean - math.hypot(*(mean - lo for lo, _ in ends)), mean + math.hypot(*(hi - mean for _, hi in ends))


def _part(mean: float, every: np.ndarray, own: np.ndarray, unseen: float) -> tuple[float, float]:
    """Limits of the mean of a part, on the scale of the smallest to the largest value of any row."""
    least, most = float(every.min()), float(every.max())
    if least == most == 0.5:
        least, most = 0.0, 1.0
    mine, others = every[own], every[~own]
    lo, hi = limits(mean, mine, least, most, unseen)
    places, times = np.unique(others, return_counts=True)
    place, tied = float(places[times.argmax()]), float(times.max()) / len(others)
    # all of this part on one side of where most others are: nothing else shows that it can be tied with them
    reach = tied * (mean - place) * wilson_ends(0, len(mine))[1]
    if mine.min() > place:
        lo = min(lo, mean - reach)
    if mine.max() < place:
        hi = max(hi, mean - reach)
    return lo, hi


def limits(
    mean: float, values: np.ndarray, least: float, most: float, unseen: float = UNSEEN, times: float = 1.0
) -> tuple[float, float]:
    """Wilson's limits of a mean on a scale, for n / rho rows; `times` the variance of independent rows."""
    n, width = len(values), most - least
    if values.min() == values.max():
        reach = wilson_ends(0, n / times)[1]
        return mean - reach * (mean - least), mean + reach * (most - mean)
    m = min(max((mean - least) / width, 0.0), 1.0)
    ratio = 1.0
    if 0 < m < 1:
        ratio = min(float(np.square(values - values.mean()).mean()) / width**2 / (m * (1 - m)), 1.0)
    rows = n / times / ((n * ratio + unseen) / (n + unseen))
    lo, hi = wilson_ends(m * rows, rows)
    return min(least + width * lo, mean), max(least + width * hi, mean)


# ------------------------------------------------------------------------------------------------ probes

FOLDS = 5
NOTHING = 1e-4
"""Of the spread of the column that varies most: a column with less is left out of a probe."""


@dataclass(frozen=True, eq=False)
class Read:
    """How well the groups are read: area, limits, and what each row adds to the error (n,)."""

    area: float
    lo: float
    hi: float
    parts: np.ndarray


def leakage_values(before: np.ndarray, after: np.ndarray, labels: np.ndarray, seed: int) -> tuple[Value, Value, Value]:
    """Areas of cross-validated linear probes on the same rows before and after, and their difference.

    Parameters
    ----------
    before, after : embeddings (n, d).
    labels : groups from 0 without gaps (n,).
    """
    sizes = np.bincount(labels)
    reason = None
    if len(sizes) < 2:
        reason = "a probe needs rows of at least two groups"
    elif sizes.min() < FOLDS:
        reason = f"a group has {sizes.min()} rows, fewer than the {FOLDS} folds of the probe"
    if reason is not None:
        return missing(reason), missing(reason), missing(reason)
    (old, old_scores), (new, new_scores) = (_read(x, labels, seed) for x in (before, after))
    n, reach = len(labels), 0.0
    if not (old_scores == new_scores).all():
        a, b = (old.hi - old.lo) / 2, (new.hi - new.lo) / 2
        reach = math.sqrt(max(a * a + b * b - 2 * _related(old.parts, new.parts, 0.0) * a * b, 0.0))
    change = new.area - old.area
    difference = value(change, max(change - reach, -1.0), min(change + reach, 1.0), n)
    return value(old.area, old.lo, old.hi, n), value(new.area, new.lo, new.hi, n), difference


def _related(a: np.ndarray, b: np.ndarray, undefined: float) -> float:
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else undefined


def _read(x: np.ndarray, labels: np.ndarray, seed: int) -> tuple[Read, np.ndarray]:
    """The mean over the groups, each against all others (of two the second), and all scores."""
    x = np.asarray(x, dtype=np.float64)
    d, spread = x.shape[1], x.std(axis=0)
    if (varies := spread > NOTHING * spread.max()).any():
        x = x[:, varies]
    n_groups = int(labels.max()) + 1
    groups = [1] if n_groups == 2 else list(range(n_groups))
    numbers = fold_numbers(labels, seed)
    folds = [(np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)) for fold in range(FOLDS)]
    scores = np.empty((len(labels), len(groups)))
    begun: dict[int, np.ndarray] = {}
    for fit, asked in folds:
        centre, size = x[fit].mean(axis=0), x[fit].std(axis=0)
        size[size == 0] = 1.0
        for column, group in enumerate(groups):
            own = (labels[fit] == group).astype(np.float64)
            begun[group] = fitted((x[fit] - centre) / size, own, begun.get(group))
            scores[asked, column] = (x[asked] - centre) / size @ begun[group][1:] + begun[group][0]
    tests = [asked for _, asked in folds]
    return _together([_inside_folds(scores[:, c], labels == g, tests, d) for c, g in enumerate(groups)]), scores


def fold_numbers(labels: np.ndarray, seed: int) -> np.ndarray:
    """The fold in which each row is asked (n,).

    Groups take their turn as they first appear. Of all labels in that order every fifth, from the f-th on, says how
    many rows of a group fold f has; which of the group's rows these are is shuffled by RandomState(seed).
    """
    generator, numbers = np.random.RandomState(seed), np.empty(len(labels), dtype=np.int64)
    turns = list(dict.fromkeys(labels.tolist()))
    in_order = np.repeat(turns, [int((labels == group).sum()) for group in turns])
    for group in turns:
        own = [fold for fold in range(FOLDS) for _ in range(int((in_order[fold::FOLDS] == group).sum()))]
        shuffled = np.array(own)
        generator.shuffle(shuffled)
        numbers[labels == group] = shuffled
    return numbers


def fitted(x: np.ndarray, positive: np.ndarray, begun: np.ndarray | None = None) -> np.ndarray:
    """Intercept and weights (1 + d,) of a logistic regression, penalised by half the weights' squared length.

    Iteratively reweighted least squares: each round solves the normal equations of the working response, and goes half
    of the way where the whole way makes the sum of log-losses and penalty larger.
    """
    rows = np.column_stack([np.ones(len(x)), x])
    penalty = np.ones(rows.shape[1])
    penalty[0] = 0.0
    at = np.zeros(rows.shape[1]) if begun is None else begun

    def loss(b: np.ndarray) -> float:
        eta = rows @ b
        return float((np.logaddexp(0.0, eta) - positive * eta).sum() + (penalty * b * b).sum() / 2)

    now = loss(at)
    for _ in range(100):
        eta = rows @ at
        chance = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        weight = np.maximum(chance * (1 - chance), 1e-15)
        weighted = rows * weight[:, None]
        normal = weighted.T @ rows + np.diag(penalty)
        towards = np.linalg.solve(normal, weighted.T @ eta + rows.T @ (positive - chance)) - at
        share = 1.0
        while (after := loss(at + share * towards)) > now and share > 1e-6:
            share /= 2
        if after > now:
            return at
        at, gained, now = at + share * towards, now - after, after
        if gained <= 1e-12 * len(x):
            return at
    return at


def _together(reads: Sequence[Read]) -> Read:
    """Mean of areas of the same rows; distances to the limits added with the correlations of the rows' parts."""
    mean, ends = math.fsum(one.area for one in reads) / len(reads), []
    for gaps in ([one.area - one.lo for one in reads], [one.hi - one.area for one in reads]):
        square = 0.0
        for i, a in enumerate(reads):
            for j, b in enumerate(reads):
                square += (1.0 if i == j else _related(a.parts, b.parts, 1.0)) * gaps[i] * gaps[j]
        ends.append(math.sqrt(max(square, 0.0)) / len(reads))
    parts = np.mean([one.parts for one in reads], axis=0)
    return Read(mean, max(mean - ends[0], 0.0), min(mean + ends[1], 1.0), parts)


def _inside_folds(scores: np.ndarray, positive: np.ndarray, tests: Sequence[np.ndarray], d: int) -> Read:
    """Share of the (positive, negative) pairs of rows of the same fold that are in order, with its limits."""
    ordered, pairs = 0.0, 0
    for asked in tests:
        own = positive[asked]
        both = int(own.sum()) * int((~own).sum())
        ordered += both * float(placements(scores[asked], own)[0][own].mean())
        pairs += both
    area, counts = ordered / pairs, (int(positive.sum()), int((~positive).sum()))
    times = 2 - _known(area, d, *counts) ** 2
    parts, down, up = np.empty(len(scores)), [], []
    for kind, every, n in zip((positive, ~positive), placements(scores, positive), counts, strict=True):
        own = every[kind]
        parts[kind] = (own - own.mean()) / n * math.sqrt(times)
        lo, hi = limits(area, own, 0.0, 1.0, times=times)
        down.append(area - lo)
        up.append(hi - area)
    return Read(area, max(area - math.hypot(*down), 0.0), min(area + math.hypot(*up), 1.0), parts)


def _known(area: float, d: int, n_pos: int, n_neg: int) -> float:
    """1 - tau: the root u of v u^2 + q^2 u = (1 - c) q^2; 0 where q = 0."""
    odd = 1 / n_pos + 1 / n_neg
    q2 = 2 * float(ndtri(max(area, 0.5))) ** 2 - 2 * odd
    c = min(d / ((n_pos + n_neg) * (FOLDS - 1) / FOLDS), 0.5)
    if q2 <= 0:
        return 0.0
    if math.isinf(q2):
        return 1 - c
    v = d * odd * FOLDS / (FOLDS - 1)
    return (math.sqrt(q2 * q2 + 4 * v * (1 - c) * q2) - q2) / (2 * v)
