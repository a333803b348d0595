"""Zero-shot accuracies before and after an edit: all rows, every group, the worst one, and their paired differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.verify.own.picked import gap_below_all, lowest_accuracy
from core.verify.own.values import DRAWS, Value, aimed, share_of, value, wilson_ends


@dataclass(frozen=True, eq=False)
class Answers:
    """Right or wrong answers for the rows whose group has a class prompt, before and after."""

    classes: tuple[str, ...]
    """Groups that such rows hold, in the order of the class prompts."""
    truth: np.ndarray
    """Place in `classes` of each row (n,)."""
    before: np.ndarray
    """Right before (n,) bool."""
    after: np.ndarray


def accuracy_document(
    attribute: str, answers: Answers, unknown: int, outside: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Blocks before, after and difference of one attribute.

    Parameters
    ----------
    unknown : searched rows without a known group.
    outside : rows of groups without a class prompt.
    """
    arms, blocks = {}, {}
    for name in ("before", "after"):
        right = getattr(answers, name)
        good, n = _by_class(answers, right)
        shares = [share_of(x, m) for x, m in zip(good, n, strict=True)]
        worst = min(range(len(n)), key=lambda g: good[g] / n[g])
        lowest, gap = _picked(tuple(good), tuple(n))
        arms[name] = (worst, lowest, gap)
        blocks[name] = {
            "attribute": attribute,
            "accuracy": aimed(share_of(int(right.sum()), len(right))),
            "by_group": {group: aimed(share) for group, share in zip(answers.classes, shares, strict=True)},
            "worst_group": aimed({"group": answers.classes[worst], **lowest}),
            "gap": aimed(gap),
            "n": len(right),
            "unknown": unknown,
            "outside": dict(outside),
        }
    blocks["difference"] = _difference(answers, arms, seed)
    return blocks


@lru_cache(maxsize=512)
def _picked(good: tuple[int, ...], n: tuple[int, ...]) -> tuple[Value, Value]:
    """The lowest accuracy and the gap to it; an edit often leaves the counts of right answers as they were."""
    return lowest_accuracy(good, n), gap_below_all(good, n)


def _by_class(answers: Answers, right: np.ndarray) -> tuple[list[int], list[int]]:
    places = range(len(answers.classes))
    return [int(right[answers.truth == g].sum()) for g in places], [int((answers.truth == g).sum()) for g in places]


def _difference(answers: Answers, arms: Mapping[str, tuple[int, Value, Value]], seed: int) -> dict[str, Any]:
    (worst, lowest, gap), (worst_after, lowest_after, gap_after) = arms["before"], arms["after"]
    related = _related(answers, lowest_after, seed) if worst == worst_after else (0.0, 0.0)
    by_group = {}
    for g, group in enumerate(answers.classes):
        own = answers.truth == g
        by_group[group] = aimed(paired_shares(answers.before[own], answers.after[own]))
    return {
        "accuracy": aimed(paired_shares(answers.before, answers.after)),
        "by_group": by_group,
        "worst_group": aimed(_picked_change(lowest, lowest_after, related[0], len(answers.truth))),
        "gap": aimed(_picked_change(gap, gap_after, related[1], len(answers.truth))),
    }


def paired_shares(before: np.ndarray, after: np.ndarray) -> Value:
    """Share after minus share before of the same rows; Newcombe's method 10 with a continuity-corrected phi."""
    n, x, y = len(before), int(before.sum()), int(after.sum())
    both = int((before & after).sum())
    neither, won, lost = n - x - y + both, y - both, x - both
    product = both * neither - won * lost
    related = max(product - n / 2, 0.0) if product > 0 else float(product)
    margins = float(x) * (n - x) * y * (n - y)
    phi = related / math.sqrt(margins) if margins else 0.0
    (low_x, high_x), (low_y, high_y) = wilson_ends(x, n), wilson_ends(y, n)
    p, q, d = y / n, x / n, (won - lost) / n
    down = math.sqrt(_joined(p - low_y, high_x - q, phi))
    up = math.sqrt(_joined(high_y - p, q - low_x, phi))
    return value(d, d - down, d + up, n)


def _joined(a: float, b: float, related: float) -> float:
    """Square of the length of a difference of two distances with a correlation."""
    return max(a * a - 2 * related * a * b + b * b, 0.0)


def _picked_change(before: Value, after: Value, related: float, n: int) -> Value:
    """After minus before of two picked numbers, from the distances of their corrected values to their ends."""
    if "corrected" not in before or "corrected" not in after:
        return value(0.0, 0.0, 0.0, n)
    was, now, d = before["corrected"], after["corrected"], after["estimate"] - before["estimate"]
    lo = now - was - math.sqrt(_joined(now - after["lo"], before["hi"] - was, related))
    hi = now - was + math.sqrt(_joined(after["hi"] - now, was - before["lo"], related))
    return value(d, min(lo, d), max(hi, d), n)


def _related(answers: Answers, lowest_after: Value, seed: int) -> tuple[float, float]:
    """Correlation of the lowest accuracies, and of the gaps, over 1,000 resamples of the rows.

    default_rng(seed).multinomial of the counts of (group, right before, right after), in this order; at most
    1 - 1 / (2 m p (1 - p)), m and p the rows and the accuracy of the worst group after.
    """
    n, groups = len(answers.truth), len(answers.classes)
    counts = np.array(
        [
            int(((answers.truth == g) & (answers.before == was) & (answers.after == now)).sum())
            for g in range(groups)
            for was in (False, True)
            for now in (False, True)
        ]
    )
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=DRAWS).reshape(DRAWS, groups, 2, 2)
    size = drawn.sum(axis=(2, 3))
    lowest, gaps = [], []
    for good in (drawn[:, :, 1, :].sum(axis=2), drawn[:, :, :, 1].sum(axis=2)):
        share = np.where(size > 0, good / np.maximum(size, 1), np.inf)
        lowest.append(share.min(axis=1))
        gaps.append(good.sum(axis=1) / n - share.min(axis=1))
    p, m = lowest_after["estimate"], lowest_after["n"]
    most = max(1 - 1 / (2 * m * max(p * (1 - p), 1 / m)), 0.0)
    return min(_correlation(*lowest), most), min(_correlation(*gaps), most)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(np.square(a).mean()) * float(np.square(b).mean()))
    return float((a * b).mean()) / size if size > 1e-12 else 0.0


def answers_of(
    numbers: np.ndarray, names: Sequence[str], classes: Sequence[str], chosen: Sequence[np.ndarray]
) -> tuple[Answers | None, int, dict[str, int]]:
    """The answers for the rows whose group has a class; rows of unknown group; rows of groups without a class.

    Parameters
    ----------
    numbers : group of every row as its place in `names` (n,), -1 unknown.
    classes : groups with class prompts.
    chosen : class number that each row was given, before and after.
    """
    place = {name: i for i, name in enumerate(classes)}
    truth = np.array([place.get(names[g], -1) if g >= 0 else -1 for g in numbers.tolist()], dtype=np.int64)
    outside = {name: int((numbers == g).sum()) for g, name in enumerate(names) if name not in place}
    outside = {name: n for name, n in sorted(outside.items()) if n}
    unknown, kept = int((numbers < 0).sum()), truth >= 0
    if not kept.any():
        return None, unknown, outside
    present = sorted(set(truth[kept].tolist()))
    right = [(answer == truth)[kept] for answer in chosen]
    own = np.searchsorted(present, truth[kept])
    return Answers(tuple(classes[c] for c in present), own, *right), unknown, outside
