"""Ranking metrics: what a ranked list of group numbers says about who is represented.

Lists are vectorised over leading axes, so that a null band or a bootstrap of 1,000 draws is one call.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from core.config import one_of
from core.registry import Registry

Mode = Literal["ours", "berg", "sem"]
MODES: tuple[Mode, ...] = ("ours", "berg", "sem")

RATIO_FLOOR = 1e-10
"""Smallest ratio of shares whose logarithm is taken, where a formula of the papers has such a floor."""


class RankingMetric(ABC):
    """One number about the first k rows of a ranking.

    Group numbers are 0 .. G-1; -1 marks a row whose group is unknown. Shares are taken over the rows with a known
    group. A metric is a pure function; parameters of its own are the fields of its (frozen) dataclass.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    range: ClassVar[tuple[float, float]]
    zero_means: ClassVar[str]
    better: ClassVar[str]
    """"nearer to 0", "lower" or "higher"."""
    ordered: ClassVar[bool] = False
    """True where the order inside the first k rows matters and not only how many rows of each group there are."""
    bias_direction: ClassVar[int] = 1
    """+1 where more bias is a larger value, -1 where it is a smaller one, 0 where it is not about bias."""

    def __call__(self, ranked: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None) -> np.ndarray:
        """The metric of each list, of shape `ranked.shape[:-1]`; NaN where no row has a known group.

        Parameters
        ----------
        ranked : whole numbers (..., rows), best first; -1 is unknown.
        target : target shares (G,), which sum to 1.
        mode : "ours", or the rules of a paper: "berg" (Berg et al. 2022, oxai) and "sem" (SEM and BendVLM).
        k : only for "berg", whose lists may hold more than k rows (ties) while k stays the denominator.
        """
        ranked, target = np.asarray(ranked), np.asarray(target, dtype=np.float64)
        one_of(mode, MODES, "mode")
        return self.from_counts(count_groups(ranked, len(target)), target, mode, ranked.shape[-1] if k is None else k)

    @abstractmethod
    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        """The metric from the number of rows of each group (..., G); NotImplementedError for an ordered metric."""


RANKING_METRICS: Registry[type[RankingMetric]] = Registry("ranking metric", "core.metrics")


def count_groups(ranked: np.ndarray, n_groups: int) -> np.ndarray:
    """Number of rows of each group, (..., G), of lists (..., rows); rows with another number are not counted."""
    ranked = np.asarray(ranked)
    if n_groups == 0:
        return np.zeros((*ranked.shape[:-1], 0), dtype=np.int64)
    return np.stack([np.count_nonzero(ranked == g, axis=-1) for g in range(n_groups)], axis=-1)


def shares(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares over the known rows (..., G) and their number (..., 1); NaN where that number is 0."""
    counts = np.asarray(counts, dtype=np.float64)
    known = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts / known, known


def skews(counts: np.ndarray, target: np.ndarray, mode: Mode, k: int | None) -> np.ndarray:
    """ln(p_g / q_g) of each group (..., G) under the zero rule of the mode.

    ours: p over the known rows, 0 replaced by 1 / (known rows). berg: p with denominator k, 0 replaced by 1/k.
    sem: the ratio has the floor 1e-10. A group with target 0 gives +inf (sem: NaN where it is not retrieved either).
    """
    counts = np.asarray(counts, dtype=np.float64)
    p, known = shares(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        if mode == "sem":
            return np.log(np.maximum(p / target, RATIO_FLOOR))
        if mode == "berg":
            known = known if k is None else np.full_like(known, k)
            p = counts / known
        return np.log(np.where(p == 0.0, 1.0 / known, p)) - np.log(target)


def top_rows(scores: np.ndarray, k: int, keep_ties: bool = False) -> np.ndarray:
    """Rows with the k largest scores, best first, equal scores in row order.

    `keep_ties` keeps every row whose score equals the k-th, as Berg et al. do; the list may then be longer than k.
    """
    scores = np.asarray(scores)
    order = np.argsort(-scores, kind="stable")
    if keep_ties and k < len(order):
        return order[scores[order] >= scores[order[k - 1]]]
    return order[:k]
