"""Two audits beside each other: kept ones or archives, and what `audit-diff` says of them, as a table."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from core import access
from core.ui.parts import grids, offers
from core.ui.parts.frame import guard
from core.ui.session import jobs
from core.ui.session.choices import Choice
from core.ui.session.state import AppState

UPLOADED = ""
"""Stands for an archive in the lists of kept audits."""
SIDES = (("first", "The earlier one"), ("second", "The later one"))
FOUND: Choice[Mapping[str, Any] | None] = Choice("audit-difference", None)
"""What was found of the two that were compared last; None: none were."""


def two_audits(state: AppState) -> None:
    """Choose two audits and compare them."""
    from core.report.kept import RANKINGS, kept

    # two audits of one title may end in the same second: the name tells them apart
    listed = {
        one.name: f"{one.title}, {one.created_at[:16].replace('T', ' ')} ({one.name[-6:]})"
        for one in kept()
        if one.reason is None and one.kind == RANKINGS
    }
    # an archive comes in by the same door as one that is to be verified
    names = [*listed, *([UPLOADED] if access.may("verify") else [])]
    if not names:
        return
    with st.expander("Compare two audits", icon=":material/compare_arrows:"):
        st.caption("Differences are the later one minus the earlier one; paired where both searched the same items.")
        chosen = []
        for at, (column, (key, label)) in enumerate(zip(st.columns(2), SIDES, strict=True)):
            # the newest is the later one, the one before it the earlier one
            first = min(1 - at, len(names) - 1)
            with column:
                name = st.selectbox(
                    label, names, first, format_func=lambda n: listed.get(n, "An archive (zip)"), key=f"diff-{key}"
                )
                given = None
                if name == UPLOADED:
                    given = offers.upload(st, f"Archive: {label.lower()}", type=["zip"], key=f"diff-zip-{key}")
                chosen.append((name, None if given is None else given.getvalue()))
        ready = all(name != UPLOADED or data is not None for name, data in chosen)
        if st.button("Compare them", disabled=not ready, icon=":material/compare_arrows:"):
            with guard():
                FOUND.put(state, None)
                FOUND.put(state, _compared(chosen))
        found = FOUND.of(state)
        if found is not None:
            _show(found)


def _compared(chosen: list[tuple[str, bytes | None]]) -> dict[str, Any]:
    from core.report.comparison import audit_diff, read_audit

    with jobs.progress("Comparing") as progress:
        documents = []
        for at, (name, data) in enumerate(chosen):
            progress(at, 3, "reading")
            with _folder(name, data) as folder:
                documents.append(read_audit(folder))
        progress(2, 3, "comparing")
        return audit_diff(*documents)


@contextmanager
def _folder(name: str, data: bytes | None) -> Iterator[Path]:
    """The folder of a kept report, or of an archive that was unpacked safely."""
    from core.report.kept import open_kept
    from core.report.unpacking import unpacked

    files = open_kept(name) if data is None else unpacked(data)
    # the name is what a message calls it by
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / (name or "archive")
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
        yield folder


def _show(found: Mapping[str, Any]) -> None:
    from core.report.difference_words import asked_lines, finding_lines, list_row, named_line

    for (_, label), name in zip(SIDES, ("a", "b"), strict=True):
        st.markdown(f"**{label}** :small[{grids.escape(named_line(found[name]))}]")
    st.markdown("\n".join(f"- {grids.escape(line)}" for line in asked_lines(found)))
    decimals = {name: st.column_config.NumberColumn(format="%+.1f") for name in ("points", "from", "to")}
    small = {name: st.column_config.NumberColumn(format="%.3g") for name in ("p", "adjusted p")}
    st.dataframe([list_row(one) for one in found["lists"]], hide_index=True, column_config=decimals | small)
    what = "share of the top k" if found["paired"] else "lean"
    st.caption(
        f"Points: change of the {what} of the group that moves most, with its 95 % interval. p of pre-registered "
        "prompts corrected together by Holm, of exploratory ones by Benjamini and Hochberg."
    )
    lines = list(finding_lines(found))
    if lines:
        st.markdown("\n".join(f"- {grids.escape(line)}" for line in lines))
    else:
        st.caption("Every finding that both hold has the same verdict in both.")
