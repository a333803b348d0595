"""Number of groups in the top k."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, RankingMetric


@RANKING_METRICS.register("toy_groups")
@dataclass(frozen=True)
class ToyGroups(RankingMetric):
    """Number of groups with a row in the top k."""

    name = "toy_groups"
    title = "Toy groups"
    headline = True
    range = (0.0, float("inf"))
    zero_means = "nobody"
    better = "higher"
    bias_direction = 0

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        return (np.asarray(counts) > 0).sum(axis=-1).astype(float)
