"""Ask: what a large vision-language model says about people, before and after the same neurons are switched."""

from typing import TYPE_CHECKING

import streamlit as st

from core import access
from core.config import InputError
from core.ui.ask import many, one
from core.ui.parts import grids, provenance
from core.ui.parts.frame import guard
from core.ui.parts.heading import heading
from core.ui.parts.switches import switch
from core.ui.session import answering
from core.ui.session.choices import ASK_VIEW, Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.saes.checkpoint import SAEFile

VIEWS = {"one": "One question", "many": "Many questions"}
NEURONS: Choice[str | None] = Choice("ask-neurons", None)
"""Switched neurons as they were typed; None: those that the rule finds."""
HOLDS = {answering.OFF: "Off", answering.HELD: "Held at its middle"}
HOLD_HELP = (
    "Off removes what the neuron carries, after which everybody may get the answers that one group had. Held sets it "
    "to its mean over the probe half, which may bring the groups' answers nearer to the middle."
)


def ask() -> None:
    """The whole page."""
    state = get_state()
    st.html(grids.STYLE)
    heading("Ask", "What a large vision-language model says about people, before and after the same neurons")
    gallery, attribute = answering.gallery(state), answering.attribute(state)
    if attribute is None:
        st.info("This gallery has no attribute, so there are no groups to compare. Choose another in Data & models.")
        return
    with guard():
        _model_choice(state)
        for said in (answering.instead_said(state, gallery), answering.elsewhere_said(state, gallery)):
            if said:
                st.caption(f":material/info: {escape(said)}")
        file = answering.sae(state)
        neurons = _switched(state, gallery, attribute, file)
        own = answering.edit(state, gallery, attribute, file, neurons)
        views = {name: title for name, title in VIEWS.items() if name != "many" or access.may("audit")}
        view = switch(state, "View", ASK_VIEW, views)
        (many.many if view == "many" else one.one)(state, gallery, attribute, file, own)
        provenance.strip(answering.facts(state, gallery, file, own))


def _model_choice(state: AppState) -> None:
    """Which model answers, in one line; another by name."""
    model = answering.model(state)
    known = model.attachment.family.title if model.attachment.family else "found by experiment"
    with st.expander(f"Model that answers: {escape(model.name)} ({known})", icon=":material/forum:"):
        st.caption(
            f"Its language model reads {escape(', '.join(model.attachment.names))}. The shipped one is a tiny LLaVA on "
            "the shipped image tower, taught the planted stereotype; it knows a closed list of words. Others are named "
            "local-dir:FOLDER or hf-hub:OWNER/NAME: LLaVA, InternVL, Qwen-VL, Gemma 3, PaliGemma, Idefics3, SmolVLM."
        )
        if not access.may("choose"):
            return
        with st.form("ask-model-form", border=False):
            name = st.text_input("Model", value=answering.MODEL.of(state))
            if st.form_submit_button("Load"):
                before = answering.MODEL.of(state)
                answering.MODEL.put(state, name.strip() or answering.DEFAULT)
                try:
                    answering.model(state)
                except InputError:
                    answering.MODEL.put(state, before)
                    raise
                st.rerun()


def _switched(state: AppState, gallery: "Gallery", attribute: str, file: "SAEFile | None") -> tuple[int, ...]:
    """Which neurons are switched, and how."""
    if file is None:
        st.info("No SAE fits what this model reads: answers are shown as they are.", icon=":material/info:")
        return ()
    found = answering.by_rule(state, gallery, attribute, file)
    first, second, third = st.columns([1.2, 1.6, 1.2], vertical_alignment="bottom")
    text = first.text_input(
        f"Neurons of {escape(file.name)}",
        value=NEURONS.of(state) or ", ".join(map(str, found)),
        help=f"The rule finds {', '.join(map(str, found)) or 'none'} for {escape(attribute)} on the probe half",
    )
    hold = second.segmented_control(
        "Switched",
        list(HOLDS),
        default=answering.HOLD.of(state),
        format_func=HOLDS.__getitem__,
        help=HOLD_HELP,
    )
    answering.HOLD.put(state, hold or answering.OFF)
    answering.STRENGTH.put(state, third.slider("Strength", 0.0, 1.0, answering.STRENGTH.of(state), 0.05))
    NEURONS.put(state, text)
    try:
        return tuple(sorted({int(part) for part in text.replace(" ", "").split(",") if part}))
    except ValueError:
        raise InputError(f"the neurons were {text!r}; expected numbers with commas, as 3, 17") from None
