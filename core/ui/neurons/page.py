"""Neurons: which of them carry an attribute, and what a single one answers to, with its silent items just as plain."""

import secrets
from collections.abc import Sequence

import streamlit as st

from core import access
from core.config import InputError, Side
from core.neurons import Shown
from core.ui.neurons import facts, firing_charts, lower_half, social
from core.ui.neurons.direction import direction_panel
from core.ui.neurons.heads import heads_panel
from core.ui.neurons.map_view import map_panel
from core.ui.neurons.search import search_panel
from core.ui.parts import answers, charts, grids, provenance, sides
from core.ui.parts.frame import guard
from core.ui.parts.heading import heading
from core.ui.parts.switches import switch
from core.ui.parts.wording import percent
from core.ui.session import links, probing
from core.ui.session.choices import LABEL_TEST, LABEL_VIEW, NEURONS_VIEW, ON_DESK, SWITCH_SIDE, Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, get_state

TO_LABEL = Choice("go-label", False)
"""Whether the page of Label is to be opened; callbacks run before a page can be changed."""
VIEWS = {"social": "Social neurons", "map": "Map", "search": "Search", "direction": "A direction", "heads": "Heads"}
EACH = 12
"""Items of each of the four grids: 48 pictures, and a row of uploads, stay below 60."""

SIX = 69
"""Pixels of a picture, so that half a page on a projector holds two full rows of six."""


def neurons() -> None:
    """The whole page: the list for an attribute, or one neuron where one is open."""
    state = get_state()
    st.html(grids.STYLE)
    heading("Neurons", "Which of them carry an attribute, and what a single one answers to")
    side = sides.side_of(state)
    if side is None:
        return
    probe = sides.open_probe(state, side)
    attribute = state.attribute_in(probe.gallery.attributes)
    social.bar(state, probe, attribute)
    if state.neuron is None or state.neuron_side != side:
        _several(state, probe, side, attribute)
    else:
        one(state, probe, side, state.neuron, attribute)


def _several(state: AppState, probe: probing.Probe, side: Side, attribute: str | None) -> None:
    """The social neurons, all of them on a map, or what a search finds."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        view = switch(state, "Show", NEURONS_VIEW, VIEWS)
        sides.side_switch(state, side)
    if view == "map":
        map_panel(probe, side, attribute)
    elif view == "search":
        search_panel(probe, side)
    elif view == "direction":
        direction_panel(state, probe, side, attribute)
    elif view == "heads":
        heads_panel(state, probe, attribute)
    else:
        social.social(state, probe, attribute)


# -- one neuron -------------------------------------------------------------------------------------------------------


def one(state: AppState, probe: probing.Probe, side: Side, neuron: int, attribute: str | None) -> None:
    """A neuron's page: what it fires on and what it does not, how often for which group, and its neighbours."""
    if not 0 <= neuron < probe.sae.sae.config.d_sae:
        raise InputError(f"the SAE {probe.sae.name} has neurons 0 to {probe.sae.sae.config.d_sae - 1}, not {neuron}")
    shown = probing.shown_examples(probe, neuron, EACH)
    _head(state, probe, side, neuron, attribute)
    share = f"{shown.n_firing:,} of {shown.n:,} items ({percent(shown.n_firing / shown.n)})"
    st.markdown(
        answers.said(probe, neuron, attribute) + f"  \nFires on {share} of the probe set "
        f"**{escape(probe.gallery.name)}**." + answers.most_often(probe, neuron, attribute) + "  \n"
        f":small[{lower_half.said_line(state, probe, neuron)}]"
    )
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        _strongest(state, probe, side, neuron, shown.top)
        _items(probe, "Does not fire on", "drawn at random from the silent items", shown.silent, "silent")
    with right, guard():
        answers.panel(probe, neuron)
        if attribute is not None:
            _groups(probe, neuron, attribute)
    # captions are long: side by side they end where the figures do
    under = [left, left] if probe.gallery.kind == "images" else st.columns(2, gap="medium")
    with under[0]:
        _items(probe, "Fires as usual on", "around the median of the values above 0", shown.middle, "middle")
    with under[1]:
        _items(probe, "Fires on, at random", "drawn from all items on which it fires", shown.firing, "firing")
    _neighbours(state, probe, side, neuron)
    lower_half.switched_off(state, probe, side, neuron, attribute)
    lower_half.heat_map(state, probe, neuron)
    lower_half.elsewhere(probe, neuron, attribute)


