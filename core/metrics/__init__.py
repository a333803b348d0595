"""Fairness metrics of rankings: one file each, found by name through `RANKING_METRICS`."""

from core.metrics.base import (
    MODES,
    RANKING_METRICS,
    ListFacts,
    Mode,
    OtherMetric,
    RankingMetric,
    ShareOf,
    count_groups,
    formula_of,
    headline_metrics,
    meaning_of,
    top_rows,
)
from core.metrics.targets import target_distribution

__all__ = [
    "MODES",
    "RANKING_METRICS",
    "ListFacts",
    "Mode",
    "OtherMetric",
    "RankingMetric",
    "ShareOf",
    "count_groups",
    "formula_of",
    "headline_metrics",
    "meaning_of",
    "target_distribution",
    "top_rows",
]
