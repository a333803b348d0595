"""Fairness metrics of rankings: one file each, found by name through `RANKING_METRICS`."""

from core.metrics.base import MODES, RANKING_METRICS, Mode, RankingMetric, count_groups, top_rows
from core.metrics.targets import target_distribution

__all__ = ["MODES", "RANKING_METRICS", "Mode", "RankingMetric", "count_groups", "target_distribution", "top_rows"]
