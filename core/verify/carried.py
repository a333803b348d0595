"""Methods carried out again: the items and texts that an arm has, which numbers are then computed from elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.audit.arms import Edits, Ranked, request_for
from core.audit.sources import Sources
from core.audit.spec import AuditSpec
from core.ranking.bench import Bench
from core.ranking.material import embed_texts, select_part
from core.ranking.request import RankRequest
from core.ranking.steps import arm_items
from core.retrieval import Index
from core.verify.own.cost import cost_document
from core.verify.own.searched import Searched

Progress = Callable[[int, int, str], None]
CHOSEN = "edited"


@dataclass(frozen=True, eq=False)
class CarriedArm:
    """The items and texts of one arm."""

    index: Index
    request: RankRequest
    method: str
    sources: Sources
    bench: Bench

    def rows(self, at: np.ndarray | slice) -> np.ndarray:
        return self.index.unit_at(at)

    def scores(self, text: str) -> np.ndarray:
        return self.index.scores(self.texts([text])[0])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        gallery = self.sources.gallery
        edit = self.request.edits.get("text") if gallery.side == "image" else None
        given = (gallery, self.request, self.sources.texts, self.sources.saes, self.bench)
        return embed_texts(list(texts), *given).vectors(self.method, edit)


def side_effects(
    spec: AuditSpec,
    sources: Sources,
    attribute: str,
    searched: Searched,
    edits: Sequence[Edits],
    ranked: Mapping[tuple[str, str], Ranked],
    bench: Bench,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The blocks `cost` and `leakage` of one attribute.

    Where each prompt has its own edit, they are about the one that moves the gallery most.
    """
    prompt = spec.prompts[0]
    if len({tuple(edit.digest for edit in one.values()) for one in edits[: len(spec.prompts)]}) > 1:
        prompt = min(spec.prompts, key=lambda text: _cosine(ranked[attribute, text]))
    request = request_for(spec, attribute, prompt, edits[spec.all_prompts.index(prompt)], sources)
    if not request.intervenes:
        return {name: {"reason": "nothing is edited"} for name in ("cost", "leakage")}
    gallery, saes = sources.gallery, sources.saes
    part = select_part(gallery, request, bench)
    arms = []
    for method in ("identity", request.method):
        items = arm_items(gallery, part, request, method, saes, bench, sources.texts, progress)  # type: ignore[arg-type]
        arms.append(CarriedArm(items.index, request, method, sources, bench))
    found = cost_document(gallery, attribute, searched, (arms[0], arms[1]), sources.prompts, spec.seed)
    return {"leakage": {"prompt": prompt, **found.pop("leakage")}, "cost": {"prompt": prompt, **found}}


def _cosine(one: Ranked) -> float:
    return one.cosine[one.arms.index(CHOSEN)] if CHOSEN in one.arms else 1.0
