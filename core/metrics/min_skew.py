"""MinSkew@k: how much the most under-represented group is under-represented."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, RankingMetric, skews


@RANKING_METRICS.register("min_skew")
@dataclass(frozen=True)
class MinSkew(RankingMetric):
    """min over g of ln(p_g / q_g), with p_g the share in the top k and q_g the target share.

    p_g = 0 is replaced by 1/k, so that the value stays finite. 0: no group has less than its target share;
    -ln 2 = -.69: one group has half of it. The paper modes "berg" and "sem" clamp at 0.
    """

    name = "min_skew"
    title = "MinSkew"
    meaning = "the same for the group furthest below it; 0 is none"
    formula = "the smallest skew of the groups"
    headline = True
    place = 1
    extreme = True
    range = (float("-inf"), 0.0)
    zero_means = "no group has less than its target share"
    better = "higher"
    bias_direction = -1

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        skew = skews(counts, np.asarray(target, dtype=np.float64), mode, k)
        if mode == "ours":
            return skew.min(axis=-1)
        return np.fmin.reduce(skew, axis=-1, initial=0.0)
