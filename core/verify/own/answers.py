"""Answers of a vision-language model: every number of such a report, from the probabilities that it kept.

P of an answer is its share among the answers offered (none where they hold under 1 % together), a mean over a word's
questions. Rows are pictures.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from core.verify.own.chance import holm_adjusted
from core.verify.own.values import DRAWS, TAIL, Value, middle, missing, plain_mean, value

LEAST_MASS = 0.01
DEALT = 200
MOST_FLIPS = 12
FIRST = "original"


def answers_document(shape: Mapping[str, Any], arrays: Mapping[str, np.ndarray], seed: int) -> dict[str, Any]:
    """The blocks of the document that are computed, from what the evidence is (shape) and its arrays."""
    arms = list(shape["arms"])
    prob = {arm: arrays[f"prob_{i}"] for i, arm in enumerate(arms)}
    right = {arm: arrays[f"ability_{i}"] for i, arm in enumerate(arms)}
    shares = {arm: answer_shares(prob[arm], len(shape["words"]), shape["per_word"]) for arm in arms}
    scenes = arrays["scenes"] if shape["scenes"] else None
    attributes = {
        name: _attribute(shape, arms, shares, prob, arrays[f"labels_{i}"], groups, scenes, seed)
        for i, (name, groups) in enumerate(shape["groups"].items())
    }
    ability = {arm: mean_value([row.mean() for row in right[arm]]) for arm in arms}
    gaps = {arm: found["gap"] for arm, found in next(iter(attributes.values()))["arms"].items()}
    return {
        "summary": {"gap": _drawn_together(gaps, arms), "ability": _drawn_together(ability, arms)},
        "attributes": attributes,
        "ability_by_kind": {
            arm: {kind: mean_value(right[arm][:, k]) for k, kind in enumerate(shape["kinds"])} for arm in arms
        },
        "no_answer": {arm: int((masses(prob[arm]) < LEAST_MASS).sum()) for arm in arms},
        "mass": {arm: float(np.median(masses(prob[arm]))) for arm in arms},
        "answers": {arm: _means(shares[arm], shape["answers"]) for arm in arms},
        "flips": {arm: _flips(shape, shares[FIRST], shares[arm]) for arm in arms if arm != FIRST},
        "findings": _findings(attributes),
    }


def masses(prob: np.ndarray) -> np.ndarray:
    """What the offered answers hold together (n, questions)."""
    return np.where(np.isnan(prob), 0.0, prob).sum(axis=-1)


def answer_shares(prob: np.ndarray, words: int, per_word: int) -> np.ndarray:
    """(n, words, answers); NaN where no question of a word was answered."""
    n, _, answers = prob.shape
    found = np.full((n, words, answers), np.nan)
    mass = masses(prob)
    for i in range(n):
        for w in range(words):
            own = [q for q in range(w * per_word, (w + 1) * per_word) if mass[i, q] >= LEAST_MASS]
            for a in range(answers):
                given = [prob[i, q, a] / mass[i, q] for q in own if not math.isnan(prob[i, q, a])]
                if given:
                    found[i, w, a] = math.fsum(given) / len(given)
    return found


def mean_value(values: Sequence[float] | np.ndarray) -> Value:
    """Mean of values between 0 and 1."""
    x = [float(v) for v in values]
    if not x:
        return missing("there is nothing to average")
    return value(x[0], n=1) if len(x) == 1 else plain_mean(x, 0.0, 1.0)


def _attribute(
    shape: Mapping[str, Any],
    arms: Sequence[str],
    shares: Mapping[str, np.ndarray],
    prob: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: Sequence[str],
    scenes: np.ndarray | None,
    seed: int,
) -> dict[str, Any]:
    """Many parameters: the stored arrays of one attribute."""
    found = {}
    for arm in arms:
        first = shares[arm][..., 0]
        published = prob[arm][..., 0].reshape(len(first), len(shape["words"]), -1).mean(axis=2)
        gap = _gap(first, labels, len(groups), seed) | {"blind": _dealt(first, labels, len(groups), seed)}
        found[arm] = {"gap": gap, "words": _words(shape["words"], first, published, labels, groups, scenes)}
    return {
        "groups": {group: int((labels == g).sum()) for g, group in enumerate(groups)},
        "unknown": int((labels < 0).sum()),
        "arms": found,
    }


def _group_means(first: np.ndarray, labels: np.ndarray, n_groups: int) -> np.ndarray:
    rows = []
    for g in range(n_groups):
        own = first[labels == g]
        known = ~np.isnan(own)
        with np.errstate(invalid="ignore", divide="ignore"):
            rows.append(np.where(known, own, 0.0).sum(axis=0) / known.sum(axis=0))
    return np.array(rows)


def _size(means: np.ndarray) -> float:
    return float(np.mean(means.max(axis=0) - means.min(axis=0)))


def _gap(first: np.ndarray, labels: np.ndarray, n_groups: int, seed: int) -> Value:
    """Mean over words of the largest minus the smallest group mean; its interval mirrors the bootstrap's."""
    means = _group_means(first, labels, n_groups)
    if np.isnan(means).any():
        return missing("a group has no answered question for some word")
    answered = np.array([(~np.isnan(first[labels == g])).sum(axis=0) for g in range(n_groups)])
    if answered.min() == 1:
        alone = {"note": "no interval: a group has one answered picture for some word"}
        return value(_size(means), n=int((labels >= 0).sum())) | alone
    rng = np.random.default_rng([seed, 2])
    resampled = []
    for g in range(n_groups):
        own = first[labels == g]
        times = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=DRAWS)
        known = ~np.isnan(own)
        with np.errstate(invalid="ignore", divide="ignore"):
            resampled.append((times @ np.where(known, own, 0.0)) / (times @ known))
    stacked = np.array(resampled)
    sizes = (stacked.max(axis=0) - stacked.min(axis=0)).mean(axis=1)
    low, high = middle(sizes[~np.isnan(sizes)])
    gap = _size(means)
    return value(gap, min(max(2 * gap - high, 0.0), gap), max(2 * gap - low, 0.0, gap), int((labels >= 0).sum()))


