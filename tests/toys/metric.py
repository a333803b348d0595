"""Half the summed distance of the shares from the target."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, RankingMetric, shares


@RANKING_METRICS.register("toy_distance")
@dataclass(frozen=True)
class ToyDistance(RankingMetric):
    """(1/2) sum over g of |p_g - q_g|."""

    name = "toy_distance"
    title = "Toy distance"
    headline = True
    range = (0.0, 1.0)
    zero_means = "the shares in the top k are the target"
    better = "lower"

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        return 0.5 * np.abs(shares(counts)[0] - target).sum(axis=-1)
