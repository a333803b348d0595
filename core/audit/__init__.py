"""Audits: a request in, a result with its uncertainty out."""

from core.audit.bench import Bench
from core.audit.controls import ControlArm, ControlsResult, controls
from core.audit.cost import CostResult, ExplicitCost, ZeroshotCost, utility_cost
from core.audit.edits import ChosenEdits, EditChoice, choose_edits
from core.audit.material import query_embedding
from core.audit.probe_set import ProbeSet, probe_set
from core.audit.ranking import metric_estimate, rank
from core.audit.request import RankRequest
from core.audit.results import ArmResult, Difference, Part, RankChange, RankResult

__all__ = [
    "ArmResult",
    "Bench",
    "ChosenEdits",
    "ControlArm",
    "ControlsResult",
    "CostResult",
    "Difference",
    "EditChoice",
    "ExplicitCost",
    "Part",
    "ProbeSet",
    "RankChange",
    "RankRequest",
    "RankResult",
    "ZeroshotCost",
    "choose_edits",
    "controls",
    "metric_estimate",
    "probe_set",
    "query_embedding",
    "rank",
    "utility_cost",
]
