"""What the view "Why this lean?" asks of the orchestrators; every answer is kept by all that it depends on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.config import Edit, InputError, Progress, Side
from core.ui.session import cache, probing, results
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.edits import Confirmed, SmallestEdit, WhyResult
    from core.ranking import RankRequest
    from core.scene import Scene


TOP = 10
"""Neurons whose pull is drawn."""
SIZE = 16
"""Most neurons of a smallest edit."""


@dataclass(frozen=True)
class Leaning:
    """A question about a lean: what is asked, where its neurons are looked for, and how answers are keyed."""

    question: results.Asked
    probe: probing.Probe

    @property
    def side(self) -> Side:
        return self.question.gallery.side

    @cached_property
    def request(self) -> "RankRequest":
        """The question without any edit."""
        return replace(self.question.request, edits={}, method="neuron-edit")

    @cached_property
    def parts(self) -> list[Any]:
        return [*self.question.looked_at, *self.probe.parts, self.request.digest]

    @cached_property
    def scene(self) -> "Scene":
        """The question's scene with the SAE that explains and the probe rows that are looked at."""
        scene, gallery = self.question.scene, self.probe.gallery
        other = None if gallery is scene.gallery else gallery
        return replace(scene, saes={self.side: self.probe.sae}, other_probe=other)

    @cached_property
    def explicit(self) -> dict[str, str]:
        """The first class prompt of each group, query -> group; none where nobody can embed them."""
        gallery, prompts = self.question.gallery, self.question.scene.class_prompts
        attribute = self.request.attribute
        if prompts is None or attribute not in prompts.attributes:
            return {}
        named = {texts[0]: group for group, texts in prompts.prompts(attribute).items()}
        known = self.question.scene.model is not None or all(gallery.prompt_embedding(q) is not None for q in named)
        inside = set(self.probe.gallery.groups(attribute))
        return {query: group for query, group in named.items() if group in inside} if known else {}


def leaning(state: AppState, question: results.Asked) -> Leaning:
    """The question with its probe set; InputError in words where no SAE fits or there is no probe half."""
    return Leaning(question, probing.probe_of(state, question.gallery.side))


def why(asked: Leaning) -> "WhyResult":
    """The lean of the prompt over the probe rows, neuron by neuron."""
    from core.edits import why as run

    q, rows = asked.question, asked.probe.rows
    searched = len(q.gallery.rows(asked.request.half, asked.request.where))
    k = min(len(rows), max(1, round(asked.request.k * len(rows) / searched)))
    request = replace(asked.request, half="probe", where=asked.probe.where, k=k)
    return cache.result("why", [*asked.parts, TOP], lambda: run(asked.scene.at("probe"), request, TOP))


def smallest(asked: Leaning, prompts: Sequence[str] | None, progress: Progress | None = None) -> "SmallestEdit":
    """The path of the smallest edit for this prompt, or for several prompts together; its target is set later."""
    from core.edits import find_smallest

    explicit = asked.explicit if prompts else {}
    return cache.result(
        "smallest",
        [*asked.parts, list(prompts or []), explicit, SIZE],
        lambda: find_smallest(asked.scene, asked.request, 0.0, SIZE, prompts, explicit, progress),
    )


def confirmed(asked: Leaning, edit: Edit, progress: Progress | None = None) -> "Confirmed":
    """What an edit does on the evaluation half, beside random neurons, the rule and the mean difference."""
    from core.edits import confirm

    return cache.result(
        "confirmed",
        [*asked.parts, edit.digest, asked.explicit],
        lambda: confirm(asked.scene, asked.request, edit, asked.explicit, progress=progress),
    )


def prompts_of(text: str) -> list[str]:
    """Prompts of a list, one a line, without blanks and repeats; InputError where there is none."""
    prompts = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
    if not prompts:
        raise InputError("the list of prompts is empty; write one prompt a line")
    return prompts
