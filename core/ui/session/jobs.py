"""Long work in view of the person who started it: a progress bar, then a result or one calm line."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.config import Progress
from core.ui.session.escaping import escape

REDRAW_SECONDS = 0.15
"""Least time between two drawings of a bar: more often costs more than the work of small steps."""


@contextmanager
def progress(label: str, at_once: bool = True) -> Iterator[Progress]:
    """A bar that follows `report(done, total, what)` and is gone when the work is over or fails.

    `at_once` False draws nothing before the first report: for work that is mostly done before a bar could be seen.
    Any click elsewhere in the page stops the work at its next report; what can be resumed goes on where it was.
    """
    shown, drawn, label = st.empty(), 0.0, escape(label)
    if at_once:
        shown.progress(0.0, text=f"{label}…")

    def report(done: int, total: int, what: str = "") -> None:
        nonlocal drawn
        now = time.monotonic()
        if done < total and now - drawn < REDRAW_SECONDS:
            return
        drawn = now
        share = min(max(done / total, 0.0), 1.0) if total else 0.0
        shown.progress(share, text=f"{label}: {escape(what) or 'step'}, {done:,} of {total:,}")

    try:
        yield report
    finally:
        shown.empty()
