"""Lean: does a query prefer a group, given who is there? A question about the model, whatever anybody's target is.

Known groups only: n_g searched and k_g retrieved rows of group g, N = sum n_g, K = sum k_g, base share p_g = n_g / N,
share s_g = k_g / K. Blind to groups, the retrieved rows would be a draw without replacement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from core.statistics.biased_draw import biased_means, blind_p, blind_points
from core.statistics.estimates import MINIMUM_N, Estimate, too_few
from core.statistics.multiplicity import holm
from core.statistics.omnibus import omnibus_p

ALPHA = 0.05
"""Family-wise level at which a lean or a change is beyond chance."""
EVERYTHING = "everything was retrieved"
NOBODY_KNOWN = "no retrieved row has a known group"
ONE_GROUP = "the searched rows hold only one group"


@dataclass(frozen=True)
class GroupLean:
    """What one group has of the retrieved rows, and what it has of the searched ones."""

    searched: int
    retrieved: int
    base_share: float
    """p_g, share among the searched rows of known group."""
    share: Estimate
    """s_g with the finite-gallery interval."""
    ratio: Estimate
    """Representation ratio s_g / p_g: 1 is as often as chance would, 0 not at all."""
    points: Estimate
    """s_g - p_g, in [-1, 1]; 0 is as often as chance would."""
    p: float | None
    """Exact and two-sided: hypergeometric, twice the smaller tail. None where nothing was tested."""
    p_adjusted: float | None
    """Over the groups of this query (Holm); with two groups there is one test and this is p."""
    departure: float
    """(k_g - K p_g) over its standard deviation in a blind draw; 0 where that is 0."""

    @property
    def small(self) -> bool:
        """Too few searched rows to be interpreted; they are counted all the same."""
        return self.searched < MINIMUM_N


@dataclass(frozen=True)
class Lean:
    """The lean of one retrieved list. Nothing of it depends on a target."""

    groups: tuple[GroupLean, ...]
    """In the order of the counts that were given."""
    p: float | None
    """One p for all groups: exact for two, by the statistic G for more (`omnibus_p`). None: not computed."""
    smallest_p: float
    """The smallest p that any list of as many rows could have shown, or that the draws behind p can tell."""
    reason: str | None = None
    """Why nothing was tested."""
    design_effect: float | None = None
    """How many times less the rows tell, because those of one cluster are retrieved together; None: no clusters, rows
    are taken as different people."""

    @property
    def beyond_chance(self) -> bool | None:
        """Whether p <= .05; None where nothing was tested."""
        return None if self.p is None else self.p <= ALPHA

    @property
    def at_smallest(self) -> bool:
        """Whether p is the smallest that could have come out."""
        return self.p is not None and self.p <= self.smallest_p * (1 + 1e-9)

    @property
    def knowable(self) -> bool:
        """Whether any list of as many rows could be told from chance; with very few rows none can."""
        return self.p is not None and self.smallest_p <= ALPHA

    @property
    def leading(self) -> int | None:
        """The group that is retrieved more often than chance explains, by the largest departure; None: no group is.

        Groups are named only where the test of all of them rejects, and then by their own adjusted p. A group with
        too few searched rows, or with nobody retrieved, never leads.
        """
        if not self.beyond_chance:
            return None
        named = [g for g, group in enumerate(self.groups) if _named(group) and group.departure > 0]
        return max(named, key=lambda g: self.groups[g].departure, default=None)

    @property
    def worst_pair(self) -> tuple[int, int] | None:
        """The group that departs most upwards and the one that departs most downwards, in standard errors, of those
        that are large enough to be interpreted; whether that is beyond chance is another question. None: there is no
        such pair.
        """
        large = [g for g, group in enumerate(self.groups) if not group.small]
        over = max(large, key=lambda g: self.groups[g].departure, default=None)
        under = min(large, key=lambda g: self.groups[g].departure, default=None)
        if over is None or under is None or not self.groups[over].departure > 0 > self.groups[under].departure:
            return None
        return over, under


def _named(group: GroupLean) -> bool:
    return not group.small and group.p_adjusted is not None and group.p_adjusted <= ALPHA


def lean_of(searched: Sequence[int], retrieved: Sequence[int], tests: int = 1) -> Lean:
    """The lean of a list from the counts of known groups; equal counts give equal results, which are remembered.

    share and ratio have the interval of `biased_means`: the odds at which a biased draw from this finite gallery puts
    the observed k_g at its 2.5 % and 97.5 % points, so that it holds ratio 1 exactly where p > .05, starts at 0 where
    nobody is retrieved, and never leaves what this gallery can give. It is exact and therefore somewhat wide: it
    covers 95 % or more (`python -m tests.benchmarks coverage`).

    Parameters
    ----------
    searched, retrieved : rows of each group (G,), whole numbers, retrieved at most searched.
    tests : size of the family that the p of all groups will be corrected with; sets how fine drawn p are.

    Source: methods of finite sampling; Holm 1979 over groups.
    """
    return _lean_of(tuple(map(int, searched)), tuple(map(int, retrieved)), int(tests))


@lru_cache(maxsize=4096)
def _lean_of(searched: tuple[int, ...], retrieved: tuple[int, ...], tests: int) -> Lean:
    total, k = sum(searched), sum(retrieved)
    there = sum(n > 0 for n in searched)
    reason = NOBODY_KNOWN if k == 0 else ONE_GROUP if there < 2 else EVERYTHING if k == total else None
    if reason is not None:
        return Lean(
            tuple(_untested(n, x, total, k, reason) for n, x in zip(searched, retrieved, strict=True)),
            None,
            1.0,
            reason,
        )
    p, smallest = omnibus_p(searched, retrieved, tests)
    if there == 2:
        # one test: what one group has more the other has less
        p_of_group = adjusted = [p if n else math.nan for n in searched]
    else:
        p_of_group = [blind_p(x, n, total, k) if n else math.nan for n, x in zip(searched, retrieved, strict=True)]
        adjusted = holm(p_of_group).tolist()
    groups = (
        _group(n, x, total, k, p_g, p_adj)
        for n, x, p_g, p_adj in zip(searched, retrieved, p_of_group, adjusted, strict=True)
    )
    return Lean(tuple(groups), p, smallest)


def _group(n: int, x: int, total: int, k: int, p: float, p_adjusted: float) -> GroupLean:
    if n == 0:
        return _untested(n, x, total, k, "nobody of this group was searched")
    base, share = n / total, x / k
    lo, hi = (mean / k for mean in biased_means(x, n, total, k))
    lo, hi = min(lo, share), max(hi, share)
    ratio, points = (lo / base, hi / base), (lo - base, hi - base)
    spread = math.sqrt(k * base * (1 - base) * (total - k) / (total - 1))
    return GroupLean(
        n,
        x,
        base,
        too_few(Estimate(share, lo, hi, k), n),
        too_few(Estimate(share / base, *ratio, k), n),
        too_few(Estimate(share - base, *points, k), n),
        p,
        p_adjusted,
        (x - k * base) / spread if spread > 0 else 0.0,
    )


def _untested(n: int, x: int, total: int, k: int, reason: str) -> GroupLean:
    """A group of which only the share can be told."""
    missing = Estimate.missing(reason)
    share = missing if k == 0 else Estimate(x / k, x / k, x / k, k)
    return GroupLean(n, x, n / total if total else 0.0, share, missing, missing, None, None, 0.0)


def lean_of_clusters(lean: Lean, p: float, p_group: Sequence[float], smallest: float, effect: float) -> Lean:
    """The same lean where rows come in clusters (persons, films, scenes), tested by whole clusters.

    p and the groups' p are those of `cluster_p`. The intervals are those of counts divided by the design effect, laid
    around the observed share, inside 0 to 1; ratio 1 lies inside exactly where the group's p exceeds .05.

    Parameters
    ----------
    smallest : the smallest p that the draws behind p can tell.
    effect : see `core.statistics.clusters.design_effect`.
    """
    if lean.p is None:
        return lean
    known = [by_rows.p is not None for by_rows in lean.groups]
    p_of_group = [float(x) if there else math.nan for x, there in zip(p_group, known, strict=True)]
    adjusted = p_of_group if sum(known) == 2 else holm(p_of_group).tolist()
    searched, k = sum(by_rows.searched for by_rows in lean.groups), sum(by_rows.retrieved for by_rows in lean.groups)
    groups = tuple(
        _of_clusters(by_rows, searched, k, one_p, one_adjusted, effect) if there else by_rows
        for by_rows, one_p, one_adjusted, there in zip(lean.groups, p_of_group, adjusted, known, strict=True)
    )
    return Lean(groups, float(p), smallest, None, effect)


def _of_clusters(by_rows: GroupLean, searched: int, k: int, p: float, p_adjusted: float, effect: float) -> GroupLean:
    assert by_rows.share.estimate is not None
    n, drawn = max(round(searched / effect), 2), max(round(k / effect), 1)
    group = min(max(round(by_rows.searched / effect), 1), n - 1)
    x = min(max(round(drawn * by_rows.share.estimate), drawn - (n - group)), min(group, drawn))
    lo, hi = (mean / drawn - x / drawn for mean in biased_means(x, group, n, drawn))
    lo, hi = max(by_rows.share.estimate + lo, 0.0), min(by_rows.share.estimate + hi, 1.0)
    if p > ALPHA:
        lo, hi = min(lo, by_rows.base_share), max(hi, by_rows.base_share)
    elif by_rows.departure > 0:
        lo = max(lo, math.nextafter(by_rows.base_share, 1.0))
    else:
        hi = min(hi, math.nextafter(by_rows.base_share, 0.0))
    share, base = by_rows.share.estimate, by_rows.base_share
    lo, hi = min(lo, share), max(hi, share)
    return replace(
        by_rows,
        share=replace(by_rows.share, lo=lo, hi=hi),
        ratio=replace(by_rows.ratio, lo=lo / base, hi=hi / base),
        points=replace(by_rows.points, lo=lo - base, hi=hi - base),
        p=p,
        p_adjusted=p_adjusted,
        departure=by_rows.departure / math.sqrt(effect),
    )


def most_ahead(searched: Sequence[int], retrieved: Sequence[int]) -> int:
    """The group with the largest departure upwards among those that are large enough to be interpreted (among all
    where none is): what a comparison of lists is about, whether its lean is beyond chance or not.
    """
    groups = lean_of(searched, retrieved).groups
    large = [g for g, group in enumerate(groups) if not group.small] or list(range(len(groups)))
    return max(large, key=lambda g: groups[g].departure)


@dataclass(frozen=True)
class GroupDistance:
    """How far one group's share is from what the target asks. A choice of values, not a test: no word of chance."""

    target: float
    """t_g."""
    difference: Estimate
    """s_g - t_g, in points; the interval is that of the share."""
    composition: float | None
    """p_g - t_g: what the gallery brings along."""
    model: float | None
    """s_g - p_g: what the query adds. composition + model = difference."""


