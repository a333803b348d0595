"""Uploading faces and captions, and what the model sees in them: active neurons and nearest items, never a group."""

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.config import InputError
from core.ui.parts import frame, grids, offers
from core.ui.session import cache, jobs, keeping, links
from core.ui.session.choices import Choice
from core.ui.session.state import get_state
from core.ui.session.uploads import (
    CONSENT,
    Upload,
    Uploads,
    captions_in,
    nearest_items,
    require_gallery,
    strongest_neurons,
)

if TYPE_CHECKING:
    from core.gallery import Codes, Gallery
    from core.saes.checkpoint import SAEFile

PAGE = 5
"""Uploads on one page."""
PAGE_SHOWN = Choice("uploads-page", 1)
EXAMPLES = 3
"""Top items shown beside a neuron."""
DRAWN = (
    "The built-in model has only ever seen drawn avatars: what it makes of a photograph says little. Choose a model "
    "trained on photographs in Data & models for more than a try."
)
PROBLEMS = 8
"""Problem lines shown at once; the rest are counted."""


def get_uploads() -> Uploads:
    """The session's uploads, made when they are first asked for."""
    state = get_state()
    if state.uploads is None:
        state.uploads = Uploads()
        _keep(state.uploads)
    return state.uploads


def _keep(uploads: Uploads) -> None:
    context = get_script_run_ctx()
    if context is not None:
        keeping.keep(context.session_id, uploads)


def forget() -> None:
    """Wipe everything that was uploaded in this session, the server's copies of the files included."""
    state, old = get_state(), get_uploads()
    state.uploads = Uploads(round=old.round + 1)
    _keep(state.uploads)
    PAGE_SHOWN.put(state, None)
    _empty_fields()
    keeping.wipe(old)
    keeping.give_back()


def _empty_fields() -> None:
    """Drop the raw files from the server's memory: pictures are kept small, and only as long as the session wants."""
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_session_files(context.session_id)


def panel() -> None:
    """Fields to upload, consent, problems, and what was found."""
    uploads = get_uploads()
    left, right = st.columns([5, 9], gap="medium")
    with left:
        _fields(uploads)
        if uploads.items or uploads.problems:
            label = f"Forget my uploads ({len(uploads.items)})"
            st.button(label, icon=":material/delete_forever:", on_click=forget, width="stretch")
    with right:
        st.caption(CONSENT)
        _problems(uploads)
        with frame.guard():
            results(uploads)


def _fields(uploads: Uploads) -> None:
    refusals: list[str] = []
    with st.form(f"uploads-{uploads.round}", border=False):
        pictures = offers.upload(
            st,
            "Faces or other pictures",
            type="image",
            accept_multiple_files=True,
            key=f"pictures-{uploads.round}",
            refusals=refusals,
        )
        written = st.text_area("Captions, one a line", height=80, key=f"captions-{uploads.round}")
        tables = offers.upload(
            st,
            "Captions from files (text, CSV)",
            type=["txt", "csv", "tsv", "token", "jsonl", "parquet"],
            accept_multiple_files=True,
            key=f"tables-{uploads.round}",
            refusals=refusals,
        )
        sent = st.form_submit_button("Look at these", type="primary", icon=":material/visibility:", width="stretch")
    if sent and (pictures or written.strip() or tables or refusals):
        with frame.guard():
            _take(uploads, pictures, written, tables, refusals)
            st.rerun()


def _take(uploads: Uploads, pictures: list, written: str, tables: list, refusals: list[str]) -> None:
    """Read what was sent, then empty the fields so that the raw files do not stay in memory."""
    model = cache.current_backbone()
    lines: list[str] = written.splitlines()
    broken = [*refusals]
    for table in tables:
        try:
            captions, said = captions_in(table.name, table.getvalue())
            lines += captions
            broken += said
        except InputError as error:
            broken.append(str(error))
    problems: list[str] = []
    if pictures:
        with jobs.progress("Your pictures") as report:
            uploads.add_images(((f.name, f.getvalue()) for f in pictures), len(pictures), model, report)
        problems += uploads.problems
    if lines:
        uploads.add_captions(lines, model)
        problems += uploads.problems
    uploads.problems = [*broken, *problems]
    uploads.round += 1
    _empty_fields()


