"""Search: neurons along a prompt, on a picture or caption, by label, or for two attributes at once."""

import streamlit as st

from core.config import Side
from core.ui.neurons import searching, social
from core.ui.parts import grids
from core.ui.parts.frame import guard, unknown_words
from core.ui.parts.wording import number
from core.ui.session import links, probing
from core.ui.session.state import AppState, bind, get_state

WAYS = {"text": "By text", "item": "By picture or caption", "label": "By label", "overlap": "By two attributes"}
STRIP = 7
"""Pictures beside each of the eight neurons found: below 60 together."""


def search_panel(found: probing.Probe, side: Side) -> None:
    """One way of searching at a time, the neurons found with their pictures below."""
    state = get_state()
    if state.filters.get("search-way") not in WAYS:
        state.set_filter("search-way", "text")
    way = st.segmented_control(
        "Search",
        WAYS,
        format_func=WAYS.get,
        required=True,
        label_visibility="collapsed",
        **bind("filters", "search-way"),
    )
    with guard():
        {"text": _by_text, "item": _by_item, "label": _by_label, "overlap": _by_overlap}[way](state, found, side)


def _by_text(state: AppState, found: probing.Probe, side: Side) -> None:
    text = _asked(state, "search-text", "Prompt", "for example: a photo of a man with a beard")
    if not text:
        return
    if found.gallery.prompt_embedding(text) is None:
        unknown_words(text)
    st.caption("Living neurons whose direction is nearest to the prompt, by cosine; 0 is unrelated.")
    _listed(state, found, side, searching.along_prompt(state, found, text), "cosine")


def _by_item(state: AppState, found: probing.Probe, side: Side) -> None:
    """An upload of the session, an item of the gallery, or (text side) a caption that is typed."""
    uploads = searching.uploads_of(state, side)
    names = [upload.name for upload in uploads]
    if names:
        chosen = st.pills("Your uploads", names, key="search-upload")
        if chosen is not None:
            upload = uploads[names.index(chosen)]
            grids.grid([grids.uploaded(upload.picture, upload.name, "")], "search-upload")
            return _listed(state, found, side, searching.on_upload(found, upload), "activation")
    else:
        if st.button("Upload pictures or captions of your own", icon=":material/upload:"):
            state.set_filter("start-view", "uploads")
            links.go("pages/start.py")
    if side == "text":
        text = _asked(state, "search-caption", "Caption", "a caption of your own")
        if text:
            return _listed(state, found, side, searching.on_caption(state, found, text), "activation")
    item = _asked(state, "search-item", "Item of the probe gallery, by its id", found.gallery.item_id(0))
    if item:
        row, active = searching.on_item(found, item)
        grids.grid(grids.tiles(found.gallery, [row], [grids.escape(item)]), "search-item", 96)
        _listed(state, found, side, active, "activation")


def _by_label(state: AppState, found: probing.Probe, side: Side) -> None:
    by = searching.labelled(found)
    if not by:
        st.info("No neuron of this SAE is labelled on this gallery yet.")
        if st.button("Label neurons", icon=":material/label:"):
            links.go("pages/label.py")
        return
    if state.filters.get("search-label") not in by:
        state.set_filter("search-label", next(iter(by)))
    said = st.selectbox(
        "Labelled",
        list(by),
        format_func=lambda name: f"{name} ({len(by[name])})",
        **bind("filters", "search-label"),
    )
    st.caption("Value: raters who labelled it. Decided ones stand under what was decided.")
    counted = [(standing.neuron, float(len(standing.labels))) for standing in by[said]]
    page = st.pagination(grids.pages(len(counted), searching.MOST), key=f"label-page-{said}") if len(counted) > 8 else 1
    _listed(state, found, side, counted[(page - 1) * searching.MOST : page * searching.MOST], "raters")


def _by_overlap(state: AppState, found: probing.Probe, side: Side) -> None:
    """A neuron that serves two attributes at once cannot be switched off for one alone."""
    names = found.gallery.attributes
    if len(names) < 2:
        st.info("The probe gallery has fewer than two attributes.")
        return
    for key, value in (("overlap-first", names[0]), ("overlap-second", names[1])):
        if state.filters.get(key) not in names:
            state.set_filter(key, value)
    left, right = st.columns(2)
    first = left.selectbox("Attribute", names, **bind("filters", "overlap-first"))
    second = right.selectbox("and", names, **bind("filters", "overlap-second"))
    tau = float(state.filters.get("tau", probing.TAU))
    if first == second:
        st.info("Choose two different attributes.")
        return
    shared = searching.overlaps(found, first, second, tau)
    st.caption(f"Neurons that are specific for a group of {first} and for a group of {second} at τ = {tau:g}.")
    if not shared:
        st.markdown("**None**: at this τ no neuron serves both.")
    for neuron, one, other in shared[: searching.MOST]:
        _row(state, found, side, neuron, f"{one} · {other}")


def _asked(state: AppState, name: str, label: str, example: str) -> str:
    """A text in a form, kept in the session; Enter searches."""
    with st.form(name, border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(label, value=state.filters.get(name) or "", placeholder=example, max_chars=300)
        if st.form_submit_button("Search", type="primary"):
            state.set_filter(name, " ".join(text.split()) or None)
    return str(state.filters.get(name) or "")


def _listed(state: AppState, found: probing.Probe, side: Side, neurons: searching.Found, what: str) -> None:
    if not neurons:
        st.markdown("**None**: no neuron fires.")
    for neuron, value in neurons:
        _row(state, found, side, neuron, f"{what} {number(value)}")


def _row(state: AppState, found: probing.Probe, side: Side, neuron: int, text: str) -> None:
    """A neuron found: the way to its page, why it was found, how often it fires for each group, its pictures."""
    attribute = state.attribute_in(found.gallery.attributes)
    rates = ""
    if attribute is not None:
        by = probing.rates(found, neuron, attribute)
        most = max(by, key=lambda group: by[group].estimate or 0)
        rates = f"  \n:small[:gray[{social.rates_text(found, attribute, most, neuron)}]]"
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        social.open_button(state, side, neuron, "search")
        st.markdown(f":small[**{text}**]{rates}", width=300)
        top = probing.shown_evidence(found, neuron).top.rows[:STRIP]
        grids.strip(found.gallery, map(int, top), f"search-{neuron}", f"neuron {neuron}", width=52)
