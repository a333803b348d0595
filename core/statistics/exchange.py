"""What an edit did to one list: the rows that leave the top k against those that enter it.

Before and after share most of their rows, and what they share says nothing about a change. So everything rests on the
exchange: a rows leave the top k and a' rows enter (known groups only), l_g and e_g of them of group g.

p. If the exchange does not look at the group, the number of g among those that enter is hypergeometric, given the
groups of all that were exchanged; two-sided and exact, twice the smaller tail.

Interval of the change of share. The gallery's people are a sample: other people of the same kind would be exchanged
otherwise. The k places of the list are paired before with after, a leaving row with an entering one at random, so that
a place wins g with e_g (a - l_g) / a of k and loses it with l_g (a - e_g) / a; their difference has Tango's score
interval of paired shares, which keeps a width where nothing was exchanged. It is then made one family with p: it holds
0 exactly where p > .05.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from core.statistics.bands import Metric
from core.statistics.biased_draw import blind_p
from core.statistics.estimates import DRAWS, LEVEL, NORMAL, Estimate
from core.statistics.lean import ALPHA
from core.statistics.omnibus import omnibus_p

JEFFREYS = 0.5
"""Rows of each group that are added before a composition is drawn: a group that was not seen keeps a chance."""


@dataclass(frozen=True)
class Exchange:
    """The rows of each group that leave, enter and stay in the top k, known groups only."""

    leaves: tuple[int, ...]
    enters: tuple[int, ...]
    stays: tuple[int, ...]

    @property
    def before(self) -> tuple[int, ...]:
        return tuple(x + s for x, s in zip(self.leaves, self.stays, strict=True))

    @property
    def after(self) -> tuple[int, ...]:
        return tuple(x + s for x, s in zip(self.enters, self.stays, strict=True))

    @property
    def changes(self) -> np.ndarray:
        """Share after minus share before of each group (G,); NaN where a list has no known group."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.array(self.after) / sum(self.after) - np.array(self.before) / sum(self.before)


def exchange_of(before: np.ndarray, after: np.ndarray, groups: np.ndarray, n_groups: int) -> Exchange:
    """The exchange between two lists of row numbers.

    Parameters
    ----------
    before, after : row numbers (k,) of the two top k, any order.
    groups : group number of every row of the gallery (n,); -1 unknown.
    """

    def counted(rows: np.ndarray) -> tuple[int, ...]:
        of_rows = groups[rows]
        return tuple(np.bincount(of_rows[of_rows >= 0], minlength=n_groups).tolist())

    return Exchange(
        counted(np.setdiff1d(before, after)),
        counted(np.setdiff1d(after, before)),
        counted(np.intersect1d(before, after)),
    )


def exchange_p(exchange: Exchange, tests: int = 1) -> tuple[float, float]:
    """p of an exchange that does not look at the group, and the smallest p that an exchange of as many rows could show.

    Two groups: hypergeometric, exact, two-sided. More: by the G statistic of the table {leaves, enters} x groups
    (`omnibus_p`). 1: nothing was exchanged, or all rows that were are of one group. The smallest p is that of an
    exchange of as many rows in which all go one way, 2 / C(a + a', a).
    """
    together = [x + y for x, y in zip(exchange.leaves, exchange.enters, strict=True)]
    out, into = sum(exchange.leaves), sum(exchange.enters)
    p, drawn = omnibus_p(together, exchange.enters, tests, both=True)
    least = min(1.0, 2.0 / math.comb(out + into, out)) if min(out, into) else 1.0
    several = sum(n > 0 for n in together) > 2
    return p, max(least, drawn if several else 0.0)


def group_p(exchange: Exchange, group: int) -> float:
    """The same for one group against all others."""
    together = exchange.leaves[group] + exchange.enters[group]
    entered = sum(exchange.enters)
    return blind_p(exchange.enters[group], together, sum(exchange.leaves) + entered, entered)


def share_changes(exchange: Exchange) -> list[Estimate]:
    """Share after minus share before of each group, with its interval; in [-1, 1], n rows of known group after.

    Missing where a list holds no known group.
    """
    if not (sum(exchange.before) and sum(exchange.after)):
        return [Estimate.missing("no row with a known group")] * len(exchange.leaves)
    return [_change(exchange, g, float(change)) for g, change in enumerate(exchange.changes)]


