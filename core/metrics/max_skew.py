"""MaxSkew@k: how much the most over-represented group is over-represented."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, RankingMetric, skews


@RANKING_METRICS.register("max_skew")
@dataclass(frozen=True)
class MaxSkew(RankingMetric):
    """max over g of ln(p_g / q_g), with p_g the share in the top k and q_g the target share.

    p_g = 0 is replaced by 1/k (Geyik et al. 2019). 0: no group has more than its target share; ln 2 = .69: one group
    has twice its target share. The paper modes "berg" and "sem" clamp at 0.
    """

    name = "max_skew"
    title = "MaxSkew"
    meaning = "log of share ÷ target for the group furthest above it; 0 is none"
    formula = "the largest skew of the groups; 0: no group has more than its target share"
    headline = True
    place = 0
    extreme = True
    range = (0.0, float("inf"))
    zero_means = "no group has more than its target share"
    better = "lower"

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        skew = skews(counts, np.asarray(target, dtype=np.float64), mode, k)
        if mode == "ours":
            return skew.max(axis=-1)
        # the published code starts at 0 and skips what cannot be compared: fmax ignores NaN
        return np.fmax.reduce(skew, axis=-1, initial=0.0)
