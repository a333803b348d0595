"""The controls that belong beside every effect: chosen neurons against matched random ones."""

import streamlit as st

from core.ranking import ControlsResult
from core.ui.parts import charts, provenance
from core.ui.parts.wording import change, in_points
from core.ui.session import results
from core.ui.session.jobs import progress
from core.verdicts import p_text, points

NOTHING = "Nothing is switched, so there is nothing to set against chance. Switch a neuron at the left."


CONTROLS_PRINT = 100
"""Letters on a line of the small print: the names of the arms take a good part of the width."""


NO_NEURONS = "This method switches no neurons, so there are no random neurons to set beside it."


def controls(question: results.Asked) -> None:
    """The lean of the original, the SAE by itself, the chosen neurons and matched random ones, in one figure."""
    if not any(edit.neurons for edit in question.request.edits.values()):
        st.info(NOTHING if results.needs_edit(question) else NO_NEURONS)
        return
    with progress("Controls") as report:
        found = results.controls(question, report)
    named = {"original": found.original, "reconstruction only": found.reconstruction_only}
    named |= {found.projection.name: found.projection} if found.projection else {}
    named["this edit"] = found.chosen
    values = {name: arm.points for name, arm in named.items()}
    draws = [arm.points.estimate for arm in found.random if arm.points.estimate is not None]
    words = ", ".join(f"{name} {in_points(e)}" for name, e in values.items())
    provenance.chart(
        charts.controls(values, draws, f"lean of {found.group} in points: its share minus its searched share"),
        print_width=CONTROLS_PRINT,
        key="controls",
        config=charts.config("controls"),
        alt=f"Lean of {found.group} in points: {words}; random neurons {points(min(draws))} to {points(max(draws))} "
        f"in {len(draws)} draws.",
    )
    st.markdown(controls_said(found))
    random_cosine = sum(arm.cosine for arm in found.random) / len(found.random)
    st.caption(
        f"Mean cosine to the original: this edit {found.chosen.cosine:.3f}, reconstruction only "
        f"{found.reconstruction_only.cosine:.3f}, random neurons {random_cosine:.3f} on average"
        + (f", {found.projection.name} {found.projection.cosine:.3f}." if found.projection else ".")
    )


def controls_said(found: ControlsResult) -> str:
    """What matched random neurons, the reconstruction and the projection do to the same lean. Markdown."""
    draws, edit = len(found.random), found.chosen.points.estimate
    as_small = sum(abs(arm.points.estimate) <= abs(edit) for arm in found.random)
    p = p_text(found.p_value, 1 / (1 + draws))
    return (
        f"Of {draws} random draws of neurons, matched in number and firing rate, {as_small} leave as small a lean of "
        f"{found.group} as this edit does ({p}). The SAE's reconstruction alone changes it from "
        f"{points(found.original.points.estimate)} to {points(found.reconstruction_only.points.estimate)} points. "
        f"Against the original this edit changes it by {change(found.chosen.points_change, points)}{_rival(found)}."
    )


def _rival(found: ControlsResult) -> str:
    """What removing the difference of the groups' means does instead, or why that is not known."""
    if found.projection is None:
        return f" (no mean-difference projection: {found.projection_reason})"
    return f", the mean-difference projection by {change(found.projection.points_change, points)}"
