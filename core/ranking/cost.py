"""What an edit costs: other attributes' accuracy, drift of the embeddings, and queries that name a group outright."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import InputError, Progress
from core.ranking.arms import EDITED, ORIGINAL, arm_items, both_arms
from core.ranking.leakage import LeakageCost, residual_leakage
from core.ranking.queries import embed_texts
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA
from core.ranking.rows import part_of
from core.scene import Scene
from core.statistics import Estimate, auc_difference, auc_estimate
from core.zeroshot import (
    PromptSet,
    ZeroshotDifference,
    ZeroshotResult,
    class_embeddings,
    classify_items,
    difference,
    evaluate,
)

ARMS = (ORIGINAL, EDITED)


@dataclass(frozen=True, eq=False)
class ZeroshotCost:
    """Zero-shot classification of one attribute before and after, or why there is none."""

    before: ZeroshotResult | None = None
    after: ZeroshotResult | None = None
    difference: ZeroshotDifference | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        if self.before is None or self.after is None or self.difference is None:
            return {"estimate": None, "reason": self.reason}
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "difference": self.difference.to_json(),
        }


@dataclass(frozen=True)
class ExplicitCost:
    """AUC of a query that names a group, for that group against all others; .5: the query finds nobody special."""

    group: str
    before: Estimate
    after: Estimate
    difference: Estimate

    def to_json(self) -> dict[str, Any]:
        arms = {"before": self.before, "after": self.after, "difference": self.difference}
        return {"group": self.group, **{name: estimate.to_json() for name, estimate in arms.items()}}


@dataclass(frozen=True, eq=False)
class CostResult:
    """The price of an edit, to be shown beside every gain."""

    request: RankRequest
    zeroshot: Mapping[str, ZeroshotCost]
    """By attribute; those being edited are left out."""
    explicit: Mapping[str, ExplicitCost]
    """By query."""
    cosine_mean: float
    """Mean cosine of searched items before and after; 1: nothing moved."""
    cosine_min: float
    rows_changed: int
    n: int
    """Searched rows."""
    leakage: LeakageCost
    """What a probe still reads of the edited attribute."""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            **self.request.to_json(),
            "zeroshot": {name: cost.to_json() for name, cost in self.zeroshot.items()},
            "explicit": {query: cost.to_json() for query, cost in self.explicit.items()},
            "leakage": self.leakage.to_json(),
            "cosine": {"mean": self.cosine_mean, "min": self.cosine_min, "n": self.n},
            "rows_changed": self.rows_changed,
            "share_changed": self.rows_changed / self.n,
        }


def utility_cost(
    scene: Scene,
    request: RankRequest,
    prompts: PromptSet | None = None,
    explicit: Mapping[str, str] | None = None,
    edited: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> CostResult:
    """Before, after and paired difference of what should not suffer from the request's edits.

    A text edit counts for every text: it also changes the class prompts and the explicit queries.

    Parameters
    ----------
    prompts : class prompts; every attribute that they and the gallery share, except the edited ones, is classified.
    explicit : query -> the group of the request's attribute that it names, {"a photo of a man": "Male"}. None: the
        first class prompt of each group, where `prompts` have the attribute.
    edited : attributes that the edit is about; None: the request's attribute.

    What cannot be computed (a class prompt that nobody can embed) has its reason in its place.
    """
    if not request.intervenes:
        raise InputError(
            "the cost of an edit was asked for, but the request has no edit; switch a neuron or choose a method first"
        )
    part = part_of(scene, request)
    edited = [request.attribute] if edited is None else list(edited)
    shared = [a for a in (prompts.attributes if prompts else ()) if a in scene.gallery.attributes and a not in edited]
    if explicit is None:
        explicit = _first_prompts(prompts, request.attribute)
    side = _Sides(scene, request, progress)
    costs, aucs, steps = {}, {}, len(shared) + len(explicit) + 1
    for done, attribute in enumerate(shared):
        if progress:
            progress(done, steps, f"classifying {attribute}")
        costs[attribute] = _zeroshot(side, attribute, prompts)
    for done, (query, group) in enumerate(explicit.items(), len(shared)):
        if progress:
            progress(done, steps, query)
        aucs[query] = _explicit(side, query, group)
    items = side.items[EDITED]
    if progress:
        progress(steps - 1, steps, f"probes for {request.attribute}")
    left = residual_leakage(scene.gallery, part, side.items, request.attribute, request.seed)
    if progress:
        progress(steps, steps, "cost")
    moved = (items.mean_cosine, items.smallest_cosine, len(items.changed))
    return CostResult(request, costs, aucs, *moved, part.n, left)


class _Sides:
    """Items of both arms, and texts embedded for either of them."""

    def __init__(self, scene: Scene, request: RankRequest, progress: Progress | None) -> None:
        self.scene, self.request, self.part = scene, request, part_of(scene, request)
        self._asked = {arm.name: arm.of(request) for arm in both_arms(request)}
        self.items = {name: arm_items(scene, self.part, asked, progress) for name, asked in self._asked.items()}

    def embed(self, arm: str) -> Callable[[Sequence[str]], np.ndarray]:
        """Embeds texts as this arm does."""
        asked = self._asked[arm]
        edit = asked.edits.get("text") if self.scene.gallery.side == "image" else None
        return lambda texts: embed_texts(self.scene, self.request, texts).vectors(asked.method, edit)


def _first_prompts(prompts: PromptSet | None, attribute: str) -> dict[str, str]:
    """The first class prompt of every group."""
    if prompts is None or attribute not in prompts.attributes:
        return {}
    return {texts[0]: group for group, texts in prompts.prompts(attribute).items()}


def _zeroshot(side: _Sides, attribute: str, prompts: PromptSet | None) -> ZeroshotCost:
    assert prompts is not None, "attributes are those of the class prompts"
    labels = side.scene.gallery.labels(attribute)[side.part.rows]
    try:
        before, after = (
            evaluate(
                classify_items(side.items[arm].index, class_embeddings(side.embed(arm), prompts, attribute)),
                labels,
                prompts.groups(attribute),
                attribute,
            )
            for arm in ARMS
        )
    except InputError as error:
        return ZeroshotCost(reason=str(error))
    return ZeroshotCost(before, after, difference(before, after, side.request.null_draws, side.request.seed))


def _explicit(side: _Sides, query: str, group: str) -> ExplicitCost:
    if group not in side.part.groups:
        missing = Estimate.missing(f"no searched row is {group}")
        return ExplicitCost(group, missing, missing, missing)
    try:
        scores = [side.items[arm].index.scores(side.embed(arm)([query])[0]) for arm in ARMS]
    except InputError as error:
        missing = Estimate.missing(str(error))
        return ExplicitCost(group, missing, missing, missing)
    known = side.part.labels >= 0
    positive = side.part.labels[known] == side.part.groups.index(group)
    before, after = (s[known] for s in scores)
    return ExplicitCost(
        group, auc_estimate(before, positive), auc_estimate(after, positive), auc_difference(before, after, positive)
    )
