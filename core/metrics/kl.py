"""KL@k: distance of the shares in the top k from the target."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, RATIO_FLOOR, Mode, RankingMetric, shares


@RANKING_METRICS.register("kl")
@dataclass(frozen=True)
class KL(RankingMetric):
    """sum over g of p_g ln(max(p_g / q_g, 1e-10)) in nats; a group with p_g = 0 contributes 0.

    0: the shares in the top k are the target. "sem" keeps the 0/0 of the published code: a group with target 0 that
    is not retrieved gives NaN.
    """

    name = "kl"
    title = "KL"
    meaning = "distance of the top k from the target; 0 is on it"
    formula = "sum_g s_g ln(s_g / t_g), 0 ln 0 = 0"
    headline = True
    place = 3
    range = (0.0, float("inf"))
    zero_means = "the shares in the top k are the target"
    better = "lower"

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        p, known = shares(counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            terms = p * np.log(np.maximum(p / np.asarray(target, dtype=np.float64), RATIO_FLOOR))
        if mode != "sem":
            terms = np.where((p == 0.0) & (known > 0), 0.0, terms)
        return terms.sum(axis=-1)
