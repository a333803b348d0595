"""Guide: topics on the left, one of them on the right; everything is read from this folder, offline."""

import streamlit as st

from core.ui.guide.topics import Topic, holding, in_theme, linked, pieces, topics
from core.ui.parts.frame import guard
from core.ui.session import links
from core.ui.session.choices import GUIDE_TOPIC
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, get_state

LIST, TEXT = 1, 3.4
"""Widths of the list of topics and of the text beside it."""


def guide() -> None:
    """The whole page."""
    state = get_state()
    with guard():
        known = topics()
        aside, text = st.columns([LIST, TEXT], gap="large")
        with aside:
            chosen = _chosen(state, known)
        with text:
            _read(state, known, known[chosen])


def _chosen(state: AppState, known: dict[str, Topic]) -> str:
    """Which topic is read: one of those in which the typed words stand, or of all."""
    words = st.text_input("Search the guide", key="guide-words", max_chars=60, placeholder="beyond chance")
    found = holding(words, known)
    if not found:
        st.caption(f"No topic has “{escape(words)}”: all are listed.")
        found = list(known.values())
    elif words:
        st.caption(f"{len(found)} of {len(known)} topics have “{escape(words)}”.")
    names = [topic.name for topic in found]
    GUIDE_TOPIC.among(state, names)
    st.radio("Topics", names, format_func=lambda name: known[name].title, **GUIDE_TOPIC.mirrored(state))
    return GUIDE_TOPIC.among(state, names)


def _read(state: AppState, known: dict[str, Topic], topic: Topic) -> None:
    """One topic, and the way on to those that it names."""
    st.title(topic.title, anchor=False)
    dark = st.context.theme.type == "dark"
    for piece in pieces(topic.text):
        if piece.file is not None:
            st.image(str(in_theme(piece.file, dark)), caption=piece.text, alt=piece.text)
        else:
            st.markdown(piece.text)
    further = [name for name in linked(topic.text) if name in known]
    if further:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Read on", width="content")
            for name in further:
                if st.button(known[name].title, type="tertiary", key=f"guide-{topic.name}-{name}"):
                    GUIDE_TOPIC.put(state, name)
                    links.go("pages/guide.py")
