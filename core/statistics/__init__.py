"""Uncertainty of every number: intervals, null bands, paired differences. Plain arrays in, plain values out."""

from core.statistics.areas import auc, auc_difference, auc_estimate
from core.statistics.bands import Metric, metric_interval, null_band, with_null
from core.statistics.estimates import DRAWS, LEVEL, Band, Estimate, share_estimate, wilson
from core.statistics.means import mean_estimate
from core.statistics.paired import PairedDraws, depth_for, metric_difference, paired_draws, share_differences

__all__ = [
    "DRAWS",
    "LEVEL",
    "Band",
    "Estimate",
    "Metric",
    "PairedDraws",
    "auc",
    "auc_difference",
    "auc_estimate",
    "depth_for",
    "mean_estimate",
    "metric_difference",
    "metric_interval",
    "null_band",
    "paired_draws",
    "share_differences",
    "share_estimate",
    "wilson",
    "with_null",
]
