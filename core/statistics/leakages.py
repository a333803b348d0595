"""Residual leakage: how well a linear probe still reads a group off embeddings. "Neuron off" is not "gone"."""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import expit, ndtri

from core.config import NOTHING, InputError
from core.statistics.areas import Area, area, auc, bounded_limits, correlation, mean_area, placements
from core.statistics.estimates import Estimate
from core.threads import one_thread

FOLDS = 5
NEWTON, GAIN = 200, 1e-12
"""Most steps of a fit, and the gain of its objective, for each row, under which it is at its end: scores are then known
to about 1e-6."""
SLOW = 0.1
"""Share of the last step's gain above which the curvature is made again."""


def probe_scores(x: np.ndarray, labels: np.ndarray, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Cross-validated scores (n, groups) of one probe a group against all others, rows by a probe that never saw them.

    Logistic regression on standardised columns, stratified folds. With two groups one column is enough and given.
    Scores of different folds come from different probes and are compared inside a fold only.

    Parameters
    ----------
    x : embeddings (n, d).
    labels : group of every row (n,), whole numbers from 0, at least `folds` rows of each.

    InputError where a group has fewer rows than folds, or there is one group only.
    """
    labels = np.asarray(labels)
    groups = _columns(labels)
    x = telling(np.asarray(x, dtype=np.float64))
    scores = np.empty((len(labels), len(groups)))
    starts: dict[int, Start] = {}  # folds share most of their rows: each begins where the last one ended
    with one_thread(x.size):
        for train, test in _splits(labels, folds, seed):
            scores[test] = _probe(x[train], labels[train], x[test], groups, starts)
    return scores


def telling(x: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """The columns of x (n, d) that vary: by more than NOTHING of the column that varies most.

    A probe standardises its columns. One that an edit has set to a constant would come out as large as any other,
    made of what rounding left in it.

    Parameters
    ----------
    like : rows (m, d) that decide which columns vary, where it is not x itself.
    """
    spread = (x if like is None else like).std(axis=0)
    varies = spread > NOTHING * spread.max(initial=0.0)
    return x[:, varies] if varies.any() else x


def probe_weights(x: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Weights w (d,) of the probe fitted on all rows: x w rises with the log odds that a row is positive.

    The logistic regression of `leakage_estimate`, whose weights v on the columns divided by their standard deviation s
    are w = v / s on the columns as given; 0 for a column that does not vary (`telling`).

    Parameters
    ----------
    x : embeddings (n, d).
    positive : which rows the probe is to tell from the others (n,), bool.

    InputError where all rows are of one kind.
    """
    x, positive = np.asarray(x, dtype=np.float64), np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        raise InputError("a probe needs rows of at least two groups")
    spread = x.std(axis=0)
    varies = spread > NOTHING * spread.max(initial=0.0)
    weights = np.zeros(x.shape[1])
    kept = x[:, varies]
    with one_thread(kept.size):
        weights[varies] = _regression((kept - kept.mean(axis=0)) / spread[varies], positive)[0] / spread[varies]
    return weights


def leakage_estimate(x: np.ndarray, labels: np.ndarray, seed: int = 0) -> Estimate:
    """AUC of a cross-validated linear probe for the group, over several groups the mean, with a 95 % interval.

    .5: nothing can be read, 1: everything. Five stratified folds: group by group, in order of first appearance, fold
    numbers 0 0 .. 1 1 .. are shuffled by RandomState(seed), fold f having as many of the group as stand at places f,
    f + 5, f + 10 .. of all sorted labels (scikit-learn's StratifiedKFold). Each fold's rows are scored by a logistic
    regression on the other folds' standardised columns, a group against all others: the w and b with the least
    |w|^2 / 2 + sum over the rows of ln(1 + exp(-+(x w + b))), found to the end (Newton's method). The AUC of a group is
    the share of the (positive, negative) pairs of rows of the same fold that are in order, ties one half: pairs of
    different folds are scored by different probes, and would take an AUC of noise below .5.

    Interval: DeLong's variance, from the placements V and W of all rows (`auc_estimate`), takes the probes as given,
    but they are made of the same rows, and an audit of other rows would make others. It is taken

        f = 2 - (1 - tau)^2

    times, tau being the share of noise in a probe's direction. Noise alone has tau = 1 and f = 2, since every pair of
    rows counts twice, once from each side; a direction that is known has f = 1. tau follows from the AUC A, d columns,
    n_1 and n_0 rows of the group and of the others and F folds, as in a linear discriminant:

        q^2 tau = c q^2 + v (1 - tau)^2,   q^2 = max(2 Phi^-1(max(A, 1/2))^2 - 2 (1/n_1 + 1/n_0), 0)
        v = d (1/n_1 + 1/n_0) F / (F - 1),   c = d / ((n_1 + n_0) (F - 1) / F), at most 1/2

    with tau = 1 where q = 0 and tau = c where A = 1.
    The limits of a group are then those of `auc_estimate` with two changes: the scale of both parts goes from 0 to 1
    (nothing is tied), and n / f rows are counted in the place of n, in w too, but not in rho. Groups are put together
    as in `mean_area`. An AUC of exactly 1 has a width. About other rows like these, for probes of this kind and size:
    the mean of what such audits would find. Covers 93 to 98 % for 200 to 1,500 rows, 20 to 300 columns, 2, 3 and 7
    groups, and up to 99 % with a group of a dozen rows that is read well.

    Parameters
    ----------
    x : embeddings (n, d).
    labels : group of every row (n,). Rows of unknown group are left out by the caller.

    Missing, with the reason, where no probe can be made.
    """
    labels = np.unique(labels, return_inverse=True)[1]
    try:
        mean = _cross_validated(x, labels, seed)[0]
    except InputError as error:
        return Estimate.missing(str(error))
    return _estimate(mean, len(labels))


def leakage(
    before: np.ndarray, after: np.ndarray, labels: np.ndarray, seed: int = 0
) -> tuple[Estimate, Estimate, Estimate]:
    """`leakage_estimate` on the same rows and folds before and after an edit, and their paired difference.

    With h half the length of each interval and r the correlation of the rows' parts, the difference is within
    sqrt(h_before^2 + h_after^2 - 2 r h_before h_after): 0 where both arms are scored alike. r = 0 where the parts of
    one arm do not vary. `labels` (n,) are group numbers from 0; rows of unknown group are left out by the caller.
    Missing, with the reason, where no probe can be made.
    """
    try:
        (old, old_scores), (new, new_scores) = (_cross_validated(x, np.asarray(labels), seed) for x in (before, after))
    except InputError as error:
        missing = Estimate.missing(str(error))
        return missing, missing, missing
    n = len(labels)
    change = 0.0
    if not np.array_equal(old_scores, new_scores):
        halves = [(estimate.hi - estimate.lo) / 2 for estimate in (old, new)]
        related = correlation(np.array([old.parts, new.parts]), undefined=0.0)[0, 1]
        change = math.sqrt(max(halves[0] ** 2 + halves[1] ** 2 - 2 * related * halves[0] * halves[1], 0.0))
    value = new.value - old.value
    difference = Estimate(value, max(value - change, -1.0), min(value + change, 1.0), n)
    return _estimate(old, n), _estimate(new, n), difference


def held_out_leakage(x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, labels_test: np.ndarray) -> Estimate:
    """AUC on test rows of a probe fitted once on other rows, such as the probe half; several groups: the mean.

    What `leakage` asks by cross-validation, for one fit instead of five: where many edits are compared. The interval
    is `auc_estimate`'s, several groups put together as in `mean_area`: about other rows that this probe is asked on.
    Missing where the rows that fit do not hold the same groups as those that are asked.

    Parameters
    ----------
    x, x_test : embeddings (n, d) and (m, d).
    labels, labels_test : group numbers from 0; -1 is unknown and left out.
    """
    fitted, asked = labels >= 0, labels_test >= 0
    groups = np.unique(labels[fitted])
    if len(groups) < 2 or not np.array_equal(groups, np.unique(labels_test[asked])):
        return Estimate.missing("the rows that fit the probe do not hold the same groups")
    given, other = (np.asarray(rows, dtype=np.float64) for rows in (x[fitted], x_test[asked]))
    train, test = telling(given), telling(other, given)
    places = np.searchsorted(groups, labels[fitted]), np.searchsorted(groups, labels_test[asked])
    with one_thread(train.size):
        scores = _probe(train, places[0], test, _columns(places[0]))
    return _estimate(mean_area(_areas(scores, places[1])), len(test))


# -------------------------------------------------------------------------------------------------------- probes


def _columns(labels: np.ndarray) -> list[int]:
    """Groups that have a probe of their own: of two, the second."""
    groups = int(labels.max(initial=-1)) + 1
    return [1] if groups == 2 else list(range(groups))


def _splits(labels: np.ndarray, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that fit and rows that are asked, fold by fold; see `leakage_estimate`."""
    sizes = np.bincount(labels)
    if len(sizes) < 2:
        raise InputError("a probe needs rows of at least two groups")
    if sizes.min() < folds:
        raise InputError(f"a group has {sizes.min()} rows, fewer than the {folds} folds of the probe")
    rng = np.random.RandomState(seed)
    first = np.unique(labels, return_index=True)[1]
    order = np.argsort(first)
    place = np.argsort(order)[labels]
    ordered, fold = np.sort(place), np.empty(len(labels), dtype=np.int64)
    each = np.stack([np.bincount(ordered[f::folds], minlength=len(sizes)) for f in range(folds)])
    for group in range(len(sizes)):
        given = np.repeat(np.arange(folds), each[:, group])
        rng.shuffle(given)
        fold[place == group] = given
    for f in range(folds):
        yield np.flatnonzero(fold != f), np.flatnonzero(fold == f)


Start = tuple[np.ndarray, float]


def _probe(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, groups: list[int], starts: dict[int, Start] | None = None
) -> np.ndarray:
    """Scores (m, groups) of the test rows by probes fitted on the others; the columns are standardised once.

    Parameters
    ----------
    starts : where the fit of each group begins; holds where it ended afterwards.
    """
    centre, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread == 0.0] = 1.0
    train, test = (train - centre) / spread, (test - centre) / spread
    starts = {} if starts is None else starts
    for group in groups:
        starts[group] = _regression(train, labels == group, starts.get(group))
    return np.stack([test @ starts[group][0] + starts[group][1] for group in groups], axis=-1)


def _regression(x: np.ndarray, positive: np.ndarray, start: Start | None = None) -> Start:
    """w (d,) and b of the logistic regression with |w|^2 / 2 as penalty, by Newton's method.

    The curvature is made, and solved, again only where steps with the last one gain too little: it costs as much as
    some hundred products of x with a vector, of which a step needs two. Steps that do not lower the objective are
    halved. Where the fit begins changes what it costs and not where it ends.
    """
    n, d = x.shape
    side = np.where(positive, 1.0, -1.0)
    at = np.zeros(d + 1) if start is None or len(start[0]) != d else np.append(*start)
    margin = x @ at[:-1] + at[-1]
    value = _loss(side * margin, at)
    inverse, last = None, 0.0
    for _ in range(NEWTON):
        wrong = expit(-side * margin)
        pull = -side * wrong
        gradient = np.append(pull @ x + at[:-1], pull.sum())
        if inverse is None:
            bend = wrong * (1.0 - wrong)
            curvature = np.empty((d + 1, d + 1))
            curvature[:-1, :-1] = (x * bend[:, None]).T @ x
            curvature[-1, :-1] = curvature[:-1, -1] = bend @ x
            curvature[-1, -1] = bend.sum() + 1e-12
            curvature[np.arange(d), np.arange(d)] += 1.0
            inverse, fresh = np.linalg.inv(curvature), True
        step = -(inverse @ gradient)
        if -(gradient @ step) <= 2 * GAIN * n and fresh:
            break
        along = x @ step[:-1] + step[-1]
        size, before = 1.0, value
        while (value := _loss(side * (margin + size * along), at + size * step)) > before and size > 1e-6:
            size /= 2
        if value > before:
            if fresh:
                break
            inverse, value = None, before
            continue
        at, margin, gain = at + size * step, margin + size * along, before - value
        if (not fresh and gain > SLOW * last) or size < 1.0:
            inverse = None
        elif gain <= GAIN * n:
            break
        fresh, last = False, gain
    return at[:-1], float(at[-1])


def _loss(right: np.ndarray, at: np.ndarray) -> float:
    """The objective, from how far each row is on its own side."""
    return float(np.logaddexp(0.0, -right).sum() + at[:-1] @ at[:-1] / 2)


# --------------------------------------------------------------------------------------------------------- areas


def _areas(scores: np.ndarray, labels: np.ndarray) -> list[Area]:
    groups = [1] if scores.shape[1] == 1 else range(scores.shape[1])
    areas = [area(scores[:, column], labels == group) for column, group in enumerate(groups)]
    return [each for each in areas if each is not None]


def _cross_validated(x: np.ndarray, labels: np.ndarray, seed: int) -> tuple[Area, np.ndarray]:
    """The mean over the groups of the AUC inside folds, and the scores."""
    scores = probe_scores(x, labels, seed=seed)
    tests = [test for _, test in _splits(labels, FOLDS, seed)]
    d = np.shape(x)[1]
    areas = [_within_folds(scores[:, c], labels == g, tests, d) for c, g in enumerate(_columns(labels))]
    return mean_area(areas), scores


def _within_folds(scores: np.ndarray, positive: np.ndarray, tests: list[np.ndarray], d: int) -> Area:
    """AUC over the pairs of rows of the same fold, with the limits of `leakage_estimate`."""
    pairs = [int(positive[test].sum()) * int((~positive[test]).sum()) for test in tests]
    value = float(np.average([auc(scores[test], positive[test]) for test in tests], weights=pairs))
    counts = int(positive.sum()), int((~positive).sum())
    times = _inflation(value, d, *counts, len(tests))
    parts, gaps = np.empty(len(scores)), []
    for kind, places, n in zip((positive, ~positive), placements(scores, positive), counts, strict=True):
        parts[kind] = (places - places.mean()) / n * math.sqrt(times)
        lo, hi = bounded_limits(value, places, 0.0, 1.0, inflation=times)
        gaps.append((value - lo, hi - value))
    down, up = (math.hypot(*side) for side in zip(*gaps, strict=True))
    return Area(value, max(value - down, 0.0), min(value + up, 1.0), parts)


def _inflation(value: float, d: int, n_pos: int, n_neg: int, folds: int) -> float:
    """How many times DeLong's variance an AUC over folds has: f of `leakage_estimate`."""
    fitted = (n_pos + n_neg) * (folds - 1) / folds
    left = 1 - min(d / fitted, 0.5)
    noise = d * (1 / n_pos + 1 / n_neg) * folds / (folds - 1)
    signal = 2 * float(ndtri(max(value, 0.5))) ** 2 - 2 * (1 / n_pos + 1 / n_neg)
    # the root of v u^2 + q^2 u = (1 - c) q^2, u = 1 - tau
    known = 2 * left / (1 + math.sqrt(1 + 4 * noise * left / signal)) if signal > 0 else 0.0
    return 2 - known**2


def _estimate(whole: Area, n: int) -> Estimate:
    return Estimate(whole.value, whole.lo, whole.hi, n)
