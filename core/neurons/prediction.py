"""The prediction test of a label: who understood a neuron can tell on which unseen items it fires."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import InputError
from core.neurons.matrices import AnyCodes, by_neuron, column

ITEMS = 12
GRADES = (1, 2, 3, 4)
"""Surely silent, rather silent, rather fires, surely fires."""
FIRES = 3
"""Least grade that says "fires"."""


@dataclass(frozen=True)
class PredictionTest:
    """Items that the rater has not seen, about half of which the neuron fires on."""

    neuron: int
    rows: tuple[int, ...]
    fires: tuple[bool, ...]


def prediction_test(
    codes: AnyCodes,
    neuron: int,
    seen: Iterable[int],
    rows: np.ndarray | None = None,
    size: int = ITEMS,
    seed: int = 0,
) -> PredictionTest | None:
    """Unseen firing and silent items, mixed; how many of them fire is drawn too (a third to two thirds).

    A rater who knew that exactly half fire could infer the last answers. None where fewer than two unseen items fire,
    or fewer than two are silent: there is nothing to test on.

    Parameters
    ----------
    seen : rows that the rater was shown.
    rows : the part of the items to draw from; None: all.
    """
    at, _ = column(codes, neuron)
    everyone = np.arange(by_neuron(codes).shape[0]) if rows is None else np.asarray(rows)
    unseen = np.setdiff1d(everyone, np.fromiter(seen, dtype=np.int64))
    on, off = np.intersect1d(unseen, at), np.setdiff1d(unseen, at)
    if len(on) < 2 or len(off) < 2:
        return None
    rng = np.random.default_rng([seed, neuron])
    n_on = int(np.clip(rng.integers(size // 3, size - size // 3 + 1), size - len(off), len(on)))
    chosen = np.concatenate([rng.choice(on, n_on, False), rng.choice(off, min(size - n_on, len(off)), False)])
    mixed = rng.permutation(len(chosen))
    return PredictionTest(neuron, tuple(chosen[mixed].tolist()), tuple((mixed < n_on).tolist()))


def prediction_score(fires: Sequence[bool], grades: Sequence[int]) -> dict[str, Any]:
    """How well graded answers tell firing items from silent ones.

    `auc` = P(grade of a firing item > grade of a silent one) + P(equal) / 2: 1/2 is guessing, 1 perfect;
    `accuracy` = share of items whose grade is on the right side. Both in [0, 1].
    """
    if len(fires) != len(grades) or not set(grades) <= set(GRADES):
        raise InputError(f"{len(grades)} answers for {len(fires)} items; expected one of 1, 2, 3, 4 for each")
    truth, answers = np.asarray(fires, dtype=bool), np.asarray(grades)
    if truth.all() or not truth.any():
        raise InputError("a prediction test needs items that fire and items that do not")
    pairs = answers[truth][:, None] - answers[~truth][None, :]
    auc = float((pairs > 0).mean() + (pairs == 0).mean() / 2)
    return {
        "auc": auc,
        "accuracy": float(((answers >= FIRES) == truth).mean()),
        "n": len(fires),
        "n_firing": int(truth.sum()),
    }
