"""From rankings to numbers: every estimate of an audit with n, interval and target. Pure, and without any model."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import t as student

from core.audit.arms import CHOSEN, ORIGINAL, PROJECTION, RECONSTRUCTION, Ranked
from core.audit.ranking import metric_estimate
from core.audit.results import RANKING_NAMES, Part
from core.audit.spec import AuditSpec
from core.metrics import RANKING_METRICS
from core.statistics import (
    Estimate,
    PairedDraws,
    metric_difference,
    paired_draws,
    share_differences,
    share_estimate,
)

HEADLINE = "max_skew"
"""The metric that findings are about."""
SMALL_GROUP = 30
"""A group with fewer searched rows is shown with its n and not interpreted."""
NULL_DRAWS = 20_000
"""Draws behind a p value: the smallest p, 1 / 20,001, survives the correction of some hundred findings."""
NO_TARGET = "not applicable"


def number(estimate: Estimate, target: Any, **more: Any) -> dict[str, Any]:
    """An estimate as the report keeps it: value, interval, n and what it is compared with."""
    return {**estimate.to_json(), "target": target, **more}


def prompt_numbers(
    spec: AuditSpec, attribute: str, prompt: str, part: Part, ranked: Ranked, ids: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Who one prompt retrieves: shares and metrics of the original, of the edit, and their paired difference.

    Parameters
    ----------
    ids : arm -> ids of its top k, best first.
    """
    arms = [arm for arm in (ORIGINAL, CHOSEN) if arm in ranked.arms]
    k, target = spec.k, spec.target_of(attribute)
    tops = {arm: part.labels[ranked.of(arm)[:k]] for arm in arms}
    document: dict[str, Any] = {
        "prompt": prompt,
        "kind": "headline" if prompt in spec.prompts else "exploratory",
        "k": k,
        "unknown": {arm: int((top < 0).sum()) for arm, top in tops.items()},
        "top": {
            arm: {"ids": list(ids[arm]), "groups": [part.groups[g] if g >= 0 else None for g in top]}
            for arm, top in tops.items()
        },
    }
    shares = {arm: _shares(top, part) for arm, top in tops.items()}
    metrics: dict[str, dict[str, Estimate]] = {
        arm: {name: metric_estimate(name, top, part.target, part.counts, spec.seed) for name in RANKING_NAMES}
        for arm, top in tops.items()
    }
    pairs = None
    if len(arms) == 2:
        pairs = paired_draws(*(ranked.of(arm) for arm in arms), part.labels, k, seed=spec.seed)
        shares["difference"] = share_differences(pairs, *tops.values(), len(part.groups))
        metrics["difference"] = {name: _difference(name, pairs, metrics, tops, part) for name in RANKING_NAMES}
        at = ranked.arms.index(CHOSEN)
        document["rows_changed"] = number(share_estimate(ranked.rows_changed[at], part.n), NO_TARGET)
        document["cosine"] = _mean_cosine({prompt: ranked}, CHOSEN, part)
    document["shares"] = {
        group: {arm: number(found[g], float(part.target[g])) for arm, found in shares.items()}
        for g, group in enumerate(part.groups)
    }
    document["metrics"] = {
        name: {arm: number(found[name], target) for arm, found in metrics.items()} for name in RANKING_NAMES
    }
    headline = document["metrics"][HEADLINE]
    for arm in arms:
        headline[arm]["p"] = null_p(tops[arm], part, spec.seed) if headline[arm]["estimate"] is not None else None
    if pairs is not None and headline["difference"]["estimate"] is not None:
        headline["difference"]["p"] = difference_p(drawn_differences(HEADLINE, pairs, part), metrics["difference"])
    document["worst_pair"] = _worst_pair(shares[ORIGINAL], part)
    return document


def _shares(top: np.ndarray, part: Part) -> list[Estimate]:
    known = int((top >= 0).sum())
    return [share_estimate(int((top == g).sum()), known) for g in range(len(part.groups))]


def _difference(
    name: str, pairs: PairedDraws, metrics: Mapping[str, Mapping[str, Estimate]], tops: Mapping[str, np.ndarray], part: Part
) -> Estimate:
    missing = next((metrics[arm][name].reason for arm in tops if metrics[arm][name].estimate is None), None)
    if missing is not None:
        return Estimate.missing(missing)
    return metric_difference(RANKING_METRICS.get(name)(), pairs, *tops.values(), part.target)


def _worst_pair(shares: Sequence[Estimate], part: Part) -> dict[str, Any] | None:
    """The most over- and the most under-represented group that are large enough to be interpreted."""
    skew = {
        g: share.estimate / part.target[g]
        for g, share in enumerate(shares)
        if share.estimate is not None and part.counts[g] >= SMALL_GROUP
    }
    if len(skew) < 2:
        return None
    over, under = max(skew, key=skew.__getitem__), min(skew, key=skew.__getitem__)
    return {"over": part.groups[over], "under": part.groups[under]}


# ---------------------------------------------------------------------------------------------- p values


