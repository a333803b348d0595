"""Search: neurons along a prompt, on a picture or caption, by label, or for two attributes at once."""

from collections.abc import Sequence

import streamlit as st

from core import access
from core.config import Side
from core.ui.neurons import searching, social
from core.ui.parts import grids
from core.ui.parts.frame import guard, unknown_words
from core.ui.parts.switches import switch
from core.ui.parts.wording import number
from core.ui.session import links, probing
from core.ui.session.choices import START_VIEW, TAU, Choice
from core.ui.session.escaping import escape
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import AppState, get_state

WAY = Choice("search-way", "text")
TEXT, CAPTION, ITEM = Choice("search-text", ""), Choice("search-caption", ""), Choice("search-item", "")
LABEL: Choice[str | None] = Choice("search-label", None)
FIRST: Choice[str | None] = Choice("overlap-first", None)
SECOND: Choice[str | None] = Choice("overlap-second", None)
WAYS = {"text": "By text", "item": "By picture or caption", "label": "By label", "overlap": "By two attributes"}
STRIP = 7
"""Pictures beside each of the eight neurons found: below 60 together."""


def search_panel(probe: probing.Probe, side: Side) -> None:
    """One way of searching at a time, the neurons found with their pictures below."""
    state = get_state()
    way = switch(state, "Search", WAY, WAYS)
    with guard():
        {"text": _by_text, "item": _by_item, "label": _by_label, "overlap": _by_overlap}[way](state, probe, side)


def _by_text(state: AppState, probe: probing.Probe, side: Side) -> None:
    known = probe.gallery.prompts if only_known_prompts(state, probe.gallery) else []
    text = _asked(state, TEXT, "Prompt", "for example: a photo of a man with a beard", known)
    if not text:
        return
    if probe.gallery.prompt_embedding(text) is None:
        unknown_words(text)
    st.caption("Living neurons whose direction is nearest to the prompt, by cosine; 0 is unrelated.")
    _listed(state, probe, side, searching.along_prompt(state, probe, text), "cosine")


def _by_item(state: AppState, probe: probing.Probe, side: Side) -> None:
    """An upload of the session, an item of the gallery, or (text side) a caption that is typed."""
    uploads = probing.uploads_of(state, side)
    names = [upload.name for upload in uploads]
    if names:
        chosen = st.pills("Your uploads", names, format_func=escape, key="search-upload")
        if chosen is not None:
            upload = uploads[names.index(chosen)]
            grids.grid([grids.uploaded(upload.picture, upload.name, "")], "search-upload")
            _listed(state, probe, side, searching.on_upload(probe, upload), "activation")
            return
    elif access.may("upload") and st.button("Upload pictures or captions of your own", icon=":material/upload:"):
        START_VIEW.put(state, "uploads")
        links.go("pages/start.py")
    if side == "text":
        text = _asked(state, CAPTION, "Caption", "a caption of your own")
        if text:
            _listed(state, probe, side, searching.on_caption(state, probe, text), "activation")
            return
    item = _asked(state, ITEM, "Item of the probe gallery, by its id", probe.gallery.item_id(0))
    if item:
        row, active = searching.on_item(probe, item)
        grids.grid(grids.tiles(probe.gallery, [row], [grids.said(item)]), "search-item", 96)
        _listed(state, probe, side, active, "activation")


def _by_label(state: AppState, probe: probing.Probe, side: Side) -> None:
    by = searching.labelled(probe)
    if not by:
        st.info("No neuron of this SAE is labelled on this gallery yet.")
        if access.may("label") and st.button("Label neurons", icon=":material/label:"):
            links.go("pages/label.py")
        return
    label = LABEL.among(state, by)
    st.selectbox("Labelled", list(by), format_func=lambda name: f"{name} ({len(by[name])})", **LABEL.mirrored(state))
    st.caption("Value: raters who labelled it. Decided ones stand under what was decided.")
    counted = [(standing.neuron, float(len(standing.labels))) for standing in by[label]]
    page = (
        st.pagination(grids.pages(len(counted), searching.MOST), key=f"label-page-{label}") if len(counted) > 8 else 1
    )
    _listed(state, probe, side, counted[(page - 1) * searching.MOST : page * searching.MOST], "raters")


def _by_overlap(state: AppState, probe: probing.Probe, side: Side) -> None:
    """A neuron that serves two attributes at once cannot be switched off for one alone."""
    names = probe.gallery.attributes
    if len(names) < 2:
        st.info("The probe gallery has fewer than two attributes.")
        return
    first, second = FIRST.among(state, names), SECOND.among(state, [*names[1:], names[0]])
    left, right = st.columns(2)
    left.selectbox("Attribute", names, **FIRST.mirrored(state))
    right.selectbox("and", names, **SECOND.mirrored(state))
    tau = TAU.of(state)
    if first == second:
        st.info("Choose two different attributes.")
        return
    shared = searching.overlaps(probe, first, second, tau)
    st.caption(
        f"Neurons that are specific for a group of {escape(first)} and for a group of {escape(second)} at τ = {tau:g}."
    )
    if not shared:
        st.markdown("**None**: at this τ no neuron serves both.")
    for neuron, of_first, of_second in shared[: searching.MOST]:
        _row(state, probe, side, neuron, f"{escape(of_first)} · {escape(of_second)}")


def _asked(state: AppState, asked: Choice[str], label: str, example: str, known: Sequence[str] = ()) -> str:
    """A text in a form, kept in the session; Enter searches. Where only some can be read, one of these is chosen."""
    before = asked.of(state)
    with st.form(asked.name, border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        if known:
            place = list(known).index(before) if before in known else None
            text = st.selectbox(label, known, place, placeholder="one that came with the gallery") or ""
        else:
            text = st.text_input(label, value=before, placeholder=example, max_chars=300)
        if st.form_submit_button("Search", type="primary"):
            asked.put(state, " ".join(text.split()))
    return asked.of(state)


def _listed(state: AppState, probe: probing.Probe, side: Side, neurons: searching.Found, what: str) -> None:
    if not neurons:
        st.markdown("**None**: no neuron fires.")
    for neuron, value in neurons:
        _row(state, probe, side, neuron, f"{what} {number(value)}")


def _row(state: AppState, probe: probing.Probe, side: Side, neuron: int, text: str) -> None:
    """A neuron found: the way to its page, why it was found, how often it fires for each group, its pictures."""
    attribute = state.attribute_in(probe.gallery.attributes)
    rates = ""
    if attribute is not None:
        by = probing.rates(probe, neuron, attribute)
        known = {group: e.estimate for group, e in by.items() if e.estimate is not None}
        if known:
            most = max(known, key=lambda group: known[group])
            rates = f"  \n:small[:gray[{social.rates_text(probe, attribute, most, neuron)}]]"
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        social.open_button(state, side, neuron, "search")
        st.markdown(f":small[**{text}**]{rates}", width=300)
        top = probing.shown_examples(probe, neuron).top.rows[:STRIP]
        grids.strip(probe.gallery, map(int, top), f"search-{neuron}", f"neuron {neuron}", width=52)
