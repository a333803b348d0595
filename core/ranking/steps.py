"""From a request to a result in six steps: rows, query, intervention, search, measures, difference."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit, InputError, digest_of
from core.gallery import Gallery
from core.interventions import INTERVENTIONS, Intervention
from core.interventions.base import NO_EDIT
from core.interventions.reconstruction import reconstruction
from core.metrics import RANKING_METRICS, Mode
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
from core.ranking.request import RankRequest
from core.ranking.results import RANKING_NAMES, ArmResult, Difference, Part, RankChange, RankResult
from core.ranking.scenes import scenes_of
from core.ranking.shards import Shards, spread
from core.retrieval import Ranking, ranks_of, unit_query
from core.statistics import (
    MINIMUM_N,
    Estimate,
    depth_for,
    metric_difference,
    metric_interval,
    null_band,
    paired_draws,
    share_differences,
    share_estimate,
    too_few,
    with_null,
)
from core.store import array_digest

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.cluster import Cluster

Progress = Callable[[int, int, str], None]

LIVE: dict[str, Callable[[Edit], Edit]] = {"neuron-edit": lambda edit: edit, "reconstruction-only": reconstruction}
"""Methods that the live engine answers, and the edit of neurons that each of them is."""
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
    arms, found = [], []
    with spread(cluster, gallery, part, saes) as shards:
        for method in ("identity", request.method) if request.intervenes else ("identity",):
            items, vectors = intervene(gallery, part, query, request, method, saes, bench, progress, shards)
            arms.append((items, vectors[0]))
            found.append(measured(gallery, part, request, items, vectors[0], bench))
        difference = compare(gallery, part, request, found, arms) if request.intervenes else None
        inside = scenes_of(gallery, part, request, arms, bench)
    notes = (*query.notes, *notes_of(part, query.fitter))
    return RankResult(
        request, part, digests_of(query.fitter, arms[0][1]), notes, *found, difference=difference, scenes=inside
    )


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
    gallery: Gallery, part: Part, request: RankRequest, items: Items, vector: np.ndarray, bench: Bench
) -> ArmResult:
    """Search the items and measure the top k; remembered, because the arm without edit repeats at every toggle."""
    if request.k > part.n:
        raise InputError(f"k was {request.k}; expected 1 to {part.n}, the number of searched rows: choose a smaller k")
    vector = unit_query(vector, items.index.d)
    target = request.target if isinstance(request.target, str) else dict(request.target)
    key = [items.digest, array_digest(vector), request.attribute, target, request.k, request.seed, request.null_draws]

    def make() -> ArmResult:
        ranking = items.index.search(vector, min(depth_for(request.k), part.n))
        return measure(gallery, part, request, ranking)

    return bench.remember(("arm", digest_of(key)), make)


def measure(gallery: Gallery, part: Part, request: RankRequest, ranking: Ranking) -> ArmResult:
    """Shares with intervals, and every ranking metric with interval and null band, of the first k rows."""
    top = ranking.first(request.k)
    ranked = part.labels[top.rows]
    rows = part.rows[top.rows]
    known = int((ranked >= 0).sum())
    return ArmResult(
        ids=tuple(gallery.item_ids(rows)),
        rows=rows,
        scores=top.scores,
        groups=tuple(part.groups[g] if g >= 0 else None for g in ranked),
        shares={
            group: too_few(share_estimate(int((ranked == g).sum()), known), part.counts[g])
            for g, group in enumerate(part.groups)
        },
        unknown=len(ranked) - known,
        metrics={
            name: metric_estimate(name, ranked, part.target, part.counts, request.seed, request.null_draws)
            for name in RANKING_NAMES
        },
        deep=ranking.rows,
    )


def metric_estimate(
    name: str,
    ranked: np.ndarray,
    target: np.ndarray,
    counts: tuple[int, ...],
    seed: int = 0,
    draws: int = 1000,
    mode: Mode = "ours",
) -> Estimate:
    """A registered ranking metric of ranked group numbers (k,) with interval and null band, or why there is none.

    Parameters
    ----------
    counts : searched rows of each group, for the null band.
    mode : intervals and null bands are of our definition; a paper mode gives the estimate and its n alone.
    """
    ranked = np.asarray(ranked)
    known = int((ranked >= 0).sum())
    if known == 0:
        return Estimate.missing("none of the top k has a known group")
    if len(target) < 2:
        return Estimate.missing("the searched rows hold only one group")
    metric = RANKING_METRICS.get(name)()
    estimate = float(metric(ranked, target, mode))
    if not np.isfinite(estimate):
        return Estimate.missing("a group with target share 0 makes it infinite or undefined")
    if mode != "ours":
        return Estimate(estimate, n=known)
    lo, hi = metric_interval(metric, ranked, target, draws=draws, seed=seed)
    band = null_band(metric, counts, known, target, draws=draws, seed=seed)
    return with_null(metric, Estimate(estimate, lo, hi, known), band)


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
    labels = [part.labels[top] for top in tops]
    pairs = paired_draws(before.deep, after.deep, part.labels, request.k, draws=request.null_draws, seed=request.seed)
    metrics = {
        name: metric_difference(RANKING_METRICS.get(name)(), pairs, *labels, part.target)
        if before.metrics[name].estimate is not None and after.metrics[name].estimate is not None
        else Estimate.missing("one of the arms has no value")
        for name in RANKING_NAMES
    }
    old, new = set(before.ids), set(after.ids)
    places = _places_before(before, tops[1], items_before, vector_before)
    cosines = items_after.cosines
    return Difference(
        shares=dict(zip(part.groups, share_differences(pairs, *labels, len(part.groups)), strict=True)),
        metrics=metrics,
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
    if part.unknown:
        notes.append(f"{part.unknown} of {part.n} searched rows have no known {request.attribute}")
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
