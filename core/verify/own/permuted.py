"""Mean lean and mean change over prompts, tested by labels that are given out blindly once for all prompts."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from core.verify.own.chance import MOST_DRAWN, WANTED_P, holm_adjusted
from core.verify.own.change import LISTLESS, direction, first_largest
from core.verify.own.lists import lean_document
from core.verify.own.resamples import over_prompts, rows_alone
from core.verify.own.searched import Searched
from core.verify.own.together import effect_of, normal_p, tables
from core.verify.own.values import SHOWN, SMALL, Value, aimed

EQUAL = 1e-9
STILL = 1e-12
"""Standard deviation of permuted means that rounding alone can make."""
MANY = 1 << 21
"""Labels above which a shuffle is not taken with all its turns."""


def mean_lean(
    tops: np.ndarray, shares: np.ndarray, drawn: np.ndarray, searched: Searched, tests: int, seed: int
) -> tuple[dict[str, Any], list[Value]]:
    """Mean lean of one arm, and its mean shares with the interval of other rows."""
    groups, base = searched.groups, searched.base
    points = [
        over_prompts(shares[:, g] - base[g], drawn[:, :, g] - base[g], seed, -float(base[g]), 1 - float(base[g]))
        for g in range(len(groups))
    ]
    means = [rows_alone(shares[:, g], drawn[:, :, g]) for g in range(len(groups))]
    ends = own_ends(tops, searched)
    for g in range(len(groups)):
        points[g], means[g] = opened(points[g], ends[g], float(base[g])), opened(means[g], ends[g])
    weights = row_weights([(tops, 1.0)], searched.labels)
    everything = len(weights) == sum(searched.counts) and np.ptp(list(weights.values())) < 1e-12
    p: float | None = None
    smallest, departure = 1.0, [0.0] * len(groups)
    alone: list[float] = []
    adjusted: list[float] = []
    if np.isfinite(shares).all() and not everything:
        null = permuted(list(weights.values()), searched.counts, tests, seed) - base
        p, alone, departure, smallest = against(shares.mean(axis=0) - base, null)
        effect = max(design_effects(tops, searched), default=1.0)
        if effect > 1:
            root = math.sqrt(effect)
            departure = [d / root for d in departure]
            alone = [normal_p(d) for d in departure]
            p, smallest = min(alone) if len(groups) == 2 else min(1.0, len(groups) * min(alone)), 0.0
            points, means = ([further(one, root) for one in part] for part in (points, means))
        adjusted = alone if len(groups) == 2 else holm_adjusted(alone)
    leading = None
    for g, n in enumerate(searched.counts):
        named = p is not None and p <= SHOWN and n >= SMALL and adjusted[g] <= SHOWN and departure[g] > 0
        if named and (leading is None or departure[g] > departure[leading]):
            leading = g
    about = leading if leading is not None else first_largest(departure)
    untested = dict.fromkeys(groups)
    return {
        "points": {group: aimed(points[g]) for g, group in enumerate(groups)},
        "p": p,
        "p_smallest": smallest,
        "p_group": untested if p is None else dict(zip(groups, alone, strict=True)),
        "p_adjusted": untested if p is None else dict(zip(groups, adjusted, strict=True)),
        "group": groups[about],
        "leading_group": None if leading is None else groups[leading],
        "beyond_chance": None if p is None else p <= SHOWN,
    }, means


def mean_effect(
    tops: tuple[np.ndarray, np.ndarray],
    drawn: np.ndarray,
    shares: tuple[np.ndarray, np.ndarray],
    leans: tuple[tuple[dict[str, Any], list[Value]], tuple[dict[str, Any], list[Value]]],
    searched: Searched,
    tests: int,
    seed: int,
) -> dict[str, Any]:
    """Mean change of one arm against the original.

    Many parameters: bare arrays: lists, draws of the null, and how they are tested.
    """
    groups, moved = searched.groups, shares[1] - shares[0]
    if not np.isfinite(moved).all():
        return {"reason": LISTLESS}
    changes = [over_prompts(moved[:, g], drawn[:, :, g], seed, -1.0, 1.0) for g in range(len(groups))]
    swapped = {row for a, b in zip(*tops, strict=True) for row in set(a.tolist()) ^ set(b.tolist())}
    every = row_weights([(tops[1], 1.0), (tops[0], -1.0)], searched.labels)
    weights = {row: w for row, w in every.items() if row in swapped}
    labels = searched.labels[list(weights)] if weights else np.zeros(0, dtype=np.int64)
    sizes_of = [int((labels == g).sum()) for g in range(len(groups))]
    seen = moved.mean(axis=0)
    p, smallest, departure = 1.0, 1.0, [0.0] * len(groups)
    own: Sequence[float] = [1.0] * len(groups)
    if sum(n > 0 for n in sizes_of) > 1:
        null = permuted(list(weights.values()), sizes_of, tests, seed)
        of_group = np.array(
            [sum(w for w, g in zip(weights.values(), labels, strict=True) if g == i) for i in range(len(groups))]
        )
        p, own, departure, smallest = against(of_group, null)
    leading = leans[0][0]["leading_group"]
    if leading is not None:
        g = groups.index(leading)
    else:
        g = first_largest([abs(d) for d in (departure if any(departure) else seen)])
    both = leans[0][1][g], leans[1][1][g]
    return {
        "changes": {group: aimed(changes[i]) for i, group in enumerate(groups)},
        "p": p,
        "p_smallest": smallest,
        "p_group": dict(zip(groups, own, strict=True)),
        "group": groups[g],
        "leading_before": leading,
        "leading_after": leans[1][0]["leading_group"],
        "direction": direction(*both, searched.target[g], p),
        "lean_direction": direction(*both, float(searched.base[g]), p),
    }


def own_ends(tops: np.ndarray, searched: Searched) -> np.ndarray:
    """Mean over prompts of the ends of each group's share in its own list (G, 2)."""
    every = []
    for top in tops:
        seen = [int((searched.labels[top] == g).sum()) for g in range(len(searched.groups))]
        one = lean_document(searched.groups, searched.counts, seen)["lean"]
        shares = (one[group]["share"] for group in searched.groups)
        every.append([(s["lo"], s["hi"]) if s["estimate"] is not None else (0.0, 1.0) for s in shares])
    return np.array(every).mean(axis=0)


