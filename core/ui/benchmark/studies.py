"""Studies: one question about the chosen gallery and model, answered by a table and a figure."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.config import ASSETS
from core.gallery import Gallery
from core.store import plain, read_json
from core.ui.parts import charts, provenance
from core.ui.session import cache, jobs, results
from core.ui.session.state import AppState

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
    st.caption(f"{study.question} Neurons are found on the probe half, everything is measured on the evaluation half.")
    key = f"study {name}"
    if go:
        state.set_filter(key, _run(state, gallery, name, tuple(chosen)))
    found = state.filters.get(key)
    if found is not None:
        _show(name, found)


def _first(state: AppState, gallery: Gallery) -> list[str]:
    """The attribute that is looked at, and the next one."""
    first = state.attribute_in(gallery.attributes)
    rest = [name for name in gallery.attributes if name != first]
    return [name for name in (first, *rest[:1]) if name]


def class_prompts_of(gallery: Gallery) -> str:
    """Name of the shipped class prompts that fit a gallery's groups."""
    return "default-attributes" if "skin" in gallery.attributes else "faces-attributes"


def _request(state: AppState, gallery: Gallery, name: str, attributes: tuple[str, ...]) -> "StudyRequest":
    from core.studies import STUDIES, StudyRequest
    from core.zeroshot import PromptSet

    saes = {side: file for side in state.saes if (file := cache.current_sae(side, state)) is not None}
    only_known = results.only_known_prompts(state, gallery)
    prompts = gallery.prompts if only_known else read_json(ASSETS / "prompts" / "occupations.json")["prompts"]
    needs = STUDIES.get(name).needs_model and not only_known
    return StudyRequest(
        gallery,
        attributes,
        tuple(prompts[:MOST_PROMPTS]),
        saes,
        cache.current_backbone(state) if needs else None,
        dict(state.edits),
        class_prompts=None if only_known else PromptSet.load(class_prompts_of(gallery)),
        k=state.k,
        target=state.target_for(attributes[0]) if attributes else "gallery",
        where=dict(state.where),
    )


def _run(state: AppState, gallery: Gallery, name: str, attributes: tuple[str, ...]) -> "StudyResult":
    from core.studies import STUDIES

    with jobs.progress("Studying") as report:
        return STUDIES.get(name)()(_request(state, gallery, name, attributes), report)


def _show(name: str, found: "StudyResult") -> None:
    """Figure, table, notes and the three files."""
    provenance.chart(
        charts.picture(found.picture), config=charts.config(name), alt=found.picture.alt or found.picture.title
    )
    if found.picture.notes:
        st.caption(found.picture.notes)
    if found.notes:
        st.caption("  \n".join(f":material/info: {note}" for note in found.notes))
    st.dataframe(found.table, hide_index=True)
    files = {
        "CSV": (found.table.to_csv(index=False), "text/csv", "csv"),
        "SVG": (_svg(found), "image/svg+xml", "svg"),
        "JSON": (json.dumps(plain(found.to_json()), indent=2), "application/json", "json"),
    }
    for column, (title, (text, mime, ending)) in zip(st.columns([1, 1, 1, 4]), files.items(), strict=False):
        column.download_button(title, text, f"{name}.{ending}", mime, icon=":material/download:", width="stretch")


def _svg(found: "StudyResult") -> bytes:
    """The figure as it is drawn on paper."""
    from core.figures import draw_svg

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        draw_svg(found.picture, path)
        return path.read_bytes()
