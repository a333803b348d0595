"""SEM's protocol (arXiv 2603.19028): ten random halves, KL, MaxSkew and precision at 500, zero-shot accuracy."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from core.benchmark.arms import ReadyArm
from core.benchmark.base import PROTOCOLS, Cell, Column, Protocol
from core.benchmark.measures import cell_accuracies, rankings, world_attributes, worst_cell
from core.benchmark.removal import removal, with_removal
from core.benchmark.world import World
from core.config import InputError, NothingLeft, Progress
from core.metrics import RANKING_METRICS
from core.ranking.rows import Part
from core.reading import read_array
from core.retrieval import best_rows, unit_query
from core.statistics import Estimate, mean_of

FOLDS, FOLD_SEED = 10, 42
FOLD_FILE = "folds.npy"


@PROTOCOLS.register("sem")
class SemProtocol(Protocol):
    """Retrieval in ten halves of the data and zero-shot classification by (class, group) cell."""

    title = "SEM"
    words = (
        "The rows are halved ten times (seed 42, or the published folds where the gallery holds them); in each half "
        "the top k of every query is compared with the shares of that half. Means over queries and halves with "
        "Student's interval as in the paper, on a scale that starts at 0. Accuracy pools the halves as the paper "
        "does: a row counts in about five of them, so that its interval is narrower than the rows allow."
    )
    columns: ClassVar = with_removal(
        Column("kl", "KL", "lower", "mean KL divergence of the top k from the shares of the half"),
        Column("max_skew", "MaxSkew", "lower", "mean MaxSkew of the top k against the shares of the half, from 0 up"),
        Column("precision", "Precision", "higher", "share of the top k that is what the query names, where labelled"),
        Column("accuracy", "Accuracy", "higher", "zero-shot accuracy over the halves pooled"),
        Column("worst_group", "Worst group", "higher", "accuracy of the worst (class, group) cell"),
        Column("gap", "Gap", "lower", "accuracy minus worst group"),
    )
    skew = "max_skew"
    cost = "accuracy"
    defaults: ClassVar = {"k": 500, "target": "gallery"}

    def measure(self, world: World, arm: ReadyArm, progress: Progress | None = None) -> Cell:
        report = progress or (lambda *_: None)
        part, halves = arm.part(), list(folds(world, arm.part().rows))
        if world.k > min(map(len, halves)):
            raise InputError(
                f"k was {world.k}; expected at most {min(map(len, halves))}, the rows of a half: choose a smaller k"
            )
        by_prompt: dict[str, float] = {}
        try:
            values = _retrieved(world, arm, part, halves, by_prompt, report)
        except NothingLeft as error:
            values, by_prompt = dict.fromkeys(("kl", "max_skew", "precision"), Estimate.missing(str(error))), {}
        report(len(world.prompts), len(world.prompts), "queries")
        values |= _zeroshot(world, arm, halves) | removal(arm, rankings(arm, world.prompts))
        return Cell(arm.arm.name, world.gallery.name, values, notes=arm.notes, by_prompt=by_prompt)


def _retrieved(
    world: World,
    arm: ReadyArm,
    part: Part,
    halves: list[np.ndarray],
    by_prompt: dict[str, float],
    report: Progress,
) -> dict[str, Estimate]:
    """Means over queries and halves of what is retrieved; `by_prompt` takes each query's own MaxSkew."""
    names, precisions = ("kl", "max_skew"), []
    found: dict[str, list[float]] = {name: [] for name in names}
    for done, (text, items, vector) in enumerate(arm.answers(world.prompts)):
        report(done, len(world.prompts), "queries")
        scores = items.index.scores(unit_query(vector, items.index.d))
        here: dict[str, list[float]] = {name: [] for name in names}
        for half in halves:
            labels = part.labels[half]
            shares = np.bincount(labels[labels >= 0], minlength=len(part.groups)) / len(half)
            top = labels[best_rows(scores[half], world.k)]
            for name in names:
                here[name].append(float(RANKING_METRICS.get(name)()(top, shares / shares.sum(), "sem")))
        for name in names:
            found[name] += here[name]
        if text in world.relevant:
            named = relevant_rows(world, part.rows, text)
            precisions += [float(named[half][best_rows(scores[half], world.k)].mean()) for half in halves]
        by_prompt[text] = float(np.mean(here["max_skew"]))
    missing = Estimate.missing("no query says which rows it names")
    values = {name: mean_of(values, RANKING_METRICS.get(name).range) for name, values in found.items()}
    return values | {"precision": mean_of(precisions, (0.0, 1.0)) if precisions else missing}


def folds(world: World, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Places in `rows` of each half that is measured.

    The gallery's published folds where it holds them, restricted to `rows`; else the second half of ten shuffles of
    all rows, one after the other, by numpy's RandomState(42), as the authors' scripts draw them.
    """
    path = world.gallery.path / FOLD_FILE
    if path.is_file():
        for fold in read_array(path, "the published folds, one a row"):
            yield np.flatnonzero(np.isin(rows, fold))
        return
    draw, order = np.random.RandomState(FOLD_SEED), np.arange(len(rows))
    for _ in range(FOLDS):
        draw.shuffle(order)
        yield np.sort(order[len(order) // 2 :])


def relevant_rows(world: World, rows: np.ndarray, text: str) -> np.ndarray:
    """Which of some rows a query names (n,) bool: those that have all its groups."""
    named = np.ones(len(rows), dtype=bool)
    for column, group in world.relevant[text].items():
        if group not in world.gallery.groups(column):
            there = ", ".join(world.gallery.groups(column))
            raise InputError(f"{text!r} names {column} {group!r}, which no row has; {column} has {there}")
        named &= world.gallery.labels(column)[rows] == group
    return named


def _zeroshot(world: World, arm: ReadyArm, halves: list[np.ndarray]) -> dict[str, Estimate]:
    """Accuracy, worst cell and gap of the first other attribute that class prompts are given for."""
    names = world_attributes(world)
    if not names or world.class_prompts is None:
        missing = Estimate.missing("no class prompts of another attribute were given")
        return dict.fromkeys(("accuracy", "worst_group", "gap"), missing)
    try:
        right, cell = cell_accuracies(arm, world.class_prompts, names[0])
    except NothingLeft as error:
        return dict.fromkeys(("accuracy", "worst_group", "gap"), Estimate.missing(str(error)))
    pooled = np.concatenate(halves)
    return dict(zip(("accuracy", "worst_group", "gap"), worst_cell(right[pooled], cell[pooled]), strict=True))
