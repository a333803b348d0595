"""precision@k: how much of the top k is what was asked for."""

from dataclasses import dataclass

import numpy as np

from core.metrics.base import RANKING_METRICS, ListFacts, Mode, RankingMetric, ShareOf, shares

NOT_SAID = "what is relevant was not said; give a column and its value"


@RANKING_METRICS.register("precision_at_k")
@dataclass(frozen=True)
class PrecisionAtK(RankingMetric):
    """Share of relevant rows in the top k. Here the "groups" are classes and one of them is the relevant one.

    In [0, 1]; 0: nothing relevant was retrieved. Rows of unknown class are not counted. The target is not used.
    """

    relevant: int = 0
    """Number of the relevant class."""

    name = "precision_at_k"
    title = "precision@k"
    range = (0.0, 1.0)
    zero_means = "nothing relevant is among the top k"
    better = "higher"
    bias_direction = 0
    about = "relevance"

    @classmethod
    def for_list(cls, facts: ListFacts) -> "PrecisionAtK | str":
        return NOT_SAID if facts.n_relevant is None else cls()

    def follows_from(self, ranked: np.ndarray) -> ShareOf:
        known = int((np.asarray(ranked) >= 0).sum())
        return ShareOf(int((np.asarray(ranked) == self.relevant).sum()), known, lambda share: share, known)

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        return shares(counts)[0][..., self.relevant]
