"""What an edit did to one list: rows exchanged, changes of shares and of metrics, and the direction of it all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.verify.own.chance import together_p, two_sided
from core.verify.own.metrics import NAMES, counted, of_counts, of_lists
from core.verify.own.searched import Searched
from core.verify.own.values import DRAWS, SHOWN, Value, Z, aimed, middle, missing, student, value

NO_CHANGE = "no change beyond chance"
ADDED = 0.5
"""Rows that are added to every count before a composition is drawn."""
FEWEST_EXCHANGED = 5
FEW = 1_000
"""Rows up to which their weights are kept: a megabyte for each seed."""
LISTLESS = "a list holds no row with a known group"


@dataclass(frozen=True)
class Exchanged:
    """Rows of each group that leave, enter and stay."""

    leave: tuple[int, ...]
    enter: tuple[int, ...]
    stay: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        return sum(self.leave), sum(self.enter), sum(self.stay)

    @property
    def lists(self) -> tuple[list[int], list[int]]:
        """Rows of each group before and after."""
        stay = self.stay
        return [x + s for x, s in zip(self.leave, stay, strict=True)], [
            x + s for x, s in zip(self.enter, stay, strict=True)
        ]

    @property
    def measurable(self) -> bool:
        return all(sum(counts) for counts in self.lists)

    def change(self, g: int) -> float:
        before, after = self.lists
        return after[g] / sum(after) - before[g] / sum(before)

    def p_of(self, g: int) -> float:
        """p of one group against all others among the exchanged rows."""
        out, into, _ = self.sizes
        return two_sided(self.enter[g], self.leave[g] + self.enter[g], out + into, into)

    def p(self, tests: int) -> tuple[float, float]:
        """p of all groups, and the smallest p of as many exchanged rows."""
        both = [x + y for x, y in zip(self.leave, self.enter, strict=True)]
        out, into, _ = self.sizes
        p, drawn = together_p(both, self.enter, tests, left_too=True)
        least = min(2 / math.comb(out + into, into), 1.0) if out and into else 1.0
        return p, max(least, drawn) if sum(n > 0 for n in both) > 2 else least


def exchanged(before: np.ndarray, after: np.ndarray, labels: np.ndarray, n_groups: int) -> Exchanged:
    """The exchange of two lists of row numbers."""
    old, new = set(before.tolist()), set(after.tolist())

    def counts(rows: set[int]) -> tuple[int, ...]:
        return tuple(int(n) for n in counted(labels[sorted(rows)], n_groups)) if rows else (0,) * n_groups

    return Exchanged(counts(old - new), counts(new - old), counts(old & new))


def change_document(
    rankings: tuple[np.ndarray, np.ndarray],
    lists: tuple[Mapping[str, Any], Mapping[str, Any]],
    searched: Searched,
    k: int,
    tests: int,
    seed: int,
) -> dict[str, Any]:
    """The block `difference`: after minus before.

    Parameters
    ----------
    rankings : rows before and after, best first, deeper than k.
    lists : the blocks of the two lists.
    """
    moved = exchanged(rankings[0][:k], rankings[1][:k], searched.labels, len(searched.groups))
    effect = effect_document(moved, lists, searched, tests)
    shares = {}
    for g, group in enumerate(searched.groups):
        note = lists[0]["shares"][group].get("note")
        change = share_change(moved, g) if moved.measurable else missing(LISTLESS)
        shares[group] = change | {"note": note} if note is not None and moved.measurable else change
    metrics = {}
    for name in NAMES:
        if any(one[name]["estimate"] is None for one in lists):
            found = missing("one of the arms has no value")
        elif name == "ndkl":
            found = ordered_change(rankings, searched, k, seed)
        else:
            found = counted_change(name, moved, searched.target, seed)
        metrics[name] = aimed(found, searched.named_target)
    return {"shares": shares, **metrics, "effect": effect}


# ------------------------------------------------------------------------------------------------ shares


def share_change(moved: Exchanged, g: int) -> Value:
    """Share after minus share before with the interval of a changed share."""
    before, after = (sum(counts) for counts in moved.lists)
    out, into, _ = moved.sizes
    places, change = min(before, after), moved.change(g)
    leaves, enters = moved.leave[g] / out if out else 0.0, moved.enter[g] / into if into else 0.0
    mass = places * (out / before + into / after) / 2
    won, lost = mass * enters * (1 - leaves), mass * leaves * (1 - enters)
    shift = change - (won - lost) / places
    lo, hi = (end + shift for end in tango(won, lost, places))
    lo, hi = max(lo, -1.0), min(hi, 1.0)
    if moved.p_of(g) > SHOWN:
        lo, hi = min(lo, 0.0), max(hi, 0.0)
    elif change > 0:
        lo = max(lo, math.ulp(0.0))
    else:
        hi = min(hi, -math.ulp(0.0))
    return value(change, min(lo, change), max(hi, change), after)


def tango(won: float, lost: float, places: float) -> tuple[float, float]:
    """The differences d of paired shares with |won - lost - n d| <= z sqrt(n (2 q + d (1 - d))), by bisection.

    q is the likeliest share of losses: 2 n q^2 + (n d (2 - .) ...) q solved for the larger root, that is
    q = (sqrt(B^2 + 8 n lost d (1 - d)) - B) / (4 n) with B = (2 n - won + lost) d - won - lost.
    """
    n, centre = places, (won - lost) / places

    def allowed(d: float) -> bool:
        b = (2 * n - won + lost) * d - won - lost
        q = (math.sqrt(max(b * b + 8 * n * lost * d * (1 - d), 0.0)) - b) / (4 * n)
        return (won - lost - n * d) ** 2 <= Z * Z * max(n * (2 * q + d * (1 - d)), 0.0)

    ends = []
    for edge in (-1.0, 1.0):
        near, far = centre, edge
        if centre == edge or allowed(edge * (1 - 1e-12)):
            ends.append(edge)
            continue
        for _ in range(60):
            at = (near + far) / 2
            near, far = (at, far) if allowed(at) else (near, at)
        ends.append((near + far) / 2)
    return ends[0], ends[1]


# ------------------------------------------------------------------------------------------------ metrics


def counted_change(name: str, moved: Exchanged, target: Sequence[float], seed: int) -> Value:
    """Change of a metric of counts; its interval from drawn compositions, as they are and around what was seen."""
    before, after = (np.array(counts, dtype=np.float64) for counts in moved.lists)
    seen = float(of_counts(name, after, target)) - float(of_counts(name, before, target))
    old_shares, new_shares = composed(moved, seed)
    old, new = of_counts(name, before.sum() * old_shares, target), of_counts(name, after.sum() * new_shares, target)
    lo, hi = middle(new - old)
    shift = seen - float((new - old).mean())
    return value(seen, min(lo, lo + shift, seen), max(hi, hi + shift, seen), int(after.sum()))


@lru_cache(maxsize=4)
def composed(moved: Exchanged, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Drawn shares (draws, G) before and after, which every metric of counts is measured on."""
    out, into, stay = moved.sizes
    rng = np.random.default_rng(seed)
    leaves, enters, stays = (
        rng.dirichlet([n + ADDED for n in counts], size=DRAWS) for counts in (moved.leave, moved.enter, moved.stay)
    )
    kept = rng.beta(stay + ADDED, (out + into) / 2 + ADDED, size=(DRAWS, 1))
    return stays * kept + leaves * (1 - kept), stays * kept + enters * (1 - kept)


