"""From a request to a result in six steps: rows, query, intervention, search, measures, difference."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit, InputError, NothingLeft, Progress, digest_of
from core.gallery import Gallery
from core.interventions import INTERVENTIONS, Intervention
from core.interventions.base import NO_EDIT
from core.interventions.reconstruction import reconstruction
from core.ranking.bench import Bench
from core.ranking.edited_rows import EditedRows, large_items
from core.ranking.evidence import Fitter, SAEs, sae_of
from core.ranking.live_items import engine_for, live_items
from core.ranking.material import (
    Items,
    Queries,
    baseline_items,
    edited_items,
    embed_query,
    engine_part,
    is_large,
    item_material,
    select_part,
)
from core.ranking.measures import list_change, list_numbers
from core.ranking.request import RankRequest
from core.ranking.results import ArmResult, Difference, Part, RankChange, RankResult
from core.ranking.scenes import scenes_of
from core.ranking.shards import Shards, spread
from core.retrieval import Ranking, ranks_of, unit_query
from core.statistics import MINIMUM_N, Estimate, above_median, depth_for
from core.store import array_digest
from core.verdicts import ALL_RETRIEVED, clustered, most_retrieved

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.cluster import Cluster


LIVE: dict[str, Callable[[Edit], Edit]] = {"neuron-edit": lambda edit: edit, "reconstruction-only": reconstruction}
"""Methods that the live engine answers, and the edit of neurons that each of them is."""
SCORED_ROWS = 200_000
"""Searched rows up to which the score of every row is looked at for scoring rates (milliseconds)."""
MOST_OF_THEM = 0.5
"""From this share of the searched rows on, a list says more about the gallery than about the query."""
ABSENT_SHOWN = 12
"""Empty groups that a note lists at most."""


def rank(
    gallery: Gallery,
    request: RankRequest,
    backbone: "Backbone | None" = None,
    saes: SAEs | None = None,
    bench: Bench | None = None,
    progress: Progress | None = None,
    cluster: "Cluster | None" = None,
) -> RankResult:
    """Who the query retrieves, before and (where the request has edits or a method without) after them.

    A method that leaves nothing of the query gives no ranking: the result says so in one line in its place.

    Parameters
    ----------
    backbone : the gallery's model, for queries in words that the gallery does not know.
    saes : the SAE of each side that is edited.
    bench : keeps what repeats between rankings; results are the same with and without.
    progress : follows passes over the whole gallery; the first edit of a kind needs some.
    cluster : its workers hold and search the items; the result is the same up to the rounding of scores.

    Raises
    ------
    InputError : what was asked for does not fit together; the message names both sides.
    """
    bench, saes = bench or Bench(), saes or {}
    part = select_part(gallery, request, bench)
    query = embed_query(gallery, request, backbone, saes, bench)
    arms, found, reason = [], [], None
    with spread(cluster, gallery, part, saes) as shards:
        for method in ("identity", request.method) if request.intervenes else ("identity",):
            try:
                items, vectors = intervene(gallery, part, query, request, method, saes, bench, progress, shards)
            except NothingLeft as error:
                reason = str(error)
                break
            arms.append((items, vectors[0]))
            found.append(measured(gallery, part, request, items, vectors[0], bench))
        difference = compare(gallery, part, request, found, arms) if len(arms) > 1 else None
        inside = scenes_of(gallery, part, request, arms, bench)
    notes = (*query.notes, *notes_of(part, query.fitter), *(n for items, _ in arms for n in items.note(request.method)))
    digests = digests_of(query.fitter, arms[0][1])
    return RankResult(request, part, digests, notes, *found, difference=difference, reason=reason, scenes=inside)


def intervene(
    gallery: Gallery,
    part: Part,
    queries: Queries,
    request: RankRequest,
    method: str,
    saes: SAEs,
    bench: Bench,
    progress: Progress | None = None,
    shards: Shards | None = None,
) -> tuple[Items, np.ndarray]:
    """Items to search and the query vectors (n, d) under one method; "identity" is the baseline.

    The edit of the gallery's own side changes the items, a text edit of an image gallery changes the queries; methods
    without neurons change what they say they change, whatever the edits.
    """
    vectors = queries.vectors(method, request.edits.get("text") if gallery.side == "image" else None)
    backbone = queries.fitter.backbone
    return arm_items(gallery, part, request, method, saes, bench, backbone, progress, shards), vectors


def arm_items(
    gallery: Gallery,
    part: Part,
    request: RankRequest,
    method: str,
    saes: SAEs,
    bench: Bench,
    backbone: "Backbone | None" = None,
    progress: Progress | None = None,
    shards: Shards | None = None,
) -> Items:
    """The searched items under one method, remembered. `backbone` embeds the prompts of methods that need some.

    With `shards` they stay where these are; InputError for a method that changes the items by more than an edit.
    """
    if gallery.side == "text" and "image" in request.edits:
        raise InputError(f"gallery {gallery.name} holds captions, which an image SAE cannot edit; use a text SAE")
    baseline = baseline_items(gallery, part, bench) if shards is None else shards.items(None, part.digest)
    found, edit = INTERVENTIONS.get(method), request.edits.get(gallery.side)
    if method == "identity" or not moves_items(found, edit, request):
        return baseline
    fitter, edit = Fitter(gallery, request, backbone, saes, bench), edit or NO_EDIT
    sae_file = sae_of(gallery.side, saes) if found.needs.sae else None
    made_of = [part.digest, sae_file.digest if sae_file else None, method, edit.digest, fitter.digest(method)]
    digest = digest_of(made_of)
    if shards is not None:
        if method not in LIVE:
            raise InputError(f"{method} changes all items together, which --ray cannot spread; leave --ray out")
        return shards.items(LIVE[method](edit), digest)

    def make() -> Items:
        if method in LIVE:
            engine, material = engine_for(gallery, part, sae_file, bench)
            return live_items(engine, material, baseline, LIVE[method](edit), digest, progress)
        if is_large(gallery):
            wide = engine_part(gallery, part)
            material = item_material(gallery, wide, sae_file, bench)
            rows = None if wide is part else part.rows
            edited = EditedRows(material, rows, method, edit, fitter(method))
            return large_items(edited, baseline.index, digest, progress)
        material = item_material(gallery, part, sae_file, bench)
        return edited_items(material, baseline, method, edit, digest, fitter(method))

    return bench.remember(("items", digest), make)


def moves_items(method: type[Intervention], edit: Edit | None, request: RankRequest) -> bool:
    """Whether a method changes the items: those of an edit do where there is one of the items' side, or none at all."""
    if method.changes == "edit":
        return edit is not None or (not request.edits and not method.needs.edit)
    return method.changes in ("items", "both")


