"""Unskew in the browser: `streamlit run app.py`."""

import streamlit as st

from core.access import configured
from core.ui.parts import door, frame, provenance
from core.ui.parts.door import Listed
from core.ui.session import jobs, links
from core.ui.session.state import get_state
from core.ui.start import stage

PAGES = [
    Listed("start", "Start", "What is loaded, the guided demo, and your own faces or captions", ("look",)),
    Listed("neurons", "Neurons", "Find neurons that carry gender, race or age, and see what they answer to", ("look",)),
    Listed(
        "label",
        "Label",
        "Say what neurons answer to, with one hand on the keyboard; several raters, agreement, sets",
        ("label", "adjudicate", "freeze-labels"),
    ),
    Listed("compare", "Compare", "A prompt before and after neurons are switched off, and what it costs", ("compare",)),
    Listed("ask", "Ask", "What a large vision-language model says about people, before and after", ("ask",)),
    Listed("report", "Report", "An audit with its findings, to export and to verify", ("look",)),
    Listed("benchmark", "Benchmark", "Every method side by side on a gallery, and the papers' studies", ("benchmark",)),
    Listed("data_and_models", "Data & models", "Choose, build and import galleries, models and SAEs", ("open",)),
    *([Listed("jobs", "Jobs", "What waits, what runs and what came of it", ("see-jobs",))] if configured() else []),
    Listed("guide", "Guide", "What every word means, what every number says, and how to go on from here", ("look",)),
]

frame.configure()
if not door.admitted(PAGES):
    st.stop()
page = st.navigation(
    [
        st.Page(f"pages/{one.file}.py", title=one.title, help=one.help, url_path=one.file, default=one.file == "start")
        for one in door.shown(PAGES)
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
    if get_state().page not in ("ask", "compare", "guide", "jobs", "report"):
        provenance.foot()
frame.sidebar()
links.write()
jobs.settle()
frame.spare_collections()
