"""What a click asks for first, and what stands around it after that.

A page's answer is a fragment of its own inside the part of the page that a click is in. `ask` in a click's callback
has the answer alone drawn again; `rest_follows`, drawn in the answer, has the part around it drawn again as soon as
nobody has clicked for a moment, where the click changed what that part shows, and as soon as no other session waits for
an answer of its own.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.config import digest_of
from core.ui.session import parcels

ANSWER, AROUND = "answer", "around"
"""Keys of the two fragments; one page has one of each."""
KEY = "rest"
"""Key of the component that asks for the rest."""
PAUSE_MS = 250
"""From an answer until the rest follows: whoever switches several neurons has not to wait between them."""
LONGEST_WAIT, LOOK = 1.0, 0.02
"""Seconds that what follows an answer waits at most for the answers of others, and between two looks at them."""
JS = """
let timer = 0;

export default function ({ data, setTriggerValue }) {
  clearTimeout(timer);
  if (data.owed) timer = setTimeout(() => setTriggerValue("owed", data.owed), data.pause);
  return () => clearTimeout(timer);
}
"""

_lock, _answering = threading.Lock(), [0]
_rest = st.components.v2.component("unskew_rest", js=JS)


def ask() -> None:
    """In a callback, as its last statement: draw the answer alone. A page that is not drawn yet is drawn whole."""
    parcels.hold()
    with suppress(StreamlitAPIException):  # there is no answer yet
        st.rerun(ANSWER)
    parcels.release()


@contextmanager
def answering() -> Iterator[None]:
    """An answer is being made inside: what follows the answers of other sessions waits for it."""
    with _lock:
        _answering[0] += 1
    try:
        yield
    finally:
        with _lock:
            _answering[0] -= 1


def _follow() -> None:
    """Draw the part around the answer, after the answers that others wait for."""
    end = time.monotonic() + LONGEST_WAIT
    while _answering[0] and time.monotonic() < end:
        time.sleep(LOOK)
    st.rerun(AROUND)


def rest_follows(drawn_for: object, now: object) -> None:
    """The end of an answer: it goes out, and the part around it follows where that shows something else by now.

    Parameters
    ----------
    drawn_for, now : what the part around was drawn for, and what it would be drawn for; both with a `repr`.
    """
    owed = "" if drawn_for == now else digest_of([repr(drawn_for), repr(now)])
    _rest(key=KEY, data={"owed": owed, "pause": PAUSE_MS}, on_owed_change=_follow, height="content")
    parcels.release()
