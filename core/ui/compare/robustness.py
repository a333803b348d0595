"""Robustness of Compare's finding: the same prompt in other words, at other lengths, with slightly changed pictures."""

import pandas as pd
import streamlit as st

from core.config import Progress, digest_of
from core.gallery.perturbed import why_no_pictures
from core.ranking.robustness import robustness
from core.ranking.variants import Robustness
from core.studies.robustness import picture, rows_of
from core.ui.parts import charts, offers, provenance
from core.ui.session import cache, results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.state import get_state
from core.writing import frame_text

ASKED: Choice[str | None] = Choice("robustness-asked", None)
"""Digest of the question that was asked otherwise."""


def view(question: results.Asked) -> None:
    """A button, because changed pictures are embedded at the first time; then figure, sentences and a table."""
    state, key = get_state(), digest_of(question.parts)
    if ASKED.of(state) != key:
        pictures = why_no_pictures(question.gallery) is None and question.scene.model is not None
        st.caption(
            "Asks the same question in other words, and with a quarter to four times as many retrieved"
            + (
                "; and with pictures that are cropped, saved again and mirrored. Embedding the changed pictures takes "
                "its time once."
                if pictures
                else "."
            )
        )
        st.button(
            "Ask it otherwise",
            icon=":material/rule:",
            key="robustness-run",
            on_click=ASKED.put,
            args=(state, key),
        )
        return
    with progress("Robustness") as report:
        result = asked(question, report)
    request, prompt = question.request, result.prompts[0]
    part = "".join(f", {column} = {value}" for column, value in request.where.items())
    what = f"{request.attribute} in gallery {question.gallery.name}{part}"
    drawn = picture(result, what, request.k, request.intervenes)
    provenance.chart(charts.picture(drawn), key="robustness", config=charts.config("robustness"), alt=drawn.alt)
    st.markdown("  \n".join(map(escape, prompt.sentences())))
    st.caption(escape(drawn.notes))
    for note in result.notes:
        st.caption(f":material/info: {escape(note)}")
    table = pd.DataFrame(list(rows_of(result)))
    with st.expander("Every variant", icon=":material/table:"):
        st.dataframe(table, hide_index=True)
        offers.download(
            st,
            "Download as CSV",
            frame_text(table),
            "robustness.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def asked(question: results.Asked, report: Progress | None = None) -> Robustness:
    """The finding's variants, once for the same question."""
    q = question
    prompts = [str(q.request.query)]
    return cache.result("robustness", q.parts, lambda: robustness(q.scene, q.request, prompts, progress=report))
