"""Start: what can be done here, what is loaded, and your own faces or captions."""

import streamlit as st

from core.ui.parts import frame, grids
from core.ui.parts.switches import switch
from core.ui.session import cache
from core.ui.session.choices import START_VIEW
from core.ui.session.state import get_state
from core.ui.start import overview, tour, uploads

VIEWS = {"loaded": "The gallery", "uploads": "Your own"}
TITLES = {"loaded": "Who appears when you ask for a doctor?", "uploads": "Your own faces and captions"}

frame.through_app()
state = get_state()
st.html(grids.STYLE)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title(TITLES[START_VIEW.among(state, VIEWS)], anchor=False, width="content")
    view = switch(state, "Show", START_VIEW, VIEWS)
if view == "uploads":
    uploads.panel()
else:
    st.markdown(
        "Ask a CLIP model for people, see the **neurons** that carry gender, race or age, **switch them off**, and "
        "count who appears instead, with intervals and with what it costs."
    )
    tour.buttons()
    with frame.guard():
        overview.pictures(cache.current_gallery())
        st.header("How many of each group", anchor=False)
        overview.group_sizes(cache.current_gallery())
    st.header("Where it comes from", anchor=False)
    overview.loaded()
