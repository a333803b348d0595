"""Jobs: who asked for what, how far it is, what was said about it, and a way to end it."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from core import access
from core.ui.parts import standing
from core.ui.parts.frame import guarded
from core.ui.parts.heading import heading
from core.ui.parts.switches import switch
from core.ui.session import work
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.state import get_state

if TYPE_CHECKING:
    from core.jobs.rows import Job

VIEW = Choice("jobs-view", "open")
WHOSE = Choice("jobs-whose", "all")
SHOWN = 30
"""Jobs on the page, the newest; older ones are counted."""
SAID = 12
"""Lines of a log that are shown."""


def jobs() -> None:
    """The whole page."""
    heading(
        "Jobs",
        "Builds, imports, trainings, audits, benchmarks, studies and maps: what waits, what runs, what came of it",
    )
    if not work.as_jobs():
        st.info("On one person's machine, work is done where it is asked for. Jobs are there on a team server.")
        return
    _list()


@st.fragment(run_every=standing.POLL_SECONDS)
@guarded
def _list() -> None:
    """The jobs, drawn again every two seconds."""
    from core.jobs.rows import OPEN, OVER

    state, counts = get_state(), work.store().counts()
    waits, runs = counts["waiting"], counts["running"]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        over = sum(counts[one] for one in OVER)
        view = switch(state, "Show", VIEW, {"open": f"Open ({waits + runs:,})", "over": f"Over ({over:,})"})
        whose = "own"
        if access.may("see-jobs"):
            whose = switch(state, "Whose", WHOSE, {"all": "Everyone's", "own": "Mine"})
        st.caption(_sentence(waits, runs))
    owner = access.acting().name if whose == "own" else None
    found = work.store().listed(OPEN if view == "open" else OVER, owner)
    if view == "open":
        found.sort(key=lambda job: (job.state != "running", -job.priority, job.submitted))
    if not found:
        st.caption("Nothing waits or runs." if view == "open" else "Nothing is over yet.")
    for job in found[:SHOWN]:
        _one(job)
    if len(found) > SHOWN:
        st.caption(f"and {len(found) - SHOWN:,} more")


def _sentence(waits: int, runs: int) -> str:
    """What goes on, in words; pages of others always come before jobs."""
    if not waits and not runs:
        return "No job waits or runs."
    return f"{runs:,} running, {waits:,} waiting. More urgent work goes first; clicks never wait for jobs."


def _one(job: "Job") -> None:
    with st.container(border=True):
        standing.line(job, owner=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            told = st.toggle("Log", key=f"log-{job.id}")
            standing.cancel_button(job)
            st.caption(f":small[{escape(job.id[:8])}]")
        if told:
            _log(job)


def _log(job: "Job") -> None:
    """The newest lines, with their times."""
    lines = work.store().log(job.id)[-SAID:]
    began = _clock(job.submitted)
    said = [f"{_clock(at)}  {line}" for at, line in lines]
    st.code(
        "\n".join([f"{began}  asked for by {job.owner_title or job.owner or 'whoever works here'}", *said]),
        language=None,
    )


def _clock(at: float) -> str:
    """Time of day, with the date where it is not today's."""
    when, today = datetime.fromtimestamp(at, UTC).astimezone(), datetime.fromtimestamp(time.time(), UTC).astimezone()
    return when.strftime("%H:%M:%S" if when.date() == today.date() else "%Y-%m-%d %H:%M")
