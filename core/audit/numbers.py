"""From rankings to numbers: every estimate of an audit with n, interval and target. Pure, and without any model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.audit.arms import Ranked
from core.audit.spec import AuditSpec
from core.metrics import RANKING_METRICS, headline_metrics
from core.metrics.base import count_groups
from core.ranking.arms import EDITED, ORIGINAL, PROJECTION, RECONSTRUCTION
from core.ranking.changes import list_change
from core.ranking.measures import (
    ListNumbers,
    asks_gallery_shares,
    list_numbers,
    metric_estimate,
)
from core.ranking.rows import Part
from core.statistics import (
    MINIMUM_N,
    NORMAL,
    Estimate,
    MeanEffect,
    MeanLean,
    design_effect,
    list_draws,
    mean_effect,
    mean_estimate,
    mean_lean,
    mean_of,
    most_ahead,
    null_of_mean,
    share_estimate,
    with_null,
)
from core.statistics.effect import first_largest

DISTANCE_METRIC = "max_skew"
"""The metric whose mean over prompts is told beside the mean lean."""
NO_TARGET = "not applicable"
Document = dict[str, Any]


def number(estimate: Estimate, target: Any, **more: Any) -> dict[str, Any]:
    """An estimate as the report keeps it: value, interval, n and what it is compared with."""
    return {**estimate.to_json(), "target": target, **more}


def prompt_numbers(
    spec: AuditSpec, attribute: str, prompt: str, part: Part, ranked: Ranked, ids: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Who one prompt retrieves: the original, the edit, and what changed between them.

    Parameters
    ----------
    ids : arm -> ids of its top k, best first.
    """
    k, target, seed = spec.k, spec.target_of(attribute), spec.seed
    kind = "headline" if prompt in spec.prompts else "exploratory"
    tests = spec.tests(kind)
    document: dict[str, Any] = {"prompt": prompt, "kind": kind, "k": k}
    found: dict[str, ListNumbers] = {}
    for arm, name in ((ORIGINAL, "before"), (EDITED, "after")):
        if arm not in ranked.arms:
            continue
        rows = ranked.of(arm)[:k]
        top = part.labels[rows]
        found[arm] = list_numbers(top, part, seed, tests=tests, top=rows)
        groups = [part.groups[g] if g >= 0 else None for g in top]
        document[name] = {
            "ids": list(ids[arm]),
            "groups": groups,
            "ties_at_k": ranked.ties[ranked.arms.index(arm)],
            **_with_target(found[arm].to_json(), target),
        }
    if len(found) == 2:
        rankings = (ranked.of(ORIGINAL), ranked.of(EDITED))
        change = list_change(found[ORIGINAL], found[EDITED], rankings, part, k, seed=seed, tests=tests)
        document["difference"] = _with_target(change.to_json(), target)
        at = ranked.arms.index(EDITED)
        document["rows_changed"] = number(share_estimate(ranked.rows_changed[at], part.n), NO_TARGET)
        document["cosine"] = _mean_cosine({prompt: ranked}, EDITED, part)
    elif (reason := dict(ranked.absent).get(EDITED)) is not None:
        document |= {"after": {"reason": reason}, "difference": {"reason": reason}}
    return document


def _with_target(document: dict[str, Any], target: Any) -> dict[str, Any]:
    """The metrics of a list or of a change, each with the target that it is measured against."""
    metrics = headline_metrics()
    return {key: {**item, "target": target} if key in metrics else item for key, item in document.items()}


# ------------------------------------------------------------------------------------- means and controls


