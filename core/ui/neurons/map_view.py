"""The map: neurons that write alike lie together; what is selected is shown with its pictures."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core import access, projection
from core.config import Side
from core.report.words import p_text
from core.ui.neurons import map_charts, map_hover, maps, social
from core.ui.parts import grids, provenance
from core.ui.parts.charts import config
from core.ui.parts.frame import guarded
from core.ui.parts.switches import switch
from core.ui.parts.wording import number, percent
from core.ui.session import probing
from core.ui.session.choices import Choice
from core.ui.session.state import AppState, get_state
from core.verdicts import NOT_COMPUTED

KIND = Choice("map-kind", "neurons")
COLOURED: Choice[str | None] = Choice("map-group", None)
"""Group by which the points are coloured."""
KINDS = {"neurons": "Neurons by what they write", "fired": "Neurons by what fires them", "items": "Items"}
HOW = {
    "neurons": "decoder directions",
    "fired": "the centre of the items that fire each",
    "items": "embeddings",
}
STRIPS, STRIP = 8, 6
"""Selected neurons shown, and pictures of each: below 60 together."""
ITEMS = 24
NEAR = 0.4
"""Median cosine to the nearest direction below which a map of directions is of little use."""
STAGE_NAMES = {
    "waiting": "waiting for its turn",
    "loading": "loading UMAP, which takes some seconds the first time",
    "placing": "placing the points",
    "checking": "checking how far the map can be trusted",
    "done": "done",
}


def map_panel(probe: probing.Probe, side: Side, attribute: str | None) -> None:
    """PCA at once, UMAP as soon as it is computed; selections beside."""
    state = get_state()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = switch(state, "Map of", KIND, KINDS)
        group = None
        if attribute is not None and kind != "items":
            groups = probe.gallery.groups(attribute)
            group = COLOURED.among(state, groups)
            st.selectbox(
                "Colour",
                groups,
                format_func=lambda name: f"Colour: {name}",
                width=240,
                label_visibility="collapsed",
                **COLOURED.mirrored(state),
            )
    points = maps.POINTS[kind](probe)
    if not len(points.numbers):
        st.info("No neuron of this SAE fires on the probe set, so there is nothing to place.")
        return
    begins = access.may("map")
    if begins and maps.finished(points) is None:
        maps.begin(points, _what(kind))
    _drawn(probe, side, attribute, group, kind)
    map_hover.card(probe, kind)
    if begins and maps.finished(points) is None:
        _waiting(points.folder.name, kind)


@st.fragment(run_every=1.0)
@guarded
def _waiting(name: str, kind: str) -> None:
    """How far UMAP is; the page is drawn anew once it is there."""
    folder = maps.own_folder() / "maps" / name
    job = maps.job(name, _what(kind))
    if job is not None and job.state == "waiting":
        st.caption("UMAP waits for a worker of this server; Jobs shows how far it is. Until then the map is by PCA.")
        return
    stage = projection.stage(folder) or "waiting"
    if stage == "done":
        st.rerun()
    if not projection.running(folder) and (job is None or job.state != "running"):
        st.caption(":orange[UMAP could not be computed; the map by PCA stays. Details are in the folder of the map.]")
        return
    share = projection.STAGES.index(stage) / (len(projection.STAGES) - 1)
    st.progress(share, text=f"UMAP of the {_what(kind)}: {STAGE_NAMES[stage]}. Until then the map is by PCA.")


@st.fragment
@guarded
def _drawn(probe: probing.Probe, side: Side, attribute: str | None, group: str | None, kind: str) -> None:
    """The figure and what is selected in it: a click or a lasso runs only this."""
    state = get_state()
    points = maps.POINTS[kind](probe)
    made = maps.finished(points)
    places = maps.pca(points) if made is None else made.places
    left, right = st.columns([1.7, 1], gap="medium")
    with left, st.container(key=map_hover.PLOT):
        figure = (
            _neuron_figure(probe, points, places, attribute, group)
            if kind != "items"
            else _item_figure(state, probe, points, places, attribute)
        )
        chosen = provenance.chart(
            figure,
            lines=provenance.probed(probe),
            key=f"map-{kind}-{'pca' if made is None else 'umap'}",
            on_select="rerun",
            selection_mode=("points", "lasso", "box"),
            config=map_charts.tools(config(f"map-{kind}")),
            alt=f"Map of {len(points.numbers):,} {_what(kind)}: those that resemble each other lie together.",
        )
        _trust(made, len(points.numbers), kind)
    selected = [int(p["customdata"][0]) for p in chosen["selection"]["points"] if p.get("customdata")]
    with right:
        if kind != "items":
            _neurons(state, probe, side, selected, attribute, group)
        else:
            _items(probe, selected)


def _what(kind: str) -> str:
    return "items" if kind == "items" else "neurons"


def _neuron_figure(
    probe: probing.Probe, points: maps.Points, places: np.ndarray, attribute: str | None, group: str | None
) -> go.Figure:
    if attribute is None or group is None:
        rate = np.diff(probe.codes.csc.indptr)[points.numbers] / probe.gallery.n
        return map_charts.neurons(points.numbers, places, rate, np.zeros(len(rate)), None, "")
    shown = maps.association(probe, points.numbers, attribute, group)
    if np.isnan(shown["sign"]).any():
        words = f"AUC for {group} {NOT_COMPUTED}: there is no other group"
        hover = [f"neuron {j}<br>{words}" for j in points.numbers]
        return map_charts.neurons(points.numbers, places, shown["rate"], np.zeros(len(hover)), hover, "")
    hover = [
        f"neuron {j}<br>fires on {percent(r)}<br>AUC for {group} {a:.2f}, adjusted {p_text(p)}"
        for j, r, a, p in zip(points.numbers, shown["rate"], shown["auc"], shown["p"], strict=True)
    ]
    return map_charts.neurons(points.numbers, places, shown["rate"], shown["sign"], hover, group)


def _item_figure(
    state: AppState, probe: probing.Probe, points: maps.Points, places: np.ndarray, attribute: str | None
) -> go.Figure:
    groups = ["all"] * len(points.numbers)
    if attribute is not None:
        groups = [group or "unknown" for group in probe.labels(attribute)[points.numbers]]
    uploads, where = maps.landed(state, probe, points, places)
    return map_charts.items(points.numbers, places, groups, [u.name for u in uploads], where)


def _trust_text(made: projection.Projection) -> str:
    if made.trustworthiness is None or made.pca_trustworthiness is None:
        fewest = 2 * made.n_neighbors + 2
        return f"Trustworthiness: not computed, it needs {fewest} points ({made.n_neighbors} neighbours)."
    return (
        f"Trustworthiness {number(made.trustworthiness)} "
        f"({made.n_neighbors} neighbours), PCA's {number(made.pca_trustworthiness)}; 1: whatever is near on the map is "
        "near in truth."
    )


def _trust(made: projection.Projection | None, n: int, kind: str) -> None:
    """How far the map can be trusted, beside PCA."""
    size = "Uploads land among the items that they resemble most. " if kind == "items" else "Size: firing rate. "
    if made is None:
        st.caption(f"By PCA of {HOW[kind]}, {n:,} {_what(kind)}. {size}")
        return
    st.caption(
        f"By UMAP of {HOW[kind]}, {n:,} {_what(kind)}, seed {made.seed}. "
        f"{_trust_text(made)} {size}Distances across the map mean little."
    )
    if kind == "neurons" and made.nearest_cosine is not None and made.nearest_cosine < NEAR:
        st.caption(
            f"These directions hardly resemble each other (median cosine to the nearest: {number(made.nearest_cosine)}"
            f"), so that no map of them says much. **{KINDS['fired']}** shows what belongs together."
        )


def _neurons(
    state: AppState, probe: probing.Probe, side: Side, selected: list[int], attribute: str | None, group: str | None
) -> None:
    if not selected:
        st.caption("Click a neuron, or take the lasso above the map for several: their pictures show here.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(selected):,} selected**", width="content")
        st.button(
            "Switch them off",
            icon=":material/toggle_off:",
            on_click=_switch,
            args=(state, side, tuple(selected)),
            help="Adds them to what is switched off on Compare",
        )
    for neuron in selected[:STRIPS]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if st.button(f"**{neuron}**", key=f"map-open-{neuron}"):
                state.open_neuron(neuron, side)
                st.rerun()
            top = probing.shown_examples(probe, neuron).top.rows[:STRIP]
            grids.strip(probe.gallery, map(int, top), f"map-{neuron}", f"neuron {neuron}")
        if attribute is not None and group is not None:
            st.caption(social.rates_text(probe, attribute, group, neuron))
    if len(selected) > STRIPS:
        st.caption(f"and {len(selected) - STRIPS:,} more")


def _switch(state: AppState, side: Side, neurons: tuple[int, ...]) -> None:
    for neuron in neurons:
        state.switch_neuron(neuron, side, off=True)


def _items(probe: probing.Probe, selected: list[int]) -> None:
    if not selected:
        st.caption("Click an item, or take the lasso above the map for several.")
        return
    shown = selected[:ITEMS]
    st.markdown(f"**{len(selected):,} selected**")
    grids.grid(grids.tiles(probe.gallery, shown, [()] * len(shown)), "map-items", 56)
