"""From a request to a result in six steps: rows, queries, items, arms, lists, and what is said beside them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from core import access
from core.config import NothingLeft, Progress
from core.interventions import INTERVENTIONS
from core.ranking.arms import both_arms, intervene
from core.ranking.draws import seed_spread
from core.ranking.fitting import Fitter
from core.ranking.items import is_large, item_material
from core.ranking.lists import compare, measured
from core.ranking.queries import Queries, embed_query
from core.ranking.request import RankRequest
from core.ranking.results import RankResult
from core.ranking.rows import Part, part_of
from core.ranking.scenes import scenes_of
from core.ranking.shards import spread
from core.retrieval.products import followed
from core.scene import Scene
from core.statistics import MINIMUM_N
from core.store import array_digest
from core.verdicts import ALL_RETRIEVED, clustered, most_retrieved

if TYPE_CHECKING:
    from core.cluster import Cluster


MOST_OF_THEM = 0.5
"""From this share of the searched rows on, a list says more about the gallery than about the query."""
ABSENT_SHOWN = 12
"""Empty groups that a note lists at most."""


def rank(
    scene: Scene,
    request: RankRequest,
    progress: Progress | None = None,
    cluster: "Cluster | None" = None,
) -> RankResult:
    """Who the query retrieves, before and (where the request has edits or a method without) after them.

    A method that leaves nothing of the query gives no ranking: the result says so in one line in its place.

    Parameters
    ----------
    progress : follows passes over the whole gallery: the first ranking of a large one and the first edit of a kind
        need some.
    cluster : its workers hold and search the items; the result is the same up to the rounding of scores.

    Raises
    ------
    InputError : what was asked for does not fit together; the message names both sides.
    """
    access.require("compare")
    with followed(progress):
        return _rank(scene, request, progress, cluster)


def _rank(scene: Scene, request: RankRequest, progress: Progress | None, cluster: "Cluster | None") -> RankResult:
    part, query = part_of(scene, request), embed_query(scene, request)
    arms, reason = [], None
    with spread(cluster, scene, part) as shards:
        for arm in both_arms(request):
            try:
                items, vectors = intervene(scene, part, arm.of(request), query, progress, shards)
            except NothingLeft as error:
                reason = str(error)
                break
            arms.append((items, vectors[0]))
        results = [measured(scene, part, request, items, vector) for items, vector in arms]
        difference = compare(part, request, results, arms) if len(arms) > 1 else None
        inside = scenes_of(scene, part, request, arms)
    notes = (*query.notes, *notes_of(part, query.fitter), *(n for items, _ in arms for n in items.note(request.method)))
    drawn = None
    if len(arms) > 1:
        drawn = seed_spread(scene, part, request, query)
        said = () if drawn is None else (drawn.sentence(request.method, request.k),)
        notes = (*notes, *remarks(scene, part, request, query), *said)
    digests = digests_of(query.fitter, arms[0][1])
    return RankResult(
        request,
        part,
        digests,
        notes,
        before=results[0],
        after=results[1] if len(results) > 1 else None,
        difference=difference,
        reason=reason,
        scenes=inside,
        drawn=drawn,
    )


def notes_of(part: Part, fitter: Fitter) -> list[str]:
    """Warnings about groups, about what could not be compared and about items that were looked at before."""
    gallery, request, saes, notes = fitter.scene.gallery, fitter.request, fitter.scene.saes, []
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


def remarks(scene: Scene, part: Part, request: RankRequest, query: Queries) -> tuple[str, ...]:
    """What the request's method says of the query and of the items; of a gallery that is not copied, of the query."""
    method = INTERVENTIONS.get(request.method)()
    rows = [query.material] if method.changes in ("query", "both") else []
    if method.changes in ("items", "both") and not is_large(scene.gallery):
        rows.append(item_material(scene, part, scene.sae() if method.needs.sae else None))
    return tuple(line for material in rows for line in method.remarks(material, query.fitter(request.method)))


def digests_of(fitter: Fitter, vector: np.ndarray) -> dict[str, Any]:
    """Of everything that the numbers depend on."""
    request, fitted_on = fitter.request, fitter.digest(fitter.request.method)
    used = {side: fitter.scene.saes[side].digest for side in fitter.sides if side in fitter.scene.saes}
    return {
        "gallery": fitter.scene.gallery.digest,
        "request": request.digest,
        "query": array_digest(np.ascontiguousarray(vector)),
        "saes": used,
        "edits": {side: edit.digest for side, edit in request.edits.items()},
        **({"evidence": fitted_on} if fitted_on else {}),
    }
