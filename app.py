"""Unskew in the browser: `streamlit run app.py`."""

import streamlit as st

from core.ui.parts import co_viewing, door, frame, menu, provenance, window
from core.ui.session import jobs, links
from core.ui.session.state import get_state
from core.ui.start import stage

frame.configure()
if not door.admitted(menu.PAGES):
    st.stop()
page = st.navigation(
    [
        st.Page(f"pages/{one.file}.py", title=one.title, help=one.help, url_path=one.file, default=one.file == "start")
        for one in menu.shown(menu.PAGES)
    ],
    position="top",
)
get_state().page = page.url_path or "start"
links.restore()
links.write()
frame.notices()
stage.bar(get_state().page)
frame.places()
with frame.guard():
    page.run()
    if get_state().page not in ("ask", "compare", "guide", "jobs", "models", "report", "server") and not stage.shown():
        provenance.foot()
frame.sidebar()
window.listen()
co_viewing.control()
links.write()
jobs.settle()
frame.spare_collections()
