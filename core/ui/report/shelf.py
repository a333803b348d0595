"""Audits that are kept on this machine, and reports of somebody else: opened, forgotten, checked."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from core import access
from core.ui.parts import grids, offers
from core.ui.parts.frame import guard
from core.ui.session import cache, jobs
from core.ui.session.state import AppState

SHOWN = 12
"""Kept audits on the page; the others are found on disk."""
DIFFERENCES = 20
DIGEST = re.compile(r"[0-9a-f]{64}")


def kept(state: AppState) -> str | None:
    """The list of kept audits; the name of the one that was opened, else None."""
    from core.report import kept as store

    found = store.kept()
    if not found:
        return None
    opened = None
    with st.expander(f"Audits kept on this machine ({len(found)})", icon=":material/inventory_2:"):
        where = f"In `{grids.escape(str(store.kept_folder()))}`, the" if access.may("choose") else "The"
        st.caption(f"{where} newest first; whoever uses this app sees them.")
        for one in found[:SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center"):
                if one.reason is not None:
                    st.markdown(f":small[{grids.escape(one.name)}: cannot be opened: {grids.escape(one.reason)}]")
                else:
                    when = grids.escape(one.created_at[:16].replace("T", " "))
                    st.markdown(
                        f"**{grids.escape(one.title)}** :small[{when}, gallery "
                        f"{grids.escape(one.gallery)}, {one.findings} findings, auditor {grids.escape(one.auditor)}]",
                        width="stretch",
                    )
                    if st.button("Open", key=f"open-{one.name}", icon=":material/folder_open:"):
                        opened = one.name
                if access.may("delete") and st.button("Forget", key=f"forget-{one.name}", icon=":material/delete:"):
                    store.forget(one.name)
                    state.notice("The audit was removed from this machine.")
                    st.rerun()
        if len(found) > SHOWN:
            st.caption(f"{len(found) - SHOWN} older ones are kept there too.")
    return opened


def somebody_elses(state: AppState) -> None:
    """Verify a report that came as a zip archive: unpacked safely, computed again with the galleries that are here."""
    from core.report.unpacking import unpacked

    with st.expander("Verify somebody else's report", icon=":material/fact_check:"):
        given = offers.upload(st, "The zip archive of a report", type=["zip"], key="report-zip")
        key = offers.upload(st, "Public half of the key that should have signed it (optional)", key="report-key")
        st.caption(
            "It is unpacked into a temporary folder and checked with the gallery and the SAEs that are chosen "
            "here, or that ship; no folder is opened because the report names it."
        )
        if st.button("Verify the archive", disabled=given is None, icon=":material/fact_check:") and given is not None:
            with guard():
                verdict_of(unpacked(given.getvalue()), state, key.getvalue() if key is not None else None)


def verdict_of(files: Mapping[str, bytes], state: AppState | None = None, key: bytes | None = None) -> None:
    """Compute every number of a report again and show the verdict.

    Parameters
    ----------
    state : for a report of somebody else: only what is chosen in this session and what ships is opened.
    key : public half of the key that should have signed it.
    """
    from core.verify import verify

    galleries, saes = _of_session(state, files) if state is not None else ([], [])
    with jobs.progress("Verifying") as progress, tempfile.TemporaryDirectory() as folder:
        report, public = Path(folder) / "report", Path(folder) / "key.pub"
        report.mkdir()
        for name, content in files.items():
            (report / name).write_bytes(content)
        if key is not None:
            public.write_bytes(key)
        by = public if key is not None else None
        verdict = verify(report, galleries, saes, progress, public=by, trusting=state is None)
    if verdict.equal:
        st.info("\n".join(f"- {grids.escape(line)}" for line in verdict.sentences()), title="All equal")
    else:
        lines = [*verdict.differences[:DIFFERENCES]]
        if len(verdict.differences) > DIFFERENCES:
            lines.append(f"and {len(verdict.differences) - DIFFERENCES} more")
        st.warning("\n".join(f"- {grids.escape(line)}" for line in lines), title="Not equal")


def _of_session(state: AppState, files: Mapping[str, bytes]) -> tuple[list[Path], list[Path]]:
    """Folders of the galleries and SAEs that are chosen in this session, of those that a report names by digest."""
    named = set(DIGEST.findall(files["manifest.json"].decode("utf-8", "replace")))
    galleries = {one.digest: one.path for one in (cache.current_gallery(state), cache.current_probe(state))}
    chosen = (cache.current_sae(side, state) for side in state.saes)
    saes = {sae.digest: sae.path for sae in chosen if sae is not None and sae.path is not None}
    return [path for digest, path in galleries.items() if digest in named], [
        path for digest, path in saes.items() if digest in named
    ]
