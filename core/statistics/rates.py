"""Rates by group: how many of a group's people are found, what an edit changes for the same people, how far groups
are apart.

The people of a group are taken as a sample of people like them, each found or not: a rate has its Wilson interval, and
a change of the same people's rate the paired counterpart of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

from core.statistics.estimates import DRAWS, LEVEL, MINIMUM_N, Estimate, wilson
from core.statistics.exchange import Exchange, exchange_p, paired_share_interval, share_changes
from core.statistics.lean import ALPHA, lean_of


@dataclass(frozen=True)
class RateChange:
    """A rate after minus the same rate before, in [-1, 1]; 0: no more and no fewer are found."""

    change: Estimate
    """Its interval holds 0 exactly where p > .05."""
    p: float | None
    """Exact and two-sided. None where there is no change to test."""
    smallest_p: float = 1.0
    """The smallest p that as many moved rows could show."""

    def to_json(self) -> dict[str, Any]:
        return {**self.change.to_json(), "p": self.p, "p_smallest": self.smallest_p}


@dataclass(frozen=True)
class RateGap:
    """Largest minus smallest rate of a group, in [0, 1]; 0: all groups are served alike."""

    gap: Estimate
    """Of the true rates: the groups were picked because they are furthest apart, which the interval allows for."""
    corrected: float | None
    """The gap without what picking and few rows add on average, at least 0."""
    high: int | None
    """The group with the largest rate."""
    low: int | None
    p: float | None
    """Of all groups having one rate: exact for two, by the statistic G for more. None: nobody or everybody is found."""

    def to_json(self, groups: Sequence[str]) -> dict[str, Any]:
        if self.high is None or self.low is None:
            return self.gap.to_json()
        named = {"high": groups[self.high], "low": groups[self.low]}
        return {**self.gap.to_json(), "corrected": self.corrected, **named, "p": self.p}


def paired_rate_change(gained: int, lost: int, n: int) -> RateChange:
    """Change of the share of the same n rows that are found.

    (gained - lost) / n, with Tango's score interval of paired shares and McNemar's exact test: of the gained + lost
    rows that changed, each is as likely gained as lost; p = twice the smaller binomial tail, at most 1.

    Parameters
    ----------
    gained, lost : rows found after and not before, and the other way round.
    n : all rows, found or not; 0 gives no change.

    Source: McNemar 1947; Tango 1998 (Statistics in Medicine 17, 891).
    """
    if n == 0:
        return RateChange(Estimate.missing("no row"), None)
    moved = gained + lost
    p = min(1.0, 2.0 * float(bdtr(min(gained, lost), moved, 0.5))) if moved else 1.0
    change = (gained - lost) / n
    lo, hi = paired_share_interval(gained, lost, n)
    if p > ALPHA:
        lo, hi = min(lo, 0.0), max(hi, 0.0)
    elif change > 0:
        lo = max(lo, math.ulp(0.0))
    else:
        hi = min(hi, -math.ulp(0.0))
    return RateChange(Estimate(change, min(lo, change), max(hi, change), n), p, min(1.0, 2.0 * 0.5**moved))


def exchanged_rate_change(leaves: tuple[int, int], enters: tuple[int, int], stays: tuple[int, int]) -> RateChange:
    """Change of the share of relevant rows in a list whose rows were exchanged; the list may grow or shrink.

    p asks whether what enters is relevant as often as what leaves (hypergeometric, exact); the interval is that of a
    changed share (`share_changes`). Where nothing leaves, or nothing enters, there is nothing to compare: p = 1.

    Parameters
    ----------
    leaves, enters, stays : rows (not relevant, relevant).
    """
    exchange = Exchange(leaves, enters, stays)
    change = share_changes(exchange)[1]
    if change.estimate is None:
        return RateChange(Estimate.missing("a list holds none of these rows"), None)
    return RateChange(change, *exchange_p(exchange))


def rate_gap(hits: Sequence[int], of: Sequence[int], draws: int = DRAWS, seed: int = 0) -> RateGap:
    """How far the rates hits / of are apart between groups.

    For a pair, Newcombe's interval of a difference from the Wilson intervals of the rates. The upper end is the
    largest upper end of any pair; the lower end the largest lower end, at the level that all pairs need together, and
    exactly 0 where p > .05. The corrected gap subtracts what drawn binomial counts around the observed rates show
    beyond them.

    Parameters
    ----------
    hits, of : rows of each group (G,); groups without a row are left out.

    Missing where fewer than two groups have a row. Source: Newcombe 1998 (Statistics in Medicine 17, 873).
    """
    x, n = np.asarray(hits, dtype=np.int64), np.asarray(of, dtype=np.int64)
    there = np.flatnonzero(n)
    if len(there) < 2:
        return RateGap(Estimate.missing("a gap needs two groups with rows"), None, None, None, None)
    x, n = x[there], n[there]
    rates = x / n
    high, low = int(rates.argmax()), int(rates.argmin())
    if high == low:
        high, low = 0, 1
    observed = float(rates[high] - rates[low])
    p = lean_of(n.tolist(), x.tolist()).p
    pairs = len(n) * (len(n) - 1) / 2
    lo = float(_pair_ends(rates, x, n, 1 - (1 - LEVEL) / pairs)[0].max())
    hi = float(_pair_ends(rates, x, n, LEVEL)[1].max())
    lo = 0.0 if p is None or p > ALPHA else max(lo, math.ulp(0.0))
    drawn = np.random.default_rng(seed).binomial(n, rates, size=(draws, len(n))) / n
    excess = float(np.ptp(drawn, axis=1).mean()) - observed
    few = [int(n[g]) for g in (high, low) if n[g] < MINIMUM_N]
    note = f"not interpreted: a group has only {min(few)} rows, fewer than {MINIMUM_N}" if few else None
    gap = Estimate(observed, min(lo, observed), min(max(hi, observed), 1.0), int(n.sum()), note=note)
    return RateGap(gap, max(observed - max(excess, 0.0), 0.0), int(there[high]), int(there[low]), p)


def _pair_ends(rates: np.ndarray, x: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Newcombe's ends of the difference of every ordered pair of rates (G, G); itself against itself is 0."""
    lo, hi = wilson(x, n, level)
    down, up = rates - lo, hi - rates
    difference = rates[:, None] - rates[None, :]
    lower = difference - np.hypot(down[:, None], up[None, :])
    upper = difference + np.hypot(up[:, None], down[None, :])
    np.fill_diagonal(lower, 0.0)
    np.fill_diagonal(upper, 0.0)
    return lower, upper
