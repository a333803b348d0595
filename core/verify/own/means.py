"""Means over the pre-registered prompts: resampled rows and prompts, permuted labels, every arm beside the original."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.verify.own.bands import band_of_mean, beside_band
from core.verify.own.chance import MOST_DRAWN, WANTED_P, holm_adjusted
from core.verify.own.change import LISTLESS, direction, first_largest
from core.verify.own.lists import lean_document, metric_value
from core.verify.own.metrics import RANGES, counted, of_counts
from core.verify.own.searched import Searched
from core.verify.own.values import (
    DRAWS,
    SHOWN,
    SMALL,
    Value,
    Z,
    aimed,
    inside,
    middle,
    missing,
    plain_mean,
    student,
    value,
)

NAMED = ("original", "edited", "reconstruction only", "mean-difference projection")
METRIC = "max_skew"
NOBODY = "a prompt retrieves no row with a known group"
EQUAL = 1e-9


def arms_document(found: Mapping[str, Any], searched: Searched, k: int, tests: int, seed: int) -> dict[str, Any]:
    """The block `arms`.

    Parameters
    ----------
    found : prompt -> its rankings, of the pre-registered prompts; an arm that one of them lacks has no mean.
    tests : findings of the headline family.
    """
    everywhere = [arm for arm in next(iter(found.values())).arms if all(arm in one.arms for one in found.values())]
    arms = [arm for arm in NAMED if arm in everywhere]
    rankings = np.stack([[one.of(arm) for one in found.values()] for arm in arms])
    tops = rankings[..., :k]
    n_groups = len(searched.groups)
    counts = counted(searched.labels[tops], n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts / counts.sum(axis=-1, keepdims=True)
    drawn_counts = resampled_counts(rankings, searched.labels, k, n_groups, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = drawn_counts / drawn_counts.sum(axis=-1, keepdims=True)
    skew, drawn_skew = (of_counts(METRIC, c, searched.target) for c in (counts, drawn_counts))
    leading = [_most_ahead(searched, one.tolist()) for one in counts[0]]
    sized = [
        (sizes(np.nan_to_num(shares[i]), searched, leading), sizes(drawn[:, i], searched, leading))
        for i in range(len(arms))
    ]
    leans = [mean_lean(tops[i], shares[i], drawn[:, i], searched, tests, seed) for i in range(len(arms))]
    document: dict[str, Any] = {}
    for i, arm in enumerate(arms):
        mean = over_prompts(skew[i], drawn_skew[:, i], seed, *RANGES[METRIC])
        if arm in NAMED[:2] and mean["estimate"] is not None and searched.asks_own_shares:
            mean = beside_band(METRIC, mean, band_of_mean(METRIC, tops[i], searched.labels, searched.target, seed))
        by_prompt = {
            prompt: aimed(metric_value(METRIC, searched.labels[top], searched, seed), searched.named_target)
            for prompt, top in zip(found, tops[i], strict=True)
        }
        document[arm] = {
            "lean": leans[i][0],
            "size": aimed(over_prompts(*sized[i], seed, 0.0, 1.0)),
            "mean": aimed(mean, searched.named_target),
            "by_prompt": by_prompt,
        }
        if i:
            change = over_prompts(skew[i] - skew[0], drawn_skew[:, i] - drawn_skew[:, 0], seed)
            moved = drawn[:, i] - drawn[:, 0], (shares[0], shares[i])
            document[arm]["change"] = aimed(change, searched.named_target)
            document[arm]["effect"] = mean_effect(
                (tops[0], tops[i]), *moved, (leans[0], leans[i]), searched, tests, seed
            )
            document[arm]["cosine"] = mean_cosine(list(found.values()), arm, searched.n)
    randoms = [arm for arm in next(iter(found.values())).arms if arm.startswith("random ")]
    if "edited" in arms and any(arm in everywhere for arm in randoms):
        document["random neurons"] = random_arms(found, randoms, searched, k, leading, document["edited"]["size"])
    return document


def _most_ahead(searched: Searched, seen: Sequence[int]) -> int:
    """The group with the largest departure upwards, of those that are large enough (of all where none is)."""
    lean = lean_document(searched.groups, searched.counts, seen)["lean"]
    large = [g for g, n in enumerate(searched.counts) if n >= SMALL] or list(range(len(searched.counts)))
    return max(large, key=lambda g: lean[searched.groups[g]]["departure"])


# ------------------------------------------------------------------------------------------------ resamples


def resampled_counts(rankings: np.ndarray, labels: np.ndarray, k: int, n_groups: int, seed: int) -> np.ndarray:
    """Rows of each group in the top k of resamples, float32 (draws, arms, prompts, G).

    Every row that any ranking holds has a weight of default_rng(seed).poisson(1), in order of row number, the same
    everywhere. The first k rows count by their weights; what they are short of (or over) k counts with the shares of
    the groups within 3 isqrt(k) + 10 rows of the k-th. All in float32, in which whole numbers are exact.
    """
    rows = np.unique(rankings)
    weights = np.random.default_rng(seed).poisson(1.0, size=(DRAWS, len(rows))).astype(np.float32)
    width = 3 * math.isqrt(k) + 10
    counts = np.empty((*rankings.shape[:2], DRAWS, n_groups), dtype=np.float32)
    for arm, prompt in np.ndindex(rankings.shape[:2]):
        ranking = rankings[arm, prompt]
        own, groups = weights[:, np.searchsorted(rows, ranking[:k])], labels[ranking]
        short = np.float32(own.shape[1]) - own.sum(axis=1)
        around = groups[max(k - width, 0) : k + width]
        for g in range(n_groups):
            edge = np.float32((around == g).sum()) / np.float32(len(around))
            counts[arm, prompt, :, g] = np.maximum(own[:, groups[:k] == g].sum(axis=1) + short * edge, 0)
    return np.moveaxis(counts, 2, 0)


def over_prompts(
    seen: np.ndarray, drawn: np.ndarray, seed: int, least: float = -math.inf, most: float = math.inf
) -> Value:
    """Mean over prompts with the interval over prompts and rows like these.

    Parameters
    ----------
    seen, drawn : value of each prompt (prompts,), and over resamples of the rows (draws, prompts).
    """
    seen, drawn = np.asarray(seen, dtype=np.float64), np.asarray(drawn, dtype=np.float64)
    if not np.isfinite(seen).all():
        return missing(NOBODY)
    n, mean = len(seen), float(seen.mean())
    noise = drawn - np.nanmean(drawn, axis=0)
    common = np.where(np.isnan(noise), 0.0, noise).sum(axis=1) / n
    off = common
    if n > 1:
        # the rows' noise of single prompts is in the spread of the prompts already: what they share is added
        whole, own = float(common.var()), float(np.nanvar(noise, axis=0).sum()) / n**2
        kept = math.sqrt(min(max(1 - own / whole, 0.0), 1.0)) if whole > 0 else math.sqrt(max(1 - own, 0.0))
        times = np.random.default_rng([seed, 1]).multinomial(n, np.full(n, 1 / n), size=len(drawn))
        prompts = times @ (seen - mean) / n
        off = student(n) / Z * math.sqrt(n / (n - 1)) * prompts + kept * common
    lo, hi = (mean + end for end in middle(off))
    return value(mean, *inside(mean, lo, hi, least, most), n)


def rows_alone(seen: np.ndarray, drawn: np.ndarray) -> Value:
    """Mean over these very prompts, with the interval of other rows."""
    if not np.isfinite(seen).all():
        return missing(NOBODY)
    mean, means = float(seen.mean()), np.nanmean(np.asarray(drawn, dtype=np.float64), axis=1)
    lo, hi = (end - float(means.mean()) + mean for end in middle(means))
    return value(mean, max(min(lo, mean), 0.0), min(max(hi, mean), 1.0), len(seen))


# ------------------------------------------------------------------------------------------------ permuted labels


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
    weights = row_weights([(tops, 1.0)], searched.labels)
    everything = len(weights) == sum(searched.counts) and np.ptp(list(weights.values())) < 1e-12
    p, smallest = None, 1.0
    own: Sequence[float | None] = [None] * len(groups)
    adjusted, departure = own, [0.0] * len(groups)
    if np.isfinite(shares).all() and not everything:
        null = permuted(list(weights.values()), searched.counts, tests, seed) - base
        p, own, departure, smallest = against(shares.mean(axis=0) - base, null)
        adjusted = own if len(groups) == 2 else holm_adjusted(own)  # type: ignore[arg-type]
    leading = None
    for g, n in enumerate(searched.counts):
        named = p is not None and p <= SHOWN and n >= SMALL and adjusted[g] <= SHOWN and departure[g] > 0  # type: ignore[operator]
        if named and (leading is None or departure[g] > departure[leading]):
            leading = g
    about = leading if leading is not None else first_largest(departure)
    return {
        "points": {group: aimed(points[g]) for g, group in enumerate(groups)},
        "p": p,
        "p_smallest": smallest,
        "p_group": dict(zip(groups, own, strict=True)),
        "p_adjusted": dict(zip(groups, adjusted, strict=True)),
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
    """Mean change of one arm against the original."""
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
    draws = max(MOST_DRAWN, 2 * math.ceil(tests / WANTED_P) - 1)
    rng = np.random.default_rng(seed)
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
        departure.append((float(seen[g]) - centre) / spread if spread > 0 else 0.0)
        scaled.append(np.abs(column - centre) / (spread if spread > 0 else 1.0))
    if n_groups == 2:
        return own[0], own, departure, 2 / (1 + draws)
    largest = np.max(scaled, axis=0)
    as_far = int((largest >= max(abs(d) for d in departure) - EQUAL).sum())
    return (1 + as_far) / (1 + draws), own, departure, 1 / (1 + draws)


# ------------------------------------------------------------------------------------------------ sizes, controls


def sizes(shares: np.ndarray, searched: Searched, leading: Sequence[int]) -> np.ndarray:
    """|s_g - p_g| of each prompt (..., prompts), g the group that its original leads with."""
    return np.stack([np.abs(shares[..., j, g] - searched.base[g]) for j, g in enumerate(leading)], axis=-1)


def random_arms(
    found: Mapping[str, Any], arms: Sequence[str], searched: Searched, k: int, leading: Sequence[int], edited: Value
) -> dict[str, Any]:
    """Draws of random neurons: how many leave as small a lean as the edit."""
    draws, means = [], []
    for arm in arms:
        labels = searched.labels[np.stack([one.of(arm)[:k] for one in found.values()])]
        counts = counted(labels, len(searched.groups))
        own = sizes(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1), searched, leading)
        means.append(math.fsum(own) / len(own))
        one = plain_mean(own, 0.0, 1.0) if len(own) > 1 else value(*[float(own[0])] * 3, 1)
        draws.append(aimed(one))
    chosen = edited["estimate"]
    as_small = sum(chosen is None or mean <= chosen + 1e-12 for mean in means)
    return {
        "size": aimed(value(math.fsum(means) / len(means), min(means), max(means), len(means))),
        "interval": "smallest and largest of the draws",
        "draws": draws,
        "p": (1 + as_small) / (1 + len(means)),
        "p_smallest": 1 / (1 + len(means)),
    }


def mean_cosine(found: Sequence[Any], arm: str, n: int) -> Value:
    """Mean cosine before and after over rows and prompts, +- 1.96 standard deviations over root n."""
    at = [one.arms.index(arm) for one in found]
    mean = sum(one.cosine[i] for one, i in zip(found, at, strict=True)) / len(found)
    spread = sum(one.spread[i] for one, i in zip(found, at, strict=True)) / len(found)
    half = 1.96 * spread / math.sqrt(n)
    return aimed(value(mean, max(mean - half, -1.0), min(mean + half, 1.0), n))
