"""The list of social neurons: for each group those that fire on it and on no other, or why there is none."""

import streamlit as st

from core.config import Side
from core.neurons import named_group
from core.ui.parts import answer_words, grids
from core.ui.parts.sides import SIDE_NAMES
from core.ui.parts.wording import interval, percent, share_alone
from core.ui.session import cache, probing
from core.ui.session.choices import TAU, Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, bind

SHOWN = 4
"""Neurons with pictures for each group; the table has all of them."""
TABLE_GROUP: Choice[str | None] = Choice("table-group", None)
ROWS = 200
"""Lines of the table: the neurons that tell a group apart best."""


def bar(state: AppState, probe: probing.Probe, attribute: str | None) -> None:
    """Attribute, tau, and the way to any neuron."""
    what, tau, number = st.columns([1.2, 2, 1.2], gap="medium", vertical_alignment="bottom")
    if attribute is not None:
        bound = bind("attribute")
        st.session_state[bound["key"]] = attribute
        what.selectbox("Groups of", probe.gallery.attributes, **bound)
        tau.slider(
            "τ: share of a group's items that must fire",
            0.05,
            1.0,
            step=0.05,
            help="Consistency and specificity: a neuron belongs to a group if it fires on at least this share of the "
            "group's items and on a smaller share of every other group's.",
            **TAU.mirrored(state),
        )
    size = probe.sae.sae.config.d_sae
    key = "open-neuron"
    number.number_input(
        "Open neuron",
        0,
        size - 1,
        value=None,
        step=1,
        key=key,
        placeholder=f"0 to {size - 1:,}",
        on_change=_open,
        args=(state, probe.gallery.side, key),
    )
    part = ", ".join(f"{column} = {value}" for column, value in probe.where.items())
    # Neurons and measurement should not share items; a gallery split in itself shares them while all rows are ranked.
    own = probe.gallery.digest == cache.current_gallery(state).digest
    kept = ", none of which Compare measures on." if own else ", another gallery than Compare searches."
    st.caption(
        f"{SIDE_NAMES[probe.gallery.side]} of **{escape(probe.sae.name)}**, found on {len(probe.rows):,} items of "
        f"**{escape(probe.gallery.name)}**"
        + (f", only {escape(part)}" if part else "")
        + (
            ". Compare ranks these items too while it searches all rows; its evaluation half keeps them apart."
            if own and state.half != "evaluation"
            else kept
        )
    )


def _open(state: AppState, side: Side, key: str) -> None:
    if st.session_state[key] is not None:
        state.open_neuron(int(st.session_state[key]), side)
        st.session_state[key] = None


def social(state: AppState, probe: probing.Probe, attribute: str | None) -> None:
    """Every group with its neurons; the empty ones are named, with what to try."""
    if attribute is None:
        st.info("The probe gallery has no attribute, so no neuron can be tied to a group. Open a neuron by its number.")
        return
    tau = TAU.of(state)
    rule = probing.social(probe, attribute, tau)
    groups = list(rule.groups.items())
    for first in range(0, len(groups), 2):
        for column, (group, neurons) in zip(st.columns(2, gap="medium"), groups[first : first + 2], strict=False):
            with column:
                st.markdown(f"## {escape(group)} :small[:gray[n = {neurons.n:,}]]")
                if neurons.specific:
                    _several(state, probe, attribute, group, neurons.specific, tau)
                else:
                    _none(state, probe, attribute, group, tau, len(neurons.effective))
    if rule.unknown:
        st.caption(f"{rule.unknown:,} items have no known {escape(attribute)} and take no part.")
    _table(state, probe, attribute)


def _several(
    state: AppState, probe: probing.Probe, attribute: str, group: str, specific: tuple[int, ...], tau: float
) -> None:
    count = "1 neuron fires" if len(specific) == 1 else f"{len(specific)} neurons fire"
    lifts = [probing.lift(probe, neuron, attribute, group) for neuron in specific]
    unsure = sum(lift is not None and not lift.sure for lift in lifts)
    who = "It is" if len(specific) == 1 else f"{unsure} of them {'is' if unsure == 1 else 'are'}"
    doubt = f" {who} unsure: the difference to the next group may be nothing." if unsure else ""
    st.caption(
        f"{count} on at least {percent(tau)} of {escape(group)} and on no other group as often; strongest first.{doubt}"
    )
    for neuron in specific[:SHOWN]:
        card(state, probe, attribute, group, neuron)
    if len(specific) > SHOWN:
        with st.container(horizontal=True, gap="small"):
            for neuron in specific[SHOWN:20]:
                open_button(state, probe.gallery.side, neuron, f"{group}-more")


