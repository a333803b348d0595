"""Exact retrieval: a flat index over unit rows, and the live engine that answers edits without a new index."""

from core.retrieval.flat import FlatIndex, Ranking, best_rows, ranks_of, same_ranking, search, unit_query
from core.retrieval.live import LiveEdit, LiveEngine

__all__ = [
    "FlatIndex",
    "LiveEdit",
    "LiveEngine",
    "Ranking",
    "best_rows",
    "ranks_of",
    "same_ranking",
    "search",
    "unit_query",
]