def opened(number: Value, ends: np.ndarray, base: float = 0.0) -> Value:
    """A mean that resampling gives no width on a side takes the lists' own ends there."""
    if number["estimate"] is None:
        return number
    lo, hi = number["lo"], number["hi"]
    lo = min(lo, float(ends[0]) - base) if number["estimate"] - lo < EQUAL else lo
    hi = max(hi, float(ends[1]) - base) if hi - number["estimate"] < EQUAL else hi
    return number | {"lo": lo, "hi": hi}


def further(number: Value, times: float) -> Value:
    """A number with ends so many times as far away, within -1 and 1."""
    if number["estimate"] is None:
        return number
    lo, hi = (number["estimate"] + times * (number[end] - number["estimate"]) for end in ("lo", "hi"))
    return number | {"lo": max(lo, -1.0), "hi": min(hi, 1.0)}


def design_effects(tops: np.ndarray, searched: Searched) -> list[float]:
    """Of each list, where rows belong together."""
    if searched.clusters is None:
        return []
    given = (searched.labels, searched.clusters)
    return [effect_of(*tables(*given, top, len(searched.groups))) for top in tops]


def row_weights(lists: Sequence[tuple[np.ndarray, float]], labels: np.ndarray) -> dict[int, float]:
    """What each retrieved row of known group adds to the mean share of its group: 1 / (K prompts), by row number."""
    weights: dict[int, float] = {}
    for tops, sign in lists:
        for top in tops:
            known = [row for row in top.tolist() if labels[row] >= 0]
            for row in known:
                weights[row] = weights.get(row, 0.0) + sign / (len(known) * len(tops))
    return dict(sorted(weights.items()))


