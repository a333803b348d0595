"""The lower half of a neuron's page: what is said about it, what switching it off does, and how it is elsewhere."""

from collections.abc import Mapping

import streamlit as st

from core.config import InputError, Side
from core.statistics import Estimate
from core.ui.neurons import facts, firing_charts, map_charts
from core.ui.parts import charts, grids, provenance
from core.ui.parts.frame import guard, guarded
from core.ui.parts.wording import change, number, percent, value
from core.ui.session import cache, entering, probing
from core.ui.session.choices import RATER, Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.prompts import suggestions
from core.ui.session.state import AppState, get_state
from core.verdicts import target_name

PROMPTS = 8
"""Prompts of the gallery that are tried first."""
LONGEST_LIST = 40
ASKED_OFF: Choice[tuple[Side, int] | None] = Choice("off-asked", None)
"""Side and number of the neuron that is to be switched off for the list of prompts."""
REFERENCE = Choice("reference", "none")
OTHER = 6
"""Items of each grid of the other gallery: with the four grids above they stay below 60."""


def said_line(state: AppState, probe: probing.Probe, neuron: int) -> str:
    """Monosemanticity, and what raters say, unless this session's rater still has to label it blind. Markdown."""
    parts = []
    mono = facts.monosemanticity(probe, neuron)
    if mono is not None and mono[0] == mono[0]:
        parts.append(f"Monosemanticity **{mono[0]:.3f}** (a neuron that says nothing: {mono[1]:.3f}).")
    standing = facts.standing(probe, neuron)
    if standing is None or not (standing.labels or standing.decision):
        return " ".join(parts)
    rater = entering.identity() or RATER.of(state)
    if rater and rater not in standing.labels:
        return " ".join([*parts, f"Labelled by {len(standing.labels)}: hidden until you have labelled it."])
    decided = ", decided" if standing.decision else f", {len(standing.labels)} raters"
    scores = [event.score["auc"] for event in standing.scores.values() if event.score]
    tested = f"; raters predict it with AUC {number(sum(scores) / len(scores))}" if scores else ""
    confound = "; a confound is suspected" if any(label.confound for label in standing.labels.values()) else ""
    return " ".join(
        [*parts, f"Labelled **{escape(standing.said or 'in different ways')}**{decided}{tested}{confound}."]
    )


def switched_off(state: AppState, probe: probing.Probe, side: Side, neuron: int, attribute: str | None) -> None:
    """A prompt list before and after this neuron is off, once somebody asks."""
    with st.expander("What switching it off does to a list of prompts", icon=":material/toggle_off:"), guard():
        if attribute is None:
            st.caption("The gallery has no attribute, so there are no groups to count.")
            return
        gallery = cache.current_gallery(state)
        given = "\n".join(suggestions(gallery)[:PROMPTS])
        with st.form("off-prompts", border=False):
            text = st.text_area("Prompts, one a line", given, height=130, key=f"off-text-{gallery.digest[:8]}")
            if st.form_submit_button("Try them", type="primary"):
                ASKED_OFF.put(state, (side, neuron))
        if ASKED_OFF.of(state) != (side, neuron):
            return
        prompts = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
        if not 0 < len(prompts) <= LONGEST_LIST:
            raise InputError(f"{len(prompts)} prompts were given; expected 1 to {LONGEST_LIST}, one a line")
        with progress("Ranking") as report:
            results = facts.switched_off(state, side, neuron, attribute, prompts, report)
        lines = ["| Prompt | MaxSkew before | off | change |", "|---|---|---|---|"]
        for prompt, ranked in results.items():
            before = ranked.before.metrics["max_skew"]
            if ranked.after is None or ranked.difference is None:
                lines.append(f"| {grids.escape(prompt)} | {value(before)} | {grids.escape(ranked.reason or '')} | – |")
                continue
            after, moved = ranked.after.metrics["max_skew"], change(ranked.difference.metrics["max_skew"])
            lines.append(f"| {grids.escape(prompt)} | {value(before)} | {value(after)} | {moved} |")
        st.markdown("\n".join(lines))
        first = next(iter(results.values()))
        st.caption(
            f"{escape(attribute)} of the {first.request.k} nearest in {grids.escape(gallery.name)}, target "
            f"{escape(target_name(first.request.target))}, n = {first.part.n:,}; 95 % intervals, changes paired. "
            "One neuron off, error-preserving. The prompts of this list are looked at together: a single small change "
            "may be chance."
        )


