"""Which attention heads of the picture model make a prompt lean: a cell a head, and those that a method silences."""

from typing import TYPE_CHECKING

import streamlit as st

from core.ui.parts import charts, grids, provenance
from core.ui.parts.frame import guard
from core.ui.session import probing
from core.ui.session.choices import Choice
from core.ui.session.jobs import progress
from core.ui.session.scene import chosen_scene
from core.ui.session.state import AppState
from core.verdicts import NOT_COMPUTED

if TYPE_CHECKING:
    from core.edits.heads import HeadLeans

FOUND: Choice["HeadLeans | None"] = Choice("heads-found", None)
LISTED = 12


def heads_panel(state: AppState, probe: probing.Probe, attribute: str | None) -> None:
    """A prompt, then the heads by what each adds to its lean."""
    if attribute is None:
        st.info("The probe gallery has no attribute, so there are no groups that a head could tell apart.")
        return
    st.caption(
        "The picture model's embedding is a sum of what its attention heads and its other parts add. Heads that add "
        "more for one group than for the others make the prompt lean. The small pictures of the probe set go once "
        "more through the model, which takes some seconds."
    )
    with st.form("heads", border=False):
        prompt, go = st.columns([4, 1], vertical_alignment="bottom")
        text = prompt.text_input("Prompt", state.query or "a photo of a doctor")
        asked = go.form_submit_button("Read the heads", type="primary", width="stretch")
    with guard():
        if asked:
            FOUND.put(state, _read(state, attribute, " ".join(text.split()), probe))
        found = FOUND.of(state)
        if found is not None:
            _show(found, probe)


def _read(state: AppState, attribute: str, text: str, probe: probing.Probe) -> "HeadLeans":
    from core.edits.heads import which_heads
    from core.ranking import RankRequest

    with progress("Reading the heads") as report:
        return which_heads(chosen_scene(state, ()), RankRequest(attribute, text, where=dict(probe.where)), report)


def _show(found: "HeadLeans", probe: probing.Probe) -> None:
    gap, rest = found.gap.estimate, found.rest.estimate
    if gap is None or rest is None:
        st.markdown(
            f"Which heads make the gap is {NOT_COMPUTED}: {grids.escape(found.gap.reason or found.rest.reason or '')}."
        )
        return
    silenced = [pull for pull in found.heads if pull.silenced]
    lo, hi = found.gap.lo, found.gap.hi
    ends = "" if lo is None or hi is None else f" ({lo:+.3f} to {hi:+.3f})"
    st.markdown(
        f"**{grids.escape(found.query)}** scores **{grids.escape(found.group)}** higher by {gap:.3f}{ends} on average, "
        f"over all other pictures with a known group (n = {found.n:,}). All heads together add {gap - rest:+.3f}, the "
        f"other parts of the model {rest:+.3f}. Head ablation would silence "
        + (", ".join(f"layer {pull.layer}, head {pull.head}" for pull in silenced) or "none")
        + "."
    )
    figure = charts.picture(found.picture())
    probed = provenance.probed(probe)
    facts = {"prompt": found.query} | {name: probed[name] for name in ("gallery", "model")}
    provenance.chart(figure, lines=facts, config=charts.config("heads"), alt=found.picture().notes)
    lines = [
        "| Layer | Head | adds to the gap | 95 % interval | share of the gap | silenced |",
        "|---|---|---|---|---|---|",
    ]
    for pull in found.heads[:LISTED]:
        e, share = pull.contribution, "–" if pull.share is None else f"{pull.share:.0%}"
        adds = NOT_COMPUTED if e.estimate is None else f"{e.estimate:+.3f}"
        ends = "–" if e.lo is None or e.hi is None else f"{e.lo:+.3f} to {e.hi:+.3f}"
        lines.append(f"| {pull.layer} | {pull.head} | {adds} | {ends} | {share} | {'yes' if pull.silenced else ''} |")
    st.markdown("\n".join(lines))
    st.caption(
        f"Welch's intervals, each head by itself: of {found.shape[0] * found.shape[1]} heads some lie beside 0 by "
        "chance. Layers and heads count from 0. Only what a head adds itself is counted, not what later layers make "
        "of it."
    )
