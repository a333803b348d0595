"""Uncertainty of every number: intervals, null bands, paired differences. Plain arrays in, plain values out."""

from core.statistics.areas import auc, auc_difference, auc_estimate
from core.statistics.bands import Metric, null_band, null_p, null_values, with_null
from core.statistics.estimates import (
    DRAWS,
    LEVEL,
    MINIMUM_N,
    Band,
    Estimate,
    share_estimate,
    too_few,
    wilson,
    worst_pair,
)
from core.statistics.inversion import metric_interval
from core.statistics.leakage import held_out_leakage, leakage, macro_auc, probe_scores, telling
from core.statistics.lists import ListDraws, list_draws, mean_estimate, null_of_mean, over_prompts, p_value
from core.statistics.means import mean_of
from core.statistics.multiplicity import CORRECTIONS, Corrected, benjamini_hochberg, corrected, holm
from core.statistics.paired import (
    PairedDraws,
    depth_for,
    difference_p,
    metric_difference,
    paired_draws,
    share_differences,
)

__all__ = [
    "CORRECTIONS",
    "DRAWS",
    "LEVEL",
    "MINIMUM_N",
    "Band",
    "Corrected",
    "Estimate",
    "ListDraws",
    "Metric",
    "PairedDraws",
    "auc",
    "auc_difference",
    "auc_estimate",
    "benjamini_hochberg",
    "corrected",
    "depth_for",
    "difference_p",
    "held_out_leakage",
    "holm",
    "leakage",
    "list_draws",
    "macro_auc",
    "mean_estimate",
    "mean_of",
    "metric_difference",
    "metric_interval",
    "null_band",
    "null_of_mean",
    "null_p",
    "null_values",
    "over_prompts",
    "p_value",
    "paired_draws",
    "probe_scores",
    "share_differences",
    "share_estimate",
    "telling",
    "too_few",
    "wilson",
    "with_null",
    "worst_pair",
]
