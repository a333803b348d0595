"""Rows that belong together (a person, a film, a scene): the lean of one list tested by whole clusters."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import fdtrc, ndtr, stdtr

from core.verify.own.chance import MOST_DRAWN, WANTED_P, biased_ends, holm_adjusted
from core.verify.own.values import SHOWN, SMALL

ENOUGH, STRAY, DEALT, LEAST = 20, 0.1, 4_000_000, 1_999
EQUAL = 1e-9


def by_clusters(
    document: dict[str, Any], labels: np.ndarray, clusters: np.ndarray, top: np.ndarray, tests: int, seed: int
) -> dict[str, Any]:
    """The block of a lean where rows come in clusters; one that was not tested stays as it is.

    Parameters
    ----------
    document : the lean of the list as if rows were different people.
    labels, clusters : group and cluster of every searched row (n,).
    top : places of the retrieved rows.
    tests : findings of the family, which sets the number of draws.
    """
    if document["lean_p"] is None:
        return document
    names = list(document["lean"])
    held, taken = tables(labels, clusters, top, len(names))
    draws = max(MOST_DRAWN, math.ceil(2 * tests / WANTED_P) - 1)
    p, own = cluster_p(held, taken, draws, seed)
    effect = effect_of(held, taken)
    adjusted = own if len(names) == 2 else holm_adjusted(own)
    total, k = int(held.sum()), int(taken.sum())
    groups, leading = {}, None
    for name, one_p, one_adjusted in zip(names, own, adjusted, strict=True):
        one = widened(document["lean"][name], total, k, one_p, effect)
        one |= {"p": one_p, "p_adjusted": one_adjusted, "departure": one["departure"] / math.sqrt(effect)}
        groups[name] = one
        named = p <= SHOWN and one["searched"] >= SMALL and one_adjusted <= SHOWN and one["departure"] > 0
        if named and (leading is None or one["departure"] > groups[leading]["departure"]):
            leading = name
    return document | {
        "lean": groups,
        "lean_p": p,
        "lean_p_smallest": (2 if len(names) == 2 else 1) / (1 + draws),
        "leading_group": leading,
        "lean_beyond_chance": p <= SHOWN,
        "design_effect": effect,
    }


def widened(one: dict[str, Any], total: int, k: int, p: float, effect: float) -> dict[str, Any]:
    """A group's share, ratio and points with the interval of counts divided by the design effect."""
    share, base = one["share"]["estimate"], one["base_share"]
    n, drawn = max(round(total / effect), 2), max(round(k / effect), 1)
    own = min(max(round(one["searched"] / effect), 1), n - 1)
    x = min(max(round(drawn * share), drawn - (n - own)), min(own, drawn))
    lo, hi = (share + (end - x) / drawn for end in biased_ends(x, own, n, drawn))
    lo, hi = max(lo, 0.0), min(hi, 1.0)
    if p > SHOWN:
        lo, hi = min(lo, base), max(hi, base)
    elif one["departure"] > 0:
        lo = max(lo, math.nextafter(base, 1.0))
    else:
        hi = min(hi, math.nextafter(base, 0.0))
    lo, hi = min(lo, share), max(hi, share)
    return one | {
        "share": one["share"] | {"lo": lo, "hi": hi},
        "ratio": one["ratio"] | {"lo": lo / base, "hi": hi / base},
        "points": one["points"] | {"lo": lo - base, "hi": hi - base},
    }


