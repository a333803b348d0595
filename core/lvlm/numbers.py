"""From the evidence of an audit of answers to its numbers: gaps with intervals, answers by group, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy

from core.lvlm.evidence import ORIGINAL, RANDOM, AnswerEvidence
from core.statistics import DRAWS, LEVEL, Estimate, holm, mean_of
from core.statistics.two_means import welch

BLIND_DRAWS = 200
FLIPS = 12
"""Answers that changed most, which are shown with their pictures."""


def numbers_of(evidence: AnswerEvidence, seed: int) -> dict[str, Any]:
    """Every number of an audit, from the evidence alone."""
    attributes = {name: attribute_numbers(evidence, name, seed) for name in evidence.groups}
    ability = {arm: ability_estimate(evidence.ability[arm]) for arm in evidence.arms}
    first = next(iter(attributes.values()))
    gaps = {arm: found["gap"] for arm, found in first["arms"].items()}
    return {
        "summary": {
            "gap": _with_random(gaps, evidence),
            "ability": _with_random({arm: one.to_json() for arm, one in ability.items()}, evidence),
        },
        "attributes": attributes,
        "ability_by_kind": {arm: _by_kind(evidence, arm) for arm in evidence.arms},
        "no_answer": {arm: evidence.unanswered(arm) for arm in evidence.arms},
        "mass": {arm: float(np.median(np.nansum(evidence.prob[arm], axis=2))) for arm in evidence.arms},
        "answers": {arm: _answer_shares(evidence, arm) for arm in evidence.arms},
        "flips": {arm: flips(evidence, arm) for arm in evidence.arms if arm != ORIGINAL},
    }


def attribute_numbers(evidence: AnswerEvidence, attribute: str, seed: int) -> dict[str, Any]:
    """P(first answer) by group and word, differences, and the mean gap of every arm."""
    labels, groups = evidence.labels[attribute], evidence.groups[attribute]
    return {
        "groups": {group: int((labels == g).sum()) for g, group in enumerate(groups)},
        "unknown": int((labels < 0).sum()),
        "arms": {
            arm: {
                "gap": gap_estimate(evidence.share(arm)[..., 0], labels, len(groups), seed).to_json()
                | {"blind": blind_gap(evidence.share(arm)[..., 0], labels, len(groups), seed)},
                "words": _words(evidence, arm, labels, groups),
            }
            for arm in evidence.arms
        },
    }


def group_means(values: np.ndarray, labels: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean of values (n, words) over each group's pictures (groups, words), NaN left out."""
    with np.errstate(invalid="ignore", divide="ignore"):
        known = ~np.isnan(values)
        filled = np.where(known, values, 0.0)
        return np.stack([filled[labels == g].sum(0) / known[labels == g].sum(0) for g in range(n_groups)])


def mean_gap(means: np.ndarray) -> float:
    """mean over words of the largest minus the smallest group mean, of means (groups, words): 0 to 1, 0 is even."""
    return float((means.max(0) - means.min(0)).mean())


def gap_estimate(values: np.ndarray, labels: np.ndarray, n_groups: int, seed: int) -> Estimate:
    """The mean gap with a basic bootstrap interval over pictures, groups drawn apart.

    g = mean_w (max_g - min_g) of the groups' mean P; g_b the same over n_g pictures drawn with replacement from each
    group g, DRAWS times; interval [2 g - q(.975), 2 g - q(.025)], at least 0. A mean of sizes is biased upwards where
    groups are alike, in g and in g_b by about as much, which the reflection takes back; `blind_gap` is that size.
    No interval where a group has one answered picture for some word, which drawn again is always itself.
    Draws: default_rng([seed, 2]), for each group in turn multinomial(n_g, even shares, size DRAWS).
    """
    known = labels >= 0
    means = group_means(values, labels, n_groups)
    if np.isnan(means).any():
        return Estimate.missing("a group has no answered question for some word")
    gap, rng = mean_gap(means), np.random.default_rng([seed, 2])
    if min((~np.isnan(values[labels == g])).sum(0).min() for g in range(n_groups)) == 1:
        return Estimate(gap, n=int(known.sum()), note="no interval: a group has one answered picture for some word")
    drawn = []
    for g in range(n_groups):
        own = values[labels == g]
        counts = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=DRAWS)
        answered = ~np.isnan(own)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append((counts @ np.where(answered, own, 0.0)) / (counts @ answered))
    gaps = np.stack(drawn)
    draws = (gaps.max(0) - gaps.min(0)).mean(1)
    low, high = np.nanquantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    lo, hi = max(0.0, 2 * gap - float(high)), max(0.0, 2 * gap - float(low))
    return Estimate(gap, min(lo, gap), max(hi, gap), int(known.sum()))


def blind_gap(values: np.ndarray, labels: np.ndarray, n_groups: int, seed: int) -> float | None:
    """The mean gap that labels dealt at random show: what a gap of nothing looks like here.

    Mean over BLIND_DRAWS permutations of the known labels by default_rng([seed, 3]).permutation; over those of them
    in which every group has an answered question for every word, and None where that is none of them.
    """
    rows = np.flatnonzero(labels >= 0)
    rng = np.random.default_rng([seed, 3])
    found = []
    for _ in range(BLIND_DRAWS):
        means = group_means(values[rows], rng.permutation(labels[rows]), n_groups)
        if not np.isnan(means).any():
            found.append(mean_gap(means))
    return float(np.mean(found)) if found else None


