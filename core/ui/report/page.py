"""Report: what is asked is written down first, then measured; findings in sentences, and everything to download."""

import functools
import json
import re
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core import access
from core.gallery import Gallery
from core.reading import parse_json
from core.ui.parts import grids, offers, provenance, standing
from core.ui.parts.frame import guard
from core.ui.parts.heading import heading
from core.ui.report import beside, form, shelf
from core.ui.session import cache, entering, jobs, work
from core.ui.session.choices import Choice
from core.ui.session.packing import packed, zipped
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.audit.spec import AuditSpec
    from core.home.exporting import ExportRequest
    from core.jobs.rows import Job
    from core.portable import PortableEdit

PAGE_HEIGHT = 900
MIME = {"html": "text/html", "csv": "text/csv", "json": "application/json", "md": "text/markdown"}
TITLES = {"report.html": "HTML", "findings.csv": "CSV", "report.json": "JSON", "card.md": "Model card"}
MADE: Choice[Mapping[str, Any] | None] = Choice("report", None)
"""The finished audit: its spec, and its files by name."""


def report() -> None:
    """The whole page."""
    state, gallery = get_state(), cache.current_gallery()
    st.html(grids.STYLE)
    heading("Report", "An audit that stands up to a second reader: registered, measured, exported, verified")
    if not gallery.attributes:
        st.info("This gallery has no attribute, so there are no groups to count. Choose another in Data & models.")
        return
    if access.may("audit"):
        with st.expander("What is asked", expanded=MADE.of(state) is None, icon=":material/edit_note:"), guard():
            _ask(state, gallery)
        standing.standing("audit", "Show the report", _take)
    with guard():
        opened = shelf.kept(state)
        if opened is not None:
            _open(state, opened)
    with guard():
        beside.two_audits(state)
    if access.may("verify"):
        with guard():
            shelf.somebody_elses(state)
    made = MADE.of(state)
    if made is not None:
        with guard():
            _show(state, made)
    provenance.strip(provenance.loaded(state))


def _ask(state: AppState, gallery: Gallery) -> None:
    """The form; what stands in the way of running it is said below its button."""
    asked = form.filled(state, gallery)
    if asked is None:
        return
    asked["auditor"] = entering.identity() or asked["auditor"]
    form.AUDITOR.put(state, asked["auditor"])
    spec = form.spec_of(state, gallery, asked)
    options = {"auditor": asked["auditor"] or "not stated", "thumbnails": asked["thumbnails"]}
    order = {"spec": spec.to_json(), **options}
    made = work.work_or_job("audit", lambda: order, lambda: _run(state, spec, options))
    form.fill_in(state, spec.to_json())
    if made is not None:
        MADE.put(state, made)
    st.rerun()


def _take(job: "Job") -> None:
    """Show the audit that a job has made."""
    _show_kept(get_state(), job.result)


def _run(state: AppState, spec: "AuditSpec", options: dict[str, Any]) -> dict[str, Any]:
    """Run the audit and keep its files; an interrupted one goes on where it was."""
    from core.audit.run import run
    from core.report import FILES, ReportOptions, write_report
    from core.report.kept import keep
    from core.store import partial_folder

    gallery = cache.current_gallery(state)
    backbone = None if only_known_prompts(state, gallery) else cache.current_backbone(state)
    workplace = partial_folder(Path(tempfile.gettempdir()) / f"unskew-audit-{spec.digest[:24]}")
    with jobs.progress("Auditing") as progress, tempfile.TemporaryDirectory() as folder:
        result = run(spec, backbone, workplace, progress)
        out = write_report(result, Path(folder) / "report", ReportOptions(**options))
        files = {name: (out / name).read_bytes() for name in (*FILES, "manifest.json")}
    keep(files)
    return {"spec": spec.to_json(), "files": files}


def _open(state: AppState, name: str) -> None:
    """Show a kept audit at once."""
    _show_kept(state, name)
    st.rerun()


