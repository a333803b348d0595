"""What several studies ask: neurons of an attribute by the rule, and skews of a list of queries under an edit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.config import Edit, InputError
from core.edits import EditChoice, choose_edits
from core.metrics import RANKING_METRICS
from core.metrics.targets import target_distribution
from core.ranking import RankRequest
from core.ranking.arms import Edits, arm_items, intervene
from core.ranking.items import Items
from core.ranking.queries import embed_texts
from core.ranking.rows import Part, checked, part_of
from core.scene import Scene
from core.studies.base import StudyRequest
from core.tables import natural

MAX_SKEW = RANKING_METRICS.get("max_skew").range
"""Smallest and largest value of what the studies average over queries."""


def ask(request: StudyRequest, attribute: str, edits: Edits | None = None, method: str | None = None) -> RankRequest:
    """The study's rows, k, target and seed as an audit's request; its query is a stand-in."""
    return RankRequest(
        attribute=attribute,
        query="study",
        k=request.k,
        target=request.target,
        half=request.scene.half(request.half),
        where=request.where,
        edits=edits or {},
        method=method or request.method,
        seed=request.seed,
        null_draws=request.draws,
    )


def check(request: StudyRequest) -> None:
    """InputError for what can be known not to fit before a model is loaded; see `core.ranking.checked`."""
    names = request.attributes if isinstance(request.target, str) else request.attributes[:1]
    for attribute in names:
        checked(request.scene, ask(request, attribute, request.edits), ranked=bool(request.prompts))


def rule_edit(request: StudyRequest, attribute: str, manner: Edit | None = None) -> tuple[Edit, tuple[str, ...]]:
    """The edit of the first specific neuron of each of the attribute's groups on the probe half, and what to note."""
    manner = manner or Edit()
    choice = EditChoice("rule", tau=request.tau, top=1, form=manner.form, alpha=manner.alpha)
    chosen = choose_edits(request.scene, choice, ask(request, attribute), ["study"])
    return chosen[0], tuple(f"{attribute}: {note}" for note in chosen.notes)


def answered(scene: Scene, asked: RankRequest, texts: Sequence[str]) -> tuple[Part, Items, np.ndarray]:
    """Searched rows, items and query vectors (m, d) under a request's method; the original where it asks for none."""
    if not asked.intervenes:
        asked = replace(asked, method="identity")
    part = part_of(scene, asked)
    return part, *intervene(scene, part, asked, embed_texts(scene, asked, texts))


def searched(scene: Scene, asked: RankRequest) -> tuple[Part, Items]:
    """Searched rows and items under a request's method, without any query."""
    part = part_of(scene, asked)
    return part, arm_items(scene, part, asked)


def max_skews(request: StudyRequest, attribute: str, edits: Edits | None = None) -> np.ndarray:
    """MaxSkew@k of every query of the study for one attribute (m,)."""
    part, items, vectors = answered(request.scene, ask(request, attribute, edits), request.require_prompts())
    if request.k > part.n:
        raise InputError(f"k was {request.k}; expected at most {part.n}, the searched rows: choose a smaller k")
    ranked = np.stack([part.labels[items.index.search(vector, request.k).rows] for vector in vectors])
    return RANKING_METRICS.get("max_skew")()(ranked, part.target)


def crossed_skews(request: StudyRequest, attributes: Sequence[str], edits: Edits | None = None) -> np.ndarray:
    """MaxSkew@k of every query (m,) over the intersections of several attributes that the searched rows hold.

    The target is the study's: equal shares of the intersections there are, or their shares of the searched rows.
    """
    part, items, vectors = answered(request.scene, ask(request, attributes[0], edits), request.require_prompts())
    columns = [request.gallery.labels(name)[part.rows] for name in attributes]
    names = [
        " x ".join(map(str, cell)) if all(v is not None for v in cell) else None for cell in zip(*columns, strict=True)
    ]
    groups = sorted({name for name in names if name is not None}, key=natural)
    place = {name: i for i, name in enumerate(groups)}
    labels = np.array([-1 if name is None else place[name] for name in names])
    if not isinstance(request.target, str):
        raise InputError("a target of shares names groups of one attribute; intersections take uniform or gallery")
    target = target_distribution(request.target, groups, np.bincount(labels[labels >= 0]).tolist())
    ranked = np.stack([labels[items.index.search(vector, request.k).rows] for vector in vectors])
    return RANKING_METRICS.get("max_skew")()(ranked, target)


def with_edit(request: StudyRequest, edit: Edit) -> Edits:
    """An edit of the gallery's own side."""
    return {request.gallery.side: edit}


def union(edits: Sequence[Edit]) -> Edit:
    """One edit that switches the neurons of all, in the manner of the first."""
    return replace(edits[0], neurons=tuple(j for edit in edits for j in edit.neurons))
