"""Start: the demo, what is loaded, and your own faces or captions."""

import streamlit as st

from core import access
from core.ui.parts import frame, grids
from core.ui.parts.switches import switch
from core.ui.session.choices import START_VIEW
from core.ui.session.state import AppState, get_state
from core.ui.start import overview, stage, uploads

VIEWS = {"loaded": "The gallery", "uploads": "Your own"}
OWN_TITLE = "Your own faces and captions"


def start(state: AppState) -> None:
    """What can be done here and what is loaded, or what a person brings along."""
    views = {name: title for name, title in VIEWS.items() if name != "uploads" or access.may("upload")}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        own = START_VIEW.among(state, views) == "uploads"
        st.title(OWN_TITLE if own else stage.question(state), anchor=False, width="content")
        view = switch(state, "Show", START_VIEW, views)
    if view == "uploads":
        uploads.panel()
        return
    st.markdown(
        "Ask a CLIP model for people, see the **neurons** that carry gender, race or age, **switch them off**, and "
        "count who appears instead, with intervals and with what it costs."
    )
    stage.buttons()
    overview.everything()


frame.through_app()
st.html(grids.STYLE)
if stage.running(get_state()):
    stage.show()
else:
    start(get_state())
