"""The edit that is switched, as a file: made when somebody asks for it."""

from functools import partial

import streamlit as st

from core import access
from core.ui.parts import offers
from core.ui.session import results
from core.ui.session.packing import packed

HELP = "A folder that runs without the app: edit.json, edit.safetensors and a card with what the edit did here"


def button(question: results.Asked, key: str = "take-home") -> None:
    """Download the edit, or why its method cannot leave the app; nothing where nothing is edited."""
    from core.interventions import INTERVENTIONS

    if not question.request.intervenes or not access.may("export-edit"):
        return
    kind = INTERVENTIONS.get(question.request.method)
    if kind.stays:
        st.caption(f"{kind.title} cannot be taken along: {kind.stays}.")
        return
    offers.download(
        st,
        "Take this edit home",
        partial(zipped, question),
        "edit.zip",
        "application/zip",
        key=key,
        icon=":material/luggage:",
        on_click="ignore",
        help=HELP,
    )


def zipped(question: results.Asked) -> bytes:
    """The edit's folder, measured on the question's search, in one file; a refusal as a text inside it."""
    from core.home.exporting import ExportRequest, export_edit

    asked = question.request
    request = ExportRequest(
        method=asked.method,
        edits=asked.edits,
        attribute=asked.attribute,
        queries=() if asked.query is None else (asked.query,),
        k=asked.k,
        target=asked.target,
        half=asked.half,
        where=asked.where,
        seed=asked.seed,
    )
    return packed({"edit": partial(export_edit, question.scene, request)})
