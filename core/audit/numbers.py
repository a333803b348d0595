"""From rankings to numbers: every estimate of an audit with n, interval and target. Pure, and without any model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr

from core.audit.arms import CHOSEN, ORIGINAL, PROJECTION, RECONSTRUCTION, Ranked
from core.audit.spec import AuditSpec
from core.metrics import RANKING_METRICS
from core.ranking.results import RANKING_NAMES, Part
from core.ranking.steps import metric_estimate
from core.statistics import (
    MINIMUM_N,
    Estimate,
    PairedDraws,
    difference_p,
    list_draws,
    mean_estimate,
    mean_of,
    metric_difference,
    null_of_mean,
    null_p,
    p_value,
    paired_draws,
    share_differences,
    share_estimate,
    with_null,
    worst_pair,
)

HEADLINE = "max_skew"
"""The metric that findings are about."""
NORMAL = 1.959964
"""Standard normal quantile of a 95 % interval."""
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
    if reason := dict(ranked.absent).get(CHOSEN):
        for numbers in (*document["shares"].values(), *document["metrics"].values()):
            missing = number(Estimate.missing(reason), numbers[ORIGINAL]["target"])
            numbers |= {CHOSEN: missing, "difference": missing}
    headline = document["metrics"][HEADLINE]
    for arm in arms:
        headline[arm]["p"] = _headline_p(metrics[arm][HEADLINE], part, spec.seed)
    changed = metrics["difference"][HEADLINE].estimate if pairs is not None else None
    if pairs is not None and changed is not None:
        before, after = pairs.values(RANKING_METRICS.get(HEADLINE)(), part.target)
        headline["difference"]["p"] = difference_p(changed, after - before)
    named = dict(zip(part.groups, shares[ORIGINAL], strict=True))
    known = int((tops[ORIGINAL] >= 0).sum())
    pair = worst_pair(named, part.target.tolist(), known, part.counts)
    document["worst_pair"] = pair and {name: pair[name] for name in ("over", "under")}
    return document


def _shares(top: np.ndarray, part: Part) -> list[Estimate]:
    known = int((top >= 0).sum())
    return [share_estimate(int((top == g).sum()), known) for g in range(len(part.groups))]


def _difference(
    name: str,
    pairs: PairedDraws,
    metrics: Mapping[str, Mapping[str, Estimate]],
    tops: Mapping[str, np.ndarray],
    part: Part,
) -> Estimate:
    missing = next((metrics[arm][name].reason for arm in tops if metrics[arm][name].estimate is None), None)
    if missing is not None:
        return Estimate.missing(missing)
    return metric_difference(RANKING_METRICS.get(name)(), pairs, *tops.values(), part.target)


def _headline_p(value: Estimate, part: Part, seed: int) -> float | None:
    """How likely retrieval blind to labels is to show as much bias."""
    if value.estimate is None or value.n is None:
        return None
    return null_p(RANKING_METRICS.get(HEADLINE)(), value.estimate, part.counts, value.n, part.target.tolist(), seed)


# ------------------------------------------------------------------------------------- means and controls


def arm_numbers(spec: AuditSpec, attribute: str, part: Part, found: Mapping[str, Ranked]) -> dict[str, Any]:
    """Mean headline metric of every arm over the pre-registered prompts, random neurons as a band.

    Intervals resample prompts and rows; with one prompt only rows. An arm that some prompt lacks has no mean.

    Parameters
    ----------
    found : prompt -> rankings, of the pre-registered prompts.
    """
    target, first = spec.target_of(attribute), next(iter(found.values()))
    arms = [arm for arm in first.arms if all(arm in one.arms for one in found.values())]
    metric, groups = RANKING_METRICS.get(HEADLINE)(), len(part.groups)
    named = [arm for arm in (ORIGINAL, CHOSEN, RECONSTRUCTION, PROJECTION) if arm in arms]
    rankings = np.stack([[one.of(arm) for one in found.values()] for arm in named])
    observed = np.asarray(metric(part.labels[rankings[..., : spec.k]], part.target))
    drawn = list_draws(rankings, part.labels, spec.k, groups, seed=spec.seed).values(metric, part.target)
    document: dict[str, Any] = {}
    for i, arm in enumerate(named):
        tops = rankings[i, :, : spec.k]
        mean = mean_estimate(observed[i], drawn[:, i], spec.seed)
        document[arm] = {"mean": number(mean, target), "by_prompt": _by_prompt(found, tops, part, spec, target)}
        if arm in (ORIGINAL, CHOSEN) and mean.estimate is not None:
            band, values = null_of_mean(metric, tops, part.labels, part.target, seed=spec.seed)
            document[arm]["mean"] = number(with_null(metric, mean, band), target)
            document[arm]["mean"]["p"] = p_value(mean.estimate, values)
        if arm != ORIGINAL:
            change = mean_estimate(observed[i] - observed[0], drawn[:, i] - drawn[:, 0], spec.seed)
            document[arm] |= {"change": number(change, target, p=_p(change)), "cosine": _mean_cosine(found, arm, part)}
    randoms = [arm for arm in arms if arm.startswith("random ")]
    if randoms:
        chosen = float(observed[named.index(CHOSEN)].mean())
        document["random neurons"] = _random(spec, part, found, randoms, chosen, target)
    return document


def _by_prompt(
    found: Mapping[str, Ranked], tops: np.ndarray, part: Part, spec: AuditSpec, target: Any
) -> dict[str, dict[str, Any]]:
    values = (metric_estimate(HEADLINE, part.labels[top], part.target, part.counts, spec.seed) for top in tops)
    return {prompt: number(value, target) for prompt, value in zip(found, values, strict=True)}


def _p(change: Estimate) -> float | None:
    """Two-sided and normal, with the standard error that the interval has."""
    if change.estimate is None or change.lo is None or change.hi is None:
        return None
    error = (change.hi - change.lo) / (2 * NORMAL)
    return float(2 * ndtr(-abs(change.estimate) / error)) if error > 0 else float(change.estimate == 0.0)


def _random(
    spec: AuditSpec, part: Part, found: Mapping[str, Ranked], arms: Sequence[str], chosen: float, target: Any
) -> dict[str, Any]:
    """The draws of random neurons: mean, smallest and largest, and how many reach what the chosen ones do."""
    metric, draws = RANKING_METRICS.get(HEADLINE)(), []
    for arm in arms:
        tops = np.stack([one.of(arm)[: spec.k] for one in found.values()])
        draws.append(np.asarray(metric(part.labels[tops], part.target)))
    means = [float(values.mean()) for values in draws]
    mean = Estimate(float(np.mean(means)), min(means), max(means), len(means))
    return {
        "mean": number(mean, target),
        "interval": "smallest and largest of the draws",
        "draws": [number(_over_prompts(values), target) for values in draws],
        "p": (1 + sum(value <= chosen for value in means)) / (1 + len(means)),
    }


def _over_prompts(values: np.ndarray) -> Estimate:
    """Mean with Student's interval over prompts; a single prompt has its value alone."""
    if len(values) > 1:
        return mean_of(values)
    value = float(values[0])
    return Estimate(value, value, value, 1)


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
            group: {"n": count, "target": float(q), "small": count < MINIMUM_N}
            for group, count, q in zip(part.groups, part.counts, part.target, strict=True)
        },
    }
