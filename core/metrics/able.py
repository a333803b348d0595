"""ABLE: one number for fairness and accuracy together."""

from dataclasses import dataclass

import numpy as np

from core.config import InputError
from core.metrics.base import RANKING_METRICS, ListFacts, Mode, OtherMetric, RankingMetric
from core.metrics.max_skew import MaxSkew


@RANKING_METRICS.register("able")
@dataclass(frozen=True)
class Able(RankingMetric):
    """2 / (1 / exp(-MaxSkew) + 100 / top1): harmonic mean of exp(-MaxSkew@1000) and the zero-shot accuracy.

    In (0, 1]; 1: no skew and every classification right. `top1` is in per cent. Larger is better.
    InputError where the accuracy is not in (0, 100].
    """

    top1_percent: float
    """Zero-shot accuracy in per cent, of the same model."""

    name = "able"
    title = "ABLE"
    range = (0.0, 1.0)
    zero_means = "no accuracy, or unbounded skew"
    better = "higher"
    bias_direction = 0

    @classmethod
    def for_list(cls, facts: ListFacts) -> "Able | str":
        if facts.top1_percent is None:
            return "it needs the zero-shot accuracy of the same model; give it in per cent"
        return cls(facts.top1_percent)

    def follows_from(self, ranked: np.ndarray) -> OtherMetric:
        return OtherMetric(MaxSkew(), lambda skew: float(able(skew, self.top1_percent)))

    def __post_init__(self) -> None:
        if not 0.0 < self.top1_percent <= 100.0:
            raise InputError(f"the accuracy was {self.top1_percent}; expected per cent, above 0 and at most 100")

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        return able(MaxSkew().from_counts(counts, target, mode, k), self.top1_percent)


def able(max_skew: np.ndarray | float, top1_percent: float) -> np.ndarray:
    """2 / (exp(max_skew) + 100 / top1_percent)."""
    return 2.0 / (np.exp(max_skew) + 100.0 / top1_percent)
