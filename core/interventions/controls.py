"""Random neurons as a control: as many as were chosen, firing about as often."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import scipy.sparse as sparse

from core.config import Edit, InputError

NEIGHBOURS = 16
"""A chosen neuron is replaced by one of so many neurons with the nearest firing rate."""


def matched_random_edits(
    codes: sparse.spmatrix, edit: Edit, draws: int = 20, seed: int = 0, exclude: Collection[int] = ()
) -> list[Edit]:
    """Edits like `edit` on random other neurons, matched in number and firing rate.

    Each chosen neuron is replaced by a random one of the 16 free neurons whose firing rates are nearest on the log
    scale; within one draw no neuron appears twice, and chosen, excluded or dead neurons never appear.

    Parameters
    ----------
    codes : codes (n, F) of the rows on which rates are counted.
    exclude : neurons that must not be drawn besides the chosen ones, for example others known to be social.

    Raises
    ------
    InputError : fewer live neurons are free than were chosen.
    """
    fired = np.asarray(codes.tocsc().getnnz(axis=0)).reshape(-1)
    taken = {*edit.neurons, *exclude}
    free = np.array([j for j in np.flatnonzero(fired) if j not in taken], dtype=np.int64)
    if len(free) < len(edit.neurons):
        raise InputError(
            f"{len(edit.neurons)} random neurons were asked for, but only {len(free)} other live neurons are there; "
            "choose fewer neurons"
        )
    rng = np.random.default_rng(seed)
    drawn = [_one_draw(fired, free, edit.neurons, rng) for _ in range(draws)]
    if not edit.gammas:
        return [replace(edit, neurons=neurons) for neurons in drawn]
    # neurons that are set to a value of their own are compared with neurons set to their own mean
    means = np.asarray(codes.mean(axis=0)).reshape(-1)
    return [replace(edit, neurons=neurons, gammas=tuple(means[list(neurons)])) for neurons in drawn]


def _one_draw(
    fired: np.ndarray, free: np.ndarray, chosen: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, ...]:
    """Random partners of the chosen neurons, without repeats; in random order, so that no neuron is served first."""
    log_rate = np.log(np.maximum(fired, 0.5))
    left, drawn = free, []
    for j in rng.permutation(chosen):
        distance = np.abs(log_rate[left] - log_rate[j])
        # the noise breaks ties: neurons of equal rate are equally likely, whatever their number
        near = np.lexsort((rng.random(len(left)), distance))[:NEIGHBOURS]
        place = int(rng.choice(near))
        drawn.append(int(left[place]))
        left = np.delete(left, place)
    return tuple(drawn)
