"""Server: how the team's server is, who is in, and the record of what was done; for whoever operates it."""

import os
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core import access
from core.team import metrics, record
from core.team.configuration import current
from core.team.serving import folders_of
from core.ui.parts import offers
from core.ui.parts.frame import guarded
from core.ui.parts.heading import heading
from core.ui.session import entering, work
from core.ui.session.escaping import escape

if TYPE_CHECKING:
    from core.team.record import Line
    from core.team.settings import Configuration

LOOK_SECONDS = 5
LINES = 200
"""Lines of the record on the page, the newest; exports hold all that were asked for."""
ALL = "every action"


def server() -> None:
    """The whole page."""
    heading("Server", "Disk, memory, sessions, jobs, and the record of what was done")
    configuration = current()
    if configuration is None:
        st.info("One person works alone here; a team server is started by `python -m core serve --config FILE`.")
        return
    access.require("operate")
    _now()
    _record()


@st.fragment(run_every=LOOK_SECONDS)
@guarded
def _now() -> None:
    """How the server is at this moment."""
    configuration = current()
    access.require("operate")
    if configuration is None:
        return
    people = entering.present()
    health = metrics.asked_health(configuration.metrics_address, configuration.metrics_port)
    facts = st.columns(4)
    facts[0].metric("Sessions", f"{len(people):,}")
    facts[1].metric("Memory of the app", f"{metrics.memory_of(os.getpid()) / 1e9:.2f} GB")
    for column, (state, number) in zip(facts[2:], _jobs(), strict=False):
        column.metric(f"Jobs {escape(state)}", f"{number:,}")
    parts = [f"{part} {state}" for part, state in health.items() if isinstance(state, str)]
    st.caption(escape(", ".join(parts)) if parts else "Health is not answered: the app was started without `serve`.")
    disk, who = st.columns(2, gap="large")
    with disk:
        st.dataframe(_disks(configuration), hide_index=True, width="stretch")
    with who:
        counted = Counter((person.title or person.name or "nobody", _roles(person.roles)) for person in people)
        rows = [{"who": name, "roles": roles, "sessions": n} for (name, roles), n in counted.most_common()]
        st.dataframe(rows or [{"who": "nobody", "roles": "", "sessions": 0}], hide_index=True, width="stretch")


def _roles(roles: frozenset[str]) -> str:
    return ", ".join(sorted(roles)) or "none"


def _jobs() -> list[tuple[str, int]]:
    """The states in which there is still something to do, and how many jobs are in each."""
    counts = work.store().counts()
    return [(state, counts[state]) for state in ("running", "waiting")]


def _disks(configuration: "Configuration") -> list[dict[str, str]]:
    rows = []
    for name, folder in folders_of(configuration).items():
        free, whole = metrics.disk_of(folder)
        rows.append({"folder": name, "free": f"{free / 1e9:,.1f} GB", "of": f"{whole / 1e9:,.1f} GB"})
    return rows


# -- the record -------------------------------------------------------------------------------------------------------


@st.fragment
@guarded
def _record() -> None:
    """What was done, to be looked through and taken away."""
    access.require("operate")
    kept = record.kept()
    st.subheader("What was done", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Words", key="record-words", max_chars=100, placeholder="who, what, 2026-11-29, refused")
        known = [ALL, *access.ACTIONS, record.SIGNED_IN, record.SIGNED_OUT, record.SERVED, record.STOPPED]
        action = st.selectbox("Action", known, key="record-action")
    chosen = "" if action == ALL else action
    lines = kept.lines(action=chosen, words=words, newest=LINES + 1)
    more = len(lines) > LINES
    st.dataframe([_row(line) for line in reversed(lines[-LINES:])] or [_EMPTY], hide_index=True, width="stretch")
    st.caption(
        f"The newest {LINES:,} lines; exports hold all." if more else f"{len(lines):,} line{'s' * (len(lines) != 1)}."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, kind, text in (("CSV", "csv", record.as_csv), ("JSON lines", "jsonl", record.as_json_lines)):
            offers.download(
                st,
                f"Export as {title}",
                partial(_export, text, chosen, words),
                file_name=f"record.{kind}",
                mime="text/csv" if kind == "csv" else "application/jsonl",
                icon=":material/download:",
                on_click="ignore",
            )
        if st.button("Check the record", icon=":material/fact_check:"):
            _check(kept)


_EMPTY = {"when (UTC)": "", "who": "no line", "action": "", "what": "", "outcome": ""}


def _row(line: "Line") -> dict[str, str]:
    when = line.at[:19].replace("T", " ")
    who = line.who or "the server"
    return {"when (UTC)": when, "who": who, "action": line.action, "what": line.what, "outcome": line.outcome}


def _check(kept: record.Record) -> None:
    """Whether every line is as it was written."""
    if not (damages := kept.damages()):
        st.success(f"Every line is as it was written and none is missing ({len(kept.lines()):,} lines).")
        return
    st.warning(escape(f"{damages[0]}{f', and {len(damages) - 1:,} more' if len(damages) > 1 else ''}"))


def _export(text: record.Written, action: str, words: str) -> bytes:
    """The lines that were asked for, for whoever may have them at the moment of the click."""
    access.require("operate")
    return text(record.kept().lines(action=action, words=words)).encode()
