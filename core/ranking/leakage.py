"""What a linear probe still reads off the items after an edit, on rows that chose no neuron."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import InputError
from core.gallery import Gallery
from core.ranking.arms import EDITED, ORIGINAL
from core.ranking.items import Items
from core.ranking.rows import Part
from core.statistics import Estimate, leakage

MOST = 5000
"""Rows that the probe reads at most, drawn at random: beyond it the AUC hardly moves and the wait does."""


@dataclass(frozen=True)
class LeakageCost:
    """AUC of a probe for an attribute on the items before and after the edit."""

    attribute: str
    before: Estimate
    after: Estimate
    difference: Estimate
    rows: str
    """Which rows were read, in words."""

    def to_json(self) -> dict[str, Any]:
        arms = {"before": self.before, "after": self.after, "difference": self.difference}
        return {"attribute": self.attribute, "rows": self.rows} | {a: e.to_json() for a, e in arms.items()}


def residual_leakage(
    gallery: Gallery, part: Part, items: Mapping[str, Items], attribute: str, seed: int = 0
) -> LeakageCost:
    """Leakage of the attribute of `part`, on the evaluation half of the searched rows where there is one.

    Parameters
    ----------
    items : of the original and of the edited arm.
    """
    chosen, rows = np.flatnonzero(part.labels >= 0), "all searched rows"
    try:
        held_out = np.isin(part.rows[chosen], gallery.rows("evaluation"))
        if held_out.any():
            chosen, rows = chosen[held_out], "searched rows of the evaluation half"
    except InputError:  # the gallery is wholly a probe set: there is no other half
        pass
    if len(chosen) > MOST:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST, replace=False))
        rows = f"{MOST} random {rows}"
    # the rows may lack a group of the part: numbers from 0 without gaps
    labels = np.unique(part.labels[chosen], return_inverse=True)[1]
    before, after = (items[arm].index.unit_at(chosen) for arm in (ORIGINAL, EDITED))
    return LeakageCost(attribute, *leakage(before, after, labels, seed), rows)