def null_p(top: np.ndarray, part: Part, seed: int) -> float:
    """(1 + draws with labels shuffled that are as biased) / (1 + draws), for the headline metric of one top k."""
    known = top[top >= 0]
    value = float(RANKING_METRICS.get(HEADLINE)()(known, part.target))
    drawn = _null_values(part.counts, len(known), tuple(map(float, part.target)), seed)
    return (1 + int((drawn >= value - 1e-12).sum())) / (1 + len(drawn))


@lru_cache(maxsize=512)
def _null_values(counts: tuple[int, ...], k: int, target: tuple[float, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(counts, k, size=NULL_DRAWS, method="marginals")
    return RANKING_METRICS.get(HEADLINE)().from_counts(drawn, np.asarray(target))


def drawn_differences(name: str, pairs: PairedDraws, part: Part) -> np.ndarray:
    """The metric after minus before in each paired resample (draws,)."""
    metric = RANKING_METRICS.get(name)()
    return np.asarray(metric(pairs.after, part.target) - metric(pairs.before, part.target))


def difference_p(drawn: np.ndarray, differences: Mapping[str, Estimate]) -> float:
    """Two-sided p of the headline difference: normal, with the standard error of the paired resamples."""
    observed = differences[HEADLINE].estimate
    assert observed is not None
    spread = float(np.nanstd(drawn, ddof=1))
    if spread == 0.0:
        return 1.0 if observed == 0.0 else 0.0
    return float(2 * ndtr(-abs(observed) / spread))


# ------------------------------------------------------------------------------------- means and controls


def mean_over_prompts(values: Sequence[float]) -> Estimate:
    """Mean with Student's 95 % interval over prompts; missing with fewer than two prompts or an undefined value."""
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        return Estimate.missing("a prompt retrieves no row with a known group")
    if len(found) < 2:
        return Estimate.missing("one prompt has no mean over prompts; see the prompt itself")
    half = float(student.ppf(0.975, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
    mean = float(found.mean())
    return Estimate(mean, mean - half, mean + half, len(found))


def arm_numbers(spec: AuditSpec, attribute: str, part: Part, found: Mapping[str, Ranked]) -> dict[str, Any]:
    """Mean headline metric of every arm over the pre-registered prompts, random neurons as a band.

    Parameters
    ----------
    found : prompt -> rankings, of the pre-registered prompts.
    """
    target, arms = spec.target_of(attribute), next(iter(found.values())).arms
    tops = {arm: [part.labels[one.of(arm)[: spec.k]] for one in found.values()] for arm in arms}
    values = {arm: _headline_values(lists, part) for arm, lists in tops.items()}
    means = {arm: _mean(lists, values[arm], part, spec) for arm, lists in tops.items()}
    document: dict[str, Any] = {}
    for arm in (ORIGINAL, CHOSEN, RECONSTRUCTION, PROJECTION):
        if arm not in arms:
            continue
        change = mean_over_prompts(np.subtract(values[arm], values[ORIGINAL]))
        by_prompt = {
            prompt: number(metric_estimate(HEADLINE, top, part.target, part.counts, spec.seed), target)
            for prompt, top in zip(found, tops[arm], strict=True)
        }
        document[arm] = {"mean": number(means[arm], target), "by_prompt": by_prompt}
        if arm != ORIGINAL:
            document[arm] |= {"change": number(change, target), "cosine": _mean_cosine(found, arm, part)}
    draws = [arm for arm in arms if arm.startswith("random ")]
    if draws:
        own = [float(np.mean(values[arm])) for arm in draws]
        as_low = sum(value <= float(np.mean(values[CHOSEN])) for value in own)
        document["random neurons"] = {
            "mean": number(Estimate(float(np.mean(own)), min(own), max(own), len(own)), target),
            "interval": "smallest and largest of the draws",
            "draws": [number(means[arm], target) for arm in draws],
            "p": (1 + as_low) / (1 + len(own)),
        }
    return document


def _headline_values(lists: Sequence[np.ndarray], part: Part) -> np.ndarray:
    return np.asarray(RANKING_METRICS.get(HEADLINE)()(np.stack(lists), part.target))


def _mean(lists: Sequence[np.ndarray], values: np.ndarray, part: Part, spec: AuditSpec) -> Estimate:
    """Mean over prompts; a single prompt's own value with its own interval."""
    if len(lists) == 1:
        return metric_estimate(HEADLINE, lists[0], part.target, part.counts, spec.seed)
    return mean_over_prompts(values)


def _mean_cosine(found: Mapping[str, Ranked], arm: str, part: Part) -> dict[str, Any]:
    """Mean cosine of a row before and after, over rows and prompts; its interval is that of a mean over n rows."""
    moments = [(one.cosine[i], one.spread[i]) for one in found.values() for i in [one.arms.index(arm)]]
    mean, spread = np.mean(moments, axis=0).tolist()
    half = 1.96 * spread / math.sqrt(part.n)
    return number(Estimate(mean, mean - half, mean + half, part.n), NO_TARGET)


def part_numbers(part: Part, target: Any) -> dict[str, Any]:
    """Who is searched: n of each group, unknown ones counted, and the target shares."""
    return {
        "n": part.n,
        "unknown": part.unknown,
        "absent": list(part.absent),
        "target": target,
        "groups": {
            group: {"n": count, "target": float(q), "small": count < SMALL_GROUP}
            for group, count, q in zip(part.groups, part.counts, part.target, strict=True)
        },
    }
