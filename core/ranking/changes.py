"""What changed between two lists of the same searched rows: shares, lean, metrics, impact, paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.metrics import RANKING_METRICS, headline_metrics
from core.ranking.measures import ListNumbers
from core.ranking.rows import Part
from core.statistics import (
    DRAWS,
    Effect,
    Estimate,
    effect_of,
    exchange_of,
    metric_change,
    metric_difference,
    paired_draws,
)


@dataclass(frozen=True, eq=False)
class ListChange:
    """What changed between two lists of the same searched rows."""

    groups: tuple[str, ...]
    shares: Mapping[str, Estimate]
    """Share after minus share before."""
    metrics: Mapping[str, Estimate]
    effect: Effect | None
    """None where a list has no known group."""

    def to_json(self) -> dict[str, Any]:
        return {
            "shares": {group: share.to_json() for group, share in self.shares.items()},
            **{name: estimate.to_json() for name, estimate in self.metrics.items()},
            "effect": effect_json(self.groups, self.effect),
        }


def effect_json(groups: Sequence[str], effect: Effect | None) -> dict[str, Any]:
    """The block `effect`."""
    if effect is None:
        return {"reason": "a list holds no row with a known group"}

    def name(group: int | None) -> str | None:
        return None if group is None else groups[group]

    return {
        "leading_before": name(effect.leading_before),
        "leading_after": name(effect.leading_after),
        "group": name(effect.group),
        "direction": effect.direction,
        "lean_direction": effect.lean_direction,
        "p": effect.p,
        "p_smallest": effect.smallest_p,
        "p_group": dict(zip(groups, effect.p_group, strict=True)),
        "left": sum(effect.exchange.leaves),
        "entered": sum(effect.exchange.enters),
    }


def list_change(
    before: ListNumbers,
    after: ListNumbers,
    rankings: tuple[np.ndarray, np.ndarray],
    part: "Part",
    k: int,
    seed: int = 0,
    draws: int = DRAWS,
    tests: int = 1,
    same: bool = False,
) -> ListChange:
    """After minus before.

    Parameters
    ----------
    rankings : places in the searched rows before and after, best first, deeper than k as far as resampling reaches.
    same : whether nothing at all moved, neither an item nor the query: then no other people could show a change
        either, and every interval is 0 to 0.

    Many parameters: both lists, what they were drawn from, and how their change is tested.
    """
    top_before, top_after = (ranking[:k] for ranking in rankings)
    exchange = exchange_of(top_before, top_after, part.labels, len(part.groups))
    effect = effect_of(before.lean, after.lean, exchange, part.target.tolist(), tests)
    missing = Estimate.missing("a list holds no row with a known group")
    shares = list(effect.shares) if effect is not None else [missing] * len(part.groups)
    shares = [replace(share, note=one.share.note) for share, one in zip(shares, before.lean.groups, strict=True)]
    metrics: dict[str, Estimate] = {}
    pairs = None
    for name in headline_metrics():
        metric = RANKING_METRICS.get(name)()
        if before.metrics[name].estimate is None or after.metrics[name].estimate is None:
            metrics[name] = Estimate.missing("one of the arms has no value")
        elif metric.ordered:
            pairs = pairs or paired_draws(*rankings, part.labels, k, draws=draws, seed=seed)
            metrics[name] = metric_difference(
                metric, pairs, part.labels[top_before], part.labels[top_after], part.target
            )
        else:
            metrics[name] = metric_change(metric, exchange, part.target, draws, seed)
    if same:
        shares = [_nothing(share) for share in shares]
        metrics = {name: _nothing(value) for name, value in metrics.items()}
    return ListChange(part.groups, dict(zip(part.groups, shares, strict=True)), metrics, effect)


def _nothing(change: Estimate) -> Estimate:
    return change if change.estimate is None else replace(change, lo=0.0, hi=0.0)
