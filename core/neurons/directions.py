"""A direction of one's own in the space of the embeddings: how it is made, and what lies along it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.config import NOTHING, InputError
from core.neurons.examples import Shown
from core.statistics import Estimate, auc_estimate, mean_of, probe_weights
from core.tables import natural
from core.units import BLOCK_ROWS, unit

BINS = 24
ONE_KIND = "a direction needs rows of the group and rows of others on the probe half; choose another group or attribute"


def mean_direction(x: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Unit direction (d,), float64, from the mean of the other rows to the mean of the group's.

    v = (m_1 - m_0) / |m_1 - m_0|, m_1 and m_0 the means of the unit rows inside and outside of the group.

    Parameters
    ----------
    x : embeddings (n, d) of rows with a known group.
    positive : which of them are of the group (n,), bool.

    InputError where all rows are of one kind, or the means are equal.
    """
    x, positive = unit(x), _both_kinds(positive)
    inside, outside = x[positive].mean(axis=0), x[~positive].mean(axis=0)
    return _pointing(inside - outside, float(np.linalg.norm(inside) + np.linalg.norm(outside)))


def probe_direction(x: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Unit direction (d,), float64, along which a logistic probe's log odds of the group rise fastest.

    The weights of `core.statistics.probe_weights` on unit rows, divided by their length.

    Parameters
    ----------
    x : embeddings (n, d) of rows with a known group.
    positive : which of them are of the group (n,), bool.

    InputError where all rows are of one kind, or nothing varies.
    """
    return _pointing(probe_weights(unit(x), _both_kinds(positive)), 0.0)


@dataclass(frozen=True, eq=False)
class Projected:
    """Items along a direction: the cosine of each with it, in [-1, 1]; 0 is at right angles."""

    top: Shown
    """Highest first, ties by lower row."""
    middle: Shown
    """Around the median, highest first."""
    low: Shown
    """Lowest first, ties by lower row."""
    n: int
    """Items looked at."""
    auc: Estimate
    """P(cosine of a random item of the group > that of a random other one) + P(equal) / 2, with 95 % interval; 1/2:
    the direction says nothing of the group."""
    means: Mapping[str, Estimate]
    """Mean cosine of every group, with Student's 95 % interval."""
    edges: np.ndarray
    """(bins + 1,) borders shared by all groups."""
    shares: Mapping[str, np.ndarray]
    """Share of each group's items in every bin (bins,); a row sums to 1."""


def projected(
    x: np.ndarray, direction: np.ndarray, rows: np.ndarray, labels: np.ndarray, group: str, size: int = 12
) -> Projected:
    """What lies along a direction: c_i = x_i v / (|x_i| |v|) for every row.

    Parameters
    ----------
    x : embeddings (n, d).
    direction : (d,), of any length above 0.
    rows : number of each row in its gallery (n,), rising.
    labels : group of each row (n,), None unknown: such items are shown, and counted in no group.
    group : whose AUC against all other known rows is asked.
    size : items of each of the three lists; fewer come back where there are fewer.

    InputError where the direction is of another space or has no length.

    Many parameters: the items, their numbers and groups, and what is asked of them.
    """
    v = np.asarray(direction, dtype=np.float64).reshape(-1)
    if len(v) != np.shape(x)[1] or not 0 < np.linalg.norm(v) < np.inf:
        raise InputError(f"a direction of {len(v)} numbers was given; expected {np.shape(x)[1]}, not all of them 0")
    values = np.concatenate([unit(x[at : at + BLOCK_ROWS]) @ unit(v) for at in range(0, len(x), BLOCK_ROWS)])
    falling, rising = np.lexsort((rows, -values)), np.lexsort((rows, values))
    centre = max(0, (len(values) - size) // 2)
    known = np.array([label is not None for label in labels], dtype=bool)
    edges = np.histogram_bin_edges(values, BINS)
    means, shares = {}, {}
    for name in sorted({str(label) for label in labels[known]}, key=natural):
        of_group = values[known & (labels == name)]
        means[name] = mean_of(of_group, (-1.0, 1.0))
        shares[name] = np.histogram(of_group, edges)[0] / len(of_group)
    top, middle, low = (
        Shown(rows[at], values[at]) for at in (falling[:size], falling[centre : centre + size], rising[:size])
    )
    area = auc_estimate(values[known], labels[known] == group)
    return Projected(top, middle, low, len(values), area, means, edges, shares)


def _both_kinds(positive: np.ndarray) -> np.ndarray:
    positive = np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        raise InputError(ONE_KIND)
    return positive


def _pointing(v: np.ndarray, scale: float) -> np.ndarray:
    """The unit vector of v; InputError where no more of it is left than rounding leaves of numbers of that scale."""
    length = float(np.linalg.norm(v))
    if not length > NOTHING * scale:
        raise InputError("the group's rows do not differ from the others on the probe half: there is no direction")
    return v / length
