"""NDKL@k: distance from the target of every prefix of the ranking, early prefixes weighing most."""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from core.config import one_of
from core.metrics.base import MODES, RANKING_METRICS, Mode, RankingMetric

BLOCK = 1 << 14
"""Rows looked at in one piece."""
TABLE_BITS = 16
"""Counts of as many groups are looked up at once as have so many bits together: tables stay small."""


@RANKING_METRICS.register("ndkl")
@dataclass(frozen=True)
class NDKL(RankingMetric):
    """(1/Z) sum over i = 1..k of KL(p_i || q) / log2(i + 1), Z = sum over i of 1 / log2(i + 1), in nats.

    p_i are the shares among the first i rows. 0 is reached only where every prefix has the target's shares, which
    whole numbers do not allow: judge it by its null band. Rows with unknown group are left out and the ranks close
    up. "berg" (Geyik et al. 2019; oxai): the sum runs over all given rows, Z over k.
    """

    name = "ndkl"
    title = "NDKL"
    meaning = "distance from the target along the ranking, early ranks weigh more; 0 is on it"
    formula = "sum_i KL(s_i, t) / log2(i + 1), over sum_i 1 / log2(i + 1), s_i the shares of the first i known rows"
    headline = True
    place = 2
    range = (0.0, float("inf"))
    zero_means = "every prefix of the ranking has the target's shares (unreachable: compare with the null band)"
    better = "lower"
    ordered = True

    def __call__(self, ranked: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None) -> np.ndarray:
        one_of(mode, MODES, "mode")
        ranked, target = np.asarray(ranked), np.asarray(target, dtype=np.float64)
        known = (ranked >= 0) & (ranked < len(target))
        if mode == "ours" and ranked.size and known.all():
            return _of_known(ranked, target)
        rank = known.cumsum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = np.where(known, 1.0 / np.log2(np.maximum(rank, 1) + 1.0), 0.0)
            total = weight.sum(axis=-1)
            if mode == "berg" and k is not None:
                total = (1.0 / np.log2(np.arange(1, k + 1) + 1.0)).sum()
            return (_prefix_kl(ranked, target, rank) * weight).sum(axis=-1) / total

    def from_counts(
        self, counts: np.ndarray, target: np.ndarray, mode: Mode = "ours", k: int | None = None
    ) -> np.ndarray:
        raise NotImplementedError("NDKL depends on the order inside the top k; give the ranked groups")


def _of_known(ranked: np.ndarray, target: np.ndarray) -> np.ndarray:
    """NDKL of lists whose rows all have a known group: what a group's count adds is looked up.

    One sum along a list counts several groups: each has bits of its own in a whole number. Some lists at a time: what
    is made of them then stays in the processor's memory.
    """
    k, n_groups = ranked.shape[-1], len(target)
    bits = k.bit_length()
    numbers, i = np.arange(float(1 << bits)), np.arange(1.0, k + 1)
    c_ln_c = numbers * np.log(np.maximum(numbers, 1.0))
    adds = [c_ln_c - numbers * np.log(q) if q > 0 else np.where(numbers > 0, np.inf, 0.0) for q in target]
    weight = 1.0 / np.log2(i + 1.0)
    weight /= weight.sum()
    width = max(1, TABLE_BITS // bits)  # groups that one look tells of
    lists = ranked.reshape(-1, k)
    found = np.full(len(lists), -(weight @ np.log(i)))
    step, at_once = max(1, BLOCK // k), 63 // bits
    for start in range(0, n_groups, at_once):
        groups = range(start, min(start + at_once, n_groups))
        counts_as = np.zeros(n_groups, dtype=np.int64)
        counts_as[groups] = 1 << bits * np.arange(len(groups))
        tables = [reduce(_together, adds[n : min(n + width, groups.stop)]) for n in groups[::width]]
        for first in range(0, len(lists), step):
            # rank by rank: sums along lists would wait for one another
            counts = counts_as.take(lists[first : first + step].T).cumsum(axis=0)
            own = (
                table.take(counts >> bits * n & len(table) - 1)
                for n, table in zip(range(0, len(groups), width), tables, strict=True)
            )
            found[first : first + step] += (weight / i) @ reduce(np.add, own)
    # a sum of non-negative KL may come out as -1e-17 where the shares are the target's
    return np.maximum(found, 0.0).reshape(ranked.shape[:-1])


def _together(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """What two groups' counts add, by both of them in one whole number, the second's bits above those of the first."""
    return (upper[:, None] + lower).ravel()


def _prefix_kl(ranked: np.ndarray, target: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """KL(p_i || q) of every prefix (..., rows): [sum_g c ln c - c ln q] / i - ln i with c the counts up to i."""
    i = np.maximum(rank, 1)
    numbers = np.arange(ranked.shape[-1] + 1, dtype=np.float64)
    c_ln_c = numbers * np.log(np.maximum(numbers, 1.0))
    total = np.zeros(ranked.shape, dtype=np.float64)
    for g, q in enumerate(target):
        c = (ranked == g).cumsum(axis=-1)
        total += c_ln_c[c]
        total += c * -np.log(q) if q > 0 else np.where(c > 0, np.inf, 0.0)
    # a sum of non-negative KL may come out as -1e-17 where p_i = q
    return np.maximum(total / i - np.log(i), 0.0)
