"""What a neuron fires on, shown fairly: its strongest items, and just as plainly its ordinary and its silent ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from core.neurons.matrices import AnyCodes, by_neuron, column, number_groups


@dataclass(frozen=True)
class Shown:
    """Items and the neuron's value on each."""

    rows: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Examples:
    """Items that together say what a neuron answers to."""

    neuron: int
    n: int
    """Items looked at."""
    n_firing: int
    """Items on which the neuron is active."""
    top: Shown
    """Strongest first, ties by lower row."""
    middle: Shown
    """Around the median of the firing values, strongest first."""
    firing: Shown
    """Drawn at random from all firing items, by row; may repeat items of the other two."""
    silent: Shown
    """Drawn at random from the items on which it is off, by row; all values 0."""


def examples_of(
    codes: AnyCodes,
    neuron: int,
    n_top: int = 12,
    n_mid: int = 12,
    n_off: int = 12,
    seed: int = 0,
    n_random: int = 12,
    rows: np.ndarray | None = None,
) -> Examples:
    """Top, middle, random firing and non-firing items of a neuron; the same for the same seed.

    `rows` (ascending) restricts it to a part of the items. Fewer items come back where there are fewer.

    Many parameters: how many examples of each kind.
    """
    at, values = column(codes, neuron)
    n = by_neuron(codes).shape[0]
    if rows is not None:
        inside = np.isin(at, rows)
        at, values, n = at[inside], values[inside], len(rows)
    rng = np.random.default_rng([seed, neuron])
    falling = np.lexsort((at, -values))
    centre = max(0, (len(at) - n_mid) // 2)
    some = np.sort(rng.choice(len(at), size=min(n_random, len(at)), replace=False))
    silent = _draw_silent(at, n if rows is None else rows, n_off, rng)
    return Examples(
        neuron=neuron,
        n=n,
        n_firing=len(at),
        top=_shown(at, values, falling[:n_top]),
        middle=_shown(at, values, falling[centre : centre + n_mid]),
        firing=_shown(at, values, some),
        silent=Shown(silent, np.zeros(len(silent), dtype=values.dtype)),
    )


@dataclass(frozen=True)
class Histogram:
    """Counts of a neuron's non-zero values by group; the zeros, usually most items, are counted apart."""

    edges: np.ndarray
    """(bins + 1,) shared by all groups."""
    counts: dict[str, np.ndarray]
    """(bins,) per group."""
    zeros: dict[str, int]
    sizes: dict[str, int]


def histogram(
    codes: AnyCodes,
    neuron: int,
    labels: Sequence | np.ndarray | None = None,
    bins: int = 30,
    rows: np.ndarray | None = None,
) -> Histogram:
    """Distribution of a neuron's activations, per group where labels are given (group "all" otherwise).

    Rows with unknown labels are left out.
    """
    at, values = column(codes, neuron)
    n = by_neuron(codes).shape[0]
    names, numbers = (["all"], np.zeros(n, dtype=np.int64)) if labels is None else number_groups(labels, n)
    if rows is not None:
        inside = np.full(n, -1)
        inside[rows] = numbers[rows]
        numbers = inside
    values, group = values[numbers[at] >= 0], numbers[at][numbers[at] >= 0]
    edges = np.histogram_bin_edges(values, bins) if len(values) else np.linspace(0, 1, bins + 1)
    counts, zeros, sizes = {}, {}, {}
    for g, name in enumerate(names):
        of_group = values[group == g]
        counts[name] = np.histogram(of_group, edges)[0]
        sizes[name] = int((numbers == g).sum())
        zeros[name] = sizes[name] - len(of_group)
    return Histogram(edges, counts, zeros, sizes)


def active_neurons(z_row: np.ndarray | sparse.spmatrix, n: int | None = 10) -> list[tuple[int, float]]:
    """(neuron, value) of one item's strongest neurons, strongest first, ties by index; None for all that are active."""
    row = np.asarray(z_row if isinstance(z_row, np.ndarray) else z_row.todense()).ravel()
    active = np.flatnonzero(row)
    order = active[np.argsort(-row[active], kind="stable")][:n]
    return [(int(j), float(row[j])) for j in order]


def _shown(rows: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> Shown:
    return Shown(rows[chosen], values[chosen])


def _draw_silent(firing: np.ndarray, everyone: int | np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Random rows, ascending, out of those that are not in `firing` (ascending)."""
    if isinstance(everyone, int):
        off = np.ones(everyone, dtype=bool)
        off[firing] = False
        silent = np.flatnonzero(off)
    else:
        silent = np.setdiff1d(everyone, firing)
    return np.sort(rng.choice(silent, size=min(size, len(silent)), replace=False))
