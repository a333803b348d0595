"""`bootstrap`: 1,000 paired draws over prompts and images, 50 prompts x 2,000 images x 7 groups, before and after."""

import statistics
import time
from typing import Any

import numpy as np

from core.metrics import RANKING_METRICS
from core.statistics import depth_for, list_draws, over_prompts

PROMPTS, IMAGES, GROUPS, K, DRAWS = 50, 2000, 7, 100, 1000
PLAIN_DRAWS = 25
"""Draws that the straightforward version makes; its time is scaled to all of them."""
TARGET_MS = 2000


def run(runs: int = 5) -> dict[str, Any]:
    """Median milliseconds for shares, MaxSkew and the intervals of their mean differences; runs are interleaved."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, GROUPS, size=IMAGES)
    scores = rng.standard_normal((2, PROMPTS, IMAGES)) + 0.3 * (groups == 0)
    ours, plain = [], []
    for _ in range(runs):
        start = time.perf_counter()
        fast = vectorised(scores, groups)
        ours.append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
        slow = straightforward(scores, groups, PLAIN_DRAWS)
        plain.append(1000 * (time.perf_counter() - start) * DRAWS / PLAIN_DRAWS)
    median = statistics.median(ours)
    other = {"name": "resample rows, rank and count each prompt in a loop", "median_ms": statistics.median(plain)}
    return {
        "ratio": other["median_ms"] / median,
        "ours": {"median_ms": median, "min_ms": min(ours)},
        "other": {**other, "scaled_from_draws": PLAIN_DRAWS},
        "target_ms": TARGET_MS,
        "interval_of_mean_share_difference": fast,
        "straightforward_sd": slow,
        "runs": runs,
        "what": f"{DRAWS} draws, {PROMPTS} prompts x {IMAGES} images x {GROUPS} groups, k = {K}, before and after",
    }


def vectorised(scores: np.ndarray, groups: np.ndarray) -> list[float]:
    """The product's way: one set of weights for all prompts. Interval of the first group's mean share difference."""
    depth = depth_for(K)
    found = np.argpartition(-scores, depth, axis=-1)[..., :depth]
    rankings = np.take_along_axis(found, np.argsort(-np.take_along_axis(scores, found, -1), axis=-1), -1)
    draws = list_draws(rankings, groups, K, GROUPS, DRAWS)
    tops = groups[rankings[..., :K]]
    metric, target = RANKING_METRICS.get("max_skew")(), np.full(GROUPS, 1 / GROUPS)
    drawn = draws.values(metric, target)
    over_prompts(np.subtract(*metric(tops, target)[::-1]), drawn[:, 1] - drawn[:, 0])
    shares = draws.shares
    observed = (tops[..., None] == np.arange(GROUPS)).mean(axis=-2)
    lo, hi = over_prompts(observed[1] - observed[0], shares[:, 1] - shares[:, 0])
    return [float(lo[0]), float(hi[0])]


def straightforward(scores: np.ndarray, groups: np.ndarray, draws: int) -> float:
    """Literally what a bootstrap is. Standard deviation of the first group's mean share difference over prompts."""
    rng = np.random.default_rng(0)
    target, means = np.full(GROUPS, 1 / GROUPS), []
    for _ in range(draws):
        rows, prompts = rng.integers(IMAGES, size=IMAGES), rng.integers(PROMPTS, size=PROMPTS)
        differences = []
        for prompt in prompts:
            shares, skews = [], []
            for arm in scores:
                order = np.argsort(-arm[prompt, rows], kind="stable")[:K]
                share = np.bincount(groups[rows[order]], minlength=GROUPS) / K
                shares.append(share)
                skews.append(np.log(np.where(share == 0, 1 / K, share) / target).max())
            differences.append(shares[1][0] - shares[0][0])
        means.append(np.mean(differences))
    return float(np.std(means))