def distance_of(lean: Lean, target: Sequence[float]) -> tuple[GroupDistance, ...]:
    """Distance to the target of every group, split exactly into the gallery's part and the model's.

    s_g - t_g = (p_g - t_g) + (s_g - p_g).

    Parameters
    ----------
    target : target share of each group (G,).
    """
    return tuple(_distance(group, float(t)) for group, t in zip(lean.groups, target, strict=True))


def _distance(group: GroupLean, target: float) -> GroupDistance:
    share = group.share
    if share.estimate is None or share.lo is None or share.hi is None:
        return GroupDistance(target, Estimate.missing(share.reason or NOBODY_KNOWN), None, None)
    model = share.estimate - group.base_share
    away = Estimate(share.estimate - target, share.lo - target, share.hi - target, share.n, note=share.note)
    return GroupDistance(target, away, share.estimate - target - model, model)


def blind_shares(searched: Sequence[int], k: int) -> list[tuple[float, float, float]]:
    """What a blind draw of k rows shows of each group: mean, 2.5 % and 97.5 % points of its share, exact."""
    total = sum(searched)
    ends = [blind_points(n, total, k) for n in searched]
    return [(n / total, lo / k, hi / k) for n, (lo, hi) in zip(searched, ends, strict=True)]


def share_bounds(retrieved: Sequence[int], unknown: int) -> list[tuple[float, float]]:
    """Smallest and largest share of each group over all retrieved rows, whatever the unknown ones are."""
    whole = sum(retrieved) + unknown
    return [(x / whole, (x + unknown) / whole) for x in np.asarray(retrieved).tolist()] if whole else []