def _change(exchange: Exchange, g: int, change: float) -> Estimate:
    out, into = sum(exchange.leaves), sum(exchange.enters)
    places = min(sum(exchange.before), sum(exchange.after))
    e, left = exchange.enters[g] / max(into, 1), exchange.leaves[g] / max(out, 1)
    moved = places * (out / sum(exchange.before) + into / sum(exchange.after)) / 2
    won, lost = moved * e * (1 - left), moved * left * (1 - e)
    lo, hi = paired_share_interval(won, lost, places)
    # unknown rows make the two lists' known rows differ in number: the observed change stays the centre
    shift = change - (won - lost) / places
    lo, hi = max(lo + shift, -1.0), min(hi + shift, 1.0)
    if group_p(exchange, g) > ALPHA:
        lo, hi = min(lo, 0.0), max(hi, 0.0)
    elif change > 0:
        lo = max(lo, math.ulp(0.0))
    else:
        hi = min(hi, -math.ulp(0.0))
    return Estimate(change, min(lo, change), max(hi, change), sum(exchange.after))


def paired_share_interval(won: float, lost: float, places: float) -> tuple[float, float]:
    """Score interval of (won - lost) / places, a difference of paired shares.

    The differences d that |won - lost - n d| <= z sqrt(n (2 q + d (1 - d))) allows, q(d) the likeliest share of losses
    under d. Covers for few and for no discordant places. `won` and `lost` may be expected numbers.
    Source: Tango 1998 (Statistics in Medicine 17, 891).
    """

    def score(d: float) -> float:
        b = -won - lost + (2 * places - won + lost) * d
        q = (math.sqrt(max(b * b + 8 * places * lost * d * (1 - d), 0.0)) - b) / (4 * places)
        variance = places * (2 * q + d * (1 - d))
        return (won - lost - places * d) / math.sqrt(max(variance, 1e-300))

    centre = (won - lost) / places
    ends = []
    for sign in (-1.0, 1.0):
        wanted = -sign * NORMAL
        if centre == sign or (score(sign * (1 - 1e-12)) - wanted) * sign > 0:
            ends.append(sign)
        else:
            ends.append(
                scipy.optimize.brentq(
                    lambda d, w=wanted: score(d) - w, *sorted((centre, sign * (1 - 1e-12))), xtol=1e-10
                )
            )
    return ends[0], ends[1]


def metric_change(
    metric: Metric, exchange: Exchange, target: Sequence[float] | np.ndarray, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """A metric of counts, after minus before, with an interval from drawn compositions.

    What leaves, enters and stays, and how much of the list stays, are drawn around what was seen (Dirichlet and beta,
    half a row of everything added); a drawn list before and one after share what stays. The metric is biased upwards
    near no bias, and differently before and after: the interval is the union of the drawn differences as they are and
    of the same around the observed difference, so that it holds both the difference of the true shares' metrics and
    what lists of this length show on average.

    Missing where a list holds no known group.
    """
    before, after = (np.array(counts, dtype=np.float64) for counts in (exchange.before, exchange.after))
    if not (before.sum() and after.sum()):
        return Estimate.missing("no row with a known group")
    target = np.asarray(target, dtype=np.float64)
    observed = float(metric.from_counts(after, target) - metric.from_counts(before, target))
    old, new = _compositions(exchange, draws, seed)
    old, new = metric.from_counts(old * before.sum(), target), metric.from_counts(new * after.sum(), target)
    drawn = new - old
    lo, hi = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shift = observed - drawn.mean()
    return Estimate(
        observed,
        float(min(lo, lo + shift, observed)),
        float(max(hi, hi + shift, observed)),
        int(after.sum()),
    )


@lru_cache(maxsize=8)
def _compositions(exchange: Exchange, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Drawn shares of each group before and after, each (draws, G): every metric of an exchange looks at the same."""
    rng = np.random.default_rng(seed)
    leave, enter, stay = (
        rng.dirichlet(np.array(part) + JEFFREYS, size=draws)
        for part in (exchange.leaves, exchange.enters, exchange.stays)
    )
    moved = (sum(exchange.leaves) + sum(exchange.enters)) / 2
    kept = rng.beta(sum(exchange.stays) + JEFFREYS, moved + JEFFREYS, size=(draws, 1))
    made = kept * stay + (1 - kept) * leave, kept * stay + (1 - kept) * enter
    for shares in made:
        shares.setflags(write=False)
    return made
