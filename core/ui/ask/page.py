"""Ask: what a large vision-language model says about people, before and after the same neurons are switched."""

import streamlit as st

from core.config import InputError
from core.ui.ask import many, material, one
from core.ui.parts import grids, provenance
from core.ui.parts.frame import guard
from core.ui.session.state import AppState, get_state

ONE, MANY = "One question", "Many questions"
HOLDS = {material.OFF: "Off", material.HELD: "Held at its middle"}
HOLD_HELP = (
    "Off removes what the neuron carries: everybody then gets the answers that one group had. Held sets it to its mean "
    "over the probe half, so that both groups' answers come nearer to the middle."
)


def ask() -> None:
    """The whole page."""
    state = get_state()
    st.html(grids.STYLE)
    st.title("What a model says about people", anchor=False)
    gallery, attribute = material.gallery(state), material.attribute(state)
    if attribute is None:
        st.info("This gallery has no attribute, so there are no groups to compare. Choose another in Data & models.")
        return
    with guard():
        _model_choice(state)
        file = material.sae(state)
        neurons = _switched(state, gallery, attribute, file)
        own = material.edit(state, gallery, attribute, file, neurons)
        view = st.segmented_control(
            "View", (ONE, MANY), default=str(state.filters.get("ask-view", ONE)), label_visibility="collapsed"
        )
        state.set_filter("ask-view", view or ONE)
        (many.many if view == MANY else one.one)(state, gallery, attribute, file, own)
        provenance.strip(material.facts(state, gallery, file, own))


def _model_choice(state: AppState) -> None:
    """Which model answers, in one line; another by name."""
    model = material.model(state)
    known = model.attachment.family.title if model.attachment.family else "found by experiment"
    with st.expander(f"Model that answers: {model.name} ({known})", icon=":material/forum:"):
        st.caption(
            f"Its language model reads {', '.join(model.attachment.names)}. The shipped one is a tiny LLaVA on the "
            "shipped image tower, taught the planted stereotype; it knows a closed list of words. Others are named "
            "local-dir:FOLDER or hf-hub:OWNER/NAME: LLaVA, InternVL, Qwen-VL, Gemma 3, PaliGemma, Idefics3, SmolVLM."
        )
        with st.form("ask-model-form", border=False):
            name = st.text_input("Model", value=str(state.filters.get("ask-model", material.DEFAULT)))
            if st.form_submit_button("Load"):
                before = state.filters.get("ask-model", material.DEFAULT)
                state.set_filter("ask-model", name.strip() or material.DEFAULT)
                try:
                    material.model(state)
                except InputError:
                    state.set_filter("ask-model", before)
                    raise
                st.rerun()


def _switched(state: AppState, gallery: object, attribute: str, file: object) -> tuple[int, ...]:
    """Which neurons are switched, and how."""
    if file is None:
        st.info("No SAE fits what this model reads: answers are shown as they are.", icon=":material/info:")
        return ()
    found = material.by_rule(state, gallery, attribute, file)  # type: ignore[arg-type]
    first, second, third = st.columns([1.2, 1.6, 1.2], vertical_alignment="bottom")
    text = first.text_input(
        f"Neurons of {file.name}",  # type: ignore[attr-defined]
        value=str(state.filters.get("ask-neurons", ", ".join(map(str, found)))),
        help=f"The rule finds {', '.join(map(str, found)) or 'none'} for {attribute} on the probe half",
    )
    hold = second.segmented_control(
        "Switched",
        list(HOLDS),
        default=str(state.filters.get("ask-hold", material.OFF)),
        format_func=lambda name: HOLDS[name],
        help=HOLD_HELP,
    )
    strength = third.slider("Strength", 0.0, 1.0, float(str(state.filters.get("ask-strength", 1.0))), 0.05)
    state.set_filter("ask-hold", hold or material.OFF)
    state.set_filter("ask-strength", strength)
    state.set_filter("ask-neurons", text)
    try:
        return tuple(sorted({int(part) for part in text.replace(" ", "").split(",") if part}))
    except ValueError:
        raise InputError(f"the neurons were {text!r}; expected numbers with commas, as 3, 17") from None
