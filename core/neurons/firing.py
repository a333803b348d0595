"""How each neuron answers to each group: rates with intervals, separation, and what survives multiplicity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse
from scipy.special import ndtr

from core.config import NOTHING
from core.neurons.matrices import UNLABELLED, AnyCodes, by_neuron, number_groups
from core.statistics import Estimate, auc_estimate, benjamini_hochberg, wilson

if TYPE_CHECKING:
    import pandas as pd

    from core.gallery import Codes


@dataclass(frozen=True)
class _Sums:
    """Per group and neuron, (G, F): active rows, sum and sum of squares of codes, sum of mid-ranks; ties (F,)."""

    fired: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    ranks: np.ndarray
    ties: np.ndarray


def firing_statistics(codes: AnyCodes, labels: Sequence | np.ndarray, rows: np.ndarray | None = None) -> "pd.DataFrame":
    """One line per neuron and group, each group against all other rows with a known label.

    Columns: `neuron`, `group`, `n` (rows of the group), `fired` (rows on which the neuron is active), `rate` with
    `lo` and `hi` (Wilson, 95 %), `mean` (mean code, zeros included), `auc`, `smd`, `p`, `p_adjusted`.

    auc : P(code of a random row of the group > code of a random other row) + P(equal) / 2, exact with ties. 1/2 is no
        separation, 1 always higher in the group, 0 always lower. NaN where there is no other group.
    smd : standardised mean difference (mean in the group - mean elsewhere) / sqrt((var + var elsewhere) / 2), with
        population variances; 0 is no difference, NaN where neither varies (by more than NOTHING of its mean).
    p : two-sided Mann-Whitney U (normal approximation, tie-corrected, continuity-corrected); NaN for a neuron that is
        constant over the rows.
    p_adjusted : Benjamini-Hochberg over the neurons of the same group whose p is defined.

    `rows` restricts everything to a part of the items (a half, `where`); unknown labels take no part.
    """
    import pandas as pd

    csc = by_neuron(codes)
    names, numbers = number_groups(labels, csc.shape[0])
    if rows is not None:
        inside = np.full(len(numbers), UNLABELLED)
        inside[rows] = numbers[rows]
        numbers = inside
    sizes = np.bincount(numbers[numbers >= 0], minlength=len(names))
    sums = _column_sums(csc, numbers, sizes)
    blocks = [_group_block(name, g, sizes, sums) for g, name in enumerate(names) if sizes[g]]
    table = pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame()
    return table.sort_values(["neuron", "group"], kind="stable", ignore_index=True) if len(table) else table


@dataclass(frozen=True)
class BestNeuron:
    """The neuron whose activation tells a group apart best, and how well."""

    neuron: int
    auc: Estimate
    """On the rows on which it was chosen, and so too good; measure it again on rows that had no part in the choice."""


def best_neurons(codes: "Codes", labels: Sequence | np.ndarray, rows: np.ndarray) -> dict[str, BestNeuron]:
    """For every group the neuron with the largest AUC against all other known rows, ties by index.

    Groups that have no other group beside them are left out.
    """
    table = firing_statistics(codes.csc, labels, rows)
    best = {}
    for group, part in table.groupby("group") if len(table) else ():
        if part["auc"].notna().any():
            neuron = int(part["neuron"].iloc[int(np.nanargmax(part["auc"]))])
            best[str(group)] = BestNeuron(neuron, separation(codes, labels, rows, neuron, str(group)))
    return best


def separation(codes: "Codes", labels: Sequence | np.ndarray, rows: np.ndarray, neuron: int, group: str) -> Estimate:
    """AUC of one neuron for a group against all other rows with a known label, with its interval."""
    names, numbers = number_groups(labels, codes.csc.shape[0])
    known = rows[numbers[rows] >= 0]
    if group not in names:
        return Estimate.missing(f"no row of {group}")
    return auc_estimate(codes.csc[:, [neuron]].toarray().ravel()[known], numbers[known] == names.index(group))


def _group_block(name: str, g: int, sizes: np.ndarray, sums: _Sums) -> "pd.DataFrame":
    """All neurons' statistics for one group."""
    import pandas as pd

    n, rest = int(sizes[g]), int(sizes.sum() - sizes[g])
    lo, hi = wilson(sums.fired[g], np.full(len(sums.ties), n))
    auc, p = mann_whitney(sums.ranks[g], sums.ties, n, rest)
    return pd.DataFrame(
        {
            "neuron": np.arange(len(sums.ties)),
            "group": name,
            "n": n,
            "fired": sums.fired[g],
            "rate": sums.fired[g] / n,
            "lo": lo,
            "hi": hi,
            "mean": sums.total[g] / n,
            "auc": auc,
            "smd": _standardised_difference(g, n, rest, sums),
            "p": p,
            "p_adjusted": benjamini_hochberg(p),
        }
    )


