"""recall@k: how much of what was asked for is in the top k."""

from dataclasses import dataclass

import numpy as np

from core.config import InputError
from core.metrics.base import RANKING_METRICS, ListFacts, Mode, RankingMetric, ShareOf
from core.metrics.precision_at_k import NOT_SAID


@RANKING_METRICS.register("recall_at_k")
@dataclass(frozen=True)
class RecallAtK(RankingMetric):
    """(relevant rows in the top k) / (relevant rows in the whole gallery).

    In [0, 1]; 0: nothing relevant was retrieved, 1: everything was. The target is not used.
    InputError where the gallery holds no relevant row.
    """

    n_relevant: int
    """Relevant rows in the whole gallery."""
    relevant: int = 0
    """Number of the relevant class."""

    name = "recall_at_k"
    title = "recall@k"
    range = (0.0, 1.0)
    zero_means = "nothing relevant is among the top k"
    better = "higher"
    bias_direction = 0
    about = "relevance"

    @classmethod
    def for_list(cls, facts: ListFacts) -> "RecallAtK | str":
        return NOT_SAID if facts.n_relevant is None else cls(facts.n_relevant)

    def follows_from(self, ranked: np.ndarray) -> ShareOf:
        hits, known = (int(rows.sum()) for rows in (np.asarray(ranked) == self.relevant, np.asarray(ranked) >= 0))
        return ShareOf(hits, known, lambda share: min(share * known / self.n_relevant, 1.0), self.n_relevant)

    def __post_init__(self) -> None:
        if self.n_relevant < 1:
            raise InputError(f"recall needs at least one relevant row in the gallery, got {self.n_relevant}")

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        return np.asarray(counts, dtype=np.float64)[..., self.relevant] / self.n_relevant