def ability_estimate(right: np.ndarray) -> Estimate:
    """Share of right answers over pictures, each picture's own share one value: Student's interval within 0 and 1."""
    return mean_of(right.mean(1), (0.0, 1.0))


def flips(evidence: AnswerEvidence, arm: str) -> dict[str, Any]:
    """Pictures and words whose likeliest answer is another one than in the original."""
    before, after = evidence.share(ORIGINAL), evidence.share(arm)
    known = ~(np.isnan(before).any(2) | np.isnan(after).any(2))
    first, then = np.nan_to_num(before).argmax(2), np.nan_to_num(after).argmax(2)
    flipped = known & (first != then)
    moved = np.where(flipped, np.abs(after[..., 0] - before[..., 0]), -1.0)
    order = np.argsort(-moved.ravel(), kind="stable")[: min(FLIPS, int(flipped.sum()))]
    shown = []
    for place in order:
        picture, word = divmod(int(place), len(evidence.words))
        shown.append(
            {
                "picture": picture,
                "word": evidence.words[word],
                "before": evidence.answers[first[picture, word]],
                "after": evidence.answers[then[picture, word]],
                "p_before": float(before[picture, word, 0]),
                "p_after": float(after[picture, word, 0]),
            }
        )
    return {"n": int(flipped.sum()), "of": int(known.sum()), "shown": shown}


def _words(evidence: AnswerEvidence, arm: str, labels: np.ndarray, groups: tuple[str, ...]) -> dict[str, Any]:
    """By word: mean P of each group with interval, and the difference of two groups with p, Holm over words."""
    values, published = evidence.share(arm)[..., 0], evidence.published(arm)
    found: dict[str, Any] = {}
    for w, word in enumerate(evidence.words):
        own = [values[labels == g, w] for g in range(len(groups))]
        own = [x[~np.isnan(x)] for x in own]
        raw = [published[labels == g, w] for g in range(len(groups))]
        entry: dict[str, Any] = {
            "groups": {group: mean_of(x, (0.0, 1.0)).to_json() for group, x in zip(groups, own, strict=True)}
        }
        if len(groups) == 2:
            if evidence.scenes is None:
                apart = welch(*own)
                difference, p = apart.difference, apart.p
            else:
                difference, p = _in_scenes(values[:, w], labels, evidence.scenes)
            entry |= {"difference": difference.to_json(), "p": p}
            entry["published"] = welch(*raw).difference.to_json()
        found[word] = entry
    if len(groups) == 2:
        adjusted = holm(np.array([np.nan if e["p"] is None else e["p"] for e in found.values()]))
        for entry, p in zip(found.values(), adjusted, strict=True):
            entry["p_adjusted"] = None if np.isnan(p) else float(p)
    return found


def _in_scenes(values: np.ndarray, labels: np.ndarray, scenes: np.ndarray) -> tuple[Estimate, float | None]:
    """First minus second group inside each scene that shows both, mean over scenes with Student's interval, and p."""
    found = []
    for scene in np.unique(scenes):
        first, second = (values[(scenes == scene) & (labels == g)] for g in (0, 1))
        first, second = first[~np.isnan(first)], second[~np.isnan(second)]
        if len(first) and len(second):
            found.append(first.mean() - second.mean())
    if not found:
        return Estimate.missing("no scene shows both groups"), None
    x = np.array(found)
    estimate = mean_of(x)
    if len(x) < 2 or not x.std(ddof=1):
        return estimate, None
    return estimate, float(2 * scipy.stats.t.sf(abs(x.mean()) / (x.std(ddof=1) / np.sqrt(len(x))), len(x) - 1))


def _by_kind(evidence: AnswerEvidence, arm: str) -> dict[str, Any]:
    right = evidence.ability[arm].astype(np.float64)
    return {kind: mean_of(right[:, k], (0.0, 1.0)).to_json() for k, kind in enumerate(evidence.kinds)}


def _answer_shares(evidence: AnswerEvidence, arm: str) -> dict[str, float | None]:
    """Mean share of every answer over all pictures and words."""
    share = evidence.share(arm).reshape(-1, len(evidence.answers))
    share = share[~np.isnan(share).any(1)]
    return {name: float(share[:, a].mean()) if len(share) else None for a, name in enumerate(evidence.answers)}


def _with_random(estimates: Mapping[str, Mapping[str, Any]], evidence: AnswerEvidence) -> dict[str, Any]:
    """Estimates by arm, the draws of random neurons as one: their mean, its interval and their smallest and largest."""
    found = {arm: dict(value) for arm, value in estimates.items() if arm not in evidence.random_arms}
    drawn = [estimates[arm]["estimate"] for arm in evidence.random_arms]
    if drawn and None not in drawn:
        found[RANDOM] = mean_of(drawn, (0.0, 1.0)).to_json() | {"smallest": min(drawn), "largest": max(drawn)}
    return found
