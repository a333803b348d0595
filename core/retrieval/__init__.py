"""Exact retrieval: a flat index over unit rows, and the live engine that answers edits without a new index."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.retrieval.flat import (
        FlatIndex,
        Index,
        Ranking,
        best_ranking,
        best_rows,
        ranks_of,
        require_k,
        same_ranking,
        search,
        unit_query,
    )
    from core.retrieval.host import Host
    from core.retrieval.ivf import InvertedLists, IvfIndex, Recall
    from core.retrieval.lacking import LackingIndex
    from core.retrieval.live import LiveEngine
    from core.retrieval.live_edit import LiveEdit
    from core.retrieval.live_gallery import LiveGallery
    from core.retrieval.place import place_for
    from core.retrieval.products import blocks, passes, squared_lengths, times
    from core.retrieval.stored import PartIndex, StoredIndex
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "FlatIndex",
    "Host",
    "Index",
    "InvertedLists",
    "IvfIndex",
    "LackingIndex",
    "LiveEdit",
    "LiveEngine",
    "LiveGallery",
    "PartIndex",
    "Ranking",
    "Recall",
    "StoredIndex",
    "best_ranking",
    "best_rows",
    "blocks",
    "passes",
    "place_for",
    "ranks_of",
    "require_k",
    "same_ranking",
    "search",
    "squared_lengths",
    "times",
    "unit_query",
]
