"""Bias@k: which of two groups the top k leans to."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, RankingMetric


@RANKING_METRICS.register("bias_at_k")
@dataclass(frozen=True)
class BiasAtK(RankingMetric):
    """(M - W) / (M + W) with M and W the numbers of rows of two groups in the top k; signed.

    0: both groups equally often, or neither at all. +1: only the first group. Other groups and unknown rows keep
    their places and are not counted. The target is not used. Source: Wang et al. 2021; VisoGender; GenSynth.
    """

    first: int = 0
    """Number of the group that counts positive (M)."""
    second: int = 1
    """Number of the group that counts negative (W)."""

    name = "bias_at_k"
    title = "Bias@k"
    range = (-1.0, 1.0)
    zero_means = "both groups equally often, or neither"
    better = "nearer to 0"
    bias_direction = 0

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        m, w = (np.asarray(counts, dtype=np.float64)[..., g] for g in (self.first, self.second))
        return (m - w) / np.maximum(m + w, 1.0)
