"""Means over the pre-registered prompts: every arm beside the original, and draws of random neurons."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.verify.own.bands import band_of_mean, beside_band
from core.verify.own.lists import lean_document, metric_value
from core.verify.own.metrics import RANGES, counted, of_counts
from core.verify.own.permuted import mean_effect, mean_lean
from core.verify.own.resamples import over_prompts, resampled_counts
from core.verify.own.searched import Searched
from core.verify.own.values import SMALL, Value, Z, aimed, plain_mean, value

NAMED = ("original", "edited", "reconstruction only", "mean-difference projection")
METRIC = "max_skew"


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
    largest = max(max(searched.base[g], 1 - searched.base[g]) for g in leading)
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
            "size": aimed(over_prompts(*sized[i], seed, 0.0, largest)),
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
        one = plain_mean(own, 0.0, 1.0) if len(own) > 1 else value(float(own[0]), float(own[0]), float(own[0]), 1)
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
    half = Z * spread / math.sqrt(n)
    return aimed(value(mean, max(mean - half, -1.0), min(mean + half, 1.0), n))
