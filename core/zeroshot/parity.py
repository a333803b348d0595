"""Group fairness of a classification: demographic parity and equalised odds differences, as fairlearn defines them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import InputError
from core.statistics import DRAWS, LEVEL, Estimate

NAMES = ("demographic_parity_difference", "equalized_odds_difference")


@dataclass(frozen=True)
class ParityResult:
    """How differently the groups of an attribute are classified, for every class against all others.

    demographic parity difference: largest minus smallest share of a group's rows that are given the class.
    equalised odds difference: the larger of the same gap among rows of the class (true positive rates) and among all
    other rows (false positive rates). Both in [0, 1]; 0: all groups are treated alike. As fairlearn counts, a rate
    without rows is 0 and enters the gap: such groups are named in `notes`.
    """

    by_class: dict[str, tuple[Estimate, Estimate]]
    """Class -> (demographic parity difference, equalised odds difference)."""
    notes: tuple[str, ...] = ()

    def worst(self, name: str) -> Estimate:
        """The largest difference among the classes, the first of equals; two classes share their parity difference."""
        place = NAMES.index(name)
        gaps = [pair[place] for pair in self.by_class.values()]
        known = [(gap.estimate, -at) for at, gap in enumerate(gaps) if gap.estimate is not None]
        return gaps[-max(known)[1]] if known else gaps[0]

    def to_json(self) -> dict[str, Any]:
        classes = {
            name: {gap: estimate.to_json() for gap, estimate in zip(NAMES, pair, strict=True)}
            for name, pair in self.by_class.items()
        }
        return {
            **{name: self.worst(name).to_json() for name in NAMES},
            "parity_by_class": classes,
            "notes": list(self.notes),
        }


def parity_differences(y_true: np.ndarray, y_pred: np.ndarray, groups: Sequence[Any]) -> tuple[float, float]:
    """Demographic parity and equalised odds differences (worst case, between groups) of a yes-or-no classification.

    Computed by fairlearn; refused is also what fairlearn would count without a word: labels other than 0 and 1,
    scores, and rows of unknown group.

    Parameters
    ----------
    y_true, y_pred : 0 or 1 for every row (n,).
    groups : group of every row (n,), none missing.
    """
    y_true, y_pred, group_of = np.asarray(y_true), np.asarray(y_pred), np.asarray(groups, dtype=object)
    _require_binary(y_true, y_pred, group_of)
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    # rows that are alike are counted, not passed one by one: the same rates of whole numbers
    names, group = np.unique(group_of.astype(str), return_inverse=True)
    counts = np.bincount(group * 4 + y_true.astype(np.int64) * 2 + y_pred.astype(np.int64))
    kinds = np.flatnonzero(counts)
    of = {"sensitive_features": names[kinds // 4], "sample_weight": counts[kinds]}
    return (
        float(demographic_parity_difference(kinds // 2 % 2, kinds % 2, **of)),
        float(equalized_odds_difference(kinds // 2 % 2, kinds % 2, **of)),
    )


def parity(
    predictions: np.ndarray,
    truth: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> ParityResult:
    """Both differences for every class that occurs, with percentile intervals of a bootstrap over rows.

    Both are non-negative, so that near 0 the interval leans upwards: compare arms by their paired difference.

    Parameters
    ----------
    predictions, truth : class numbers (n,).
    groups : group of every row (n,), none missing.
    """
    tables = _tables(predictions, truth, groups, len(classes))
    drawn = _redrawn(tables[None], draws, seed)
    by_class: dict[str, tuple[Estimate, Estimate]] = {}
    notes: list[str] = []
    names = sorted(set(map(str, groups)))
    for c in np.unique(truth):
        values = parity_differences(truth == c, np.asarray(predictions) == c, groups)
        parity_gap, odds_gap = (
            _percentile(value, sample, len(truth))
            for value, sample in zip(values, _gaps(drawn[0], int(c)), strict=True)
        )
        by_class[classes[c]] = (parity_gap, odds_gap)
        notes += _empty_rates(tables, int(c), classes[c], names)
    return ParityResult(by_class, tuple(notes))


def parity_change(
    before: np.ndarray,
    after: np.ndarray,
    truth: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """After minus before of the worst class's differences, paired: a row's two answers stay together.

    Negative: the groups are treated more alike than before.

    Many parameters: both predictions, what is true of the rows, and how the change is tested.
    """
    tables = _tables(np.asarray(before) * len(classes) + after, truth, groups, len(classes), len(classes) ** 2)
    both = _redrawn(tables[None], draws, seed)[0]
    both = np.concatenate([tables[None], both])
    pairs = both.reshape(*both.shape[:-1], len(classes), len(classes))
    worst = [_worst_gaps(pairs.sum(axis=axis), np.unique(truth)) for axis in (-1, -2)]
    change = [b - a for a, b in zip(*worst, strict=True)]
    return {name: _percentile(float(c[0]), c[1:], len(truth)) for name, c in zip(NAMES, change, strict=True)}


def _require_binary(y_true: np.ndarray, y_pred: np.ndarray, groups: np.ndarray) -> None:
    """InputError for what is no yes-or-no classification of rows with known groups."""
    lengths = {"labels": len(y_true), "predictions": len(y_pred), "groups": len(groups)}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{n} {what}" for what, n in lengths.items())
        raise InputError(f"{counts}: expected one of each for every row")
    if not len(y_true):
        raise InputError("there is no row to compare groups on; loosen the restriction")
    for what, values in (("labels", y_true), ("predictions", y_pred)):
        if values.dtype == object or not np.isin(values, (0, 1)).all():
            strange = next(v for v in values.tolist() if v not in (0, 1))
            raise InputError(f"{what} hold {strange!r}; expected 0 or 1 for every row")
    if any(group is None or group != group for group in groups):  # NaN is unequal to itself
        raise InputError("a row has no known group; leave such rows out and say how many")


def _tables(
    predictions: np.ndarray, truth: np.ndarray, groups: Sequence[str], classes: int, answers: int | None = None
) -> np.ndarray:
    """Rows of each (group, true class, answer), int64 (groups, classes, answers)."""
    _, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    answers = answers or classes
    shape = (int(group.max()) + 1, classes, answers)
    kinds = (group * classes + np.asarray(truth)) * answers + np.asarray(predictions)
    return np.bincount(kinds, minlength=int(np.prod(shape))).reshape(shape)


def _redrawn(tables: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Tables of rows drawn anew from all rows: drawing rows is drawing the counts of their kinds."""
    flat = tables.reshape(len(tables), -1)
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(int(counts.sum()), counts / counts.sum(), size=draws) for counts in flat]
    return np.stack(drawn).reshape(len(tables), draws, *tables.shape[1:])


