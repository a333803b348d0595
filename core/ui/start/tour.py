"""The guided demo: six steps, each a state of the app and one sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.config import Edit, InputError
from core.ui.parts import frame
from core.ui.session import cache, jobs, links
from core.ui.session.choices import ASK_QUESTION, ASK_VIEW, COMPARE_VIEW, START_VIEW, Choice
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.saes.checkpoint import SAEFile

PROMPT, ATTRIBUTE = "a photo of a doctor", "gender"
SAID = "is this person likely to be a doctor?"
TAU = 0.5
"""Consistency asked of a social neuron in the demo; the reference edit of the shipped gallery uses the same."""
PER_GROUP = 4
"""Neurons switched for each group in the demo, at most."""
STEP: Choice[int | None] = Choice("tour", None)
"""Step at which the demo is; None: it does not run."""


def _ask(state: AppState) -> None:
    state.clear_edits()
    state.ask(PROMPT)
    state.set_attribute(ATTRIBUTE)
    COMPARE_VIEW.put(state, None)


def _see(state: AppState) -> None:
    neurons = social_neurons(state)
    state.set_attribute(ATTRIBUTE)
    state.open_neuron(neurons[0], cache.current_gallery(state).side)


def _switch(state: AppState) -> None:
    _ask(state)
    state.set_edit(cache.current_gallery(state).side, Edit(tuple(social_neurons(state))))


def _cost(state: AppState) -> None:
    _switch(state)
    COMPARE_VIEW.put(state, "cost")


def _say(state: AppState) -> None:
    state.set_attribute(ATTRIBUTE)
    ASK_QUESTION.put(state, SAID)
    ASK_VIEW.put(state, None)


def _upload(state: AppState) -> None:
    START_VIEW.put(state, "uploads")


@dataclass(frozen=True)
class Step:
    """One step: what its button says, where it leads, and the choices it makes."""

    title: str
    sentence: str
    page: str
    prepare: Callable[[AppState], None]


STEPS = (
    Step("Ask", "Ask for “a photo of a doctor” and count who comes back.", "pages/compare.py", _ask),
    Step("See why", "Look at the neuron that carries the lean.", "pages/neurons.py", _see),
    Step(
        "Switch it off",
        "The same prompt without such neurons: before, after, difference.",
        "pages/compare.py",
        _switch,
    ),
    Step("What it costs", "What the model still knows after the edit.", "pages/compare.py", _cost),
    Step("What it says", "The same neuron, inside a model that answers in words.", "pages/ask.py", _say),
    Step("Your own", "Upload faces or captions, kept in memory only.", "pages/start.py", _upload),
)


def social_neurons(state: AppState) -> list[int]:
    """The specific neurons of each group of the demo's attribute, the strongest first; InputError if there is none.

    Found in the probe gallery by consistency and specificity (core.neurons), never in the rows that are searched.
    """
    probe, file = cache.current_probe(state), cache.current_sae(cache.current_gallery(state).side, state)
    if file is None:
        raise InputError("no SAE is chosen for this gallery; choose one in Data & models")
    attribute = ATTRIBUTE if ATTRIBUTE in probe.attributes else next(iter(probe.attributes), None)
    if attribute is None:
        raise InputError(f"the gallery {probe.name} has no attributes, so that no neuron can be tied to a group")
    parts = [cache.stamp_of(probe), file.digest, attribute, TAU]
    neurons = cache.result("tour neurons", parts, lambda: _find(probe, file, attribute))
    if not neurons:
        raise InputError(f"no neuron of {file.name} fires for one group of {attribute} alone (tau {TAU}); see Neurons")
    return list(neurons)


def _find(probe: "Gallery", file: "SAEFile", attribute: str) -> tuple[int, ...]:
    from core.neurons import social_neurons as by_rule

    file.require(probe.fingerprint(file.attach or "pooled"), f"the gallery {probe.name}")
    with jobs.progress("Looking for the neurons") as report:
        codes = cache.codes(probe, file, report)
    rows = probe.rows("probe")
    groups = by_rule(codes.csr[rows], probe.labels(attribute)[rows], TAU, "at-least").groups.values()
    chosen = [
        pair for group in groups for pair in list(zip(group.mean_activation, group.specific, strict=True))[:PER_GROUP]
    ]
    return tuple(int(neuron) for _, neuron in sorted(chosen, reverse=True))


def go(number: int) -> None:
    """Bring the app to a step and show its page."""
    state, step = get_state(), STEPS[number]
    with frame.guard():
        step.prepare(state)
        STEP.put(state, number)
        links.go(step.page)


def buttons() -> None:
    """The steps side by side."""
    for number, (column, step) in enumerate(zip(st.columns(len(STEPS), gap="small"), STEPS, strict=True)):
        with column, st.container(border=True, height="stretch", gap="xsmall"):
            title = f"{number + 1}\u2002{step.title}"
            if st.button(title, type="secondary" if number else "primary", width="stretch", key=f"tour-{number}"):
                go(number)
            st.caption(step.sentence)


def bar(page: str) -> None:
    """While the demo runs: which step this is, and the way on."""
    number = STEP.of(get_state())
    if number is None or STEPS[number].page != page or page == "pages/start.py":
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, gap="small"):
        st.markdown(f"**{number + 1} of {len(STEPS)}**  {STEPS[number].sentence}", width="stretch")
        if st.button("End the demo", type="tertiary"):
            STEP.put(get_state(), None)
            st.rerun()
        following = STEPS[number + 1]
        if st.button(f"Next: {following.title.lower()}", type="primary", icon=":material/arrow_forward:"):
            go(number + 1)
