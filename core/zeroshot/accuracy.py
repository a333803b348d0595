"""Accuracy of a zero-shot classification: overall, for the group served worst, and what an edit changes about it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.config import UNKNOWN, InputError
from core.statistics import DRAWS, Estimate, Picked, gap_to_smallest, share_estimate, smallest_accuracy, wilson
from core.tables import natural


@dataclass(frozen=True)
class ZeroshotResult:
    """Share of rows given their own group, over all rows with a known group and for each cell.

    A cell is a group of the classified attribute, or its intersection with a group of a second attribute. All are in
    [0, 1], larger is better; chance is about 1 / number of groups. Rows with an unknown group are counted, not used.
    """

    attribute: str
    accuracy: Estimate
    by_group: dict[str, Estimate]
    worst_group: str | None
    """The cell with the lowest accuracy, the first of equals; None without rows."""
    worst: Picked
    """Its accuracy, with an interval that knows that it was picked; its own in `by_group` does not."""
    gap: Estimate
    """accuracy - accuracy of the worst group; 0: all groups are served alike."""
    n: int
    """Rows measured."""
    unknown: int
    """Rows without a known group (of either attribute)."""
    outside: dict[str, int]
    """Rows whose group has no class prompt, by group; they are not measured."""
    right: np.ndarray = field(repr=False)
    """Right or wrong for every measured row (n,) bool."""
    cells: np.ndarray = field(repr=False)
    """Place of every measured row's cell in `by_group` (n,)."""

    def to_json(self) -> dict[str, Any]:
        return {
            "attribute": self.attribute,
            "accuracy": self.accuracy.to_json(),
            "by_group": {cell: estimate.to_json() for cell, estimate in self.by_group.items()},
            "worst_group": {"group": self.worst_group, **self.worst.to_json()},
            "gap": self.gap.to_json(),
            "n": self.n,
            "unknown": self.unknown,
            "outside": self.outside,
        }


def evaluate(
    predictions: np.ndarray,
    labels: Sequence[str | None] | np.ndarray,
    classes: Sequence[str],
    attribute: str,
    by: Sequence[str | None] | np.ndarray | None = None,
) -> ZeroshotResult:
    """Accuracy overall, per cell, of the worst cell, and their gap.

    Intervals: overall and per cell Wilson's; of the worst cell and of the gap those that know that it was picked.

    Parameters
    ----------
    predictions : class numbers (n,) from `classify`.
    labels : the rows' groups; None where unknown.
    classes : groups in the order of the class numbers.
    by : groups of a second attribute; given, the cells are the intersections that occur.

    Raises
    ------
    InputError : no row has a known group with a class prompt.
    """
    truth, unknown, outside = _numbers(labels, classes)
    names, cell = list(classes), truth
    if by is not None:
        others = sorted({str(v) for v in by if _known(v)}, key=natural)
        second, _, _ = _numbers(by, others)
        unknown = int(np.sum([not (_known(a) and _known(b)) for a, b in zip(labels, by, strict=True)]))
        names = [f"{a} × {b}" for a in classes for b in others]
        cell = np.where((truth >= 0) & (second >= 0), truth * len(others) + second, -1)
    kept = np.flatnonzero(cell >= 0)
    if not len(kept):
        raise InputError(f"no row has a known group of {attribute} among {', '.join(classes)}")
    present, cells = np.unique(cell[kept], return_inverse=True)
    right = np.asarray(predictions)[kept] == truth[kept]
    good, count = np.bincount(cells, weights=right), np.bincount(cells)
    by_group = {names[c]: share_estimate(int(g), int(m)) for c, g, m in zip(present, good, count, strict=True)}
    worst = int(np.argmin(good / count))
    return ZeroshotResult(
        attribute=attribute,
        accuracy=share_estimate(int(right.sum()), len(right)),
        by_group=by_group,
        worst_group=list(by_group)[worst],
        worst=smallest_accuracy(good, count),
        gap=_gap(good, count),
        n=len(right),
        unknown=unknown,
        outside=outside,
        right=right,
        cells=cells,
    )


@dataclass(frozen=True)
class ZeroshotDifference:
    """After minus before on the same rows; 0: nothing changed, negative: the edit cost accuracy."""

    accuracy: Estimate
    by_group: dict[str, Estimate]
    worst: Estimate
    """Lowest cell accuracy after minus lowest before; they need not be the same cell."""
    gap: Estimate
    """Positive where the edit widened the gap."""

    def to_json(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy.to_json(),
            "by_group": {cell: estimate.to_json() for cell, estimate in self.by_group.items()},
            "worst_group": self.worst.to_json(),
            "gap": self.gap.to_json(),
        }


def difference(before: ZeroshotResult, after: ZeroshotResult, draws: int = DRAWS, seed: int = 0) -> ZeroshotDifference:
    """Paired differences of two results on the same rows and cells.

    accuracy and cells: Newcombe's score interval for paired shares; worst group and gap: the intervals before and
    after, which know that a cell was picked, joined with the correlation of a paired bootstrap over rows.
    """
    if list(before.by_group) != list(after.by_group) or not np.array_equal(before.cells, after.cells):
        raise InputError(
            "two zero-shot results of different rows or cells were compared; measure both on the same rows"
        )
    cells = {
        name: paired_share_difference(before.right[mask], after.right[mask])
        for name, mask in ((name, before.cells == i) for i, name in enumerate(before.by_group))
    }
    of_worst, of_gap = _agreement(before, after, draws, seed)
    worst = _picked_difference(before.worst, after.worst, of_worst, before.n)
    gap = _picked_difference(before.gap, after.gap, of_gap, before.n)
    return ZeroshotDifference(paired_share_difference(before.right, after.right), cells, worst, gap)


