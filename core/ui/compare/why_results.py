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


TOP = 10
"""Neurons whose pull is drawn."""
SIZE = 16
"""Most neurons of a smallest edit."""


@dataclass(frozen=True)
class Leaning:
    """A question about a lean: what is asked, where its neurons are looked for, and how answers are keyed."""

    question: results.Asked
    found: probing.Probe

    @property
    def side(self) -> Side:
        return self.question.gallery.side

    @cached_property
    def request(self) -> "RankRequest":
        """The question without any edit."""
        return replace(self.question.request, edits={}, method="neuron-edit")

    @cached_property
    def parts(self) -> list[Any]:
        return [*self.question.parts[:1], self.question.parts[2], *self.found.parts, self.request.digest]

    @property
    def saes(self) -> dict[Side, Any]:
        return {self.side: self.found.sae}

    @cached_property
    def explicit(self) -> dict[str, str]:
        """The first class prompt of each group, query -> group; none where nobody can embed them."""
        from core.audit.sources import class_prompts

        gallery = self.question.gallery
        prompts = class_prompts(gallery)
        attribute = self.request.attribute
        if prompts is None or attribute not in prompts.attributes:
            return {}
        named = {texts[0]: group for group, texts in prompts.prompts(attribute).items()}
        known = self.question.model is not None or all(gallery.prompt_embedding(q) is not None for q in named)
        inside = set(self.found.gallery.groups(attribute))
        return {query: group for query, group in named.items() if group in inside} if known else {}


def leaning(state: AppState, question: results.Asked) -> Leaning:
    """The question with its probe set; InputError in words where no SAE fits or there is no probe half."""
    return Leaning(question, probing.probe(state, question.gallery.side))


def why(asked: Leaning) -> "WhyResult":
    """The lean of the prompt over the probe rows, neuron by neuron."""
    from core.edits import why as run

    q, rows = asked.question, asked.found.rows
    searched = len(q.gallery.rows(asked.request.half, asked.request.where))
    k = min(len(rows), max(1, round(asked.request.k * len(rows) / searched)))
    request = replace(asked.request, half="probe", where=asked.found.where, k=k)
    bench = results.bench(q)
    return cache.result(
        "why", [*asked.parts, TOP], lambda: run(asked.found.gallery, request, q.model, asked.saes, TOP, bench)
    )


def smallest(asked: Leaning, prompts: Sequence[str] | None, progress: Progress | None = None) -> "SmallestEdit":
    """The path of the smallest edit for this prompt, or for several prompts together; its target is set later."""
    from core.edits import find_smallest

    q = asked.question
    explicit = asked.explicit if prompts else {}
    return cache.result(
        "smallest",
        [*asked.parts, list(prompts or []), explicit, SIZE],
        lambda: find_smallest(
            q.gallery,
            asked.found.gallery,
            asked.request,
            0.0,
            SIZE,
            prompts,
            explicit,
            q.model,
            asked.saes,
            results.bench(q),
            progress,
        ),
    )


def confirmed(asked: Leaning, edit: Edit, progress: Progress | None = None) -> "Confirmed":
    """What an edit does on the evaluation half, beside random neurons, the rule and the mean difference."""
    from core.edits import confirm

    q = asked.question
    return cache.result(
        "confirmed",
        [*asked.parts, edit.digest, asked.explicit],
        lambda: confirm(
            q.gallery,
            asked.found.gallery,
            asked.request,
            edit,
            q.model,
            asked.saes,
            asked.explicit,
            bench=results.bench(q),
            progress=progress,
        ),
    )


def prompts_of(text: str) -> list[str]:
    """Prompts of a list, one a line, without blanks and repeats; InputError where there is none."""
    prompts = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
    if not prompts:
        raise InputError("the list of prompts is empty; write one prompt a line")
    return prompts
