"""Methods carried out again: the items and texts that an arm has. The one door of this room to where rankings are made.

Only embeddings come from there, and which rows are searched: every number of them is computed elsewhere,
but for metrics that the second author has no formula of, which the verdict names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.audit.arms import Ranked, costed_prompt
from core.audit.sources import Sources, request_for
from core.audit.spec import AuditSpec
from core.config import Progress
from core.ranking.arms import EDITED, ORIGINAL, Arm, Edits, arm_items, both_arms
from core.ranking.changes import list_change
from core.ranking.items import Items
from core.ranking.measures import list_numbers, metrics_beside
from core.ranking.queries import Queries, embed_texts
from core.ranking.request import RankRequest
from core.ranking.rows import Part, part_of
from core.retrieval import Index
from core.scene import Scene
from core.threads import one_thread
from core.verify.own.cost import cost_document
from core.verify.own.metrics import NAMES
from core.verify.own.searched import Searched

__all__ = [
    "Arm",
    "Edits",
    "Items",
    "Part",
    "RankRequest",
    "carried_metrics",
    "cost_of",
    "items_of",
    "part_of",
    "queries_of",
    "vectors_of",
]


def queries_of(scene: Scene, request: RankRequest, texts: Sequence[str]) -> Queries:
    """Texts with what the request's method reads of them."""
    return embed_texts(scene, request, texts)


def vectors_of(scene: Scene, request: RankRequest, texts: Sequence[str]) -> np.ndarray:
    """Embeddings of texts (n, d) under the request's method; NothingLeft where it leaves nothing of one."""
    edit = request.edits.get("text") if scene.gallery.side == "image" else None
    return embed_texts(scene, request, texts).vectors(request.method, edit)


def items_of(scene: Scene, request: RankRequest, progress: Progress | None = None) -> Items:
    """The searched items under the request's method, float32."""
    return arm_items(scene, part_of(scene, request), request, progress)


@dataclass(frozen=True, eq=False)
class CarriedArm:
    """The items and texts of one arm."""

    index: Index
    request: RankRequest
    scene: Scene

    def rows(self, at: np.ndarray | slice) -> np.ndarray:
        return self.index.unit_at(at)

    def scores(self, text: str) -> np.ndarray:
        return self.index.scores(self.texts([text])[0])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return vectors_of(self.scene, self.request, texts)


def cost_of(
    spec: AuditSpec,
    sources: Sources,
    searched: Searched,
    edits: Sequence[Edits],
    ranked: Mapping[tuple[str, str], Ranked],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The blocks `cost` and `leakage` of the attribute of some searched rows."""
    scene, attribute = sources.scene, searched.attribute
    prompt = costed_prompt(spec, attribute, edits, ranked)
    request = request_for(spec, attribute, prompt, edits[spec.all_prompts.index(prompt)])
    if not request.intervenes:
        return {name: {"reason": "nothing is edited"} for name in ("cost", "leakage")}
    asked = [arm.of(request) for arm in both_arms(request)]
    before, after = (CarriedArm(items_of(scene, one, progress).index, one, scene) for one in asked)
    with one_thread(before.index.n * before.index.d):
        found = cost_document(sources.gallery, attribute, searched, (before, after), scene.class_prompts, spec.seed)
    return {"leakage": {"prompt": prompt, **found.pop("leakage")}, "cost": {"prompt": prompt, **found}}


def carried_metrics(
    spec: AuditSpec,
    sources: Sources,
    attribute: str,
    documents: Sequence[dict[str, Any]],
    ranked: Mapping[tuple[str, str], Ranked],
) -> tuple[str, ...]:
    """Names of the metrics without a formula in this room, which are added to the prompts' documents.

    They are measured again by their own class: what was changed in a report is found, a wrong formula is not.
    """
    names = metrics_beside(NAMES)
    if not names:
        return ()
    part = part_of(sources.scene, request_for(spec, attribute, spec.prompts[0]))
    target = {"target": spec.target_of(attribute)}
    for prompt, document in zip(spec.all_prompts, documents, strict=True):
        one, found = ranked[attribute, prompt], {}
        for arm, where in ((ORIGINAL, "before"), (EDITED, "after")):
            if arm in one.arms:
                rows = one.of(arm)[: spec.k]
                found[arm] = list_numbers(part.labels[rows], part, spec.seed, top=rows)
                said = found[arm].to_json()
                document[where] |= {name: said[name] | target for name in names}
                bands = (said["blind_draw"] or {"metrics": {}})["metrics"]
                if bands:
                    document[where]["blind_draw"]["metrics"] |= {n: bands[n] for n in names if n in bands}
        if len(found) == 2:
            rankings = one.of(ORIGINAL), one.of(EDITED)
            change = list_change(found[ORIGINAL], found[EDITED], rankings, part, spec.k, seed=spec.seed).to_json()
            document["difference"] |= {name: change[name] | target for name in names}
    return names