def permuted(weights: Sequence[float], sizes_of: Sequence[int], tests: int, seed: int) -> np.ndarray:
    """Sum of the weights that each group gets when labels are given out blindly (draws, G); "mean over prompts"."""
    least = max(MOST_DRAWN, 2 * math.ceil(tests / WANTED_P) - 1)
    n = sum(sizes_of)
    if n > MANY:
        return _class_by_class(weights, sizes_of, least, np.random.default_rng(seed))
    places, labelled = shuffles(tuple(int(one) for one in sizes_of), math.ceil(least / n), seed)
    of_places = np.zeros(n)
    of_places[places[: len(weights)]] = list(weights)
    turned = np.fft.rfft(of_places).conj()
    # sum over places i of w_i where the label at i + turn is g; the first group has what the others leave
    sums = [np.fft.irfft(spectrum * turned, n, axis=1).ravel() for spectrum in labelled]
    whole = np.full(math.ceil(least / n) * n, math.fsum(weights))
    return np.stack([whole - sum(sums), *sums], axis=1)


@lru_cache(maxsize=2)
def shuffles(sizes_of: tuple[int, ...], times: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Where the rows stand on the circle, and the spectra of the shuffled labels, of every group but the first."""
    rng, n = np.random.default_rng(seed), sum(sizes_of)
    places = rng.permutation(n)
    kinds = np.repeat(np.arange(len(sizes_of)), sizes_of)
    shuffled = rng.permuted(np.broadcast_to(kinds, (times, n)), axis=1)
    return places, [np.fft.rfft(shuffled == g, axis=1) for g in range(1, len(sizes_of))]


def _class_by_class(
    weights: Sequence[float], sizes_of: Sequence[int], draws: int, rng: np.random.Generator
) -> np.ndarray:
    """The same of very many labels: rows of equal weight together, how many of each group they get is drawn."""
    left = [np.full(draws, n, dtype=np.int64) for n in sizes_of]
    totals = np.zeros((draws, len(left)))
    rounded = np.round(np.array(weights, dtype=np.float64), 12)
    for weight in sorted(set(rounded.tolist())):
        if weight == 0:
            continue
        wanted = np.full(draws, int((rounded == weight).sum()), dtype=np.int64)
        for g, own in enumerate(left):
            others = sum(left[g + 1 :]) if g + 1 < len(left) else 0
            given = rng.hypergeometric(own, others, wanted) if g + 1 < len(left) else wanted
            totals[:, g] += weight * given
            left[g], wanted = own - given, wanted - given
    return totals


def against(seen: np.ndarray, null: np.ndarray) -> tuple[float, list[float], list[float], float]:
    """p of all groups, of each, the departures in standard deviations of the permuted means, and the smallest p."""
    draws, n_groups = null.shape
    own, departure, scaled = [], [], []
    for g in range(n_groups):
        column, centre = null[:, g], float(null[:, g].mean())
        spread = math.sqrt(float(np.square(column - centre).mean()))
        tails = [int((column >= seen[g] - EQUAL).sum()), int((column <= seen[g] + EQUAL).sum())]
        own.append(min(1.0, 2 * (1 + min(tails)) / (1 + draws)))
        varies = spread > STILL
        departure.append((float(seen[g]) - centre) / spread if varies else 0.0)
        scaled.append(np.abs(column - centre) / spread if varies else np.zeros(draws))
    if n_groups == 2:
        return own[0], own, departure, 2 / (1 + draws)
    largest = np.max(scaled, axis=0)
    as_far = int((largest >= max(abs(d) for d in departure) - EQUAL).sum())
    return (1 + as_far) / (1 + draws), own, departure, 1 / (1 + draws)