def _gaps(tables: np.ndarray, c: int) -> tuple[np.ndarray, np.ndarray]:
    """Both differences of class `c` for many tables (draws, groups, classes, classes)."""
    given, size = tables[..., c].sum(axis=-1), tables.sum(axis=(-1, -2))
    positive, hits = tables[..., c, :].sum(axis=-1), tables[..., c, c]
    rates = ((given, size), (hits, positive), (given - hits, size - positive))
    selection, true_positive, false_positive = (_spread(*pair) for pair in rates)
    return selection, np.maximum(true_positive, false_positive)


def _spread(hits: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Largest minus smallest rate over groups (draws, groups); a rate without rows is 0."""
    rate = np.divide(hits, size, out=np.zeros(hits.shape), where=size > 0)
    return rate.max(axis=-1) - rate.min(axis=-1)


def _worst_gaps(tables: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gaps = [_gaps(tables, int(c)) for c in classes]
    return np.max([pair[0] for pair in gaps], axis=0), np.max([pair[1] for pair in gaps], axis=0)


def _percentile(value: float, draws: np.ndarray, n: int) -> Estimate:
    lo, hi = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, min(float(lo), value), max(float(hi), value), n)


def _empty_rates(tables: np.ndarray, c: int, name: str, groups: Sequence[str]) -> list[str]:
    """Groups that have no row of the class, or none of any other."""
    positive = tables[:, c].sum(axis=-1)
    others = tables.sum(axis=(1, 2)) - positive
    notes = []
    for group, members, rest in zip(groups, positive, others, strict=True):
        if not members:
            notes.append(f"{group} has no row of {name}: its true positive rate counts as 0")
        if not rest:
            notes.append(f"{group} has only rows of {name}: its false positive rate counts as 0")
    return notes