def paired_share_difference(before: np.ndarray, after: np.ndarray) -> Estimate:
    """Share of `after` minus share of `before`, both bool (n,) on the same rows, with its 95 % interval.

    Newcombe's score interval with continuity-corrected phi (Newcombe 1998, Statistics in Medicine 17, 2635, method
    10): it never leaves [-1, 1] and has a width even where no row changed. Missing where n = 0.
    """
    n = len(before)
    if n == 0:
        return Estimate.missing("no rows")
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    margins = float(before.sum()) * float(n - before.sum()) * float(after.sum()) * float(n - after.sum())
    covariance = float(both * neither - lost * won)
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / np.sqrt(margins) if margins else 0.0
    p, q = after.mean(), before.mean()
    (p_lo, p_hi), (q_lo, q_hi) = wilson(after.sum(), n), wilson(before.sum(), n)
    down = (p - p_lo) ** 2 - 2 * phi * (p - p_lo) * (q_hi - q) + (q_hi - q) ** 2
    up = (p_hi - p) ** 2 - 2 * phi * (p_hi - p) * (q - q_lo) + (q - q_lo) ** 2
    d = (won - lost) / n
    return Estimate(d, float(d - np.sqrt(down)), float(d + np.sqrt(up)), n)


def _gap(good: np.ndarray, count: np.ndarray) -> Estimate:
    """Overall minus worst; with one cell there is none."""
    return gap_to_smallest(good, count) if len(count) > 1 else Estimate(0.0, 0.0, 0.0, int(count.sum()))


def _agreement(before: ZeroshotResult, after: ZeroshotResult, draws: int, seed: int) -> tuple[float, float]:
    """Correlation of worst accuracies, and of gaps, before and after: rows are drawn anew, their two answers together.

    Drawing rows is drawing the counts of (cell, before, after). Held below 1 by Newcombe's correction for whole rows,
    so that a difference has a width even where no answer changed. 0 where another cell is the worst one afterwards:
    these are other rows.
    """
    if before.worst_group != after.worst_group:
        return 0.0, 0.0
    kinds = before.cells * 4 + before.right * 2 + after.right
    counts = np.bincount(kinds, minlength=4 * len(before.by_group))
    drawn = np.random.default_rng(seed).multinomial(before.n, counts / before.n, size=draws)
    drawn = drawn.reshape(draws, -1, 4).astype(np.float64)
    size = drawn.sum(axis=2)
    overall, worst = [], []
    for columns in ([2, 3], [1, 3]):  # right before, right after
        good = drawn[:, :, columns].sum(axis=2)
        share = np.divide(good, size, out=np.full_like(good, np.inf), where=size > 0)
        overall.append(good.sum(axis=1) / before.n)
        worst.append(share.min(axis=1))
    p, n = after.worst.estimate, after.worst.n
    assert p is not None and n is not None, "the cells have rows"
    most = max(1.0 - 1.0 / (2 * n * max(p * (1 - p), 1 / n)), 0.0)
    gaps = [whole - lowest for whole, lowest in zip(overall, worst, strict=True)]
    return min(_correlation(*worst), most), min(_correlation(*gaps), most)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-12 else 0.0


def _picked_difference(before: Estimate, after: Estimate, correlation: float, n: int) -> Estimate:
    """After minus before of two numbers that were each picked as the lowest, not always of the same cell.

    The distances from each corrected value to its ends are added as variances are, with the correlation (MOVER: Zou
    and Donner 2008, Statistics in Medicine 27, 1693; Newcombe's interval is its case of two shares).
    """
    if not isinstance(before, Picked) or not isinstance(after, Picked):
        return Estimate(0.0, 0.0, 0.0, n)
    old, was, old_lo, old_hi = _ends(before)
    new, now, new_lo, new_hi = _ends(after)

    def reach(up: float, down: float) -> float:
        return float(np.sqrt(max(up**2 - 2 * correlation * up * down + down**2, 0.0)))

    lo = now - was - reach(now - new_lo, old_hi - was)
    hi = now - was + reach(new_hi - now, was - old_lo)
    d = new - old
    return Estimate(d, min(lo, d), max(hi, d), n)


def _ends(picked: Picked) -> tuple[float, float, float, float]:
    """Estimate, corrected value and both ends of a number that was picked of cells with rows."""
    value, corrected, lo, hi = picked.estimate, picked.corrected, picked.lo, picked.hi
    assert value is not None and corrected is not None and lo is not None and hi is not None, "the cells have rows"
    return value, corrected, lo, hi


def _known(label: Any) -> bool:
    return label is not None and label == label and label != UNKNOWN  # NaN is unequal to itself


def _numbers(
    labels: Sequence[str | None] | np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, int, dict[str, int]]:
    """Class number of every row (-1: none), rows of unknown group, and rows of groups that are no class."""
    place = {name: i for i, name in enumerate(classes)}
    labels = list(labels)
    counts = Counter(labels)  # labels repeat: what is to be known of one is found once
    number = {v: place.get(str(v), -1) if _known(v) else -1 for v in counts}
    numbers = np.array([number[v] for v in labels], dtype=np.int64)
    outside: Counter[str] = Counter()
    for v, n in counts.items():
        if _known(v) and str(v) not in place:
            outside[str(v)] += n
    return numbers, sum(n for v, n in counts.items() if not _known(v)), dict(sorted(outside.items()))
