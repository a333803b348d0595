"""bias_count@k: how many more rows of one group than of another there are, over all k."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, Mode, ShareOf
from core.metrics.two_groups import TwoGroups


@RANKING_METRICS.register("bias_count_at_k")
@dataclass(frozen=True)
class BiasCountAtK(TwoGroups):
    """(M - W) / k with M and W the numbers of rows of two groups in the top k; signed.

    The mean of +1 for the first group, -1 for the second and 0 for every other row, unknown ones included: unlike
    Bias@k it is small where most of the top k belongs to neither. 0: both equally often. The target is not used.
    Source: VisoGender (Hall et al. 2023).
    """

    name = "bias_count_at_k"
    title = "bias count@k"

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        counts = np.asarray(counts, dtype=np.float64)
        rows = counts.sum(axis=-1) if k is None else k
        return (counts[..., self.first] - counts[..., self.second]) / np.maximum(rows, 1.0)

    def follows_from(self, ranked: np.ndarray) -> ShareOf:
        m, w = (int((np.asarray(ranked) == g).sum()) for g in (self.first, self.second))
        return ShareOf(m, m + w, lambda share: (2 * share - 1) * ((m + w) / len(ranked)), m + w)
