"""The arms of a benchmark: every registered method, and neuron edits by each way of choosing the neurons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from core.benchmark.world import World
from core.config import Edit, Half, InputError, digest_of
from core.edits import EditChoice, choose_edits
from core.interventions import INTERVENTIONS
from core.ranking import RankRequest
from core.ranking.arms import intervene
from core.ranking.items import Items
from core.ranking.queries import embed_texts
from core.ranking.rows import Part, part_of
from core.ranking.steps import remarks
from core.scene import Scene

TARGET_SKEW = 0.12
"""Expected MaxSkew on the probe half that the search for the smallest edit stops at."""
CHOICES = {
    "neuron-edit-rule": (
        "Neurons, by the published rule",
        EditChoice("rule", tau=0.5, top=1, rule="published"),
        "switches off the first neuron that is specific to each group",
    ),
    "neuron-edit-attribution": (
        "Neurons, by attribution, one set for all queries",
        EditChoice("attribution", size=16, per_query=False),
        "switches off the 16 neurons that pull all queries hardest towards a group",
    ),
    "smallest-edit": (
        "Smallest edit, one set for all queries",
        EditChoice("smallest", target_skew=TARGET_SKEW, size=16, per_query=False),
        "searches the few neurons, and how far to turn each down, that balance all queries at the least change",
    ),
    "smallest-edit-per-query": (
        "Smallest edit, a set per query",
        EditChoice("smallest", target_skew=TARGET_SKEW, size=16, per_query=True),
        "searches the smallest edit for each query by itself; other queries see the gallery as it is",
    ),
    "neuron-edit-per-query": (
        "Neurons, by attribution, a set per query",
        EditChoice("attribution", size=16, per_query=True),
        "for each query switches off the 16 neurons that pull it hardest; other queries see the gallery as it is",
    ),
}
"""Ways of choosing neurons on the probe half: title, choice, words."""


@dataclass(frozen=True)
class Arm:
    """A method as it stands in the table's first column."""

    name: str
    title: str
    words: str
    method: str
    choice: EditChoice | None = None

    @property
    def digest(self) -> str:
        return digest_of([self.name, self.method, self.choice.to_json() if self.choice else None])

    def ready(self, world: World) -> "ReadyArm":
        """The arm with its neurons chosen for this world; InputError saying what it lacks."""
        if self.choice is None:
            return ReadyArm(self, world)
        queries = list(world.prompts)
        chosen = choose_edits(world.scene, self.choice, world.request(), queries)
        edits = dict(zip(queries, chosen, strict=True))
        common = None if _is_per_query(self.choice) else next(iter(edits.values()))
        return ReadyArm(self, world, common, edits, tuple(chosen.notes))


def _is_per_query(choice: EditChoice) -> bool:
    return choice.select in ("attribution", "smallest") and choice.per_query


@dataclass(frozen=True, eq=False)
class ReadyArm:
    """An arm that answers queries on this world's gallery, or on another one of the same model."""

    arm: Arm
    world: World
    edit: Edit | None = None
    """The one edit of all queries."""
    edits: dict[str, Edit] = field(default_factory=dict)
    """Each audited query's edit."""
    notes: tuple[str, ...] = ()

    @property
    def per_query(self) -> bool:
        """Whether each query has its own edit: queries that nobody audits then see the gallery as it is."""
        return bool(self.edits) and self.edit is None

    @cached_property
    def neurons(self) -> float:
        """Mean number of switched neurons a query."""
        return float(np.mean([len(edit.neurons) for edit in self.edits.values()])) if self.edits else 0.0

    def answers(
        self, texts: Sequence[str], scene: Scene | None = None, half: Half | None = None
    ) -> Iterator[tuple[str, Items, np.ndarray]]:
        """Each text with the items that it is asked of and its vector (d,), in the order given.

        Parameters
        ----------
        scene, half : other rows of the same model than the world's.
        """
        if not self.per_query:
            items, vectors = self.answer(texts, self.edit, scene, half)
            yield from ((text, items, vector) for text, vector in zip(texts, vectors, strict=True))
            return
        for text in texts:
            items, vectors = self.answer([text], self.edits.get(text), scene, half)
            yield text, items, vectors[0]

    def answer(
        self, texts: Sequence[str], edit: Edit | None, scene: Scene | None = None, half: Half | None = None
    ) -> tuple[Items, np.ndarray]:
        """Items and vectors (m, d) of some texts that share an edit."""
        scene = scene or self.world.scene
        request = replace(self.request(scene, half), method=self.arm.method)
        if self.arm.choice is not None:
            request = replace(request, edits={} if edit is None else {scene.gallery.side: edit})
        queries = embed_texts(scene, request, texts)
        untouched = self.arm.choice is not None and edit is None
        asked = replace(request, method="identity") if untouched else request
        return intervene(scene, part_of(scene, request), asked, queries)

    def remarks(self) -> tuple[str, ...]:
        """What the method says of the audited queries and of the items: guarantees, rows that turn, what it chose."""
        scene, request = self.world.scene, replace(self.request(), method=self.arm.method)
        if self.arm.choice is not None:
            return ()
        return remarks(scene, self.part(), request, embed_texts(scene, request, self.world.prompts))

    def part(self, scene: Scene | None = None, half: Half | None = None) -> Part:
        """Rows that this arm is measured on."""
        scene = scene or self.world.scene
        return part_of(scene, self.request(scene, half))

    def request(self, scene: Scene | None = None, half: Half | None = None) -> RankRequest:
        """A request on some rows: a half as it was asked for, else the world's as the gallery has it."""
        scene = scene or self.world.scene
        return replace(self.world.request(), half=half or scene.half(self.world.half))


def arm_names() -> list[str]:
    """Names of all arms: the original first, then methods, then neuron edits."""
    methods = [name for name in INTERVENTIONS if name not in ("identity", "neuron-edit")]
    return ["identity", *methods, *CHOICES]


def find_arm(name: str) -> Arm:
    """The arm of that name; InputError listing them."""
    if name in CHOICES:
        title, choice, words = CHOICES[name]
        return Arm(name, title, words, "neuron-edit", choice)
    if name == "neuron-edit":
        return find_arm("neuron-edit-rule")
    if name not in arm_names():
        raise InputError(f"unknown method {name!r}; known: {', '.join(arm_names())}")
    method = INTERVENTIONS.get(name)
    return Arm(name, method.title, method.plain, name)


def original_of(arm: ReadyArm) -> ReadyArm:
    """The untouched model in the arm's world."""
    return ReadyArm(find_arm("identity"), arm.world)
