"""Social neurons: those that fire on nearly every item of one group and of no other (consistency, specificity)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sparse

from core.config import InputError, one_of
from core.neurons.lift import Lift, lifts
from core.neurons.matrices import AnyCodes, by_row, number_groups

ROWS_AT_ONCE = 1 << 16
Rule = Literal["at-least", "published"]
RULES: tuple[Rule, ...] = ("at-least", "published")
"""How many of a group's n rows tau asks for: "at-least" ceil(tau n), as the words say; "published" int(tau n)."""
ROUNDING = 1e-9
"""What tau * n may lie above a whole number by floating point alone."""


@dataclass(frozen=True)
class GroupNeurons:
    """What the rule found for one group."""

    n: int
    """Rows of the group."""
    least: int
    """Rows on which a neuron had to be active."""
    effective: tuple[int, ...]
    """Consistent neurons, ascending."""
    specific: tuple[int, ...]
    """Effective for no other group; by falling mean activation over the group's own rows, ties by index."""
    mean_activation: tuple[float, ...]
    """Mean code of each specific neuron over all rows of the group, zeros included."""
    lift: tuple[Lift, ...] = ()
    """How much more often each specific neuron fires on the group than on any other; none where there is no other."""

    @property
    def unsure(self) -> tuple[int, ...]:
        """Specific neurons that may fire as often on another group: the rule finds them, their rows do not bear it."""
        return tuple(lift.neuron for lift in self.lift if not lift.sure)

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "effective": list(self.effective),
            "specific": list(self.specific),
            "mean_activation": list(self.mean_activation),
            "lift": [lift.to_json() for lift in self.lift],
        }


@dataclass(frozen=True)
class SocialNeurons:
    """Social neurons of one attribute."""

    tau: float
    groups: Mapping[str, GroupNeurons]
    unknown: int
    """Rows without a known label, which take no part."""
    rule: Rule = "published"

    @property
    def empty_groups(self) -> list[str]:
        """Groups for which there is no specific neuron: to be named, never skipped in silence."""
        return [group for group, neurons in self.groups.items() if not neurons.specific]

    def top(self, per_group: int | None = 1) -> dict[str, list[int]]:
        """The first specific neurons of each group; None for all of them."""
        return {group: list(neurons.specific[:per_group]) for group, neurons in self.groups.items()}

    def to_json(self) -> dict[str, Any]:
        """The document of the command `neurons`."""
        groups = {group: neurons.to_json() for group, neurons in self.groups.items()}
        settings = {"tau": self.tau, "rule": self.rule, "unknown": self.unknown, "empty_groups": self.empty_groups}
        return {"groups": groups, **settings}


def social_neurons(
    acts: AnyCodes, labels: Sequence | np.ndarray, tau: float = 0.9, rule: Rule = "published"
) -> SocialNeurons:
    """Neurons that are consistent for one group and for no other, each with its lift over the other groups.

    E_g = {j : #{i in g : z_ij != 0} >= m_g},  N_g = E_g minus the union of E_h over all h != g, ranked by the mean of
    z_j over all rows of g. "at-least": m_g = ceil(tau n_g - 1e-9), at least the share tau of the group; so are the
    neurons of galleries found. "published": m_g = int(tau n_g), up to one row fewer, as the original has it on bare
    arrays; a group so small that this is 0 makes every neuron effective.

    Parameters
    ----------
    acts : codes (n, F), dense or sparse.
    labels : (n,) group of each row; None or NaN is unknown: counted, and part of no group. Groups are named by the
        labels as text, in their natural order.
    tau : share of a group's rows on which an effective neuron is active, in [0, 1].
    rule : how many rows tau asks for, see above.

    Source: DeBiasLens (arXiv 2602.24014), with each group ranked by its own rows.
    """
    if not 0 <= tau <= 1:
        raise InputError(f"tau was {tau}; expected a share from 0 to 1")
    one_of(rule, RULES, "rule")
    csr = by_row(acts)
    names, numbers = number_groups(labels, csr.shape[0])
    sizes = np.bincount(numbers[numbers >= 0], minlength=len(names))
    fired, sums = _group_sums(csr, numbers, len(names))
    least = np.array([least_rows(tau, n, rule) for n in sizes.tolist()])
    effective = fired >= least[:, None]
    specific = effective & (effective.sum(axis=0) == 1)
    groups = {}
    for g, name in enumerate(names):
        means = sums[g] / sizes[g]
        neurons = np.flatnonzero(specific[g])
        ranked = neurons[np.argsort(-means[neurons], kind="stable")]
        groups[name] = GroupNeurons(
            n=int(sizes[g]),
            least=int(least[g]),
            effective=tuple(np.flatnonzero(effective[g]).tolist()),
            specific=tuple(ranked.tolist()),
            mean_activation=tuple(means[ranked].tolist()),
            lift=lifts(ranked, fired[:, ranked], sizes, names, g),
        )
    return SocialNeurons(float(tau), groups, int((numbers < 0).sum()), rule)


def least_rows(tau: float, n: int, rule: Rule) -> int:
    """Rows of a group of n on which an effective neuron is active."""
    return int(tau * n) if rule == "published" else math.ceil(tau * n - ROUNDING)


def shared_neurons(first: SocialNeurons, second: SocialNeurons) -> list[tuple[int, str, str]]:
    """Neurons that serve two attributes at once: (neuron, group of the first, group of the second), by neuron."""
    owner = {j: group for group, neurons in second.groups.items() for j in neurons.specific}
    pairs = [(j, group) for group, neurons in first.groups.items() for j in neurons.specific if j in owner]
    return [(j, group, owner[j]) for j, group in sorted(pairs)]


def _group_sums(csr: sparse.csr_matrix, numbers: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with a non-zero code, and the float64 sum of codes, each (G, F); memory does not grow with the rows."""
    n, n_neurons = csr.shape
    cells = n_groups * n_neurons
    fired, sums = np.zeros(cells, dtype=np.int64), np.zeros(cells)
    for start in range(0, n, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, n)
        here = slice(csr.indptr[start], csr.indptr[stop])
        values = np.asarray(csr.data[here], dtype=np.float64)
        if not np.isfinite(values).all():
            raise InputError(f"the codes of rows {start} to {stop - 1} hold NaN or infinity; encode them again")
        group = np.repeat(numbers[start:stop], np.diff(csr.indptr[start : stop + 1]))
        counted = (group >= 0) & (values != 0)
        cell = group[counted] * n_neurons + csr.indices[here][counted]
        fired += np.bincount(cell, minlength=cells)
        sums += np.bincount(cell, weights=values[counted], minlength=cells)
    return fired.reshape(n_groups, n_neurons), sums.reshape(n_groups, n_neurons)
