"""Exact retrieval: a flat index over unit rows, and the live engine that answers edits without a new index."""

from core.retrieval.flat import FlatIndex, Ranking, best_rows, ranks_of, same_ranking, search, unit_query
from core.retrieval.live import LiveEdit, LiveEngine
from core.retrieval.stored import StoredIndex

__all__ = [
    "FlatIndex",
    "LiveEdit",
    "LiveEngine",
    "Ranking",
    "StoredIndex",
    "best_rows",
    "ranks_of",
    "same_ranking",
    "search",
    "unit_query",
]
