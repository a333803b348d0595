"""What taking one direction out of the items does to a prompt: its list before and after, counted as Compare does."""

from dataclasses import dataclass

import numpy as np

from core.interventions.subspaces import without
from core.ranking.changes import ListChange, list_change
from core.ranking.measures import ListNumbers, list_numbers
from core.ranking.request import RankRequest
from core.ranking.rows import Part, checked
from core.retrieval import best_rows, search, unit_query
from core.scene import Scene, query_embedding
from core.statistics.paired import depth_for
from core.units import BLOCK_ROWS, unit


@dataclass(frozen=True, eq=False)
class DirectionOut:
    """Two lists of the same searched rows: with the direction and without it."""

    part: Part
    k: int
    before: ListNumbers
    after: ListNumbers
    change: ListChange


def direction_out(scene: Scene, request: RankRequest, direction: np.ndarray) -> DirectionOut:
    """The request's list by the stored items, and by x' = x - (x v) v, v the direction divided by its length.

    Items alone change, as in the method mean-difference; their cosines are taken with the same query. An item of which
    nothing is left has no direction and comes last.

    Parameters
    ----------
    request : the question; its edits and its method play no part.
    direction : (d,) in the space of the pooled embeddings.

    InputError where the question cannot be asked of this gallery.
    """
    part = checked(scene, request)
    text = request.query
    asked = query_embedding(scene, text) if text is not None else np.asarray(request.query_embedding)
    rows = scene.gallery.unit(part.rows)
    query = unit_query(asked, rows.shape[1])
    depth = min(depth_for(request.k), part.n)
    scores = np.concatenate(
        [_scores_without(rows[at : at + BLOCK_ROWS], direction, query) for at in range(0, part.n, BLOCK_ROWS)]
    )
    lists = search(rows, query, depth).rows, best_rows(scores, depth)
    before, after = (
        list_numbers(part.labels[one[: request.k]], part, request.seed, request.null_draws, top=one[: request.k])
        for one in lists
    )
    change = list_change(before, after, lists, part, request.k, request.seed, request.null_draws)
    return DirectionOut(part, request.k, before, after, change)


def _scores_without(rows: np.ndarray, direction: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Cosine (n,) of each row without the direction with the query; -inf where nothing is left of a row."""
    left = without(rows, unit(direction)[:, None])
    return np.where(left.any(axis=1), unit(left) @ query, -np.inf)
