"""The first line of every page: its name, as in the menu, and what it is for; low, so that the answer is in sight."""

import streamlit as st

STYLE = """<style>
.st-key-heading h1 { font-size: 1.4rem; padding: 0; line-height: 1.5; }
.st-key-heading [data-testid="stCaptionContainer"] p { font-size: 0.95rem; }
@media (max-width: 640px) { .st-key-heading [data-testid="stCaptionContainer"] { display: none; } }
</style>"""


def heading(name: str, purpose: str) -> None:
    """The page's only first-level heading, with one line of purpose beside it.

    Parameters
    ----------
    name : what the menu calls the page.
    purpose : what a person does there, without a full stop. Not shown on a phone, where the answer comes first.
    """
    st.html(STYLE)
    with st.container(key="heading", horizontal=True, vertical_alignment="center", gap="medium"):
        st.title(name, anchor=False, width="content")
        st.caption(purpose, width="stretch")
