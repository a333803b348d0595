"""Step 5: search, and what the first k rows say; then what changed between two lists."""

import numpy as np

from core.config import digest_of
from core.gallery import Gallery
from core.ranking.changes import list_change
from core.ranking.items import Items
from core.ranking.measures import list_numbers
from core.ranking.request import RankRequest
from core.ranking.results import ArmResult, Difference, RankChange
from core.ranking.rows import Part
from core.retrieval import Ranking, ranks_of, unit_query
from core.scene import Scene
from core.statistics import Estimate, above_median, depth_for
from core.store import array_digest

SCORED_ROWS = 200_000
"""Searched rows up to which the score of every row is looked at for scoring rates (milliseconds)."""


def measured(scene: Scene, part: Part, request: RankRequest, items: Items, vector: np.ndarray) -> ArmResult:
    """Search the items and measure the top k; remembered, because the arm without edit repeats at every toggle."""
    items.require(request.k)
    vector = unit_query(vector, items.index.d)

    def make() -> ArmResult:
        ranking = items.index.search(vector, min(depth_for(request.k), part.n - len(items.lost)))
        # a row without a direction has no score, and then no median of all scores can be told
        all_scored = part.n <= SCORED_ROWS and not len(items.lost)
        scored = above_median(items.index.scores(vector)) if all_scored else None
        return measure(scene.gallery, part, request, ranking, scored)

    return scene.bench.remember(("arm", arm_digest(items.digest, vector, request)), make)


def arm_digest(items: str, vector: np.ndarray, request: RankRequest) -> str:
    """Of all that a measured top k depends on: the items' digest, the unit query (d,) and what is asked of them."""
    target = request.target if isinstance(request.target, str) else dict(request.target)
    asked = [request.attribute, target, request.k, request.seed, request.null_draws]
    return digest_of([items, array_digest(vector), *asked])


def measure(
    gallery: Gallery, part: Part, request: RankRequest, ranking: Ranking, scored: np.ndarray | None = None
) -> ArmResult:
    """Lean, distance, metrics and impact of the first k rows.

    Parameters
    ----------
    scored : whether each searched row scores above the median of all (n,), where that is known.
    """
    top = ranking.first(request.k)
    ranked = part.labels[top.rows]
    rows = part.rows[top.rows]
    above = None
    if scored is not None and len(scored) == part.n:
        counted = np.bincount(part.labels[scored] + 1, minlength=len(part.groups) + 1)
        above = np.append(counted[1:], counted[0])
    return ArmResult(
        ids=tuple(gallery.item_ids(rows)),
        rows=rows,
        scores=top.scores,
        groups=tuple(part.groups[g] if g >= 0 else None for g in ranked),
        numbers=list_numbers(ranked, part, request.seed, request.null_draws, scored=above, top=top.rows),
        deep=ranking.rows,
        ties=ties_at(ranking.scores, request.k),
    )


def ties_at(scores: np.ndarray, k: int) -> int:
    """Rows with exactly the k-th of falling scores, where some lie beyond the k-th; else 0."""
    if len(scores) <= k or scores[k] != scores[k - 1]:
        return 0
    return int((scores == scores[k - 1]).sum())


def compare(
    part: Part, request: RankRequest, results: list[ArmResult], arms: list[tuple[Items, np.ndarray]]
) -> Difference:
    """After minus before, paired over resamples of the same gallery rows."""
    before, after = results
    (items_before, vector_before), (items_after, vector_after) = arms
    tops = [arm.deep[: request.k] for arm in results]
    rankings = (before.deep, after.deep)
    places = _places_before(before, tops[1], items_before, vector_before)
    change = list_change(
        before.numbers,
        after.numbers,
        rankings,
        part,
        request.k,
        seed=request.seed,
        draws=request.null_draws,
        same=not len(items_after.changed) and np.array_equal(vector_before, vector_after),
    )
    old, new = set(before.ids), set(after.ids)
    cosines = items_after.cosines
    return Difference(
        change=change,
        entered=tuple(i for i in after.ids if i not in old),
        left=tuple(i for i in before.ids if i not in new),
        rank_changes=tuple(
            RankChange(i, int(row), int(was), now)
            for now, (i, row, was) in enumerate(zip(after.ids, after.rows, places, strict=True), 1)
        ),
        rows_changed=len(items_after.changed),
        cosine=Estimate(
            items_after.mean_cosine,
            items_after.smallest_cosine,
            1.0 if len(cosines) < part.n else float(cosines.max()),
            part.n,
        ),
        query_cosine=_cosine(vector_before, vector_after),
    )


def _places_before(before: ArmResult, rows: np.ndarray, items: Items, vector: np.ndarray) -> np.ndarray:
    """Place before the edit, from 1, of each searched row of `rows`."""
    place = {int(row): i for i, row in enumerate(before.deep, 1)}
    places = np.array([place.get(int(row), 0) for row in rows])
    far = places == 0
    if far.any():
        # beyond the searched depth: counted over all scores
        places[far] = np.maximum(ranks_of(items.index.scores(vector), rows[far]), len(before.deep) + 1)
    return places


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    if np.array_equal(a, b):
        return 1.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
