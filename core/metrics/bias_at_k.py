"""Bias@k: which of two groups the top k leans to."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, ShareOf
from core.metrics.two_groups import TwoGroups


@RANKING_METRICS.register("bias_at_k")
@dataclass(frozen=True)
class BiasAtK(TwoGroups):
    """(M - W) / (M + W) with M and W the numbers of rows of two groups in the top k; signed.

    0: both groups equally often, or neither at all. +1: only the first group. Other groups and unknown rows keep
    their places and are not counted. The target is not used. Source: Wang et al. 2021; VisoGender; GenSynth.
    """

    name = "bias_at_k"
    title = "Bias@k"

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        m, w = (np.asarray(counts, dtype=np.float64)[..., g] for g in (self.first, self.second))
        return (m - w) / np.maximum(m + w, 1.0)

    def follows_from(self, ranked: np.ndarray) -> ShareOf:
        m, w = (int((np.asarray(ranked) == g).sum()) for g in (self.first, self.second))
        return ShareOf(m, m + w, lambda share: 2 * share - 1, m + w)