def _show_kept(state: AppState, name: str) -> None:
    """Show a kept audit from now on, and let the spec of one of rankings fill in the form."""
    from core.audit.spec import AuditSpec
    from core.report.kept import RANKINGS, kind_of, open_kept

    files = open_kept(name)
    document = parse_json(files["report.json"], "report.json")
    spec = document["spec"]
    if kind_of(document) == RANKINGS:
        spec = AuditSpec.from_json(spec).to_json()
        form.fill_in(state, spec)
    MADE.put(state, {"spec": spec, "files": files})


def _show(state: AppState, made: Mapping[str, Any]) -> None:
    """The findings of the finished audit, and its files."""
    from core.report import answers_render, sentences
    from core.report.kept import RANKINGS, kind_of
    from core.report.pdf import DIALOG, browser, page_to_pdf
    from core.report.words import heading as titled

    files = made["files"]
    document = parse_json(files["report.json"], "report.json")
    ranked = kind_of(document) == RANKINGS
    found = sentences.summary(document) if ranked else answers_render.summary(document)
    st.header(grids.escape(titled(document)), anchor=False)
    st.html("".join(f"<p>{sentence}</p>" for sentence in found))
    name = re.sub(r"[^A-Za-z0-9]+", "-", document["spec"]["title"]).strip("-").lower() or "audit"
    with st.container(horizontal=True, vertical_alignment="center"):
        offers.download(
            st,
            "Everything",
            zipped(name, files),
            f"{name}.zip",
            "application/zip",
            type="primary",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="All files with the manifest that `python -m core verify` reads",
        )
        for file, title in TITLES.items():
            mime = MIME[file.rpartition(".")[2]]
            offers.download(st, title, files[file], file, mime, icon=":material/download:", on_click="ignore")
        if browser() is not None:
            page = files["report.html"]
            offers.download(
                st,
                "PDF",
                lambda: page_to_pdf(page),
                f"{name}.pdf",
                "application/pdf",
                icon=":material/picture_as_pdf:",
                on_click="ignore",
                help="A4 with page numbers, printed on this machine; takes some seconds",
            )
        if ranked:
            _take_home(state, name, files)
        spec = json.dumps(made["spec"], indent=1, ensure_ascii=False)
        offers.download(st, "Spec", spec, "spec.json", MIME["json"], icon=":material/edit_note:", on_click="ignore")
        checked = access.may("verify") and st.button(
            "Verify", icon=":material/fact_check:", help="Compare all digests, compute every number again"
        )
    if ranked:
        _stays(files)
    if browser() is None:
        st.caption(f"For a PDF, {DIALOG}.")
    if checked:
        shelf.verdict_of(files)
    st.iframe(files["report.html"].decode(), height=PAGE_HEIGHT, alt="The report")


def _take_home(state: AppState, name: str, files: Mapping[str, bytes]) -> None:
    """Download the edits that the audit recorded; nothing where none of them can travel."""
    from core.report.taken_home import taken_home

    requests = taken_home(files).requests
    if requests and access.may("export-edit"):
        one = len(requests) == 1
        several = "" if one else f" {len(requests)} folders: one a method, attribute and set of searches."
        offers.download(
            st,
            "Take this edit home" if one else "Take its edits home",
            partial(taken_edits, state, files),
            f"{name}-edits.zip",
            "application/zip",
            key="report-take-home",
            icon=":material/luggage:",
            on_click="ignore",
            help=f"What was switched, as a folder that runs without the app, with what it did here.{several}",
        )


def taken_edits(state: AppState, files: Mapping[str, bytes]) -> bytes:
    """The edits' folders in one file; the scene is opened once for all of them."""
    from core.home.exporting import export_edit
    from core.report.taken_home import audited_scene, taken_home

    gallery = cache.current_gallery(state)
    encoder = None if only_known_prompts(state, gallery) else cache.current_backbone(state)
    scene = functools.cache(partial(audited_scene, files, encoder))

    def made(request: "ExportRequest") -> "PortableEdit":
        return export_edit(scene(), request)

    return packed({title: partial(made, request) for title, request in taken_home(files).requests.items()})


def _stays(files: Mapping[str, bytes]) -> None:
    """Why a method of the audit cannot be taken along."""
    from core.report.taken_home import taken_home

    for method, reason in taken_home(files).refused.items():
        st.caption(f"{grids.escape(method)} cannot be taken along: {grids.escape(reason)}.")
