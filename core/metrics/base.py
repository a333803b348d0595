"""Ranking metrics: what a ranked list of group numbers says about who is represented.

Lists are vectorised over leading axes, so that a null band or a bootstrap of 1,000 draws is one call.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from core.config import one_of
from core.registry import Registry

Mode = Literal["ours", "berg", "sem"]
MODES: tuple[Mode, ...] = ("ours", "berg", "sem")

RATIO_FLOOR = 1e-10
"""Smallest ratio of shares whose logarithm is taken, where a formula of the papers has such a floor."""


@dataclass(frozen=True)
class ListFacts:
    """What is known of a list beside the groups of its rows, for metrics with settings of their own."""

    groups: tuple[str, ...]
    n_relevant: int | None = None
    """Relevant rows among all searched ones; None where what is relevant was not said."""
    top1_percent: float | None = None
    """Zero-shot accuracy of the same model in per cent; None where it was not said."""


class ShareOf(NamedTuple):
    """That a metric follows from one share, whose interval is then the metric's."""

    successes: int
    of: int
    value: Callable[[float], float]
    """The metric where the share is this; rising."""
    n: int
    """Rows that the metric is about."""


class OtherMetric(NamedTuple):
    """That a metric follows from another metric, whose interval is then its own."""

    metric: "RankingMetric"
    value: Callable[[float], float]
    """The metric where the other one is this; rising or falling."""


class RankingMetric(ABC):
    """One number about the first k rows of a ranking.

    Group numbers are 0 .. G-1; -1 marks a row whose group is unknown. Shares are taken over the rows with a known
    group. A metric is a pure function; parameters of its own are the fields of its (frozen) dataclass. Everything that
    others show of it stands on its class.

    Its interval is found by test inversion where `bias_direction` says on which side bias lies; else from the share or
    the metric that `follows_from` names; else the metric is "not computed", for no number stands without its interval.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    meaning: ClassVar[str] = ""
    """A line for people beside the number; empty: what 0 means."""
    formula: ClassVar[str] = ""
    """A line for whoever computes it again; empty: the first line of the docstring."""
    headline: ClassVar[bool] = False
    """True where every ranking is measured by it; such a metric can be made without arguments."""
    place: ClassVar[int] = 100
    """Place among the headline metrics, smallest first."""
    range: ClassVar[tuple[float, float]]
    zero_means: ClassVar[str]
    better: ClassVar[str]
    """"nearer to 0", "lower" or "higher"."""
    ordered: ClassVar[bool] = False
    """True where the order inside the first k rows matters and not only how many rows of each group there are."""
    bias_direction: ClassVar[int] = 1
    """+1 where more bias is a larger value, -1 where it is a smaller one, 0 where it is not about bias."""
    extreme: ClassVar[bool] = False
    """True where it is the most extreme of the groups' values: chance moves the most extreme one outwards."""
    about: ClassVar[Literal["groups", "relevance"]] = "groups"
    """Whose numbers the ranked rows hold: groups, or 0 for a relevant row and 1 for another one."""

    @classmethod
    def for_list(cls, facts: ListFacts) -> "RankingMetric | str":
        """The metric with what it needs to know of a list, or the reason why there is none."""
        return cls()

    def named(self, groups: Sequence[str]) -> dict[str, str]:
        """Settings that are told beside the number, in words."""
        return {}

    def follows_from(self, ranked: np.ndarray) -> ShareOf | OtherMetric | None:
        """What the metric of one list (rows,) follows from, for its interval; None where from nothing simpler."""
        return None

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


def headline_metrics() -> dict[str, type[RankingMetric]]:
    """The registered metrics that every ranking is measured by, in the order in which they are shown."""
    metrics = [RANKING_METRICS.get(name) for name in RANKING_METRICS if RANKING_METRICS.get(name).headline]
    return {metric.name: metric for metric in sorted(metrics, key=lambda metric: (metric.place, metric.name))}


def formula_of(metric: type[RankingMetric]) -> str:
    """One line from which the metric can be computed again."""
    return metric.formula or (metric.__doc__ or metric.title).strip().splitlines()[0]


def meaning_of(metric: type[RankingMetric]) -> str:
    """One line for people."""
    return metric.meaning or f"0: {metric.zero_means}"


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