@st.fragment
@guarded
def elsewhere(probe: probing.Probe, neuron: int, attribute: str | None) -> None:
    """The same neuron on another gallery: a gender neuron here may be a hair neuron there."""
    state = get_state()
    others = facts.references(probe)
    if not others:
        st.caption("No other gallery here holds embeddings that this SAE reads, so it is shown on one gallery only.")
        return
    names = ["none", *others]
    chosen = REFERENCE.among(state, names)
    st.selectbox("Also show it on", names, width=320, **REFERENCE.mirrored(state))
    if chosen == "none":
        return
    with progress("Encoding the other gallery") as report:
        there = facts.elsewhere(probe, others[chosen], report)
    shown = probing.shown_examples(there, neuron, OTHER)
    st.markdown(
        f"On **{grids.escape(there.gallery.name)}** it fires on {percent(shown.n_firing / shown.n)} of {shown.n:,}."
    )
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        for title, part, key in (("Fires most on", shown.top, "top"), ("Does not fire on", shown.silent, "silent")):
            st.markdown(f"**{title}**")
            captions = [grids.said(f"{v:.2f}") for v in part.values]
            tiles = grids.tiles(there.gallery, map(int, part.rows), captions)
            grids.grid(tiles, f"elsewhere-{key}", 69, "No such item there.")
    with right:
        counted = attribute if attribute in there.gallery.attributes else next(iter(there.gallery.attributes), None)
        if counted is None:
            st.caption("That gallery has no attribute.")
            return
        rates = probing.rates(there, neuron, counted)
        st.markdown(f"**How often it fires there** :small[:gray[by {escape(counted)}]]")
        rates_chart(there, rates, "elsewhere-rates", f"neuron-{neuron}-elsewhere", "Firing rates there")


def rates_chart(probe: probing.Probe, rates: Mapping[str, Estimate], key: str, name: str, what: str) -> None:
    """How often a neuron fires on each group, drawn; `name` is that of the file that the figure is saved as."""
    words = ", ".join(f"{group} {percent(e.estimate)}" for group, e in rates.items() if e.estimate is not None)
    provenance.chart(
        firing_charts.rates(rates),
        provenance.NARROW,
        lines=provenance.probed(probe),
        key=key,
        config=charts.config(name),
        alt=f"{what}: {words}.",
    )


@st.fragment
@guarded
def heat_map(state: AppState, probe: probing.Probe, neuron: int) -> None:
    """Where in one of its strongest pictures the neuron fires, for SAEs of the residual attach point."""
    if probe.gallery.side != "image" or probe.sae.attach != "residual" or not probe.gallery.has_thumbs:
        return
    top = [int(row) for row in probing.shown_examples(probe, neuron).top.rows]
    if not top:
        return
    with st.expander("Where in a picture it fires", icon=":material/grid_on:"), guard():
        names = {probe.gallery.item_id(row): row for row in top}
        chosen = st.pills("Picture", list(names), format_func=escape, key=f"heat-{neuron}")
        if chosen is None:
            st.caption("Choose one of the pictures it fires on most: each patch of the model is read by itself.")
            return
        picture = probe.gallery.thumb(names[chosen])
        values = facts.heat(state, probe, neuron, picture)
        least, most = float(values.min()), float(values.max())
        provenance.chart(
            map_charts.heat(picture, values),
            provenance.NARROW,
            lines=provenance.probed(probe),
            key="heat",
            config=charts.config(f"neuron-{neuron}-patches"),
            alt=f"Activation of neuron {neuron} on {values.size} patches of item {chosen}: {least:.2f} to {most:.2f}.",
        )
        st.caption(
            f"{values.shape[0]} × {values.shape[1]} patches of the stored small picture, {least:.2f} to {most:.2f}. "
            "An SAE that was trained on the one token of the whole picture knows little of single patches: read this "
            "as a hint, not as evidence."
        )
