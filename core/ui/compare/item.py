"""One item of a ranking, all that is known of it: picture or caption, attributes, places, neurons, neighbours."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from core.config import UNKNOWN, InputError
from core.gallery import Gallery
from core.ranking import ArmResult
from core.ui.parts import grids
from core.ui.parts.facts import pairs
from core.ui.parts.frame import guard
from core.ui.session import cache, fit, probing, results
from core.ui.session.choices import Choice
from core.ui.session.state import AppState, get_state

OPENED: Choice[int | None] = Choice("opened-item", None)
"""Row of the item that is looked at; None: none."""
PICTURE = 200
"""Pixels of its picture."""
NEURONS, NEAR = 5, 8
FIELD = "open-item"
SEARCHED_AT_ONCE = 65_536
"""Rows whose cosine to the item is computed at a time."""


def chooser(state: AppState, gallery: Gallery, shown: Mapping[str, list[tuple[int, int]]]) -> None:
    """A field that opens one of the items on the page.

    Parameters
    ----------
    shown : name of the list -> (rank, row) of its items on this page.
    """
    names = {row: f"{name} {rank}: {gallery.item_id(row)}" for name, items in shown.items() for rank, row in items}
    if not names:
        return
    st.selectbox(
        "Look at one item",
        list(names),
        index=None,
        format_func=lambda row: names.get(row, ""),
        placeholder="Look at one item",
        label_visibility="collapsed",
        width=240,
        key=FIELD,
        on_change=_open,
    )


def _open() -> None:
    """The item is shown in a window above the page; the field is free for the next one."""
    OPENED.put(get_state(), st.session_state[FIELD])
    st.session_state[FIELD] = None


def opened(state: AppState, question: results.Asked, arms: Mapping[str, ArmResult]) -> None:
    """The window, where an item was chosen in this run."""
    row = OPENED.of(state)
    if row is not None:
        OPENED.put(state, None)
        _window(state, question, arms, int(row))


@st.dialog("One item", width="large")
def _window(state: AppState, question: results.Asked, arms: Mapping[str, ArmResult], row: int) -> None:
    gallery = question.gallery
    with guard():
        left, right = st.columns([1, 1.6], gap="medium")
        with left:
            picture, text = gallery.thumb(row), gallery.text(row)
            if picture:
                st.image(picture, width=PICTURE, alt=f"Item {gallery.item_id(row)}")
            if text:
                st.markdown(f"“{grids.escape(text)}”")
        with right:
            pairs({"id": gallery.item_id(row), **places(arms, row), **attributes(gallery, row)})
        _neurons(state, gallery, row)
        _near(gallery, row)


def places(arms: Mapping[str, ArmResult], row: int) -> dict[str, str]:
    """Rank and score of an item in each list."""
    told = {}
    for name, arm in arms.items():
        at = np.flatnonzero(arm.rows == row)
        k = len(arm.rows)
        told[name] = f"{at[0] + 1} of {k}, score {arm.scores[at[0]]:.3f}" if len(at) else f"not among the nearest {k}"
    return told


def attributes(gallery: Gallery, row: int) -> dict[str, str]:
    """Every attribute of an item, and its half; unknown where the table says nothing."""
    told = {
        name: str(label) if (label := gallery.labels(name)[row]) is not None else UNKNOWN for name in gallery.attributes
    }
    for half in ("probe", "evaluation"):
        try:
            if row in gallery.rows(half):
                told["half"] = half
        except InputError:  # the gallery is wholly the other half
            continue
    return told


def _neurons(state: AppState, gallery: Gallery, row: int) -> None:
    """The neurons that fire strongest on it, each with what else fires it."""
    st.header("Neurons that fire on it", anchor=False)
    sae = cache.current_sae(gallery.side, state)
    if sae is None:
        st.caption("No SAE is chosen for this side.")
        return
    misfit = fit.own_side(sae, gallery)
    if misfit:
        st.caption(grids.escape(misfit))
        return
    from core.neurons import active_neurons, encode_rows

    attach = sae.attach or "pooled"
    found = active_neurons(encode_rows(gallery.embeddings(attach)[row : row + 1], sae.sae), NEURONS)
    if not found:
        st.caption("None fires on it.")
    probe = probing.probe_of(state, gallery.side)
    for neuron, value in found:
        number, strip = st.columns([1, 4], vertical_alignment="center")
        number.markdown(f"**{neuron}** :small[:gray[{value:.2f}]]")
        with strip:
            top = [int(other) for other in probing.shown_examples(probe, neuron).top.rows[:NEAR]]
            grids.strip(probe.gallery, top, f"item-{neuron}", f"fires most on neuron {neuron}")


def _near(gallery: Gallery, row: int) -> None:
    """The items most like it, by cosine."""
    st.header("Nearest items", anchor=False)
    found = neighbours(gallery, row)
    items = grids.tiles(gallery, [other for other, _ in found], [grids.said(f"{score:.3f}") for _, score in found])
    grids.grid(items, "item-near", width=64)


def neighbours(gallery: Gallery, row: int, most: int = NEAR) -> list[tuple[int, float]]:
    """(row, cosine) of the items most like one, best first, ties by lower row; exact, in blocks of rows."""
    own = gallery.unit(np.array([row]))[0]
    scores = np.concatenate(
        [
            gallery.unit(np.arange(start, min(start + SEARCHED_AT_ONCE, gallery.n))) @ own
            for start in range(0, gallery.n, SEARCHED_AT_ONCE)
        ]
    )
    scores[row] = -np.inf
    best = np.argsort(-scores, kind="stable")[: min(most, gallery.n - 1)]
    return [(int(other), float(scores[other])) for other in best]
