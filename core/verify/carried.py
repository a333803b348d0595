"""Methods carried out again: the items and texts that an arm has. The one door of this room to where rankings are made.

Only embeddings come from there, and which rows are searched: every number of them is computed elsewhere,
but for metrics that the second author has no formula of, which the verdict names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.audit.arms import CHOSEN, ORIGINAL, Edits, Ranked, request_for
from core.audit.sources import Sources
from core.audit.spec import AuditSpec
from core.config import Progress
from core.ranking.bench import Bench
from core.ranking.material import Queries, embed_texts, select_part
from core.ranking.measures import list_change, list_numbers, metrics_beside
from core.ranking.request import RankRequest
from core.ranking.results import Part
from core.ranking.steps import arm_items
from core.retrieval import Index
from core.verify.own.cost import cost_document
from core.verify.own.metrics import NAMES
from core.verify.own.searched import Searched

__all__ = [
    "Bench",
    "Part",
    "RankRequest",
    "carried_metrics",
    "items_of",
    "part_of",
    "queries_of",
    "side_effects",
    "vectors_of",
]


def part_of(sources: Sources, request: RankRequest, bench: Bench) -> Part:
    """The searched rows."""
    return select_part(sources.gallery, request, bench)


def queries_of(texts: Sequence[str], sources: Sources, request: RankRequest, bench: Bench) -> Queries:
    """Texts with what the request's method reads of them."""
    given: tuple[Any, ...] = (sources.gallery, request, sources.texts, sources.saes, bench)
    return embed_texts(list(texts), *given)


def vectors_of(texts: Sequence[str], sources: Sources, request: RankRequest, method: str, bench: Bench) -> np.ndarray:
    """Embeddings of texts (n, d) under a method; NothingLeft where it leaves nothing of one."""
    edit = request.edits.get("text") if sources.gallery.side == "image" else None
    return queries_of(texts, sources, request, bench).vectors(method, edit)


def items_of(
    sources: Sources, part: Part, request: RankRequest, method: str, bench: Bench, progress: Progress | None = None
) -> Index:
    """The searched items under a method, float32."""
    given: tuple[Any, ...] = (sources.saes, bench, sources.texts, progress)
    return arm_items(sources.gallery, part, request, method, *given).index


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
        return vectors_of(texts, self.sources, self.request, self.method, self.bench)


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
    part = part_of(sources, request, bench)
    before, after = (
        CarriedArm(items_of(sources, part, request, method, bench, progress), request, method, sources, bench)
        for method in ("identity", request.method)
    )
    found = cost_document(sources.gallery, attribute, searched, (before, after), sources.prompts, spec.seed)
    return {"leakage": {"prompt": prompt, **found.pop("leakage")}, "cost": {"prompt": prompt, **found}}


def _cosine(one: Ranked) -> float:
    return one.cosine[one.arms.index(CHOSEN)] if CHOSEN in one.arms else 1.0


def carried_metrics(
    spec: AuditSpec,
    sources: Sources,
    attribute: str,
    documents: Sequence[dict[str, Any]],
    ranked: Mapping[tuple[str, str], Ranked],
    bench: Bench,
) -> tuple[str, ...]:
    """Names of the metrics without a formula in this room, which are added to the prompts' documents.

    They are measured again by their own class: what was changed in a report is found, a wrong formula is not.
    """
    names = metrics_beside(NAMES)
    if not names:
        return ()
    part = part_of(sources, request_for(spec, attribute, spec.prompts[0], {}, sources), bench)
    target = {"target": spec.target_of(attribute)}
    for prompt, document in zip(spec.all_prompts, documents, strict=True):
        one, found = ranked[attribute, prompt], {}
        for arm, where in ((ORIGINAL, "before"), (CHOSEN, "after")):
            if arm in one.arms:
                rows = one.of(arm)[: spec.k]
                found[arm] = list_numbers(part.labels[rows], part, spec.seed, top=rows)
                said = found[arm].to_json()
                document[where] |= {name: said[name] | target for name in names}
                bands = (said["blind_draw"] or {"metrics": {}})["metrics"]
                if bands:
                    document[where]["blind_draw"]["metrics"] |= {n: bands[n] for n in names if n in bands}
        if len(found) == 2:
            rankings = one.of(ORIGINAL), one.of(CHOSEN)
            change = list_change(found[ORIGINAL], found[CHOSEN], rankings, part, spec.k, seed=spec.seed).to_json()
            document["difference"] |= {name: change[name] | target for name in names}
    return names
