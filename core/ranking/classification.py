"""Zero-shot classification before and after an edit: accuracy by cell, worst group, and how alike groups are served."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.config import InputError, NothingLeft, Progress
from core.ranking.arms import both_arms, intervene
from core.ranking.queries import embed_texts
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA
from core.ranking.rows import part_of
from core.scene import Scene
from core.statistics import Estimate
from core.zeroshot import PromptSet, ZeroshotDifference, ZeroshotResult, class_embeddings, classify_items, evaluate
from core.zeroshot import difference as accuracy_difference
from core.zeroshot.parity import NAMES, ParityResult, parity, parity_change


@dataclass(frozen=True, eq=False)
class ClassificationArm:
    """One arm: accuracy and, where a second attribute divides the rows, how differently its groups are classified."""

    accuracy: ZeroshotResult
    parity: ParityResult | None = None
    predictions: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    """Class number of every searched row (n,)."""

    def to_json(self) -> dict[str, Any]:
        value = self.accuracy.to_json()
        return value | (self.parity.to_json() if self.parity else dict.fromkeys(NAMES, SAME_ATTRIBUTE.to_json()))


SAME_ATTRIBUTE = Estimate.missing("the compared groups are the classes themselves")


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """A classification and, where an edit was asked for, the classification after it and what changed."""

    request: RankRequest
    classified: str
    classes: tuple[str, ...]
    digests: Mapping[str, Any]
    notes: tuple[str, ...]
    before: ClassificationArm
    after: ClassificationArm | None = None
    difference: ZeroshotDifference | None = None
    parity_difference: Mapping[str, Estimate] = field(default_factory=dict)
    reason: str | None = None
    """Why there is nothing after, where it was asked for: the method leaves nothing of a class prompt."""

    def to_json(self) -> dict[str, Any]:
        said = self.request.to_json()
        kept = ("attribute", "half", "where", "edits", "method", "seed")
        document = {
            "schema": SCHEMA,
            "classified": self.classified,
            "classes": list(self.classes),
            **{name: said[name] for name in kept},
            "n": self.before.accuracy.n,
            "unknown": self.before.accuracy.unknown,
            "digests": dict(self.digests),
            "notes": list(self.notes),
            "before": self.before.to_json(),
        }
        if self.after is not None and self.difference is not None:
            change = {name: estimate.to_json() for name, estimate in self.parity_difference.items()}
            document |= {"after": self.after.to_json(), "difference": self.difference.to_json() | change}
        elif self.reason is not None:
            document |= {key: {"reason": self.reason} for key in ("after", "difference")}
        return document


def classification(
    scene: Scene,
    request: RankRequest,
    prompts: PromptSet,
    classified: str,
    progress: Progress | None = None,
) -> ClassificationResult:
    """Give every searched row the class whose prompts are most similar, before and after the request's edits.

    A text edit also changes the class prompts, as it would change any text. Cells are the intersections of class and
    group of the request's attribute; where that is the classified attribute itself, the classes.

    Parameters
    ----------
    request : attribute whose groups are compared, rows, edits, method and seed; its query, k and target are not used.
    prompts : class prompts of the attribute `classified`.
    """
    gallery, saes = scene.gallery, scene.saes
    classes = prompts.groups(classified)
    truth = gallery.labels(classified)
    rows = part_of(scene, request).rows
    by = None if request.attribute == classified else gallery.labels(request.attribute)[rows]
    arms, reason = [], None
    for arm in both_arms(request):
        try:
            answers = class_answers(scene, arm.of(request), prompts, classified, progress)
        except NothingLeft as error:
            reason = str(error)
            break
        arms.append(_arm(answers, truth[rows], by, classes, classified, request))
    result = ClassificationResult(
        request,
        classified,
        tuple(classes),
        {
            "gallery": gallery.digest,
            "classes": prompts.digest,
            "saes": {side: saes[side].digest for side in request.edits if side in saes},
            "edits": {side: edit.digest for side, edit in request.edits.items()},
        },
        _notes(arms[0], classified),
        arms[0],
        reason=reason,
    )
    if len(arms) == 1:
        return result
    before, after = arms
    return replace(
        result,
        after=after,
        difference=accuracy_difference(before.accuracy, after.accuracy, request.null_draws, request.seed),
        parity_difference=_parity_change(before, after, truth[rows], by, classes, request),
    )


def class_answers(
    scene: Scene,
    request: RankRequest,
    prompts: PromptSet,
    classified: str,
    progress: Progress | None = None,
) -> np.ndarray:
    """Class number of every searched row under the request's method."""
    items, part = None, part_of(scene, request)

    def embed(texts: list[str]) -> np.ndarray:
        nonlocal items
        items, vectors = intervene(scene, part, request, embed_texts(scene, request, texts), progress)
        return vectors

    unit = class_embeddings(embed, prompts, classified)
    assert items is not None, "a class prompt set has at least one prompt"
    return classify_items(items.index, unit, progress)


def _arm(
    answers: np.ndarray,
    truth: np.ndarray,
    by: np.ndarray | None,
    classes: list[str],
    classified: str,
    request: RankRequest,
) -> ClassificationArm:
    accuracy = evaluate(answers, truth, classes, classified, by)
    if by is None:
        return ClassificationArm(accuracy, None, answers)
    known, numbers = _measured(truth, by, classes)
    groups = by[known]
    if len(set(groups)) < 2:
        raise InputError(
            f"the searched rows hold only {request.attribute} {', '.join(map(str, set(groups)))}; parity compares "
            "two groups: loosen the restriction or choose another attribute"
        )
    found = parity(answers[known], numbers, groups, classes, request.null_draws, request.seed)
    return ClassificationArm(accuracy, found, answers)


def _parity_change(
    before: ClassificationArm,
    after: ClassificationArm,
    truth: np.ndarray,
    by: np.ndarray | None,
    classes: list[str],
    request: RankRequest,
) -> dict[str, Estimate]:
    if by is None:
        return dict.fromkeys(NAMES, SAME_ATTRIBUTE)
    known, numbers = _measured(truth, by, classes)
    pair = before.predictions[known], after.predictions[known]
    return parity_change(*pair, numbers, by[known], classes, request.null_draws, request.seed)


def _measured(truth: np.ndarray, by: np.ndarray, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose class and group are both known (n,) bool, and the class numbers of these."""
    place = {name: i for i, name in enumerate(classes)}
    numbers = np.array([place.get(label, -1) for label in truth])
    known = (numbers >= 0) & np.array([group is not None for group in by])
    return known, numbers[known]


def _notes(arm: ClassificationArm, classified: str) -> tuple[str, ...]:
    notes = list(arm.parity.notes) if arm.parity else []
    if arm.accuracy.unknown:
        notes.append(f"{arm.accuracy.unknown} searched rows have no known group and are not measured")
    for group, n in arm.accuracy.outside.items():
        notes.append(f"{n} searched rows have {classified} {group}, which has no class prompt")
    return tuple(notes)
