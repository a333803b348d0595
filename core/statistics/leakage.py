"""Residual leakage: how well a linear probe still reads a group off embeddings. "Neuron off" is not "gone"."""

import math

import numpy as np

from core.config import NOTHING, InputError
from core.statistics.areas import auc, placements
from core.statistics.estimates import Estimate

FOLDS = 5


def probe_scores(x: np.ndarray, labels: np.ndarray, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Cross-validated scores (n, groups) of one probe a group against all others, rows by a probe that never saw them.

    Logistic regression on standardised columns, stratified folds. With two groups one column is enough and given.

    Parameters
    ----------
    x : embeddings (n, d).
    labels : group of every row (n,), whole numbers from 0, at least `folds` rows of each.

    InputError where a group has fewer rows than folds, or there is one group only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = np.asarray(labels)
    sizes = np.bincount(labels)
    if len(sizes) < 2:
        raise InputError("a probe needs rows of at least two groups")
    if sizes.min() < folds:
        raise InputError(f"a group has {sizes.min()} rows, fewer than the {folds} folds of the probe")
    x = telling(np.asarray(x, dtype=np.float64))
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, labels))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    groups = [1] if len(sizes) == 2 else range(len(sizes))
    columns = [cross_val_predict(probe, x, labels == g, cv=splits, method="decision_function") for g in groups]
    return np.stack(columns, axis=-1)


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


def macro_auc(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over groups of the AUC of each against all others, and what every row adds to its error (n,).

    .5: nothing can be read, 1: everything. The sum of squares of the rows' parts is DeLong's variance, so that the
    variance of a difference on the same rows is the sum of squares of the parts' difference.
    """
    labels = np.asarray(labels)
    groups = [1] if scores.shape[1] == 1 else range(scores.shape[1])
    values, parts = [], np.zeros(len(labels))
    for column, group in enumerate(groups):
        positive = labels == group
        value = auc(scores[:, column], positive)
        below, above = placements(scores[:, column], positive)
        parts[positive] += (below - value) / len(below)
        parts[~positive] += (above - value) / len(above)
        values.append(value)
    return float(np.mean(values)), parts / len(values)


def leakage(
    before: np.ndarray, after: np.ndarray, labels: np.ndarray, seed: int = 0
) -> tuple[Estimate, Estimate, Estimate]:
    """AUC of a cross-validated probe on the same rows before and after an edit, and their paired difference.

    The interval is DeLong's: about other rows like these, for probes of this kind and size. `labels` (n,) are group
    numbers from 0; rows of unknown group are left out by the caller. Missing, with the reason, where no probe can be
    made.
    """
    try:
        found = [macro_auc(probe_scores(x, labels, seed=seed), labels) for x in (before, after)]
    except InputError as error:
        missing = Estimate.missing(str(error))
        return missing, missing, missing
    (old, old_parts), (new, new_parts) = found
    n = len(labels)
    change = _estimate(new - old, new_parts - old_parts, n, -1.0)
    return _estimate(old, old_parts, n, 0.0), _estimate(new, new_parts, n, 0.0), change


def held_out_leakage(x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, labels_test: np.ndarray) -> Estimate:
    """AUC on test rows of a probe fitted once on other rows, such as the probe half; several groups: the mean.

    What `leakage` asks by cross-validation, for one fit instead of five: where many edits are compared. The interval
    is DeLong's. Missing where the rows that fit do not hold the same groups as those that are asked.

    Parameters
    ----------
    x, x_test : embeddings (n, d) and (m, d).
    labels, labels_test : group numbers from 0; -1 is unknown and left out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted, asked = labels >= 0, labels_test >= 0
    groups = np.unique(labels[fitted])
    if len(groups) < 2 or not np.array_equal(groups, np.unique(labels_test[asked])):
        return Estimate.missing("the rows that fit the probe do not hold the same groups")
    given, other = (np.asarray(rows, dtype=np.float64) for rows in (x[fitted], x_test[asked]))
    train, test = telling(given), telling(other, given)
    places = [1] if len(groups) == 2 else range(len(groups))
    columns = []
    for place in places:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        columns.append(probe.fit(train, labels[fitted] == groups[place]).decision_function(test))
    value, parts = macro_auc(np.stack(columns, axis=-1), np.searchsorted(groups, labels_test[asked]))
    return _estimate(value, parts, len(test), 0.0)


def _estimate(value: float, parts: np.ndarray, n: int, least: float) -> Estimate:
    half = 1.96 * math.sqrt(float((parts**2).sum()))
    return Estimate(value, max(value - half, least), min(value + half, 1.0), n)
