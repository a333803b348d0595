"""How wide the person's window is: on a phone figures are drawn for a phone."""

import streamlit as st

from core.ui.session.choices import PHONE
from core.ui.session.state import get_state

KEY = "window"
MEDIA = "(max-width: 640px)"
"""Windows that count as narrow: the width at which Streamlit sets columns below one another."""
JS = """
export default function ({ data, setStateValue }) {
  const phone = matchMedia(data.media);
  const tell = () => { if (phone.matches !== data.narrow) setStateValue("narrow", phone.matches); };
  phone.addEventListener("change", tell);
  tell();
  return () => phone.removeEventListener("change", tell);
}
"""

_window = st.components.v2.component("unskew_window", js=JS)


def listen() -> None:
    """Learn whether the window is narrow, and again whenever that changes; a wide one, which is assumed, says nothing.

    Called once a run, outside of any fragment.
    """
    narrow = PHONE.of(get_state())
    _window(key=KEY, data={"media": MEDIA, "narrow": narrow}, on_narrow_change=_take, height="content")


def _take() -> None:
    PHONE.put(get_state(), bool(st.session_state[KEY].get("narrow")))
