"""Audits: a request in, a result with its uncertainty out."""

from core.audit.bench import Bench
from core.audit.material import query_embedding
from core.audit.ranking import metric_estimate, rank
from core.audit.request import RankRequest
from core.audit.results import ArmResult, Difference, Part, RankChange, RankResult

__all__ = [
    "ArmResult",
    "Bench",
    "Difference",
    "Part",
    "RankChange",
    "RankRequest",
    "RankResult",
    "metric_estimate",
    "query_embedding",
    "rank",
]
