"""Choosing what is loaded, and describing it."""

import streamlit as st

from core import access
from core.config import SIDES, InputError, Side
from core.tables import left_out_lines
from core.ui.parts import facts, frame
from core.ui.parts.grids import escape as plain
from core.ui.session import cache, folders, jobs
from core.ui.session.state import AppState, get_state

NONE, PARTNER, BEST = "none", "its own partner or probe half", "the best this machine has"
MODELS = (
    "default",
    "ViT-B-32:openai",
    "ViT-B-16:openai",
    "ViT-L-14:openai",
    "ViT-L-14-336:openai",
    "RN50:openai",
    "RN101:openai",
    "ViT-B-32:laion2b_s34b_b79k",
    "ViT-B-16-SigLIP:webli",
)
"""Offered by name; any other name of a registered family can be typed."""


def choose() -> None:
    """One form for everything that is loaded; checked before it is used."""
    from core.backbones.base import model_hint

    state = get_state()
    with st.form("choose"):
        left, right = st.columns(2, gap="medium")
        with left:
            typed = "a shipped name or a folder" if access.may("choose") else None
            gallery = _pick("Gallery that is searched", folders.known("galleries"), state.gallery, typed)
            probe = _pick(
                "Gallery in which neurons are found", [PARTNER, *folders.known("galleries")], state.probe or PARTNER
            )
            named = state.model + (f":{state.pretrained}" if state.pretrained else "")
            offered = list(MODELS) if access.may("choose") else folders.known("models")
            model = _pick("Model", offered, named, model_hint() if access.may("choose") else None)
        with right:
            saes: dict[Side, str] = {}
            for side in SIDES:
                offered = [NONE, *folders.known("saes")]
                saes[side] = _pick(f"SAE of the {side} side", offered, state.saes.get(side) or NONE)
            device = _pick("Device", [BEST, "cpu", "cuda", "mps"], state.device or BEST)
        if st.form_submit_button("Use these", type="primary", icon=":material/check:"):
            with frame.guard():
                _use(state, gallery, probe, model, saes, device)
                st.rerun()


def _pick(label: str, options: list[str], value: str, help: str | None = None) -> str:
    """A list in which something else can be typed."""
    options = [value, *(o for o in options if o != value)] if value not in options else options
    return (
        st.selectbox(label, options, index=options.index(value), accept_new_options=access.may("choose"), help=help)
        or value
    )


def _use(state: AppState, gallery: str, probe: str, model: str, saes: dict[Side, str], device: str) -> None:
    """Open everything first, so that a wrong name changes nothing; then make the choices."""
    access.require("open")
    searched = cache.gallery(gallery)
    if probe != PARTNER:
        cache.gallery(probe)
    for side in SIDES:
        if saes[side] == NONE:
            continue
        card = cache.sae_card(saes[side])
        if saes[side] != state.saes.get(side):
            cache.sae(saes[side])  # its weights too, so that a damaged file is refused here and not on another page
        if card.fingerprint is None:
            state.notice(f"The SAE {card.name} does not say what it was made for: check that it fits this gallery.")
            continue
        if card.fingerprint.side != side:
            raise InputError(f"{card.name} is an SAE of the {card.fingerprint.side} side; choose it there")
        if side == searched.side:
            theirs = searched.fingerprint(card.fingerprint.attach)
            unsure = card.fingerprint.require_match(theirs, f"the SAE {card.name}", f"the gallery {searched.name}")
            if unsure:
                state.notice(f"Nobody could tell whether {card.name} fits {searched.name} in: {', '.join(unsure)}.")
    chosen_device = None if device == BEST else device
    if (model, chosen_device) != (state.model, state.device):
        for note in cache.backbone(model, None, chosen_device).notes:
            state.notice(note)
    state.choose_model(model, None, chosen_device)
    state.choose_gallery(gallery, None if probe == PARTNER else probe)
    for side in SIDES:
        state.choose_sae(side, None if saes[side] == NONE else saes[side])
    state.notice("Loaded. Everything you see now is about this choice.")


# -- what is loaded ---------------------------------------------------------------------------------------------------


def describe() -> None:
    """Everything that is loaded, with fingerprints, digests, notes and quality."""
    state = get_state()
    with st.container(border=True), frame.guard():
        _gallery()
    for side in SIDES:
        if side in state.saes:
            with st.container(border=True), frame.guard():
                st.header(f"SAE of the {side} side: {plain(state.saes[side])}", anchor=False)
                facts.quality(state.saes[side])
    with st.container(border=True), frame.guard():
        _model()


def _gallery() -> None:
    gallery = cache.current_gallery()
    about = gallery.info()
    st.header(f"Gallery: {plain(gallery.name)}", anchor=False)
    halves = ", ".join(f"{half} {n:,}" for half, n in about["halves"].items())
    lines = {
        "Items": f"{gallery.n:,} {about['kind']} ({halves})",
        "Made from": about["source"] or "not stated",
        "Provenance": about["provenance"] or "not stated",
        "Licence": about["licence"] or "not stated",
        **{f"Fingerprint, {attach}": gallery.fingerprint(attach).describe() for attach in about["fingerprints"]},
        "Known prompts": f"{about['prompts']:,}" if about["prompts"] else "none: prompts are encoded by the model",
        "Digest": f"`{gallery.digest}`",
        "Folder": folders.name_of("galleries", gallery.path),
    }
    facts.pairs(lines)
    for line in (*left_out_lines(gallery.left_out), *about["notes"]):
        st.caption(plain(line))
    for column, why in about["not_groups"].items():
        st.caption(plain(f"not groups: {column} ({why})"))
    if st.button("Compare all digests", icon=":material/fact_check:", help="Reads every file of the gallery"):
        with jobs.progress("Comparing") as report:
            wrong = gallery.check(report)
        if wrong:
            st.warning("\n".join(f"- {plain(line)}" for line in wrong), title="Not what was written")
        else:
            st.info("All files are what was written.", icon=":material/check:")


def _model() -> None:
    state = get_state()
    st.header(f"Model: {plain(state.model)}", anchor=False)
    if not st.toggle("Load and describe it", key="describe-model"):
        st.caption("Loaded when a prompt or an upload is encoded, which takes some seconds the first time.")
        return
    model = cache.current_backbone()
    lines = {"Device": str(model.device), "Pictures": f"{model.image_size[0]} × {model.image_size[1]} pixels"}
    for side in SIDES:
        for attach in ("pooled", "residual"):
            there = model.dims(side, attach) is not None
            line = model.fingerprint(side, attach).describe() if there else model.why_not(side, attach)
            lines[f"{side}, {attach}"] = line or "not there"
    words = model.known_words
    lines["Words"] = f"a closed list of {len(words)}" if words is not None else "open vocabulary"
    lines["Weights"] = f"`{model.weights_digest}`"
    facts.pairs(lines)
    for note in model.notes:
        st.caption(f":orange[{plain(note)}]")
