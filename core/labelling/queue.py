"""Which neuron comes next: an order that is fixed before labelling, less what the rater has done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.config import InputError, one_of
from core.labelling.current import Standing

ORDERS = ("associated", "random", "disagreements")


@dataclass(frozen=True)
class Queue:
    """Neurons to label, in order, and how far this rater is."""

    waiting: tuple[int, ...]
    """Not labelled by the rater yet; skipped ones come last."""
    done: int
    total: int


def order_neurons(
    neurons: Sequence[int],
    order: str,
    association: Sequence[float] | None = None,
    standings: Mapping[int, Standing] | None = None,
    seed: int = 0,
) -> list[int]:
    """The neurons in the wanted order; the same for the same seed.

    "associated": largest distance of the AUC from 1/2 over all groups first, ties by number; "random": shuffled;
    "disagreements": disputed neurons first, then those that one rater alone labelled, then the rest, each by number.

    Parameters
    ----------
    association : (F,) strength of each neuron of the SAE, needed for "associated"; NaN counts as none.
    """
    one_of(order, ORDERS, "order")
    numbers = np.array(sorted(neurons), dtype=np.int64)
    if order == "random":
        return [int(j) for j in np.random.default_rng(seed).permutation(numbers)]
    if order == "associated":
        if association is None:
            raise InputError("the gallery has no attribute, so no neuron is associated with one; choose another order")
        strength = np.nan_to_num(np.asarray(association, dtype=np.float64)[numbers], nan=-1.0)
        return [int(j) for j in numbers[np.argsort(-strength, kind="stable")]]
    known = standings or {}

    def urgency(j: int) -> int:
        standing = known.get(j)
        if standing is None or not standing.labels or standing.decision is not None:
            return 2
        return 0 if standing.disputed else 1

    return [int(j) for j in sorted(numbers, key=lambda j: (urgency(int(j)), j))]


def queue_for(rater: str, ordered: Iterable[int], standings: Mapping[int, Standing]) -> Queue:
    """What waits for a rater. Depends on the rater's own labels, and on nobody else's but through the order."""
    fresh, skipped, done = [], [], 0
    for j in ordered:
        standing = standings.get(j)
        if standing is not None and rater in standing.labels:
            done += 1
        elif standing is not None and rater in standing.skipped:
            skipped.append(j)
        else:
            fresh.append(j)
    return Queue((*fresh, *skipped), done, done + len(fresh) + len(skipped))
