"""One question, answered: who is retrieved before and after, how surely, and what it costs."""

from core.ranking.approximate import ApproximateSearch, approximate_rank, recall_of
from core.ranking.controls import ControlArm, ControlsResult, controls
from core.ranking.cost import CostResult, ExplicitCost, ZeroshotCost, utility_cost
from core.ranking.measures import metric_estimate
from core.ranking.performance import Performance, performance, relevant_rows
from core.ranking.request import RankRequest
from core.ranking.results import ArmResult, Difference, RankChange, RankResult
from core.ranking.rows import Part, checked, part_of
from core.ranking.scenes import SceneArm, SceneGaps, Scenes, scene_arm, scene_change, scene_gaps
from core.ranking.steps import rank
from core.ranking.sweep import Sweep, SweepPoint, sweep
from core.ranking.two_lists import two_lists

__all__ = [
    "ApproximateSearch",
    "ArmResult",
    "ControlArm",
    "ControlsResult",
    "CostResult",
    "Difference",
    "ExplicitCost",
    "Part",
    "Performance",
    "RankChange",
    "RankRequest",
    "RankResult",
    "SceneArm",
    "SceneGaps",
    "Scenes",
    "Sweep",
    "SweepPoint",
    "ZeroshotCost",
    "approximate_rank",
    "checked",
    "controls",
    "metric_estimate",
    "part_of",
    "performance",
    "rank",
    "recall_of",
    "relevant_rows",
    "scene_arm",
    "scene_change",
    "scene_gaps",
    "sweep",
    "two_lists",
    "utility_cost",
]