def _none(state: AppState, probe: probing.Probe, attribute: str, group: str, tau: float, effective: int) -> None:
    """Why a group has no neuron of its own at this tau, and what would show one."""
    shared = f"{effective} fire that often, but for another group too" if effective else "none fires that often"
    lower = probing.tau_that_finds(probe, attribute, group)
    advice = f"at τ = {lower:g} there is one" if lower is not None else "there is none at any τ"
    st.markdown(
        f"No neuron is {escape(group)}'s alone at τ = {tau:g}: {shared}; **{advice}**. "
        f"These tell {escape(group)} apart best:"
    )
    for neuron in probing.best(probe, attribute, group, 2):
        card(state, probe, attribute, group, neuron)


def card(state: AppState, probe: probing.Probe, attribute: str, group: str, neuron: int) -> None:
    """One neuron: its strongest items, how often it fires for the group and elsewhere, and the way to its page."""
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            open_button(state, probe.gallery.side, neuron, group)
            st.markdown(f":small[{rates_text(probe, attribute, group, neuron)}]", width="stretch")
        st.markdown(f":small[{answers_text(probe, attribute, group, neuron)}]")
        top = probing.shown_examples(probe, neuron).top.rows[:7]
        grids.strip(probe.gallery, map(int, top), f"{group}-{neuron}", f"neuron {neuron}", width=52)


def open_button(state: AppState, side: Side, neuron: int, where: str) -> None:
    off = " :small[:gray[off]]" if state.is_switched(neuron, side) else ""
    st.button(f"**{neuron}**{off}", key=f"open-{where}-{neuron}", on_click=state.open_neuron, args=(neuron, side))


def rates_text(probe: probing.Probe, attribute: str, group: str, neuron: int) -> str:
    """How often a neuron fires on a group and on the one after it, and by how much more. Markdown."""
    lift = probing.lift(probe, neuron, attribute, group)
    if lift is None:
        rate = probing.rates(probe, neuron, attribute)[group]
        return f"{share_alone(rate)} {interval(rate)} of {escape(group)}"
    return answer_words.rates(lift, group)


def answers_text(probe: probing.Probe, attribute: str, group: str, neuron: int) -> str:
    """What a neuron answers to most, and how that stands to the group that it was found for. Markdown."""
    auc = probing.auc(probe, neuron, attribute, group)
    components = probe.gallery.components(attribute)
    return answer_words.sentence(probing.answers(probe, neuron), components, named_group(attribute, group), auc)


def _table(state: AppState, probe: probing.Probe, attribute: str) -> None:
    """All neurons by how well they tell a group apart; a click on a line opens the neuron."""
    with st.expander(f"All neurons by how well they tell {escape(attribute)} apart", icon=":material/table_rows:"):
        groups = probe.gallery.groups(attribute)
        group = TABLE_GROUP.among(state, groups)
        st.selectbox("Group", groups, **TABLE_GROUP.mirrored(state))
        table = probing.ordered(probe, attribute, group, ROWS)
        share = st.column_config.NumberColumn(format="percent")
        st.dataframe(
            table,
            key="all-neurons",
            on_select=lambda: _take_line(state, probe, attribute, group),
            selection_mode="single-row",
            hide_index=True,
            height=320,
            column_config=dict.fromkeys(("rate", "lo", "hi"), share)
            | {name: st.column_config.NumberColumn(format="%.3f") for name in ("auc", "smd", "mean")},
        )
        st.caption(
            "rate with its 95 % interval (lo, hi): share of the group's items that fire. auc: chance that an item of "
            "the group has a higher value than one of the others; 0.5 tells nothing. p_adjusted: Mann-Whitney, "
            "Benjamini-Hochberg over all neurons."
        )


def _take_line(state: AppState, probe: probing.Probe, attribute: str, group: str) -> None:
    lines = st.session_state["all-neurons"]["selection"]["rows"]
    if lines:
        state.open_neuron(
            int(probing.ordered(probe, attribute, group, ROWS)["neuron"].iloc[lines[0]]), probe.gallery.side
        )
