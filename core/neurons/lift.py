"""Lift: how much more often a neuron fires on its group than on the group that comes next, and whether that is sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.statistics import LEVEL, Estimate, rate_difference, rate_ratio


@dataclass(frozen=True)
class Lift:
    """Firing rate of a neuron on its group beside the highest rate among the other groups."""

    neuron: int
    rate: float
    """Share of the group's rows on which it fires."""
    other_rate: float
    other_group: str
    """The group that comes next: of all others the one with the highest rate, the first of equals."""
    ratio: Estimate
    """rate / other_rate; 1 is no lift. No number where no row of another group fires, and then only a lower end."""
    difference: Estimate
    """rate - other_rate, in [-1, 1]; 0 is no lift."""

    @property
    def sure(self) -> bool:
        """Whether the whole interval of the difference lies above 0."""
        return self.difference.lo is not None and self.difference.lo > 0

    def to_json(self) -> dict[str, Any]:
        ratio = self.ratio.to_json()
        if self.ratio.estimate is None:
            ratio |= {"lo": self.ratio.lo, "hi": None, "n": self.ratio.n}
        return {
            "neuron": self.neuron,
            "rate": self.rate,
            "other_rate": self.other_rate,
            "other_group": self.other_group,
            "ratio": ratio,
            "difference": self.difference.to_json(),
            "verdict": "specific" if self.sure else "unsure",
        }


def lifts(
    neurons: Sequence[int] | np.ndarray, fired: np.ndarray, sizes: np.ndarray, groups: Sequence[str], group: int
) -> tuple[Lift, ...]:
    """The lift of some neurons for one group; none where there is no other group.

    With r_g the rate of the group and r_h those of the H others, the difference is min over h of r_g - r_h and the
    ratio min over h of r_g / r_h. Which group comes next was picked by looking, so that each comparison is made at the
    level 1 - .05 / H (Bonferroni) and the interval reaches from the lowest of the lower ends to the lowest of the
    upper ends: it covers the lift over whichever group truly comes next with 95 % or more. That the neurons
    themselves were found on these rows it does not know: measure them again on rows that had no part in the choice.

    Parameters
    ----------
    neurons : numbers (m,).
    fired : rows on which each fires (G, m).
    sizes : rows of each group (G,), at least 1.
    group : place of the group.

    Source: Newcombe 1998 for a difference, Donner and Zou 2012 for a ratio.
    """
    others = np.array([h for h in range(len(groups)) if h != group])
    if not len(others) or not len(neurons):
        return ()
    first, second = (fired[group][None], sizes[group]), (fired[others], sizes[others][:, None])
    level = 1 - (1 - LEVEL) / len(others)
    difference = np.stack(rate_difference(*first, *second, level)).min(axis=1)
    ratio = np.stack(rate_ratio(*first, *second, level)).min(axis=1)
    rates = fired / sizes[:, None]
    nearest = others[rates[others].argmax(axis=0)]
    made = []
    for m, j in enumerate(np.asarray(neurons).tolist()):
        rate, other, n = float(rates[group, m]), float(rates[nearest[m], m]), int(sizes[group] + sizes[nearest[m]])
        made.append(
            Lift(
                neuron=j,
                rate=rate,
                other_rate=other,
                other_group=str(groups[nearest[m]]),
                ratio=_ratio(rate, other, float(ratio[0, m]), float(ratio[1, m]), n),
                difference=Estimate(rate - other, float(difference[0, m]), float(difference[1, m]), n),
            )
        )
    return tuple(made)


def _ratio(rate: float, other: float, lo: float, hi: float, n: int) -> Estimate:
    if other == 0:
        return Estimate(None, lo, None, n, "no row of another group fires, so that the ratio has a lower end only")
    return Estimate(rate / other, lo, hi, n)
