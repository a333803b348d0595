"""What the demo finds out, step by step, by the same orchestrators as the pages; nothing is drawn here."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit, InputError, Progress
from core.ui.parts.wording import effect_said, gap_said, listing, percent, share_alone, switched_words
from core.ui.session import answering, cache, probing, results, why_results
from core.ui.session.escaping import escape
from core.ui.session.prompts import suggestions
from core.ui.session.scene import chosen_scene, only_known_prompts
from core.ui.session.state import AppState
from core.verdicts import NOT_COMPUTED, list_line

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.ranking import CostResult, RankResult
    from core.statistics import Estimate
    from core.studies.planted import Measured, Words

PROMPT = "a photo of a doctor"
PHOTO = "a photo of "
"""How a prompt begins whose rest can be asked of a person; another one is not asked of the model that answers."""
QUESTION = "is this person likely to be {}?"
SEEN = 0.001
"""Smallest fall that is told: what the printed numbers can show."""
DRAWS = 400
"""Resamples behind the interval of the rank correlation on the last step."""


@dataclass(frozen=True)
class Story:
    """One prompt, one attribute, and the one neuron that is switched; the same through all steps.

    Attributes
    ----------
    question : the prompt before anything is switched.
    neuron : of the neurons that carry most of the prompt's score gap on the probe half, the one without which the list
        of those rows is nearest to the searched shares. Rows that are measured had no part in choosing it.
    """

    state: AppState
    question: results.Asked
    probe: probing.Probe
    neuron: int

    @property
    def gallery(self) -> "Gallery":
        return self.question.gallery

    @property
    def attribute(self) -> str:
        return self.question.request.attribute

    @property
    def edit(self) -> Edit:
        return Edit((self.neuron,))

    @property
    def switched(self) -> results.Asked:
        """The question with the neuron off."""
        side = self.gallery.side
        request = replace(self.question.request, edits={side: self.edit})
        return results.Asked(chosen_scene(self.state, {side}), request)


def first_prompt(state: AppState) -> str:
    """What the demo asks first: its own prompt, or one that a gallery with known prompts alone knows."""
    gallery = cache.current_gallery(state)
    if not only_known_prompts(state, gallery) or PROMPT in gallery.prompts:
        return PROMPT
    return suggestions(gallery)[0]


def told(state: AppState, progress: Progress | None = None) -> Story:
    """The story of the session's prompt.

    InputError in words where no SAE fits, the gallery has no attribute, or the prompt says nothing to the model.
    """
    from core.scene import why_not_interpreted

    gallery = cache.current_gallery(state)
    attribute = state.attribute_in(gallery.attributes)
    if attribute is None:
        raise InputError("this gallery has no attribute, so there are no groups to count; choose another")
    question = results.without_method(results.asked(state, attribute))
    if question.scene.model is not None:
        reason = why_not_interpreted(state.query, question.scene.model.unknown_words(state.query))
        if reason is not None:
            raise InputError(f"nothing is ranked for “{state.query}”: {reason}; ask something else on the first step")
    asked = why_results.Leaning(question, probing.probe_of(state, gallery.side, progress))
    pulls = why_results.why(asked).pulls
    if not pulls:
        raise InputError(f"no neuron of {asked.probe.sae.name} fires on the pictures, so that there is none to switch")
    best = min(pulls, key=lambda pull: np.inf if pull.skew is None else pull.skew)
    return Story(state, question, asked.probe, best.neuron)


def before(story: Story) -> "RankResult":
    """Who the prompt retrieves."""
    return results.ranking(story.question)


def after(story: Story) -> "RankResult":
    """Who it retrieves with the neuron off, beside who it retrieves as it is."""
    return results.ranking(story.switched)


def cost(story: Story, progress: Progress | None = None) -> "CostResult":
    """What the model no longer knows with the neuron off."""
    return results.cost(story.switched, progress)


def cost_rows(found: "CostResult") -> dict[str, tuple["Estimate", "Estimate"]]:
    """What can be compared: accuracy on other attributes, and AUC of queries that name a group."""
    right = {
        f"{name} recognised": (c.before.accuracy, c.after.accuracy)
        for name, c in found.zeroshot.items()
        if c.before and c.after
    }
    named = {f"“{query}” finds them": (c.before, c.after) for query, c in found.explicit.items()}
    return {name: pair for name, pair in (right | named).items() if None not in (pair[0].estimate, pair[1].estimate)}


# -- a model that answers ---------------------------------------------------------------------------------------------


def spoken(story: Story) -> tuple[str, dict[str, "dict[str, Estimate]"], str, tuple[int, ...], int]:
    """The model that answers, asked about the prompt's word; about the demo's own where the prompt is not "a photo of"
    or has words that this model does not know.

    Returns the question, P(yes) by arm and group, the answer "yes", the neurons that are off, the number of pictures.
    """
    state = story.state
    of, file = answering.gallery(state), answering.sae(state)
    attribute = answering.attribute(state)
    if file is None or attribute is None:
        raise InputError("no SAE fits what this model reads, so that there is nothing to switch in it; see Ask")
    neurons = answering.by_rule(state, of, attribute, file)
    prompt = str(story.question.request.query)
    question = QUESTION.format(prompt.removeprefix(PHOTO))
    if not prompt.startswith(PHOTO) or answering.model(state).unknown_words(question):
        question = QUESTION.format(PROMPT.removeprefix(PHOTO))
    change = answering.change(state, of, attribute, file, answering.edit(state, of, attribute, file, neurons))
    arms, answer, n = answering.by_group(state, of, attribute, question, change)
    return question, arms, answer, neurons, n


# -- planted against measured -----------------------------------------------------------------------------------------


def planted(state: AppState) -> tuple["Words", "Measured", dict[str, Any]]:
    """The shipped world's planted words as its model scores them: words, gaps by gender, Spearman with its interval."""
    from core.studies import StudyRequest
    from core.studies.planted import measured, measured_words, spearman_interval, with_model

    gallery = cache.gallery("default")

    def measure() -> tuple["Words", "Measured", dict[str, Any]]:
        own = AppState(device=state.device)
        request = with_model(StudyRequest(chosen_scene(own), ("gender",), ()))
        words = measured_words(request)
        found = measured(words, "gender", DRAWS, 0)
        return words, found, spearman_interval(found, True, 0)

    return cache.result("demo planted", [cache.stamp_of(gallery), DRAWS], measure)