def arm_numbers(spec: AuditSpec, attribute: str, part: Part, found: Mapping[str, Ranked]) -> dict[str, Any]:
    """Mean lean and mean MaxSkew of every arm over the pre-registered prompts, random neurons as a band.

    Intervals resample prompts and rows, with one prompt only rows; p permutes labels once for all prompts of a draw. An
    arm that some prompt lacks has no mean.

    Parameters
    ----------
    found : prompt -> rankings, of the pre-registered prompts.
    """
    target, first, seed = spec.target_of(attribute), next(iter(found.values())), spec.seed
    arms = [arm for arm in first.arms if all(arm in one.arms for one in found.values())]
    metric, groups, k = RANKING_METRICS.get(DISTANCE_METRIC)(), len(part.groups), spec.k
    named = [arm for arm in (ORIGINAL, EDITED, RECONSTRUCTION, PROJECTION) if arm in arms]
    rankings = np.stack([[one.of(arm) for one in found.values()] for arm in named])
    observed = np.asarray(metric(part.labels[rankings[..., :k]], part.target))
    draws = list_draws(rankings, part.labels, k, groups, seed=seed)
    drawn, shares = draws.values(metric, part.target), draws.shares
    tests = spec.tests("headline")
    leans = [
        mean_lean(tops[:, :k], part.labels, shares[:, i], part.counts, tests, seed, _design_effect(part, tops[:, :k]))
        for i, tops in enumerate(rankings)
    ]
    counts = count_groups(part.labels[rankings[..., :k]], groups)
    seen = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    leading = [most_ahead(part.counts, one.tolist()) for one in counts[0]]
    base = np.array(part.counts)[leading] / sum(part.counts)
    largest = float(np.maximum(base, 1 - base).max())
    sizes = [(lean_sizes(seen[i], part, leading), lean_sizes(shares[:, i], part, leading)) for i in range(len(named))]
    document: Document = {}
    for i, arm in enumerate(named):
        tops = rankings[i, :, :k]
        mean = mean_estimate(observed[i], drawn[:, i], seed, metric.range)
        if arm in (ORIGINAL, EDITED) and mean.estimate is not None and asks_gallery_shares(part.target, part.counts):
            mean = with_null(metric, mean, null_of_mean(metric, tops, part.labels, part.target, seed=seed)[0])
        document[arm] = {
            "lean": _mean_lean_json(part, leans[i]),
            "size": number(mean_estimate(*sizes[i], seed, (0.0, largest)), NO_TARGET),
            "mean": number(mean, target),
            "by_prompt": _by_prompt(found, tops, part, spec, target),
        }
        if arm == ORIGINAL:
            continue
        change = mean_estimate(observed[i] - observed[0], drawn[:, i] - drawn[:, 0], seed)
        both = (rankings[0, :, :k], tops)
        asked = part.target.tolist()
        effect = mean_effect(leans[0], leans[i], both, part.labels, shares[:, i] - shares[:, 0], asked, tests, seed)
        document[arm] |= {"change": number(change, target), "effect": _mean_effect_json(part, effect)}
        document[arm]["cosine"] = _mean_cosine(found, arm, part)
    if EDITED in named and any(arm.startswith("random ") for arm in arms):
        size = mean_estimate(*sizes[named.index(EDITED)], seed, (0.0, largest))
        document["random neurons"] = _random(spec, part, found, leading, size)
    return document


def _about(lean: MeanLean) -> int:
    """The group that a comparison of arms is about: the leading one, else the one that departs most."""
    return lean.leading if lean.leading is not None else first_largest(lean.departure)


def _design_effect(part: Part, tops: np.ndarray) -> float:
    """The largest design effect of several lists; 1 where rows are taken as different people."""
    if part.clusters is None:
        return 1.0
    return max(design_effect(part.clusters[top], part.labels[top], part.clusters, part.labels) for top in tops)