def measured(
    gallery: Gallery,
    part: Part,
    request: RankRequest,
    items: Items,
    vector: np.ndarray,
    bench: Bench,
    every_score: bool = True,
) -> ArmResult:
    """Search the items and measure the top k; remembered, because the arm without edit repeats at every toggle.

    `every_score` says whether the items' index scores all of them, and not only those that it looked at.
    """
    items.require(request.k)
    vector = unit_query(vector, items.index.d)
    target = request.target if isinstance(request.target, str) else dict(request.target)
    key = [items.digest, array_digest(vector), request.attribute, target, request.k, request.seed, request.null_draws]

    def make() -> ArmResult:
        ranking = items.index.search(vector, min(depth_for(request.k), part.n - len(items.lost)))
        # a row without a direction has no score, and then no median of all scores can be told
        all_scored = every_score and part.n <= SCORED_ROWS and not len(items.lost)
        scored = above_median(items.index.scores(vector)) if all_scored else None
        return measure(gallery, part, request, ranking, scored)

    return bench.remember(("arm", digest_of(key)), make)


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
    gallery: Gallery,
    part: Part,
    request: RankRequest,
    found: list[ArmResult],
    arms: list[tuple[Items, np.ndarray]],
) -> Difference:
    """After minus before, paired over resamples of the same gallery rows."""
    before, after = found
    (items_before, vector_before), (items_after, vector_after) = arms
    tops = [arm.deep[: request.k] for arm in found]
    rankings = (before.deep, after.deep)
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
    places = _places_before(before, tops[1], items_before, vector_before)
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


def notes_of(part: Part, fitter: Fitter) -> list[str]:
    """Warnings about groups, about what could not be compared and about items that were looked at before."""
    gallery, request, saes, notes = fitter.gallery, fitter.request, fitter.saes, []
    if part.absent:
        listed = ", ".join(part.absent[:ABSENT_SHOWN])
        more = f" and {len(part.absent) - ABSENT_SHOWN} others" if len(part.absent) > ABSENT_SHOWN else ""
        notes.append(f"no searched row has {request.attribute} {listed}{more}; not counted among the groups")
    small = [f"{g} ({n})" for g, n in zip(part.groups, part.counts, strict=True) if n < MINIMUM_N]
    if small:
        notes.append(f"fewer than {MINIMUM_N} searched rows, shown and not interpreted: {', '.join(small)}")
    if part.clusters is not None:
        notes.append(clustered(str(gallery.together)))
    if part.unknown:
        notes.append(f"{part.unknown} of {part.n} searched rows have no known {request.attribute}")
    if request.k == part.n:
        notes.append(ALL_RETRIEVED)
    elif request.k >= MOST_OF_THEM * part.n:
        notes.append(most_retrieved(request.k, part.n))
    labelled = fitter.plan(request.method).labelled
    if labelled is not None and labelled.gallery is gallery and np.isin(labelled.rows, part.rows).any():
        notes.append(
            f"{request.method} was fitted on labelled items that are among the searched rows; search the evaluation "
            "half for a number that they do not flatter"
        )
    if gallery.side in fitter.sides and gallery.side in saes:
        sae_file = saes[gallery.side]
        unsure = sae_file.require(gallery.fingerprint(sae_file.attach or "pooled"), f"gallery {gallery.name!r}")
        if unsure:
            notes.append(f"could not compare {', '.join(unsure)} of the SAE {sae_file.name} and gallery {gallery.name}")
    return notes


def digests_of(fitter: Fitter, vector: np.ndarray) -> dict[str, Any]:
    """Of everything that the numbers depend on."""
    request, fitted_on = fitter.request, fitter.digest(fitter.request.method)
    used = {side: fitter.saes[side].digest for side in fitter.sides if side in fitter.saes}
    return {
        "gallery": fitter.gallery.digest,
        "request": request.digest,
        "query": array_digest(np.ascontiguousarray(vector)),
        "saes": used,
        "edits": {side: edit.digest for side, edit in request.edits.items()},
        **({"evidence": fitted_on} if fitted_on else {}),
    }