def nearest(words: "Words", word: int, most: int) -> list[int]:
    """Measured rows of the default gallery nearest to a planted word, best first, ties by lower row."""
    return [int(words.rows[i]) for i in np.argsort(-words.scores[:, word], kind="stable")[:most]]


# -- sentences --------------------------------------------------------------------------------------------------------


def firing_said(story: Story) -> str:
    """How often the neuron fires on each group, and whether there is a lean that it could explain. Markdown."""
    rates = probing.rates(story.probe, story.neuron, story.attribute)
    told = [f"{percent(e.estimate)} of {escape(group)}" for group, e in rates.items() if e.estimate is not None]
    said = f"Neuron {story.neuron} fires on **{listing(told)}**."
    if before(story).before.numbers.to_json()["lean_beyond_chance"]:
        return said
    return f"{said} There is no lean beyond chance that it could explain."


def lean_said(found: "RankResult") -> str:
    """Whom the prompt prefers. Markdown."""
    return f"**{escape(list_line(found.before.numbers.to_json()))}**"


def change_said(story: Story, found: "RankResult") -> str:
    """What switching the neuron off did to the list. Markdown."""
    if found.after is None or found.difference is None:
        return f"With neuron {story.neuron} off there is no list: {escape(found.reason or '')}."
    arms = (found.before.numbers.to_json(), found.after.numbers.to_json())
    words = switched_words(story.edit, story.gallery.side)
    effect = effect_said(words, found.difference.change.to_json(), arms, story.question.request.target)
    line = list_line(arms[1])
    return f"{effect} After: {escape(line[:1].lower() + line[1:])}"


def cost_said(found: "CostResult") -> str:
    """The largest loss among what is compared. Markdown."""
    rows = cost_rows(found)
    if not rows:
        return "Nothing besides the edited attribute can be asked of this gallery, so no cost is shown."
    falls = {
        name: b.estimate - a.estimate
        for name, (b, a) in rows.items()
        if b.estimate is not None and a.estimate is not None
    }
    if not falls:
        return f"What it costs is {NOT_COMPUTED}: {escape(next(iter(rows.values()))[1].reason or '')}."
    worst = max(falls, key=lambda name: falls[name])
    b, a = rows[worst]
    moved = f"The mean cosine to the original is {found.cosine_mean:.3f}."
    if falls[worst] < SEEN:
        return f"**Nothing that is compared falls by {100 * SEEN:g} points.** {moved}"
    return f"The largest fall: **{escape(worst)}, {share_alone(b, 1)} to {share_alone(a, 1)}**. {moved}"


def spoken_said(arms: dict[str, "dict[str, Estimate]"], answer: str) -> str:
    """What the model answers about each group, and what the switch did to that. Markdown."""
    means = [
        f"{percent(e.estimate)} about {escape(group)}" for group, e in arms["before"].items() if e.estimate is not None
    ]
    first = f"It says “{escape(answer)}” with **{listing(means)}**."
    return f"{first} {gap_said(arms)}" if len(arms["before"]) == 2 and "after" in arms else first


def planted_said(order: dict[str, Any]) -> str:
    """How far the measured gaps follow the planted shares. Markdown."""
    inside = f"{order['lo']:.2f} to {order['hi']:.2f}"
    return (
        f"Of {order['n']:,} words, planted shares and measured leans have a **rank correlation of "
        f"{order['estimate']:.2f}** ({inside}): 1 is the same order, 0 none."
    )