def _head(state: AppState, probe: probing.Probe, side: Side, neuron: int, attribute: str | None) -> None:
    """Name, way to the others, and the switch."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.header(f"Neuron {neuron}", anchor=False, width="content")
        st.button("List", icon=":material/arrow_back:", on_click=state.open_neuron, args=(None, side))
        before, after = probing.living_neighbours(probe, neuron)
        for label, icon, other in (("Previous", "chevron_left", before), ("Next", "chevron_right", after)):
            shortcut = "Left" if label == "Previous" else "Right"
            icon_name, where = f":material/{icon}:", (other, side)
            st.button(label, icon=icon_name, shortcut=shortcut, on_click=state.open_neuron, args=where)
        st.button(
            "Random",
            icon=":material/shuffle:",
            help="A neuron that tells a group apart, neither rare nor always on",
            on_click=_open_random,
            args=(probe, side, attribute),
        )
        if access.may("label"):
            st.button("Label", icon=":material/label:", key="label-this", on_click=_lay_on_desk, args=(state, neuron))
        if TO_LABEL.of(state):
            TO_LABEL.put(state, None)
            links.go("pages/label.py")
        st.space("stretch")
        key = f"switched-{side}-{neuron}"
        st.session_state[key] = on = not state.is_switched(neuron, side)
        st.toggle("on" if on else "off", key=key, on_change=_take_switch, args=(state, neuron, side, key))
        if st.button("Compare without it", type="primary", icon=":material/compare_arrows:"):
            state.switch_neuron(neuron, side, off=True)
            SWITCH_SIDE.put(state, side)
            st.switch_page("pages/compare.py")


def _take_switch(state: AppState, neuron: int, side: Side, key: str) -> None:
    """Bring the neuron to what its switch shows; the browser may tell of one again that nobody touched."""
    state.switch_neuron(neuron, side, off=not st.session_state[key])


def _open_random(probe: probing.Probe, side: Side, attribute: str | None) -> None:
    worth = facts.interesting(probe, attribute)
    if len(worth):
        get_state().open_neuron(int(worth[secrets.randbelow(len(worth))]), side)


def _lay_on_desk(state: AppState, neuron: int) -> None:
    """Label this neuron next."""
    ON_DESK.put(state, neuron)
    LABEL_VIEW.put(state, "label")
    LABEL_TEST.put(state, None)
    TO_LABEL.put(state, True)


def _strongest(state: AppState, probe: probing.Probe, side: Side, neuron: int, top: Shown) -> None:
    """The strongest items, with the session's uploads among them by their own values."""
    tiles = list(zip(top.values, _tiles(probe, top), strict=True))
    uploads = probing.upload_values(state, side, probe.sae, neuron)
    tiles += [(value, grids.uploaded(item.picture, item.name, f"{value:.2f}")) for item, value in uploads]
    tiles.sort(key=lambda pair: -pair[0])
    st.markdown("**Fires most on**" + (" :small[:gray[with your uploads]]" if uploads else ""))
    grids.grid([tile for _, tile in tiles[: EACH + len(uploads)]], "top", empty="It never fires on the probe set.")


def _items(probe: probing.Probe, title: str, how: str, shown: Shown, key: str) -> None:
    st.markdown(f"**{title}** :small[:gray[{how}]]")
    grids.grid(_tiles(probe, shown), key, width=SIX, empty="No such item in the probe set.")


def _tiles(probe: probing.Probe, shown: Shown) -> list[grids.Tile]:
    """Items with the neuron's value under each; groups stay out of sight, so that the eye judges the pictures."""
    return grids.tiles(probe.gallery, map(int, shown.rows), [grids.said(f"{value:.2f}") for value in shown.values])


def _groups(probe: probing.Probe, neuron: int, attribute: str) -> None:
    """How often and how strongly it fires, group by group."""
    rates = probing.rates(probe, neuron, attribute)
    st.markdown(f"**How often it fires** :small[:gray[by {escape(attribute)}, with 95 % interval]]")
    lower_half.rates_chart(probe, rates, "rates", f"neuron-{neuron}-rates", "Firing rates")
    edges, shares = probing.activations(probe, neuron, attribute)
    if len(edges):
        st.markdown("**How strongly it fires** :small[:gray[share of each group, silent items left out]]")
        provenance.chart(
            firing_charts.activation_histogram(edges, shares),
            provenance.NARROW,
            lines=provenance.probed(probe),
            key="activations",
            config=charts.config(f"neuron-{neuron}-activations"),
            alt="Histogram of the activations above 0 for each group.",
        )


def _neighbours(state: AppState, probe: probing.Probe, side: Side, neuron: int) -> None:
    """Neurons that write alike, and neurons that fire on the same items; a click opens one."""
    for title, how, listed in (
        ("Write alike", "cosine of the decoder directions", probing.alike(probe, neuron)),
        ("Fire together", "items on which both fire ÷ items on which either fires", probing.together(probe, neuron)),
    ):
        st.markdown(f"**{title}** :small[:gray[{how}]]")
        _chips(state, side, listed, title)


def _chips(state: AppState, side: Side, listed: Sequence[tuple[int, float]], key: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for other, score in listed:
            st.button(
                f"{other} :small[:gray[{score:.2f}]]".replace("-", "−"),
                key=f"{key}-{other}",
                on_click=state.open_neuron,
                args=(other, side),
            )
