"""Audits: a request in, a result with its uncertainty out."""

from core.audit.approximate import ApproximateSearch, approximate_rank, recall_of
from core.audit.bench import Bench
from core.audit.controls import ControlArm, ControlsResult, controls
from core.audit.cost import CostResult, ExplicitCost, ZeroshotCost, utility_cost
from core.audit.edits import ChosenEdits, EditChoice, choose_edits
from core.audit.material import query_embedding
from core.audit.probe_set import ProbeSet, probe_set
from core.audit.ranking import metric_estimate, rank
from core.audit.request import RankRequest
from core.audit.results import ArmResult, Difference, Part, RankChange, RankResult
from core.audit.smallest import PathPoint, SmallestEdit, smallest_edit
from core.audit.sweep import Sweep, SweepPoint, sweep
from core.audit.why import Confirmed, NeuronPull, WhyResult, confirm, find_smallest, why

__all__ = [
    "ApproximateSearch",
    "ArmResult",
    "Bench",
    "ChosenEdits",
    "Confirmed",
    "ControlArm",
    "ControlsResult",
    "CostResult",
    "Difference",
    "EditChoice",
    "ExplicitCost",
    "NeuronPull",
    "Part",
    "PathPoint",
    "ProbeSet",
    "RankChange",
    "RankRequest",
    "RankResult",
    "SmallestEdit",
    "Sweep",
    "SweepPoint",
    "WhyResult",
    "ZeroshotCost",
    "approximate_rank",
    "choose_edits",
    "confirm",
    "controls",
    "find_smallest",
    "metric_estimate",
    "probe_set",
    "query_embedding",
    "rank",
    "recall_of",
    "smallest_edit",
    "sweep",
    "utility_cost",
    "why",
]
