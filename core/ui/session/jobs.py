"""Long work in view of the person who started it: how far it is, how long it takes, a way to stop it; then a result."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.config import InputError, Progress
from core.jobs.pace import Pace, words_of
from core.ui.session.escaping import escape

REDRAW_SECONDS = 0.15
"""Least time between two drawings of a bar: more often costs more than the work of small steps."""
SOON = 0.4
"""Seconds of work that nothing is drawn of, where it is mostly over before a bar could be seen."""
STOPPED = "stopped-work"
"""Key of the session under which the name of the work stands that was stopped by the click of this run."""

_numbers = itertools.count()


@contextmanager
def progress(label: str, at_once: bool = True) -> Iterator[Progress]:
    """A bar that follows `report(done, total, what)`, with a way to stop, gone when the work is over or fails.

    `at_once` False draws nothing of work that is over soon. The button ends the work at its next report, as does any
    other click in the page; what can be resumed goes on where it was. Work that a page does by itself is not begun
    again by the run that stops it.

    InputError : this very work was stopped by the click that led to this run.
    """
    if st.session_state.get(STOPPED) == label:
        settle()
        st.button("Go on", key=f"go-on-{next(_numbers)}", icon=":material/play_arrow:")
        raise InputError(f"{label}: stopped before it was done; go on, or ask for something else")
    pace, began = Pace(), time.monotonic()
    place, bar, drawn = None, None, began

    def draw(share: float, text: str) -> None:
        nonlocal place, bar
        if bar is not None:
            bar.progress(share, text=text)
            return
        place = st.empty()  # here and not before: work that is over soon sends nothing
        with place.container(horizontal=True, vertical_alignment="center", gap="small"):
            bar = st.progress(share, text=text)
            st.button("Stop", key=f"stop-{next(_numbers)}", icon=":material/stop:", on_click=_stop, args=(label,))

    def report(done: int, total: int, what: str = "") -> None:
        nonlocal drawn
        now = time.monotonic()
        left = pace.left(done, total, what, now)
        if now - drawn < REDRAW_SECONDS and (done < total or bar is None):
            return
        if bar is None and now - began < SOON:
            return
        drawn = now
        share = min(max(done / total, 0.0), 1.0) if total else 0.0
        told = f", {words_of(left)}" if left is not None and done < total else ""
        draw(share, f"{escape(label)}: {escape(what) or 'step'}, {done:,} of {total:,}{told}")

    if at_once:
        draw(0.0, f"{escape(label)}…")
    try:
        yield report
    finally:
        if place is not None:
            place.empty()


def _stop(label: str) -> None:
    st.session_state[STOPPED] = label


def settle() -> None:
    """A run is over: what was stopped in it may begin again. app.py calls this after the page."""
    st.session_state.pop(STOPPED, None)
