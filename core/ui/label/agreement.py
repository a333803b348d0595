"""Agreement: how far raters agree beyond chance, where they do not, and what was decided."""

from collections.abc import Sequence

import streamlit as st

from core import access
from core.labelling import DETAILS, TYPES, Agreement, Standing, agreement
from core.statistics import Estimate
from core.ui.label.desk import Desk, guarded_key
from core.ui.label.keys import KEYS, with_key
from core.ui.parts import grids
from core.ui.parts.frame import guard
from core.ui.parts.keys import listen
from core.ui.parts.switches import switch
from core.ui.parts.wording import number
from core.ui.session import label_log, probing
from core.ui.session.choices import Choice

SHOWN = 8
"""Disputed neurons shown at once: with seven pictures each they stay below 60."""
STRIP = 7
LEVEL = Choice("agreement-level", "type")
LEVELS = {"type": "Type", "category": "Type and attribute"}
HELD: Choice[int | None] = Choice("agreement-held", None)
"""Disputed neuron that the keys decide, or the number from which on the next one is looked for; None: the first."""
NEXT, BACK = "n", "b"
"""Keys that lead to the next disputed neuron and to the one before it."""
CATEGORIES = [(type, detail) for type in TYPES for detail in DETAILS.get(type, (None,))]


def agreement_panel(desk: Desk) -> None:
    """Both coefficients with their intervals, then the disputed neurons with what each rater said."""
    standings = label_log.live(desk.sae).on(desk.gallery)
    level = switch(desk.state, "Agreement on", LEVEL, LEVELS, shown=True)
    agreed = agreement(standings.values(), by_attribute=level == "category")
    _coefficients(agreed)
    st.caption(
        f"Labels of neurons of **{grids.escape(desk.probe.sae.name)}** on **{grids.escape(desk.probe.gallery.name)}**. "
        "1 is perfect agreement, 0 is what chance gives; intervals (95 %) over resampled neurons. Decisions take no "
        "part."
    )
    if not desk.rater:
        st.info("Type your name under Label to see what others said and to decide.")
        return
    judged = {j: s for j, s in sorted(standings.items()) if s.disputed and desk.rater in s.labels}
    hidden = sum(s.disputed for s in standings.values()) - len(judged)
    st.markdown(f"**Disputed** :small[:gray[{len(judged)} that you have labelled too]]")
    if hidden:
        st.caption(f"{hidden} more are disputed among others; label them first, so that you judge for yourself.")
    at = held_at(list(judged), HELD.of(desk.state))
    if judged:
        _turning(desk, list(judged), at)
        decided = {letter: ("decide-", f"-type-{letter}") for letter, *_ in KEYS}
        listen({**decided, NEXT: ("disputed-next", ""), BACK: ("disputed-back", "")})
    for place, (neuron, standing) in enumerate(list(judged.items())[at : at + SHOWN]):
        with guard():
            _disputed(desk, neuron, standing, keys=place == 0)


def held_at(disputed: Sequence[int], held: int | None) -> int:
    """Place of the neuron that the keys decide: the held one or, where it was decided, the next; else the last."""
    later = [place for place, neuron in enumerate(disputed) if held is None or neuron >= held]
    return later[0] if later else max(len(disputed) - 1, 0)


def _turning(desk: Desk, disputed: Sequence[int], at: int) -> None:
    """Which one the keys decide, and the ways to its neighbours."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name, letter, key, to in (
            ("Previous", BACK.upper(), "disputed-back", at - 1),
            ("Next", NEXT.upper(), "disputed-next", at + 1),
        ):
            there = 0 <= to < len(disputed)
            st.button(
                with_key(name, letter),
                key=key,
                disabled=not there,
                on_click=HELD.put,
                args=(desk.state, disputed[to] if there else None),
            )
        st.caption(
            f"**{at + 1} of {len(disputed)}**. The keys of its buttons decide the one on top; the next one then takes "
            "its place.",
            width="content",
        )


def _coefficients(agreed: Agreement) -> None:
    raters, kappa, alpha = st.columns(3)
    names = grids.escape(", ".join(agreed.raters)) or "nobody yet"
    raters.metric("Neurons with two labels or more", f"{agreed.items:,}", help=f"Raters: {names}")
    for place, name, e in (
        (kappa, "Cohen's κ", agreed.cohen_kappa),
        (alpha, "Krippendorff's α", agreed.krippendorff_alpha),
    ):
        place.metric(name, "–" if e.estimate is None else number(e.estimate))
        place.caption(_beside(e))


def _beside(e: Estimate) -> str:
    if e.estimate is None:
        return grids.escape(e.reason or "")
    inside = "" if e.lo is None or e.hi is None else f"{number(e.lo)} to {number(e.hi)}, "
    return f"{inside}n = {e.n:,}"


def _disputed(desk: Desk, neuron: int, standing: Standing, keys: bool) -> None:
    """One neuron with its pictures, the labels, and the way to settle it: a key, or a choice from the list."""
    with st.container(border=True, gap="xsmall"):
        labels = "; ".join(
            f"{grids.escape(rater)}: **{grids.escape(label.category)}**"
            + (f" “{grids.escape(label.text)}”" if label.text else "")
            for rater, label in standing.labels.items()
        )
        st.markdown(f"**{neuron}** :small[{labels}]")
        top = probing.shown_examples(desk.probe, neuron).top.rows[:STRIP]
        grids.strip(desk.probe.gallery, map(int, top), f"disputed-{neuron}", f"neuron {neuron}", width=52)
        if not access.may("adjudicate"):
            return
        if keys:
            _decide_keys(desk, neuron)
            return
        options = [f"{type}: {detail}" if detail else type for type, detail in CATEGORIES]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox("Decide", options, index=None, key=f"decide-{neuron}", label_visibility="collapsed")
            st.button(
                "Decide",
                key=f"decided-{neuron}",
                disabled=chosen is None,
                on_click=guarded_key,
                args=(desk.decide, neuron, *CATEGORIES[options.index(chosen)]) if chosen else (),
            )


def _decide_keys(desk: Desk, neuron: int) -> None:
    """One key a decision. The buttons belong to this neuron: a second press cannot reach the next one unseen."""
    with st.container(horizontal=True, gap="xsmall"):
        for letter, type, attribute, name in KEYS:
            st.button(
                with_key(name, letter),
                key=f"decide-{neuron}-type-{letter}",
                help=f"Decide: {type}" + (f", {attribute}" if attribute else ""),
                on_click=guarded_key,
                args=(desk.decide, neuron, type, attribute),
            )