def _mean_lean_json(part: Part, lean: MeanLean) -> dict[str, Any]:
    about = _about(lean)
    return {
        "points": {group: number(points, NO_TARGET) for group, points in zip(part.groups, lean.points, strict=True)},
        "p": lean.p,
        "p_smallest": lean.smallest_p,
        "p_group": dict(zip(part.groups, map(_known, lean.p_group), strict=True)),
        "p_adjusted": dict(zip(part.groups, map(_known, lean.p_adjusted), strict=True)),
        "group": part.groups[about],
        "leading_group": None if lean.leading is None else part.groups[lean.leading],
        "beyond_chance": lean.beyond_chance,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean_effect_json(part: Part, effect: MeanEffect | None) -> dict[str, Any]:
    if effect is None:
        return {"reason": "a list holds no row with a known group"}

    def name(group: int | None) -> str | None:
        return None if group is None else part.groups[group]

    return {
        "changes": {
            group: number(change, NO_TARGET) for group, change in zip(part.groups, effect.changes, strict=True)
        },
        "p": effect.p,
        "p_smallest": effect.smallest_p,
        "p_group": dict(zip(part.groups, effect.p_group, strict=True)),
        "group": name(effect.group),
        "leading_before": name(effect.leading_before),
        "leading_after": name(effect.leading_after),
        "direction": effect.direction,
        "lean_direction": effect.lean_direction,
    }


def _by_prompt(
    found: Mapping[str, Ranked], tops: np.ndarray, part: Part, spec: AuditSpec, target: Any
) -> dict[str, dict[str, Any]]:
    values = (metric_estimate(DISTANCE_METRIC, part.labels[top], part.target, part.counts, spec.seed) for top in tops)
    return {prompt: number(value, target) for prompt, value in zip(found, values, strict=True)}


def _random(spec: AuditSpec, part: Part, found: Mapping[str, Ranked], leading: list[int], chosen: Estimate) -> Document:
    """The draws of random neurons: the mean size of the lean, and how many draws leave as small a one as the edit."""
    arms = [arm for arm in next(iter(found.values())).arms if arm.startswith("random ")]
    draws = []
    for arm in arms:
        labels = part.labels[np.stack([one.of(arm)[: spec.k] for one in found.values()])]
        counts = count_groups(labels, len(part.groups))
        draws.append(lean_sizes(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1), part, leading))
    means = [float(values.mean()) for values in draws]
    mean = Estimate(float(np.mean(means)), min(means), max(means), len(means))
    as_small = sum(value <= chosen.estimate for value in means) if chosen.estimate is not None else len(means)
    return {
        "size": number(mean, NO_TARGET),
        "interval": "smallest and largest of the draws",
        "draws": [number(_over_prompts(values), NO_TARGET) for values in draws],
        "p": (1 + as_small) / (1 + len(means)),
        "p_smallest": 1 / (1 + len(means)),
    }


def lean_sizes(shares: np.ndarray, part: Part, leading: Sequence[int]) -> np.ndarray:
    """|s_g - p_g| of each prompt (..., prompts), g the group that its original leads with; shares (..., prompts, G).

    Without signs, so that leans that have turned round do not make up for others that are left.
    """
    base = np.array(part.counts)[list(leading)] / sum(part.counts)
    return np.abs(shares[..., np.arange(len(leading)), list(leading)] - base)


def _over_prompts(values: np.ndarray) -> Estimate:
    """Mean with Student's interval over prompts; a single prompt has its value alone."""
    if len(values) > 1:
        return mean_of(values, (0.0, 1.0))
    value = float(values[0])
    return Estimate(value, value, value, 1)


def _mean_cosine(found: Mapping[str, Ranked], arm: str, part: Part) -> dict[str, Any]:
    """Mean cosine of a row before and after, over rows and prompts; its interval is that of a mean over n rows."""
    moments = [(one.cosine[i], one.spread[i]) for one in found.values() for i in [one.arms.index(arm)]]
    mean, spread = np.mean(moments, axis=0).tolist()
    half = NORMAL * spread / math.sqrt(part.n)
    return number(Estimate(mean, max(mean - half, -1.0), min(mean + half, 1.0), part.n), NO_TARGET)


def part_numbers(part: Part, target: Any) -> dict[str, Any]:
    """Who is searched: n of each group, unknown ones counted, and the target shares."""
    return {
        "n": part.n,
        "unknown": part.unknown,
        "absent": list(part.absent),
        "target": target,
        "asks_gallery_shares": asks_gallery_shares(part.target, part.counts),
        "groups": {
            group: {"n": count, "target": float(q), "small": count < MINIMUM_N}
            for group, count, q in zip(part.groups, part.counts, part.target, strict=True)
        },
    }
