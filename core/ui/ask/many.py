"""Many pictures and words: what is asked of all of them, done here or by a job, and the sweep."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import ASSETS
from core.gallery import Gallery
from core.ui.ask import answered
from core.ui.parts import model_charts, provenance, standing
from core.ui.parts.frame import guard
from core.ui.session import answering, entering, folders, jobs, work
from core.ui.session.choices import Choice
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.jobs.rows import Job
    from core.lvlm.spec import LvlmSpec
    from core.lvlm.token_method import TokenEdit
    from core.saes.checkpoint import SAEFile

KIND = "lvlm-audit"
"""Of job, where workers do it."""
ANSWERED: Choice[Mapping[str, bytes] | None] = Choice("ask-audit", None)
"""The last batch of answers: the files of its report."""
SWEPT: Choice[dict[str, Any] | None] = Choice("ask-sweep", None)
SIZES = (24, 48, 96, 192)
SWEPT_PICTURES, SWEPT_WORDS, SWEPT_ABILITY = 32, 10, 24
"""Pictures, words and pictures of the ability set of a sweep."""
ALONG = {"strength": "strength, error-preserving", "alpha": "alpha, blended with the reconstruction"}


def many(state: AppState, gallery: Gallery, attribute: str, file: "SAEFile | None", own: "TokenEdit") -> None:
    """The whole view."""
    from core.lvlm.protocol import PROTOCOLS

    model = answering.model(state)
    with st.form("ask-audit-form"):
        first, second, third = st.columns([1.4, 1, 2.2], vertical_alignment="bottom")
        names = {name: PROTOCOLS.get(name).title for name in PROTOCOLS}
        usable = [name for name in names if gallery.together or not PROTOCOLS.get(name).needs_scenes]
        protocol = first.selectbox("Protocol", usable, format_func=lambda name: names[name])
        n = second.select_slider("Pictures", SIZES, 48)
        words = third.text_input("Words, with commas", value=", ".join(model.planted[:10] or _book_words()))
        sent = st.form_submit_button("Ask them all", type="primary", icon=":material/forum:")
    if sent:
        with guard():
            asked = tuple(dict.fromkeys(one.strip() for one in words.split(",") if one.strip()))
            _ask(state, gallery, attribute, file, own, str(protocol), int(n), asked)
    standing.standing(KIND, "Show the answers", _take)
    files = ANSWERED.of(state)
    if files is not None:
        with guard():
            answered.show(gallery, files)
    with guard():
        _sweep(state, gallery, attribute, file, own)


def _named(file: "SAEFile") -> str:
    """What a spec calls an SAE."""
    if file.path is None or Path(file.path).parent == ASSETS / "saes":
        return file.name
    return folders.name_of("saes", file.path)


def _book_words() -> tuple[str, ...]:
    from core.lvlm.book import read_book

    return read_book().words[:10]


def _ask(
    state: AppState,
    gallery: Gallery,
    attribute: str,
    file: "SAEFile | None",
    own: "TokenEdit",
    protocol: str,
    n: int,
    words: tuple[str, ...],
) -> None:
    """The audit of what the form says, done here or by a job; shown where it was done here.

    Many parameters: the fields of the form.
    """
    from core.lvlm.spec import LvlmSpec

    shipped = Path(gallery.path).parent == ASSETS / "galleries"
    edit = {"neurons": list(own.edit.neurons), "strength": own.edit.strength, "hold": own.hold}
    spec = LvlmSpec.from_json(
        {
            "schema": 1,
            "kind": "lvlm",
            "title": f"What {answering.model(state).name} says about {gallery.name}",
            "model": answering.model(state).name,
            "gallery": gallery.name if shipped else folders.name_of("galleries", gallery.path),
            "sae": None if file is None else _named(file),
            "attributes": [attribute],
            "protocol": protocol,
            "words": list(words),
            "edit": edit if file is not None and own.edit.neurons else None,
            "n": n,
        }
    )
    auditor = entering.identity() or "not stated"
    order = {"spec": spec.to_json(), "auditor": auditor}
    made = work.work_or_job(KIND, lambda: order, lambda: _run(state, spec, auditor))
    if made is None:
        st.rerun()
    ANSWERED.put(state, made)


def _run(state: AppState, spec: "LvlmSpec", auditor: str) -> dict[str, bytes]:
    """Ask everything and keep the report; one that was stopped goes on at the arm where it was."""
    from core.lvlm.audit import run_lvlm
    from core.report.answers_folder import write_answers
    from core.report.document import ReportOptions
    from core.report.kept import keep_folder, open_kept
    from core.store import resumable_folder

    place = Path(tempfile.gettempdir()) / f"unskew-answers-{spec.digest[:24]}"
    with (
        jobs.progress("Asking") as report,
        resumable_folder(place) as workplace,
        tempfile.TemporaryDirectory() as folder,
    ):
        result = run_lvlm(spec, answering.model(state), workplace, report)
        name = keep_folder(write_answers(result, Path(folder) / "report", ReportOptions(auditor)))
    return open_kept(name)


def _take(job: "Job") -> None:
    """Show what a job has asked."""
    from core.report.kept import open_kept

    ANSWERED.put(get_state(), open_kept(job.result))


def _sweep(state: AppState, gallery: Gallery, attribute: str, file: "SAEFile | None", own: "TokenEdit") -> None:
    """Bias against ability along strength or alpha."""
    if file is None or not own.edit.neurons:
        return
    st.markdown("**Sweep: how much gap is left, and what it costs**")
    along = st.segmented_control(
        "Along", list(ALONG), default="strength", format_func=ALONG.__getitem__, label_visibility="collapsed"
    )
    if st.button("Sweep", icon=":material/show_chart:") and along:
        SWEPT.put(state, _swept(state, gallery, attribute, file, own, along))
    found = SWEPT.of(state)
    if found:
        points = found["points"]
        figure = model_charts.sweep(
            [p.value for p in points], [p.gap for p in points], [p.ability for p in points], found["along"]
        )
        provenance.chart(figure, lines=found["lines"], key="ask-sweep-chart")
        st.caption(f"{int(found['pictures']):,} pictures, {int(found['words']):,} words.")


def _swept(
    state: AppState, gallery: Gallery, attribute: str, file: "SAEFile", own: "TokenEdit", along: str
) -> dict[str, Any]:
    from core.lvlm import sweep as sweeps
    from core.lvlm.ability import shipped_set
    from core.lvlm.answering import prepare
    from core.lvlm.audit import ask_protocol
    from core.lvlm.pictures import pictures_of
    from core.lvlm.token_method import Evidence

    model = answering.model(state)
    rows, _ = answering.compared(state, gallery, attribute)
    rows = rows[:: max(1, len(rows) // SWEPT_PICTURES)][:SWEPT_PICTURES]
    words = (model.planted or _book_words())[:SWEPT_WORDS]
    evidence = (
        answering.probe(state, gallery, attribute).evidence(file.sae) if own.hold != "value" else Evidence(file.sae)
    )
    values = sweeps.STRENGTHS if along == "strength" else sweeps.ALPHAS
    labels = gallery.group_numbers(attribute)[rows].astype(int)
    with jobs.progress("Sweeping") as report:
        asked = ask_protocol(model, prepare(model, pictures_of(gallery, rows)), "direct", words, 0)
        seen = shipped_set(model, SWEPT_ABILITY)
        points = sweeps.sweep(
            asked, seen, labels, len(gallery.groups(attribute)), evidence, own, along, values, progress=report
        )
    asked_of = {"pictures": len(rows), "words": len(words)}
    return {"along": along, "points": points, "lines": answering.facts(state, gallery, file, own)} | asked_of
