"""Uncertainty of every number: lean, distance, intervals, exact tests. Plain arrays in, plain values out."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.statistics.areas import auc, auc_difference, auc_estimate
    from core.statistics.bands import Metric, null_band, null_p, null_values, with_null
    from core.statistics.biased_draw import biased_means, blind_p
    from core.statistics.clusters import cluster_p, design_effect
    from core.statistics.effect import Direction, Effect, direction_of, effect_of
    from core.statistics.estimates import (
        DRAWS,
        LEVEL,
        MINIMUM_N,
        NORMAL,
        Band,
        Estimate,
        share_estimate,
        student,
        too_few,
        wilson,
    )
    from core.statistics.exchange import (
        Exchange,
        exchange_of,
        exchange_p,
        group_p,
        metric_change,
        paired_share_interval,
        share_changes,
    )
    from core.statistics.gaps import Picked, accuracy_gap, gap_to_smallest, smallest_accuracy
    from core.statistics.impact import Impact, ImpactRow, above_median, impact_of
    from core.statistics.inversion import metric_interval
    from core.statistics.leakages import (
        held_out_leakage,
        leakage,
        leakage_estimate,
        probe_scores,
        probe_weights,
        telling,
    )
    from core.statistics.lean import (
        ALPHA,
        GroupDistance,
        GroupLean,
        Lean,
        blind_shares,
        distance_of,
        lean_of,
        lean_of_clusters,
        most_ahead,
        share_bounds,
    )
    from core.statistics.lists import ListDraws, list_draws, mean_estimate, null_of_mean, over_prompts
    from core.statistics.mean_leans import MeanEffect, MeanLean, mean_effect, mean_lean
    from core.statistics.means import kept_within, mean_of
    from core.statistics.multiplicity import CORRECTIONS, Corrected, benjamini_hochberg, corrected, holm
    from core.statistics.omnibus import FAMILY_P, OMNIBUS_DRAWS, omnibus_p
    from core.statistics.paired import PairedDraws, depth_for, metric_difference, paired_draws
    from core.statistics.rates import RateChange, RateGap, exchanged_rate_change, paired_rate_change, rate_gap
    from core.statistics.signs import sign_flips
    from core.statistics.two_rates import rate_difference, rate_ratio
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "ALPHA",
    "CORRECTIONS",
    "DRAWS",
    "FAMILY_P",
    "LEVEL",
    "MINIMUM_N",
    "NORMAL",
    "OMNIBUS_DRAWS",
    "Band",
    "Corrected",
    "Direction",
    "Effect",
    "Estimate",
    "Exchange",
    "GroupDistance",
    "GroupLean",
    "Impact",
    "ImpactRow",
    "Lean",
    "ListDraws",
    "MeanEffect",
    "MeanLean",
    "Metric",
    "PairedDraws",
    "Picked",
    "RateChange",
    "RateGap",
    "above_median",
    "accuracy_gap",
    "auc",
    "auc_difference",
    "auc_estimate",
    "benjamini_hochberg",
    "biased_means",
    "blind_p",
    "blind_shares",
    "cluster_p",
    "corrected",
    "depth_for",
    "design_effect",
    "direction_of",
    "distance_of",
    "effect_of",
    "exchange_of",
    "exchange_p",
    "exchanged_rate_change",
    "gap_to_smallest",
    "group_p",
    "held_out_leakage",
    "holm",
    "impact_of",
    "kept_within",
    "leakage",
    "leakage_estimate",
    "lean_of",
    "lean_of_clusters",
    "list_draws",
    "mean_effect",
    "mean_estimate",
    "mean_lean",
    "mean_of",
    "metric_change",
    "metric_difference",
    "metric_interval",
    "most_ahead",
    "null_band",
    "null_of_mean",
    "null_p",
    "null_values",
    "omnibus_p",
    "over_prompts",
    "paired_draws",
    "paired_rate_change",
    "paired_share_interval",
    "probe_scores",
    "probe_weights",
    "rate_difference",
    "rate_gap",
    "rate_ratio",
    "share_bounds",
    "share_changes",
    "share_estimate",
    "sign_flips",
    "smallest_accuracy",
    "student",
    "telling",
    "too_few",
    "wilson",
    "with_null",
]
