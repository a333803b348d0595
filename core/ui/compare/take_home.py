"""The edit that is switched, as a file: made when somebody asks for it."""

import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import streamlit as st

from core import access
from core.config import InputError
from core.ui.parts import offers
from core.ui.session import results

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
    from core.portable import write_edit

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
    file = io.BytesIO()
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        try:
            folder = Path(name) / "edit"
            write_edit(export_edit(question.scene, request), folder)
            for path in sorted(folder.iterdir()):
                packed.write(path, f"edit/{path.name}")
        except InputError as error:
            packed.writestr("edit/refused.txt", f"{error}\n")
    return file.getvalue()
