"""Studies: one question about the chosen gallery and model, answered by a table and a figure."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import ASSETS
from core.gallery import Gallery
from core.store import plain, read_json
from core.ui.parts import charts, offers, provenance, standing
from core.ui.session import jobs, work
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.scene import chosen_scene, only_known_prompts
from core.ui.session.state import AppState
from core.writing import frame_text

if TYPE_CHECKING:
    from core.studies import StudyRequest, StudyResult

MOST_PROMPTS = 20
FIRST = "specificity"


def studies(state: AppState, gallery: Gallery) -> None:
    """A study is chosen, run on what is loaded, shown and taken along."""
    from core.studies import STUDIES

    left, middle, right = st.columns([1.4, 2.2, 0.7], vertical_alignment="bottom")
    names = STUDIES.names()
    at = names.index(FIRST) if FIRST in names else 0
    name = left.selectbox("Study", names, at, format_func=lambda n: STUDIES.get(n).title)
    study = STUDIES.get(name)
    chosen = middle.multiselect(
        "Attributes, in this order",
        gallery.attributes,
        default=_first(state, gallery),
        help="Some studies compare two or more; the first is the one whose neurons are switched",
    )
    go = right.button("Run", key="study-run", type="primary", icon=":material/science:", width="stretch")
    st.caption(f"{study.question} Neurons are found on the probe half; items are measured on the evaluation half.")
    done: Choice[StudyResult | None] = Choice(f"study {name}", None)
    order = partial(_order, state, gallery, name, tuple(chosen))
    if go:
        done.put(state, work.work_or_job("study", order, lambda: _run(state, gallery, name, tuple(chosen))))
    standing.standing("study")
    result = done.of(state) or _by_a_job(order)
    if result is not None:
        _show(name, result, gallery)


def _first(state: AppState, gallery: Gallery) -> list[str]:
    """The attribute that is looked at, and the next one."""
    first = state.attribute_in(gallery.attributes)
    rest = [name for name in gallery.attributes if name != first]
    return [name for name in (first, *rest[:1]) if name]


def _request(state: AppState, gallery: Gallery, name: str, attributes: tuple[str, ...]) -> "StudyRequest":
    from core.studies import STUDIES, StudyRequest

    only_known = only_known_prompts(state, gallery)
    needs = STUDIES.get(name).needs_model and not only_known
    scene = chosen_scene(state, texts=needs)
    return StudyRequest(
        scene,
        attributes,
        _prompts(state, gallery),
        dict(state.edits),
        class_prompts=None if only_known else scene.class_prompts,
        k=state.k,
        target=state.target_for(attributes[0]) if attributes else "gallery",
        where=dict(state.where),
    )


def _prompts(state: AppState, gallery: Gallery) -> tuple[str, ...]:
    """Queries that a study averages over."""
    if only_known_prompts(state, gallery):
        return tuple(gallery.prompts[:MOST_PROMPTS])
    return tuple(read_json(ASSETS / "prompts" / "occupations.json")["prompts"][:MOST_PROMPTS])


def _order(state: AppState, gallery: Gallery, name: str, attributes: tuple[str, ...]) -> dict[str, Any]:
    """What the job takes that answers the same."""
    from core.studies import STUDIES

    return {
        **work.scene_order(state, gallery, STUDIES.get(name).needs_model),
        "study": name,
        "attributes": list(attributes),
        "prompts": list(_prompts(state, gallery)),
        "edits": {side: edit.to_json() for side, edit in state.edits.items()},
        "k": state.k,
        "target": state.target_for(attributes[0]) if attributes else "gallery",
        "where": dict(state.where),
    }


def _by_a_job(order: Callable[[], dict[str, Any]]) -> "StudyResult | None":
    """What a job has answered of exactly what is chosen, whoever asked for it."""
    from core.studies import StudyResult

    job = work.latest("study", order()) if work.as_jobs() else None
    return StudyResult.load(Path(job.place)) if job is not None and job.state == "done" else None


def _run(state: AppState, gallery: Gallery, name: str, attributes: tuple[str, ...]) -> "StudyResult":
    from core.studies import STUDIES

    with jobs.progress("Studying") as report:
        return STUDIES.get(name)()(_request(state, gallery, name, attributes), report)


def _show(name: str, result: "StudyResult", gallery: Gallery) -> None:
    """Figure, table, notes and the three files."""
    provenance.chart(
        charts.picture(result.picture),
        lines=provenance.of_settings(gallery.name, result.settings),
        config=charts.config(name),
        alt=result.picture.alt or result.picture.title,
    )
    if result.picture.notes:
        st.caption(escape(result.picture.notes))
    if result.notes:
        st.caption("  \n".join(f":material/info: {escape(note)}" for note in result.notes))
    st.dataframe(result.table, hide_index=True)
    files: dict[str, tuple[str | bytes, str, str]] = {
        "CSV": (frame_text(result.table), "text/csv", "csv"),
        "SVG": (_svg(result), "image/svg+xml", "svg"),
        "JSON": (json.dumps(plain(result.to_json()), indent=2), "application/json", "json"),
    }
    for column, (title, (text, mime, ending)) in zip(st.columns([1, 1, 1, 4]), files.items(), strict=False):
        offers.download(column, title, text, f"{name}.{ending}", mime, icon=":material/download:", width="stretch")


def _svg(result: "StudyResult") -> bytes:
    """The figure as it is drawn on paper."""
    from core.figures import draw_svg

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        draw_svg(result.picture, path)
        return path.read_bytes()
