"""Neurons on switches, on or off: the suggested ones with what they answer to, any other by its number, and how."""

from dataclasses import replace
from functools import partial

import streamlit as st

from core.config import FORMS, SIDES, Edit, Side
from core.gallery import Gallery
from core.ui.parts import answer_first, grids
from core.ui.parts.wording import listing
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.probing import Suggestion
from core.ui.session.state import AppState, get_state

STRIP_ITEMS, STRIPS = 5, 24
"""Pictures beside one neuron, and beside all of them together: with the two grids they stay below 60."""
WHY = (
    "“Specific”: fires on at least the share τ of that group and of no other, in the probe set. “Unsure”: so it is, "
    "but the difference to the next group may be nothing. “AUC”: no neuron is specific for the group; this one tells "
    "it apart best (0.5 tells nothing). Choose τ on Neurons."
)
FORM_NAMES = {"error-preserving": "Move only these neurons", "blend": "Blend with the reconstruction"}
FORM_HELP = (
    "Error-preserving: x′ = x − Σ (z − z′) · decoder row; what the SAE cannot explain stays untouched. "
    "Blend: x′ = α · reconstruction + (1 − α) · x; α = 0 is the original."
)
SETTINGS_OF: dict[Side, Choice[Edit | None]] = {side: Choice(f"settings-{side}", None) for side in SIDES}
"""Strength and form last chosen for a side, in an edit without neurons."""
SETTINGS = ("strength", "gamma", "form", "alpha")


def panel(side: Side, suggestions: list[Suggestion], probe: Gallery | None, size: int) -> None:
    """One switch a neuron, then how strongly and in which form; a click changes the edit before the page is drawn."""
    state = get_state()
    chosen = state.edits.get(side, Edit()).neurons
    everything = tuple(s.neuron for s in suggestions)
    rule = tuple(s.neuron for s in suggestions if s.specific) or everything
    with st.container(horizontal=True, gap="small"):
        st.button(
            "All off",
            type="primary",
            icon=":material/toggle_off:",
            on_click=_switch,
            args=(side, rule),
            disabled=not rule or set(rule) <= set(chosen),
            key=f"all-{side}",
            help=f"Switches off {listing(rule)}, the specific neurons below",
        )
        st.button(
            "Original",
            icon=":material/undo:",
            on_click=state.clear_edits,
            disabled=not state.edits,
            key=f"original-{side}",
            help="Back to the model as it is",
        )
    beside = min(STRIP_ITEMS, STRIPS // max(len(suggestions), 1))
    for suggestion in suggestions:
        with st.container(gap="xsmall"):
            _row(state, side, suggestion.neuron, suggestion.why)
            if probe is not None and suggestion.top:
                key, what = f"{side}-{suggestion.neuron}", f"neuron {suggestion.neuron}"
                grids.strip(probe, suggestion.top[:beside], key, what)
    for neuron in chosen:
        if neuron not in everything:
            _row(state, side, neuron, "added by number")
    _any_neuron(side, size)
    _manner(state, side)


def _row(state: AppState, side: Side, neuron: int, why: str) -> None:
    key = f"switch-{side}-{neuron}"
    # The stored edit is the truth; the widget mirrors it, so that "Original" and links move the switches too.
    on = not state.is_switched(neuron, side)
    st.session_state[key] = on
    # without markup: the label is also the name by which a screen reader calls the switch
    st.toggle(
        f"{neuron} {'on' if on else 'off'}: {escape(why)}", key=key, on_change=_flip, args=(side, neuron), help=WHY
    )


def _flip(side: Side, neuron: int) -> None:
    """Bring the edit to what a neuron's switch shows, with the strength and form last chosen.

    What it shows, not the other way round: the browser may tell of a switch again that nobody touched, when another
    attribute took it from the page and brought it back.
    """
    state = get_state()
    off = not st.session_state[f"switch-{side}-{neuron}"]
    if off == state.is_switched(neuron, side):
        return
    now = state.edits.get(side)
    if now is not None and (now.strengths or now.gammas):
        state.set_edit(side, now.toggled(neuron))  # the other neurons keep strengths and values of their own
    else:
        _set(state, side, tuple(set(now.neurons if now else ()) ^ {neuron}))
    answer_first.ask()


def _switch(side: Side, neurons: tuple[int, ...]) -> None:
    state = get_state()
    _set(state, side, tuple({*state.edits.get(side, Edit()).neurons, *neurons}))
    answer_first.ask()


def _any_neuron(side: Side, size: int) -> None:
    key = f"other-{side}"
    st.number_input(
        "Another neuron",
        0,
        size - 1,
        value=None,
        step=1,
        key=key,
        placeholder=f"0 to {size - 1:,}, then Enter",
        on_change=_take_other,
        args=(side, key),
    )


def _take_other(side: Side, key: str) -> None:
    state, neuron = get_state(), st.session_state[key]
    if neuron is not None:
        _set(state, side, (*state.edits.get(side, Edit()).neurons, int(neuron)))
        st.session_state[key] = None


# -- how --------------------------------------------------------------------------------------------------------------


def settings(state: AppState, side: Side) -> Edit:
    """Strength and form that the next switched neuron gets: those of the edit, or the last ones chosen."""
    return state.edits.get(side) or SETTINGS_OF[side].of(state) or Edit()


def _set(state: AppState, side: Side, neurons: tuple[int, ...]) -> None:
    now = settings(state, side)
    state.set_edit(side, Edit(neurons, **{name: getattr(now, name) for name in SETTINGS}))


def _manner(state: AppState, side: Side) -> None:
    now = settings(state, side)
    for name in SETTINGS:
        st.session_state[f"{name}-{side}"] = getattr(now, name)
    take = partial(_take_manner, side)
    st.slider(
        "Strength",
        0.0,
        1.0,
        step=0.05,
        key=f"strength-{side}",
        help="0 changes nothing, 1 sets the switched neurons to gamma",
        on_change=take,
    )
    with st.popover("Form", icon=":material/tune:", width="stretch"):
        st.radio(
            "How the embedding changes", FORMS, format_func=FORM_NAMES.__getitem__, key=f"form-{side}", on_change=take
        )
        st.caption(FORM_HELP)
        blend, off = now.form == "blend", "Value of a fully switched neuron; 0 is off"
        st.slider("Alpha (blend)", 0.0, 1.0, step=0.05, key=f"alpha-{side}", disabled=not blend, on_change=take)
        st.number_input("Gamma", step=0.1, key=f"gamma-{side}", help=off, on_change=take)


def _take_manner(side: Side) -> None:
    state = get_state()
    chosen = {name: st.session_state[f"{name}-{side}"] for name in SETTINGS}
    now = state.edits.get(side, Edit())
    SETTINGS_OF[side].put(state, Edit((), **chosen))
    own_values = now.gammas if chosen["gamma"] == now.gamma else ()  # a gamma that is typed holds for all
    state.set_edit(side, replace(now, gammas=own_values, **chosen))
