"""Bias against ability along strength or alpha: the same neurons, switched more and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.lvlm.ability import AbilitySet
from core.lvlm.audit import Asked
from core.lvlm.numbers import ability_estimate, gap_estimate
from core.lvlm.token_method import METHODS, Evidence, TokenEdit
from core.statistics import Estimate

Progress = Callable[[int, int, str], None]
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
ALPHAS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
"""The published settings of the blend form."""


@dataclass(frozen=True)
class SweepPoint:
    """One setting: the mean gap that is left, and what is still answered rightly."""

    value: float
    gap: Estimate
    ability: Estimate

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "gap": self.gap.to_json(), "ability": self.ability.to_json()}


def sweep(
    asked: Asked,
    ability: AbilitySet,
    labels: np.ndarray,
    n_groups: int,
    evidence: Evidence,
    edit: TokenEdit,
    along: str,
    values: Sequence[float],
    per_word: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[SweepPoint]:
    """Gap and ability at every value of "strength" (the edit's own form) or "alpha" (its blend form).

    Many parameters: what is asked, on whom, along what, and how it is counted.
    """
    method, found = METHODS.get("neuron-edit")(), []
    for done, value in enumerate(values):
        own = (
            replace(edit.edit, strength=value) if along == "strength" else replace(edit.edit, form="blend", alpha=value)
        )
        change = method.fit(evidence, replace(edit, edit=own))
        prob = asked.prob(change)
        with np.errstate(invalid="ignore", divide="ignore"):
            yes = prob[..., 0] / np.nansum(prob, axis=2)
        yes = yes.reshape(len(yes), -1, per_word).mean(2)
        found.append(
            SweepPoint(value, gap_estimate(yes, labels, n_groups, seed), ability_estimate(ability.right(change)))
        )
        if progress:
            progress(done + 1, len(values), f"{along} {value:g}")
    return found
