"""One of a few, side by side: which view of a page is shown, which way of searching."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from core.ui.session.choices import Choice, U
from core.ui.session.state import AppState


def switch(
    state: AppState,
    label: str,
    choice: Choice,
    names: Mapping[U, str],
    shown: bool = False,
    width: Literal["content", "stretch"] = "content",
) -> U:
    """The value that is chosen among those named; the first where none of them is. Of one nothing is drawn.

    Parameters
    ----------
    names : value -> what stands on its button, in reading order.
    shown : whether the label stands above; it is there for readers of the page's text in any case.
    """
    choice.among(state, names)
    if len(names) == 1:
        return choice.among(state, names)
    st.segmented_control(
        label,
        list(names),
        format_func=lambda value: names[value],
        required=True,
        label_visibility="visible" if shown else "collapsed",
        width=width,
        **choice.mirrored(state),
    )
    return choice.among(state, names)
