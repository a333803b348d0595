"""What the protocols measure, each a pure function of a ready arm."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

from core.benchmark.arms import ReadyArm, original_of
from core.benchmark.world import World
from core.config import InputError, NothingLeft
from core.metrics import RANKING_METRICS, Mode
from core.ranking.measures import asks_gallery_shares
from core.retrieval import unit_query
from core.scene import Scene
from core.statistics import (
    Estimate,
    auc_estimate,
    gap_to_smallest,
    held_out_leakage,
    mean_of,
    null_of_mean,
    share_estimate,
    smallest_accuracy,
    with_null,
)
from core.zeroshot import PromptSet, class_embeddings, classify_items, paired_share_difference
from core.zeroshot.accuracy import evaluate

COSINE = (-math.inf, 1.0)
"""What a cosine can be; where nothing moved all are 1 and nothing is uncertain."""
NULL_DRAWS = 300
"""Draws of a null band: its ends are read in hundredths."""


@dataclass(frozen=True)
class Tops:
    """The first k of some texts."""

    rows: Mapping[str, np.ndarray]
    """By text: places in the searched rows, best first (k,)."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Texts without a ranking, because the method leaves nothing of them, each with the line that says so."""
    notes: tuple[str, ...] = ()
    """How many rows no list has, because the method leaves nothing of them."""

    def of(self, texts: Sequence[str]) -> "Tops":
        """Those of some texts."""
        rows = {text: self.rows[text] for text in texts if text in self.rows}
        return Tops(rows, {text: self.lost[text] for text in texts if text in self.lost})

    @property
    def reason(self) -> str | None:
        """Why there is no mean over these texts; None where there is one: a mean over the others is another number."""
        if self.lost:
            return "; ".join(dict.fromkeys(self.lost.values()))
        return None if self.rows else "no such query was asked"


def rankings(arm: ReadyArm, texts: Sequence[str]) -> Tops:
    """The top k of each text."""
    part, k = arm.part(), arm.world.k
    if k > part.n:
        raise InputError(f"k was {k}; expected at most {part.n}, the number of searched rows: choose a smaller k")
    rows: dict[str, np.ndarray] = {}
    lost: dict[str, str] = {}
    notes: list[str] = []
    left = list(texts)
    while left:
        try:
            for text, items, vector in arm.answers(left):
                items.require(k)
                notes += items.note(arm.arm.method)
                rows[text] = items.index.search(unit_query(vector, items.index.d), k).rows
            break
        except NothingLeft as error:
            lost |= dict.fromkeys(error.texts, str(error))
            left = [text for text in left if text not in lost]
    return Tops(rows, lost, tuple(dict.fromkeys(notes)))


P = ParamSpec("P")
T = TypeVar("T")