def _dealt(first: np.ndarray, labels: np.ndarray, n_groups: int, seed: int) -> float | None:
    """The mean gap under labels dealt at random, over the deals that leave no group without an answer to some word."""
    known = labels >= 0
    rng = np.random.default_rng([seed, 3])
    sizes = [_size(_group_means(first[known], rng.permutation(labels[known]), n_groups)) for _ in range(DEALT)]
    sizes = [size for size in sizes if not math.isnan(size)]
    return math.fsum(sizes) / len(sizes) if sizes else None


def _words(
    words: Sequence[str],
    first: np.ndarray,
    published: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    scenes: np.ndarray | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for w, word in enumerate(words):
        own = [first[labels == g, w] for g in range(len(groups))]
        own = [x[~np.isnan(x)] for x in own]
        entry: dict[str, Any] = {"groups": {group: mean_value(x) for group, x in zip(groups, own, strict=True)}}
        if len(groups) == 2:
            pair = _apart(*own) if scenes is None else _inside_scenes(first[:, w], labels, scenes)
            entry |= {"difference": pair[0], "p": pair[1]}
            entry["published"] = _apart(*(published[labels == g, w] for g in (0, 1)))[0]
        found[word] = entry
    tested = [word for word in found if found[word].get("p") is not None]
    adjusted = dict(zip(tested, holm_adjusted([found[word]["p"] for word in tested]), strict=True))
    if len(groups) == 2:
        for word, entry in found.items():
            entry["p_adjusted"] = adjusted.get(word)
    return found


def _apart(x: np.ndarray, y: np.ndarray) -> tuple[Value, float | None]:
    """Difference of means of groups with unequal variances (Welch), and its two-sided p."""
    n, m = len(x), len(y)
    if not n or not m:
        return missing("a group has no picture"), None
    difference = math.fsum(x) / n - math.fsum(y) / m
    if min(n, m) < 2:
        return value(difference, n=n + m) | {"note": "no interval: a group has one picture"}, None
    a, b = (math.fsum((v - math.fsum(z) / len(z)) ** 2 for v in z) / (len(z) - 1) / len(z) for z in (x, y))
    if a + b == 0:
        return value(difference, difference, difference, n + m), None
    df = (a + b) ** 2 / (a * a / (n - 1) + b * b / (m - 1))
    error = math.sqrt(a + b)
    half = float(stdtrit(df, 1 - TAIL)) * error
    p = 2 * float(stdtr(df, -abs(difference) / error))
    return value(difference, difference - half, difference + half, n + m), p


def _inside_scenes(first: np.ndarray, labels: np.ndarray, scenes: np.ndarray) -> tuple[Value, float | None]:
    """First minus second group of every scene that shows both."""
    apart = []
    for scene in sorted(set(scenes.tolist())):
        sides = [first[(scenes == scene) & (labels == g)] for g in (0, 1)]
        sides = [side[~np.isnan(side)] for side in sides]
        if all(len(side) for side in sides):
            apart.append(float(sides[0].mean() - sides[1].mean()))
    if not apart:
        return missing("no scene shows both groups"), None
    if len(apart) == 1:
        return value(apart[0], n=1), None
    found = plain_mean(apart, -math.inf, math.inf)
    spread = math.sqrt(math.fsum((v - found["estimate"]) ** 2 for v in apart) / (len(apart) - 1))
    if not spread:
        return found, None
    t = abs(found["estimate"]) / (spread / math.sqrt(len(apart)))
    return found, 2 * float(stdtr(len(apart) - 1, -t))


def _drawn_together(values: Mapping[str, Value], arms: Sequence[str]) -> dict[str, Any]:
    """Draws of random neurons as one value: their mean with Student's interval, smallest and largest."""
    drawn = [values[arm]["estimate"] for arm in arms if arm.startswith("random-")]
    found: dict[str, Any] = {arm: values[arm] for arm in arms if not arm.startswith("random-")}
    if drawn and None not in drawn:
        found["random"] = plain_mean(drawn, 0.0, 1.0) | {"smallest": min(drawn), "largest": max(drawn)}
    return found


def _means(shares: np.ndarray, answers: Sequence[str]) -> dict[str, float | None]:
    flat = shares.reshape(-1, len(answers))
    flat = flat[~np.isnan(flat).any(axis=1)]
    return {name: float(flat[:, a].mean()) if len(flat) else None for a, name in enumerate(answers)}


def _flips(shape: Mapping[str, Any], before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Pictures and words with another likeliest answer, those first whose P(first answer) moved most."""
    changed, compared = [], 0
    for i in range(len(before)):
        for w in range(before.shape[1]):
            if np.isnan(before[i, w]).any() or np.isnan(after[i, w]).any():
                continue
            compared += 1
            a, b = int(np.argmax(before[i, w])), int(np.argmax(after[i, w]))
            if a != b:
                changed.append((-abs(after[i, w, 0] - before[i, w, 0]), i, w, a, b))
    shown = [
        {
            "picture": i,
            "word": shape["words"][w],
            "before": shape["answers"][a],
            "after": shape["answers"][b],
            "p_before": float(before[i, w, 0]),
            "p_after": float(after[i, w, 0]),
        }
        for _, i, w, a, b in sorted(changed)[:MOST_FLIPS]
    ]
    return {"n": len(changed), "of": compared, "shown": shown}


def _findings(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for attribute, one in attributes.items():
        for word, own in one["arms"][FIRST]["words"].items():
            if "p" not in own:
                continue
            p = own["p_adjusted"]
            verdict = "beyond chance" if p is not None and p <= 0.05 else "no difference beyond chance"
            entry = {"id": f"{attribute} | {word}", "attribute": attribute, "word": word}
            entry |= {name: own[name] for name in ("difference", "p", "p_adjusted")}
            found.append(entry | {"verdict": "not computed" if p is None else verdict})
    return found
