"""Long work in view of the person who started it: a progress bar, then a result or one calm line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from core.config import Progress

SURE_AFTER = 4.0
"""Seconds of a stage after which its pace says something of the rest."""
A_MINUTE_AND_A_HALF = 90.0
REDRAW_SECONDS = 0.15
"""Least time between two drawings of a bar: more often costs more than the work of small steps."""


@contextmanager
def progress(label: str, at_once: bool = True, cancel: Callable[[], None] | None = None) -> Iterator[Progress]:
    """A bar that follows `report(done, total, what)` and is gone when the work is over or fails.

    Where the work takes longer than some seconds the bar says how long the stage will still take at its pace so far.
    Any click elsewhere in the page stops the work at its next report; what can be resumed goes on where it was.

    Parameters
    ----------
    at_once : False: nothing is drawn before the first report: for work that is mostly done before a bar could be seen.
    cancel : a button beside the bar stops the work, and calls this.
    """
    place = st.empty()
    shown = place
    if cancel is not None:
        with place.container():
            shown = st.empty()
            st.button("Cancel", icon=":material/close:", on_click=cancel, key=f"stop-{label}")
    drawn, stage, began = 0.0, "", time.monotonic()
    if at_once:
        shown.progress(0.0, text=f"{label}…")

    def report(done: int, total: int, what: str = "") -> None:
        nonlocal drawn, stage, began
        now = time.monotonic()
        if (head := what.split(":")[0]) != stage:
            stage, began = head, now
        if done < total and now - drawn < REDRAW_SECONDS:
            return
        drawn = now
        share = min(max(done / total, 0.0), 1.0) if total else 0.0
        left = remaining(now - began, share)
        shown.progress(share, text=f"{label}: {what or 'step'}, {done:,} of {total:,}{left}")

    try:
        yield report
    finally:
        place.empty()


def remaining(elapsed: float, share: float) -> str:
    """ ", about 2 min left" at the pace so far; nothing is said of what is over soon or has only just begun."""
    if share <= 0 or elapsed < SURE_AFTER:
        return ""
    seconds = elapsed * (1 - share) / share
    if seconds < SURE_AFTER:
        return ""
    if seconds >= A_MINUTE_AND_A_HALF:
        return f", about {seconds / 60:.0f} min left"
    return f", about {max(10 * round(seconds / 10), 10)} s left"