def or_why(missing: Callable[[Estimate], T]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A measure that is not computed, with the reason, where the method leaves nothing of a text that it asks.

    Parameters
    ----------
    missing : what the measure gives then, from an estimate that holds the reason.
    """

    def decorate(measure: Callable[P, T]) -> Callable[P, T]:
        @wraps(measure)
        def asked(*given: P.args, **more: P.kwargs) -> T:
            try:
                return measure(*given, **more)
            except NothingLeft as error:
                return missing(Estimate.missing(str(error)))

        return asked

    return decorate


def _alone(missing: Estimate) -> Estimate:
    return missing


def _both(missing: Estimate) -> tuple[Estimate, Estimate]:
    return missing, missing


def metric_by_prompt(arm: ReadyArm, tops: Tops, name: str, mode: Mode = "ours") -> dict[str, float]:
    """A ranking metric of the top k of each text."""
    part, metric = arm.part(), RANKING_METRICS.get(name)()
    return {text: float(metric(part.labels[rows], part.target, mode)) for text, rows in tops.rows.items()}


def possible(name: str, target: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value of a ranking metric of lists that hold one group alone, the rarest, at worst."""
    least, most = RANKING_METRICS.get(name).range
    return least, min(most, float(-np.log(np.min(target)))) if np.min(target) > 0 else most


def mean_skew(arm: ReadyArm, tops: Tops) -> Estimate:
    """Mean MaxSkew@k over texts with Student's interval, and its null band where the target is the gallery's shares."""
    if tops.reason is not None:
        return Estimate.missing(tops.reason)
    part, metric = arm.part(), RANKING_METRICS.get("max_skew")()
    mean = mean_of(list(metric_by_prompt(arm, tops, "max_skew").values()), possible("max_skew", part.target))
    if not asks_gallery_shares(part.target, part.counts):
        return mean
    rows = np.stack([tops.rows[text] for text in sorted(tops.rows)])
    band, _ = null_of_mean(metric, rows, part.labels, part.target, NULL_DRAWS, arm.world.seed)
    return with_null(metric, mean, band)


def drift(arm: ReadyArm, tops: Tops) -> tuple[Estimate, Estimate]:
    """Mean cosine of items, and of queries, before and after; 1: nothing moved. Intervals over rows and over texts.

    Items are read with the texts that have a ranking; of queries there is no mean where one of them has none.
    """
    part, texts = arm.part(), list(tops.rows)
    if not texts:
        return _both(Estimate.missing(tops.reason or "no such query was asked"))
    plain = {text: vector for text, _, vector in original_of(arm).answers(texts)}
    means, queries, cosines = [], [], np.zeros(0)
    for text, items, vector in arm.answers(texts):
        queries.append(_cosine(plain[text], vector))
        means.append(items.mean_cosine)
        cosines = items.cosines
    of_queries = Estimate.missing(tops.reason) if tops.reason is not None else mean_of(queries, COSINE)
    if arm.per_query:
        return mean_of(means, COSINE), of_queries
    rows = np.concatenate([cosines.astype(np.float64), np.ones(part.n - len(cosines))])
    return mean_of(rows, COSINE), of_queries


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return 1.0 if np.array_equal(a, b) else float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


# --------------------------------------------------------------------------------------- what the model still knows


def predictions(arm: ReadyArm, prompts: PromptSet, attribute: str, scene: Scene | None = None) -> np.ndarray:
    """Class number of every row: the class prompts are texts like any other, and see the gallery that those see."""
    by_group = prompts.prompts(attribute)
    alone = all(len(texts) == 1 for texts in by_group.values())
    if arm.per_query and alone and any(texts[0] in arm.edits for texts in by_group.values()):
        texts = [texts[0] for texts in by_group.values()]
        scores = [items.index.scores(_unit(vector)) for _, items, vector in arm.answers(texts, scene)]
        return np.argmax(np.stack(scores, axis=1), axis=1)
    items = None

    def embed(texts: list[str]) -> np.ndarray:
        nonlocal items
        items, vectors = arm.answer(texts, arm.edit, scene)
        return vectors

    unit = class_embeddings(embed, prompts, attribute)
    assert items is not None, "a class has at least one prompt"
    return classify_items(items.index, unit)


@or_why(_alone)
def accuracy(arm: ReadyArm, prompts: PromptSet, attribute: str, scene: Scene | None = None) -> Estimate:
    """Share of rows that are given their own class, with its Wilson interval."""
    truth = _truth(arm, attribute, scene)
    answers = predictions(arm, prompts, attribute, scene)
    return evaluate(answers, truth, prompts.groups(attribute), attribute).accuracy


@or_why(_both)
def other_accuracies(arm: ReadyArm, prompts: PromptSet | None, attributes: Sequence[str]) -> tuple[Estimate, Estimate]:
    """Mean accuracy over some attributes (interval over rows), and the change of the one that loses most (paired)."""
    if prompts is None or not attributes:
        return _both(Estimate.missing("no class prompts of another attribute were given"))
    original = original_of(arm)
    after, changes = [], []
    for attribute in attributes:
        truth, classes = _truth(arm, attribute), prompts.groups(attribute)
        known = np.isin(truth.astype(str), classes)
        right = [
            np.asarray(classes, dtype=object)[predictions(one, prompts, attribute)] == truth for one in (original, arm)
        ]
        after.append(np.where(known, right[1], np.nan))
        changes.append(paired_share_difference(right[0][known], right[1][known]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a row of which nothing is known has no mean and is left out
        rows = np.nanmean(np.array(after, dtype=np.float64), axis=0)
    worst = min(changes, key=lambda change: change.estimate if change.estimate is not None else np.inf)
    return mean_of(rows[np.isfinite(rows)], (0.0, 1.0)), worst


@or_why(_alone)
def explicit_auc(arm: ReadyArm, prompts: PromptSet | None, attribute: str) -> Estimate:
    """AUC of the query that names a group outright, for the group that it finds worst; .5: it finds nobody special.

    The query is the group's first class prompt. A method that evens every query also evens these, which should not be
    even: somebody who asks for a man wants a man.
    """
    if prompts is None or attribute not in prompts.attributes:
        return Estimate.missing("no class prompts of the audited attribute were given")
    part, by_group = arm.part(), prompts.prompts(attribute)
    named = {texts[0]: group for group, texts in by_group.items() if group in part.groups}
    known = part.labels >= 0
    measured: list[tuple[float, Estimate]] = []
    for text, items, vector in arm.answers(list(named)):
        positive = part.labels[known] == part.groups.index(named[text])
        auc = auc_estimate(items.index.scores(vector)[known], positive)
        if auc.estimate is not None:
            measured.append((auc.estimate, auc))
    if not measured:
        return Estimate.missing("no group is named")
    return min(measured, key=lambda pair: pair[0])[1]


def cell_accuracies(arm: ReadyArm, prompts: PromptSet, attribute: str) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong (n,) and the (class, group) cell (n,) of every row; -1 where either is unknown."""
    truth = _truth(arm, attribute)
    classes, part = prompts.groups(attribute), arm.part()
    place = {name: i for i, name in enumerate(classes)}
    numbers = np.array([place.get(label, -1) for label in truth])
    cell = np.where((numbers >= 0) & (part.labels >= 0), numbers * len(part.groups) + part.labels, -1)
    return predictions(arm, prompts, attribute) == numbers, cell


def worst_cell(right: np.ndarray, cell: np.ndarray) -> tuple[Estimate, Estimate, Estimate]:
    """Accuracy, that of the worst cell, and their gap; the last two know that the cell was picked."""
    known = cell >= 0
    right, cell = right[known], cell[known]
    size, good = np.bincount(cell), np.bincount(cell, weights=right)
    return share_estimate(int(right.sum()), len(right)), smallest_accuracy(good, size), gap_to_smallest(good, size)


def _truth(arm: ReadyArm, attribute: str, scene: Scene | None = None) -> np.ndarray:
    scene = scene or arm.world.scene
    return scene.gallery.labels(attribute)[arm.part(scene).rows]


def _unit(vector: np.ndarray) -> np.ndarray:
    return unit_query(vector, len(vector))


# ------------------------------------------------------------------------------------------------------- leakage


def leakage(arm: ReadyArm, texts: Sequence[str]) -> Estimate:
    """AUC of a linear probe for the attribute on the items after the arm; .5: nothing is left, 1: all is.

    The probe (standardised columns, logistic regression) is fitted on the probe rows as the arm leaves them and asked
    on the measured rows. Several groups: mean over groups against the rest. A set per query: mean over the queries.
    """
    if not arm.per_query:
        return _leakage(arm, texts[0])
    found = [_leakage(arm, text) for text in texts]
    return mean_of([estimate.estimate for estimate in found if estimate.estimate is not None], (0.0, 1.0))


def _leakage(arm: ReadyArm, text: str) -> Estimate:
    fitted = arm.world.scene.at("probe")
    _, train, _ = next(arm.answers([text], fitted, "probe"))
    _, test, _ = next(arm.answers([text]))
    part, own = arm.part(fitted, "probe"), arm.part()
    if part.groups != own.groups or len(own.groups) < 2:
        return Estimate.missing("the probe rows do not hold the same groups")
    return held_out_leakage(train.index.unit, part.labels, test.index.unit, own.labels)


def world_attributes(world: World) -> list[str]:
    """Attributes that class prompts and gallery share, without the audited one."""
    if world.class_prompts is None:
        return []
    shared = [name for name in world.class_prompts.attributes if name in world.gallery.attributes]
    return [name for name in shared if name != world.attribute]
