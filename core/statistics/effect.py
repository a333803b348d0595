"""What an edit did, by direction: towards what is asked for, past it, away from it, or nothing beyond chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.statistics.estimates import Estimate
from core.statistics.exchange import Exchange, exchange_p, group_p, share_changes
from core.statistics.lean import ALPHA, Lean

Direction = Literal["towards", "past", "away", "no change beyond chance"]


@dataclass(frozen=True)
class Effect:
    """The change of one list. A reversal is an effect, whatever a symmetric metric says of it."""

    exchange: Exchange
    p: float
    """Of the exchange, all groups together."""
    smallest_p: float
    """The smallest p that an exchange of as many rows could show."""
    p_group: tuple[float, ...]
    """Of the exchange, each group against all others: of one family with the intervals of `shares`."""
    shares: tuple[Estimate, ...]
    """Share after minus share before of each group."""
    leading_before: int | None
    leading_after: int | None
    group: int
    """The group that the directions are about."""
    direction: Direction
    """With respect to the target."""
    lean_direction: Direction
    """With respect to the shares of the searched rows."""

    @property
    def knowable(self) -> bool:
        """Whether an exchange of as many rows could be told from chance at all; of three rows or fewer none can."""
        return self.smallest_p <= ALPHA

    @property
    def at_smallest(self) -> bool:
        return self.p <= self.smallest_p * (1 + 1e-9)


def effect_of(before: Lean, after: Lean, exchange: Exchange, target: Sequence[float], tests: int = 1) -> Effect | None:
    """What changed between two lists of the same gallery, and in which direction; None where a list has no known row.

    The direction is about the group that led before, else the one whose share changed most, in standard errors. With d
    and d' its distance to the target before and after:

    no change beyond chance   p > .05
    away                      it began at the target (its interval held it), or |d'| >= |d|
    past                      the sign of d changed and the interval of the share after excludes the target
    towards                   |d'| < |d|

    Parameters
    ----------
    before, after : leans of the two lists, of the same searched rows.
    target : target share of each group (G,).
    tests : size of the family that p will be corrected with.
    """
    if not (sum(exchange.before) and sum(exchange.after)):
        return None
    p, smallest = exchange_p(exchange, tests)
    changes = share_changes(exchange)
    group = before.leading if before.leading is not None else _most_changed(exchange)
    base = [each.base_share for each in before.groups]
    shares = before.groups[group].share, after.groups[group].share
    return Effect(
        exchange,
        p,
        smallest,
        tuple(group_p(exchange, g) for g in range(len(exchange.leaves))),
        tuple(changes),
        before.leading,
        after.leading,
        group,
        direction_of(*shares, float(target[group]), p),
        direction_of(*shares, base[group], p),
    )


def _most_changed(exchange: Exchange) -> int:
    """The group with the largest change in standard errors of a blind exchange."""
    leaves, enters = np.array(exchange.leaves, dtype=np.float64), np.array(exchange.enters, dtype=np.float64)
    together = leaves + enters
    if not together.any():
        return first_largest(np.abs(exchange.changes))
    share = together / together.sum()
    # the variance of a blind exchange is this times what is the same for every group
    spread = np.sqrt(share * (1 - share))
    departure = np.divide(enters - enters.sum() * share, spread, out=np.zeros_like(spread), where=spread > 0)
    return first_largest(np.abs(departure))


def first_largest(values: Sequence[float] | np.ndarray) -> int:
    """Place of the largest value (G,), the first of those that are equal to 9 digits.

    Two groups depart alike from a blind exchange, so that the last bit would decide which of them is named.
    """
    return int(np.argmax(np.round(values, 9)))


def direction_of(before: Estimate, after: Estimate, asked: float, p: float) -> Direction:
    """The direction of a change of share with respect to the share that is asked for; see `effect_of`."""
    if p > ALPHA or before.estimate is None or after.estimate is None:
        return "no change beyond chance"
    d, d_after = before.estimate - asked, after.estimate - asked
    if _holds(before, asked):
        return "away"
    if d * d_after < 0 and not _holds(after, asked):
        return "past"
    return "towards" if abs(d_after) < abs(d) else "away"


def _holds(share: Estimate, value: float) -> bool:
    return share.lo is not None and share.hi is not None and share.lo <= value <= share.hi
