"""Where the session's uploads would stand in a ranking: computed each time, kept nowhere, part of no share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit
from core.retrieval import unit_query
from core.ui.session.results import Asked
from core.ui.session.state import AppState
from core.units import unit

if TYPE_CHECKING:
    from core.ranking import RankResult
    from core.ui.session.uploads import Upload


@dataclass(frozen=True)
class Place:
    """An upload and the place it would take, counted from 1; None: not among the first k."""

    upload: "Upload"
    before: int | None
    after: int | None


def places(state: AppState, question: Asked, ranked: "RankResult") -> list[Place]:
    """Every upload that the question's model embedded, the nearest first."""
    uploads, model = state.uploads, question.scene.model
    if not uploads or model is None or uploads.weights != model.weights_digest:
        return []
    items = [item for item in uploads.items if item.side == question.gallery.side]
    if not items:
        return []
    scores = _scores(question, items, ranked)
    arms = [ranked.before] + ([ranked.after] if ranked.after is not None else [])
    taken = [[_place(arm.scores, score) for score in by] for arm, by in zip(arms, scores, strict=False)]
    order = np.argsort(-scores[0], kind="stable")
    return [Place(items[i], taken[0][i], taken[-1][i] if len(arms) == 2 else None) for i in order]


def _place(ranked: np.ndarray, score: float) -> int | None:
    place = 1 + int((ranked > score).sum())
    return place if place <= len(ranked) else None


def _scores(question: Asked, items: "list[Upload]", ranked: "RankResult") -> list[np.ndarray]:
    """Cosines of query and uploads (n,), without and (where there is a ranking after them) with the edits."""
    from core.interventions import INTERVENTIONS
    from core.interventions.base import NO_EDIT
    from core.ranking.arms import moves_items
    from core.ranking.queries import embed_query

    q = question
    query = embed_query(q.scene, q.request)
    pooled = np.stack([item.embeddings["pooled"] for item in items])
    plain = query.vectors("identity", None)[0]
    if ranked.after is None:
        return [_cosines(pooled, plain)]
    edit, method = q.request.edits.get(q.gallery.side), INTERVENTIONS.get(q.request.method)
    after = pooled
    if moves_items(method, edit, q.request):
        after = _edited(question, items, pooled, edit or NO_EDIT, query.fitter(q.request.method))
    query_edit = q.request.edits.get("text") if q.gallery.side == "image" else None
    return [_cosines(pooled, plain), _cosines(after, query.vectors(q.request.method, query_edit)[0])]


def _cosines(x: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Cosine of every row (n, d) with a query (d,); -inf for a row of which a method left nothing."""
    return np.where(x.any(axis=1), unit(x) @ unit_query(vector, x.shape[1]), -np.inf)


def _edited(question: Asked, items: "list[Upload]", pooled: np.ndarray, edit: Edit, fitted: Any) -> np.ndarray:
    """The uploads' embeddings (n, d) under the same method and edit as the gallery's."""
    from core.interventions import INTERVENTIONS, Material
    from core.neurons import encode_rows

    side, method = question.gallery.side, INTERVENTIONS.get(question.request.method)()
    if not method.needs.sae:
        return method(Material(side, pooled), edit, fitted)
    sae = question.scene.sae()
    attach = sae.attach or "pooled"
    x = np.stack([item.embeddings[attach] for item in items])
    readout = question.gallery.readout() if attach == "residual" else None
    material = Material(side, pooled, attach, x, encode_rows(x, sae.sae).tocsc(), sae.sae, readout)
    return method(material, edit, fitted)