def ordered_change(rankings: tuple[np.ndarray, np.ndarray], searched: Searched, k: int, seed: int) -> Value:
    """Change of NDKL; the rows of both rankings get Poisson weights, and stand that many times in their places."""
    tops = [searched.labels[ranking[:k]] for ranking in rankings]
    seen = float(of_lists("ndkl", tops[1], searched.target)) - float(of_lists("ndkl", tops[0], searched.target))
    rows = np.unique(np.concatenate(rankings))
    weights = weights_of(seed, len(rows))
    old, new = (
        of_lists(
            "ndkl", resampled(searched.labels[ranking], weights[:, np.searchsorted(rows, ranking)], k), searched.target
        )
        for ranking in rankings
    )
    drawn = new - old
    drawn = drawn[np.isfinite(drawn)]
    moved = max(len(set(rankings[0][:k].tolist()) ^ set(rankings[1][:k].tolist())), FEWEST_EXCHANGED)
    widening = student(moved) / Z * math.sqrt(moved / (moved - 1))
    lo, hi = (seen + widening * (end - float(drawn.mean())) for end in middle(drawn))
    return value(seen, min(lo, seen), max(hi, seen), int((tops[1] >= 0).sum()))


def weights_of(seed: int, rows: int) -> np.ndarray:
    """Poisson weights (draws, rows) of so many rows: the first ones of a seed, whatever the number of rows."""
    drawn = first_weights(seed) if rows <= FEW else poisson(seed, rows)
    return drawn[: DRAWS * rows].reshape(DRAWS, rows)