def tables(labels: np.ndarray, clusters: np.ndarray, top: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Searched and retrieved rows of known group by cluster and group (clusters, G), clusters in rising order."""
    known = labels >= 0
    place = {name: i for i, name in enumerate(sorted(set(clusters[known].tolist())))}
    held, taken = (np.zeros((len(place), groups), dtype=np.int64) for _ in range(2))
    for table, rows in ((held, np.flatnonzero(known)), (taken, [row for row in top.tolist() if labels[row] >= 0])):
        for row in rows:
            table[place[clusters[row]], labels[row]] += 1
    return held, taken


def effect_of(held: np.ndarray, taken: np.ndarray) -> float:
    """Sum over clusters and groups of squared additions to the departures, over their blind variance; at least 1."""
    n, k = int(held.sum()), int(taken.sum())
    p = held.sum(axis=0) / n
    blind = float((k * p * (1 - p) * (n - k) / max(n - 1, 1)).sum())
    if blind == 0:
        return 1.0
    added = taken - np.outer(taken.sum(axis=1), p) - (k / n) * (held - np.outer(held.sum(axis=1), p))
    return max(1.0, float((added * added).sum()) / blind)


def cluster_p(held: np.ndarray, taken: np.ndarray, draws: int, seed: int) -> tuple[float, list[float]]:
    """p of all groups and of each, by labels of whole clusters; by the design effect where sizes are too mixed."""
    n, k, groups = int(held.sum()), int(taken.sum()), held.shape[1]
    present = int((held.sum(axis=0) > 0).sum())
    if present < 2 or k in (0, n):
        return 1.0, [1.0] * groups
    rng, sizes = np.random.default_rng(seed), held.sum(axis=1)
    frequency = {size: int((sizes == size).sum()) for size in set(sizes.tolist())}
    stray = sum(int(t.sum()) for t, size in zip(taken, sizes.tolist(), strict=True) if frequency[size] < ENOUGH) / k
    if ((held > 0).sum(axis=1) == 1).all():
        drawn_k, drawn_n = exchanged(held, taken, draws, rng)
    elif stray <= STRAY:
        drawn_k, drawn_n = dealt(held, taken, draws, rng)
    else:
        return by_effect(held, taken, present)
    moved = drawn_k - k * drawn_n / n
    seen = taken.sum(axis=0) - k * held.sum(axis=0) / n
    above, below = (moved >= seen - EQUAL).sum(axis=0), (moved <= seen + EQUAL).sum(axis=0)
    own = [
        min(1.0, 2.0 * (1 + min(a, b)) / (1 + len(moved))) for a, b in zip(above.tolist(), below.tolist(), strict=True)
    ]
    if present == 2:
        return min(own), own
    g = g_of(taken.sum(axis=0)[None], held.sum(axis=0)[None])[0]
    return float((1 + (g_of(drawn_k, drawn_n) >= g - EQUAL).sum()) / (1 + len(moved))), own


def g_of(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """2 sum k ln(k N / (K n)) of each draw (draws, G)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(k * n.sum(axis=1)[:, None] / (k.sum(axis=1)[:, None] * n))
    return 2 * np.where(k > 0, k * np.where(k > 0, logs, 0.0), 0.0).sum(axis=1)


def taken_from(left: np.ndarray, many: Any, rng: np.random.Generator) -> np.ndarray:
    """`many` draws without replacement from counts of groups (..., G), group by group."""
    given, pool = np.zeros_like(left), left.sum(axis=-1)
    wanted = np.broadcast_to(many, left.shape[:-1])
    for g in range(left.shape[-1] - 1):
        pool = pool - left[..., g]
        given[..., g] = rng.hypergeometric(left[..., g], pool, wanted)
        wanted = wanted - given[..., g]
    given[..., -1] = wanted
    return given


def exchanged(
    held: np.ndarray, taken: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Retrieved and searched rows of each group where clusters of one label each exchange these among equal sizes."""
    groups, sizes, label = held.shape[1], held.sum(axis=1), held.argmax(axis=1)
    k, n = (np.zeros((draws, groups), dtype=np.int64) for _ in range(2))
    for block in sets_of_sizes(sizes.tolist()):
        kinds: dict[tuple[int, int], int] = {}
        for c in block:
            kind = (int(sizes[c]), int(taken[c].sum()))
            kinds[kind] = kinds.get(kind, 0) + 1
        order = sorted(sorted(kinds), key=lambda kind: kinds[kind])
        left = np.tile(np.bincount(label[block], minlength=groups), (draws, 1))
        for kind in order:
            given = taken_from(left, kinds[kind], rng) if kind != order[-1] else left
            n += given * kind[0]
            k += given * kind[1]
            left = left - given
    return k, n


def sets_of_sizes(sizes: Sequence[int]) -> list[list[int]]:
    """Clusters by size; neighbouring sizes together until there are enough, and what is left over with the last."""
    sets: list[list[int]] = []
    waiting: list[int] = []
    for size in sorted(set(sizes)):
        waiting += [c for c, own in enumerate(sizes) if own == size]
        if len(waiting) >= ENOUGH:
            sets.append(waiting)
            waiting = []
    if waiting:
        last = sets.pop() if sets else []
        sets.append(last + waiting)
    return sets


def dealt(held: np.ndarray, taken: np.ndarray, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same where clusters hold several labels: those of a size exchange them, and rows inside are dealt anew."""
    of_cluster, sizes = taken.sum(axis=1), held.sum(axis=1)
    hit = of_cluster > 0
    draws = min(draws, max(LEAST, DEALT // int(hit.sum())))
    k = np.zeros((draws, held.shape[1]), dtype=np.int64)
    for size in sorted(set(sizes[hit].tolist())):
        makes, frequent = np.unique(held[sizes == size], axis=0, return_counts=True)
        many = sorted(of_cluster[(sizes == size) & hit].tolist())
        chosen = rng.multivariate_hypergeometric(frequent, len(many), size=draws, method="marginals")
        given = np.repeat(np.tile(np.arange(len(makes)), draws), chosen.ravel()).reshape(draws, len(many))
        given = rng.permuted(given, axis=1)
        for place, rows in enumerate(many):
            k += taken_from(makes[given[:, place]], rows, rng)
    return k, np.tile(held.sum(axis=0), (draws, 1))


def by_effect(held: np.ndarray, taken: np.ndarray, present: int) -> tuple[float, list[float]]:
    """p by Student's t and Fisher's F of departures over the root of the design effect."""
    n, k = int(held.sum()), int(taken.sum())
    share, effect = held.sum(axis=0) / n, effect_of(held, taken)
    departure, blind = taken.sum(axis=0) - k * share, k * share * (1 - share) * (n - k) / max(n - 1, 1)
    freedom = max(k / effect - 1, 1.0)
    z = [d / math.sqrt(v * effect) if v > 0 else 0.0 for d, v in zip(departure.tolist(), blind.tolist(), strict=True)]
    own = [2 * float(stdtr(freedom, -abs(one))) for one in z]
    if present == 2:
        return min(own), own
    chi = sum(d * d / v * (1 - s) for d, v, s in zip(departure, blind, share, strict=True) if v > 0)
    return float(fdtrc(present - 1, freedom, chi / effect / (present - 1))), own


def normal_p(departure: float) -> float:
    """Two-sided p of a departure in standard errors."""
    return float(2 * ndtr(-abs(departure)))
