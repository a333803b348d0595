"""Unskew in the browser: `streamlit run app.py`."""

import streamlit as st

from core.ui.parts import frame, provenance, window
from core.ui.session import jobs, links
from core.ui.session.state import get_state
from core.ui.start import stage

PAGES = [
    ("start", "Start", "What is loaded, the guided demo, and your own faces or captions"),
    ("neurons", "Neurons", "Find neurons that carry gender, race or age, and see what they answer to"),
    ("label", "Label", "Say what neurons answer to, with one hand on the keyboard; several raters, agreement, sets"),
    ("compare", "Compare", "A prompt before and after neurons are switched off, and what it costs"),
    ("ask", "Ask", "What a large vision-language model says about people, before and after"),
    ("report", "Report", "An audit with its findings, to export and to verify"),
    ("benchmark", "Benchmark", "Every method side by side on a gallery, and the papers' studies"),
    ("data_and_models", "Data & models", "Choose, build and import galleries, models and SAEs"),
    ("guide", "Guide", "What every word means, what every number says, and how to go on from here"),
]

frame.configure()
page = st.navigation(
    [
        st.Page(f"pages/{file}.py", title=title, help=what, url_path=file, default=file == "start")
        for file, title, what in PAGES
    ],
    position="top",
)
get_state().page = page.url_path or "start"
links.restore()
links.write()
frame.notices()
stage.bar(get_state().page)
with frame.guard():
    page.run()
    if get_state().page not in ("ask", "compare", "guide", "report"):
        provenance.foot()
frame.sidebar()
window.listen()
links.write()
jobs.settle()
frame.spare_collections()
