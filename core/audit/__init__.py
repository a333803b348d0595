"""Audits: a request in, a result with its uncertainty out."""

from core.audit.bench import Bench
from core.audit.controls import ControlArm, ControlsResult, controls
from core.audit.cost import CostResult, ExplicitCost, ZeroshotCost, utility_cost
from core.audit.material import query_embedding
from core.audit.ranking import metric_estimate, rank
from core.audit.request import RankRequest
from core.audit.results import ArmResult, Difference, Part, RankChange, RankResult

__all__ = [
    "ArmResult",
    "Bench",
    "ControlArm",
    "ControlsResult",
    "CostResult",
    "Difference",
    "ExplicitCost",
    "Part",
    "RankChange",
    "RankRequest",
    "RankResult",
    "ZeroshotCost",
    "controls",
    "metric_estimate",
    "query_embedding",
    "rank",
    "utility_cost",
]