def _problems(uploads: Uploads) -> None:
    if not uploads.problems:
        return
    lines = [f"- {grids.escape(line)}" for line in uploads.problems[:PROBLEMS]]
    if len(uploads.problems) > PROBLEMS:
        lines.append(f"- and {len(uploads.problems) - PROBLEMS} more")
    title = f"{len(uploads.problems)} not used" if uploads.items else "Nothing could be used"
    st.info("\n".join(lines), title=title, icon=":material/info:")


def results(uploads: Uploads) -> None:
    """For each upload its most active neurons and the nearest items of the gallery."""
    if not uploads.items:
        if not uploads.problems:
            st.caption("For each upload you will see which neurons fire on it, and the nearest items of the gallery.")
        return
    uploads.require(cache.current_backbone())
    gallery = cache.current_gallery()
    warning = require_gallery(uploads, gallery)
    if warning:
        st.caption(f":orange[{grids.escape(warning)}]")
    if get_state().model == "default":
        st.caption(DRAWN)
    newest, state = uploads.items[::-1], get_state()
    count = grids.pages(len(newest), PAGE)
    number = min(PAGE_SHOWN.of(state), count)
    for place, upload in enumerate(newest[(number - 1) * PAGE : number * PAGE]):
        _one(upload, gallery, place)
    if count > 1:
        PAGE_SHOWN.put(state, number)
        st.pagination(count, **PAGE_SHOWN.mirrored(state))
    st.caption("Uploads have no groups. Neurons and neighbours describe what the model reacts to, not who somebody is.")


def _one(upload: Upload, gallery: "Gallery", place: int) -> None:
    with st.container(border=True):
        shown_itself, neurons, near = st.columns([2, 5, 4], gap="small")
        with shown_itself:
            if upload.picture:
                st.image(upload.picture, width=92, alt=f"Your upload {upload.name}")
            else:
                st.markdown(f"“{grids.escape(upload.text)}”")
            st.markdown(":violet-badge[upload]" + (f" :small[{grids.escape(upload.name)}]" if upload.picture else ""))
            if upload.note:
                st.caption(grids.escape(upload.note))
        with neurons:
            st.markdown(":small[Most active neurons]")
            with frame.guard():
                _neurons(upload, place)
        with near:
            st.markdown(f":small[Nearest in the gallery {grids.escape(gallery.name)}]")
            with frame.guard():
                nearest = nearest_items(upload, cache.index(gallery))
                shown = grids.tiles(
                    gallery, [row for row, _ in nearest], [grids.said(f"{score:.2f}") for _, score in nearest]
                )
                grids.grid(shown, f"upload-near-{place}", width=58)


def _neurons(upload: Upload, place: int) -> None:
    file = cache.current_sae(upload.side)
    if file is None:
        st.caption(f"No SAE is chosen for the {upload.side} side.")
        return
    strongest = strongest_neurons(upload, file)
    if not strongest:
        st.caption("No neuron fires on this upload.")
    shown = _examples(upload, file)
    for neuron, value in strongest:
        button, top = st.columns([2, 3], gap="xsmall", vertical_alignment="center")
        label = f"Neuron {neuron}\u2002{value:.3g}"
        if button.button(label, key=f"upload-{place}-{neuron}", type="tertiary", help="Open the neuron's page"):
            get_state().open_neuron(neuron, upload.side)
            links.go("pages/neurons.py")
        if shown is not None:
            gallery, codes = shown
            rows = _top(codes, neuron, EXAMPLES if gallery.kind == "images" else 1)
            with top:
                grids.strip(gallery, rows, f"strip-upload-{place}-{neuron}", f"neuron {neuron}", width=36)


def _examples(upload: Upload, file: "SAEFile") -> "tuple[Gallery, Codes] | None":
    """A gallery of the SAE's side with its codes, to show what a neuron answers to; None where there is none."""
    for find in (cache.current_gallery, cache.current_probe, lambda: cache.gallery("default-captions")):
        try:
            gallery = find()
        except InputError:
            continue
        codes = gallery.codes(file.digest) if gallery.side == upload.side else None
        if codes is not None:
            return gallery, codes
    return None


def _top(codes: "Codes", neuron: int, most: int) -> list[int]:
    """Rows on which a neuron fires strongest."""
    from core.neurons import examples_of

    return [int(row) for row in examples_of(codes, neuron, most, 0, 0, n_random=0).top.rows]
