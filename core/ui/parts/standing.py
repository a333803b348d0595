"""How a job stands: its state in words, how far it is, and what its owner can do about it."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core import access
from core.jobs.pace import words_of
from core.ui.parts.frame import guarded
from core.ui.session import work
from core.ui.session.escaping import escape

if TYPE_CHECKING:
    from core.jobs.rows import Job

POLL_SECONDS = 2.0
ICONS = {
    "waiting": ":material/schedule:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/block:",
}


def standing(kind: str, use: str = "", take: "Callable[[Job], None] | None" = None) -> None:
    """How the last job of a kind stands that this session asked for, drawn again while it is open; nothing where it
    asked for none.

    Parameters
    ----------
    use, take : words and callback of the button with which its result is taken up.
    """
    job = work.own(kind) if work.as_jobs() else None
    if job is not None:
        st.fragment(_live, run_every=POLL_SECONDS if job.open else None)(kind, use, take)


@guarded
def _live(kind: str, use: str, take: "Callable[[Job], None] | None") -> None:
    job = work.own(kind)
    if job is None:
        return
    with st.container(border=True):
        line(job)
        with st.container(horizontal=True):
            if job.state == "done" and take is not None:
                st.button(
                    use, key=f"take-{job.id}", type="primary", icon=":material/check:", on_click=take, args=(job,)
                )
            cancel_button(job)
            if st.button("Jobs", key=f"to-jobs-{job.id}", icon=":material/list:", help="All jobs of this server"):
                st.switch_page("pages/jobs.py")
        if job.open:
            st.caption("You can leave this page, or close it: the work goes on.")
    if not job.open and work.asked(f"{kind} polled").of(work.get_state()) == job.id:
        work.asked(f"{kind} polled").put(work.get_state(), None)
        st.rerun()  # the last time: what it made can now be seen elsewhere on the page
    elif job.open:
        work.asked(f"{kind} polled").put(work.get_state(), job.id)


def line(job: "Job", owner: bool = False) -> None:
    """What it is, its state, and how far it is."""
    who = f" · {escape(job.owner_title or job.owner)}" if owner and (job.owner_title or job.owner) else ""
    st.markdown(f"{ICONS[job.state]} **{escape(job.title)}** :small[{state_words(job, time.time())}{who}]")
    if job.state == "running" and job.total > 0:
        left = f", {words_of(job.seconds_left)}" if job.seconds_left is not None else ""
        share = min(max(job.done / job.total, 0.0), 1.0)
        st.progress(share, text=f"{escape(job.stage) or 'step'}, {job.done:,} of {job.total:,}{left}")
    if job.state == "failed":
        st.caption(f":orange[{escape(job.reason)}]")
    elif job.state == "done" and job.result and job.result not in job.subject:
        st.caption(f"Made: {escape(job.result)}")


def state_words(job: "Job", now: float) -> str:
    """ "running for 3 min", "waits since 20 s", "done 2 h ago, after 5 min of work"."""
    if job.state == "waiting":
        again = f", begun {job.attempt} times" if job.attempt > 1 else ", begun before" if job.attempt else ""
        return f"waits for {duration(now - job.submitted)}{again}"
    if job.state == "running":
        return f"{'is being cancelled' if job.cancelling else 'running'} for {duration(now - (job.started or now))}"
    after = f", after {duration(job.worked)} of work" if job.worked >= 1 else ""
    return f"{job.state} {duration(now - (job.finished or now))} ago{after}"


def duration(seconds: float) -> str:
    """A time in the words one would say."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"


def cancel_button(job: "Job") -> None:
    """The way to end a job, for its owner and operators."""
    own = bool(job.owner) and access.acting().name == job.owner
    if job.open and (own or access.may("cancel-any-job")):
        st.button(
            "Cancel",
            key=f"cancel-{job.id}",
            icon=":material/close:",
            disabled=job.cancelling,
            on_click=_cancel,
            args=(job.id,),
        )


def _cancel(job: str) -> None:
    from core.config import InputError

    try:
        work.store().cancel(job)
    except InputError as error:
        work.get_state().notice(str(error))
