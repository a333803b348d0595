"""Our own protocol: what a method does to leaning queries, to quiet ones, and to what the model should still know."""

from typing import Any, ClassVar

from core.benchmark.arms import ReadyArm
from core.benchmark.base import PROTOCOLS, Cell, Column, Protocol
from core.benchmark.measures import (
    accuracy,
    drift,
    explicit_auc,
    leakage,
    mean_skew,
    metric_by_prompt,
    other_accuracies,
    rankings,
    world_attributes,
)
from core.benchmark.removal import removal, with_removal
from core.benchmark.world import World
from core.config import ASSETS, InputError, Progress
from core.gallery import Gallery, open_gallery
from core.statistics import Estimate
from core.store import read_json
from core.zeroshot import PromptSet

ATTIRE = "default-attire"
ROLE = "word"
"""Attribute of the attire gallery: the occupation that each figure is dressed for."""


@PROTOCOLS.register("default")
class DefaultProtocol(Protocol):
    """Mean MaxSkew@k of the queries and of control queries, with the price beside it."""

    title = "Unskew's own"
    words = (
        "MaxSkew@k of each query against the searched shares, averaged over the queries; in the built-in world over "
        "those that the training captions lean (planted), and over those that they do not. Intervals are Student's "
        "over queries, over pictures for accuracies and cosine; the probe for leakage is fitted on other pictures than "
        "it is asked on."
    )
    columns: ClassVar = with_removal(
        Column("skew", "MaxSkew, queries", "lower", "mean MaxSkew@k; in the built-in world of the queries that lean"),
        Column("reference", "MaxSkew, ten words", "lower", "the same over ten words of the built-in world"),
        Column("control", "MaxSkew, controls", "lower", "mean MaxSkew@k of control queries, which should not lean"),
        Column("attire", "Occupation accuracy", "higher", "share of dressed figures whose occupation is recognised"),
        Column("others", "Other attributes", "higher", "mean zero-shot accuracy of the attributes not being edited"),
        Column("loss", "Largest loss", "higher", "accuracy after minus before of the attribute that loses most"),
        Column(
            "explicit", "Explicit queries", "higher", "AUC of the queries that name a group, for the worst found one"
        ),
        Column("cosine", "Cosine, pictures", "higher", "mean cosine of pictures before and after"),
        Column("query_cosine", "Cosine, queries", "higher", "mean cosine of queries before and after"),
        Column("leakage", "Leakage (AUC)", "nearer to .5", "how well a linear probe still finds the attribute"),
    )
    skew = "skew"
    cost = "attire"
    defaults: ClassVar = {"k": 100, "target": "gallery"}

    def measure(self, world: World, arm: ReadyArm, progress: Progress | None = None) -> Cell:
        steps, report = 6, progress or (lambda *_: None)
        report(0, steps, "queries")
        tops = rankings(arm, world.prompts)
        reference = tops.of(reference_prompts())
        report(1, steps, "control queries")
        quiet = rankings(arm, world.controls)
        report(2, steps, "occupations")
        attire = _attire(world, arm)
        report(3, steps, "other attributes")
        others, loss = other_accuracies(arm, world.class_prompts, world_attributes(world))
        report(4, steps, "drift")
        explicit = explicit_auc(arm, world.class_prompts, world.attribute)
        cosine, query_cosine = drift(arm, tops)
        report(5, steps, "leakage")
        values = {
            "skew": mean_skew(arm, tops),
            "reference": mean_skew(arm, reference),
            "control": mean_skew(arm, quiet),
            "attire": attire,
            "others": others,
            "loss": loss,
            "explicit": explicit,
            "cosine": cosine,
            "query_cosine": query_cosine,
            "leakage": leakage(arm, list(tops.rows) or world.prompts),
            **removal(arm, tops),
        }
        report(steps, steps, "done")
        by_prompt, notes = metric_by_prompt(arm, tops, "max_skew"), (*arm.notes, *tops.notes)
        return Cell(arm.arm.name, world.gallery.name, values, notes=notes, by_prompt=by_prompt)


def _attire(world: World, arm: ReadyArm) -> Estimate:
    """Accuracy of guessing the occupation of dressed figures among all occupations that they show."""
    if not is_default(world.gallery):
        return Estimate.missing("only the default world has figures dressed for occupations")
    gallery = open_gallery(ATTIRE)
    by_word = {word["word"]: word["prompt"] for word in planted_words()}
    groups = {word: (by_word[word],) for word in gallery.groups(ROLE)}
    return accuracy(arm, PromptSet(ROLE, ("{}",), {ROLE: groups}), ROLE, world.scene.of(gallery))


def is_default(gallery: Gallery) -> bool:
    """Whether the shipped model embedded this gallery, so that it is of the world with planted words."""
    return gallery.fingerprint().weights == open_gallery(ATTIRE).fingerprint().weights


def planted_words() -> list[dict[str, Any]]:
    """The words of the default world with what the training captions say of them."""
    return read_json(ASSETS / "prompts" / "planted.json")["words"]


def reference_prompts() -> list[str]:
    return [word["prompt"] for word in planted_words() if word["reference"]]


def default_prompts(gallery: Gallery) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Queries with a planted gender lean, and those without one; InputError for a gallery of another world."""
    if not is_default(gallery):
        raise InputError(f"gallery {gallery.name} has no planted words of its own; give --prompts FILE")
    words = planted_words()
    leaning = tuple(word["prompt"] for word in words if word["p_male"] != 0.5)
    return leaning, tuple(word["prompt"] for word in words if word["p_male"] == 0.5)
