"""The side whose neurons are looked at, and its probe set."""

import streamlit as st

from core.config import SIDES, Side
from core.ui.session import cache, probing
from core.ui.session.jobs import progress
from core.ui.session.state import AppState

SIDE_NAMES = {"image": "Picture neurons", "text": "Text neurons"}


def side_of(state: AppState) -> Side | None:
    """The side whose neurons are looked at; None, with a calm line, where no SAE is chosen at all."""
    sides = [side for side in SIDES if side in state.saes]
    if not sides:
        st.info("No SAE is chosen, so there are no neurons to look at. Choose or train one in Data & models.")
        return None
    of_probe = cache.current_probe(state).side
    if state.neuron is not None and state.neuron_side in sides:
        return state.neuron_side
    return of_probe if of_probe in sides else sides[0]


def side_switch(state: AppState, side: Side) -> None:
    """Pictures or captions: the other side has its own gallery, so it is a change of gallery."""
    partner = {"image": "default-captions", "text": "default"}[side]
    if partner not in cache.shipped_names("galleries") or len(state.saes) < 2:
        return
    name = SIDE_NAMES["text" if side == "image" else "image"]
    st.button(f"{name} ({partner})", icon=":material/swap_horiz:", on_click=_switch_side, args=(state, partner))


def _switch_side(state: AppState, gallery: str) -> None:
    state.choose_gallery(gallery)
    state.open_neuron(None)


def open_probe(state: AppState, side: Side) -> probing.Probe:
    """The probe set with its codes, computed in view where they are not stored yet."""
    with progress("Encoding the probe set") as report:
        return probing.probe_of(state, side, report)