def _standardised_difference(g: int, n: int, rest: int, sums: _Sums) -> np.ndarray:
    if rest == 0:
        return np.full(len(sums.ties), np.nan)
    total, squares = sums.total.sum(axis=0) - sums.total[g], sums.squares.sum(axis=0) - sums.squares[g]
    mean, other = sums.total[g] / n, total / rest
    variance = np.maximum(sums.squares[g] / n - mean**2, 0) + np.maximum(squares / rest - other**2, 0)
    spread = np.sqrt(variance / 2)
    varies = spread > NOTHING * np.maximum(np.abs(mean), np.abs(other))
    return np.divide(mean - other, spread, out=np.full(len(spread), np.nan), where=varies)


def mann_whitney(
    ranks: np.ndarray, ties: np.ndarray, n: int | np.ndarray, rest: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC and two-sided p of Mann and Whitney's U, from rank sums.

    Normal approximation, tie- and continuity-corrected. AUC in [0, 1], 1/2 is no separation; NaN where there is no
    other row; p NaN where all rows have the same value.

    Parameters
    ----------
    ranks : sum of the mid-ranks over the rows of each group (F,).
    ties : sum(t^3 - t) over the ties of all rows (F,).
    n, rest : rows of the group and all other rows, one number or (F,), at least 1 where they are many.
    """
    undefined = np.full(len(ranks), np.nan)
    n, rest = np.asarray(n, dtype=np.float64), np.asarray(rest, dtype=np.float64)  # cubes leave whole numbers' range
    if np.all(rest == 0):
        return undefined, undefined.copy()
    u, pairs, everyone = ranks - n * (n + 1) / 2, n * rest, n + rest
    variance = pairs / 12 * ((everyone + 1) - ties / (everyone * (everyone - 1)))
    distance = np.maximum(np.abs(u - pairs / 2) - 0.5, 0)
    # a constant neuron is one tie of all rows: its variance is 0 up to rounding
    varies = ties < everyone**3 - everyone
    z = np.divide(distance, np.sqrt(np.maximum(variance, 0)), out=undefined.copy(), where=varies)
    return u / pairs, np.minimum(2 * ndtr(-z), 1.0)


def _column_sums(csc: sparse.csc_matrix, numbers: np.ndarray, sizes: np.ndarray) -> _Sums:
    """One pass over the non-zero codes, neuron by neuron: the zeros are one tie whose rank is known by counting."""
    n_groups, n_neurons, n = len(sizes), csc.shape[1], int(sizes.sum())
    fired, total, squares, ranks = (np.zeros((n_groups, n_neurons)) for _ in range(4))
    ties = np.zeros(n_neurons)
    for j in range(n_neurons):
        here = slice(csc.indptr[j], csc.indptr[j + 1])
        values, group = np.asarray(csc.data[here], dtype=np.float64), numbers[csc.indices[here]]
        counted = (group >= 0) & (values != 0)
        values, group = values[counted], group[counted]
        fired[:, j] = np.bincount(group, minlength=n_groups)
        total[:, j] = np.bincount(group, weights=values, minlength=n_groups)
        squares[:, j] = np.bincount(group, weights=values**2, minlength=n_groups)

        zeros, negative = n - len(values), int((values < 0).sum())
        order = np.argsort(values)
        values, group = values[order], group[order]
        starts = (
            np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.empty(0, int)
        )
        lengths = np.diff(np.append(starts, len(values)))
        middle = np.repeat(starts + (lengths + 1) / 2, lengths) + zeros * (values > 0)
        ranks[:, j] = np.bincount(group, weights=middle, minlength=n_groups)
        ranks[:, j] += (sizes - fired[:, j]) * (negative + (zeros + 1) / 2)
        lengths = np.append(lengths, zeros).astype(np.float64)
        ties[j] = (lengths**3 - lengths).sum()
    return _Sums(fired.astype(np.int64), total, squares, ranks, ties)