def poisson(seed: int, rows: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.0, size=DRAWS * rows).astype(np.int8)


@lru_cache(maxsize=8)
def first_weights(seed: int) -> np.ndarray:
    return poisson(seed, FEW)


def resampled(labels: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """First k places (draws, k) of rankings in which row j stands weights[:, j] times; -1 where they run short.

    The row at a place is the number of rows that end at it or before.
    """
    draws, depth = weights.shape
    ends = np.minimum(np.cumsum(weights, axis=1, dtype=np.int64), k) + np.arange(draws)[:, None] * (k + 1)
    ended = np.bincount(ends.ravel(), minlength=draws * (k + 1)).reshape(draws, k + 1)
    at = np.cumsum(ended[:, :k], axis=1)
    return np.append(labels, -1)[np.minimum(at, depth)]


# ------------------------------------------------------------------------------------------------ effect


def effect_document(
    moved: Exchanged, lists: tuple[Mapping[str, Any], Mapping[str, Any]], searched: Searched, tests: int
) -> dict[str, Any]:
    """p of the exchange, the group that it is about, and both directions."""
    if not moved.measurable:
        return {"reason": LISTLESS}
    p, smallest = moved.p(tests)
    groups = searched.groups
    before, after = lists
    leading = before["leading_group"]
    g = groups.index(leading) if leading is not None else most_changed(moved)
    shares = before["shares"][groups[g]], after["shares"][groups[g]]
    out, into, _ = moved.sizes
    return {
        "leading_before": leading,
        "leading_after": after["leading_group"],
        "group": groups[g],
        "direction": direction(*shares, searched.target[g], p),
        "lean_direction": direction(*shares, searched.counts[g] / sum(searched.counts), p),
        "p": p,
        "p_smallest": smallest,
        "p_group": {group: moved.p_of(i) for i, group in enumerate(groups)},
        "left": out,
        "entered": into,
    }


def most_changed(moved: Exchanged) -> int:
    """The group whose number among the rows that enter is most standard errors from a blind exchange."""
    out, into, _ = moved.sizes
    total, n_groups = out + into, len(moved.leave)
    if total == 0:
        return max(range(n_groups), key=lambda g: abs(moved.change(g)))
    departures = []
    for x, y in zip(moved.leave, moved.enter, strict=True):
        share = (x + y) / total
        variance = share * (1 - share) * out * into / max(total - 1, 1)
        departures.append(abs(y - into * share) / math.sqrt(variance) if variance > 0 else 0.0)
    return first_largest(departures)


def first_largest(values: Sequence[float]) -> int:
    """Place of the largest value, the first of those that are equal to 9 digits: of two groups both depart alike."""
    rounded = [round(float(v), 9) for v in values]
    return rounded.index(max(rounded))


def direction(before: Value, after: Value, asked: float, p: float) -> str:
    """The direction of a change of share with respect to the share that is asked for."""
    if p > SHOWN or before["estimate"] is None or after["estimate"] is None:
        return NO_CHANGE
    if before["lo"] <= asked <= before["hi"]:
        return "away"
    was, now = before["estimate"] - asked, after["estimate"] - asked
    crossed = (was < 0 < now) or (now < 0 < was)
    if crossed and not after["lo"] <= asked <= after["hi"]:
        return "past"
    return "towards" if abs(now) < abs(was) else "away"
