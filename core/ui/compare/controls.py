"""The controls that belong beside every effect: chosen neurons against matched random ones."""

import streamlit as st

from core.ranking import ControlsResult
from core.ui.parts import charts, provenance
from core.ui.parts.wording import change, in_points
from core.ui.session import results
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.verdicts import p_text, points

NOTHING = "Nothing is switched, so there is nothing to set against chance. Switch a neuron first."


CONTROLS_PRINT = 100
"""Letters on a line of the small print: the names of the arms take a good part of the width."""


NO_NEURONS = "This method switches no neurons, so there are no random neurons to set beside it."


def controls(question: results.Asked) -> None:
    """The lean of the original, the SAE by itself, the chosen neurons and matched random ones, in one figure."""
    if not any(edit.neurons for edit in question.request.edits.values()):
        st.info(NOTHING if results.needs_edit(question) else NO_NEURONS)
        return
    with progress("Controls") as report:
        result = results.controls(question, report)
    named = {"original": result.original, "reconstruction only": result.reconstruction_only}
    named |= {result.projection.name: result.projection} if result.projection else {}
    named["this edit"] = result.chosen
    values = {name: arm.points for name, arm in named.items()}
    draws = [arm.points.estimate for arm in result.random if arm.points.estimate is not None]
    words = ", ".join(f"{name} {in_points(e)}" for name, e in values.items())
    provenance.chart(
        charts.controls(values, draws, f"lean of {result.group} in points: its share minus its searched share"),
        print_width=CONTROLS_PRINT,
        key="controls",
        config=charts.config("controls"),
        alt=f"Lean of {result.group} in points: {words}; random neurons {points(min(draws))} to {points(max(draws))} "
        f"in {len(draws)} draws.",
    )
    st.markdown(controls_said(result))
    random_cosine = sum(arm.cosine for arm in result.random) / len(result.random)
    st.caption(
        f"Mean cosine to the original: this edit {result.chosen.cosine:.3f}, reconstruction only "
        f"{result.reconstruction_only.cosine:.3f}, random neurons {random_cosine:.3f} on average"
        + (f", {escape(result.projection.name)} {result.projection.cosine:.3f}." if result.projection else ".")
    )


def controls_said(result: ControlsResult) -> str:
    """What matched random neurons, the reconstruction and the projection do to the same lean. Markdown."""
    leans, edit = [arm.points.estimate for arm in result.random], result.chosen.points.estimate
    draws = len(leans)
    as_small = sum(abs(lean) <= abs(edit) for lean in leans if lean is not None and edit is not None)
    p = p_text(result.p_value, 1 / (1 + draws))
    return (
        f"Of {draws} random draws of neurons, matched in number and firing rate, {as_small} leave as small a lean of "
        f"{escape(result.group)} as this edit does ({p}). The SAE's reconstruction alone changes it from "
        f"{points(result.original.points.estimate)} to {points(result.reconstruction_only.points.estimate)} points. "
        f"Against the original this edit changes it by {change(result.chosen.points_change, points)}{_rival(result)}."
    )


def _rival(result: ControlsResult) -> str:
    """What removing the difference of the groups' means does instead, or why that is not known."""
    if result.projection is None:
        return f" (no mean-difference projection: {escape(result.projection_reason or '')})"
    return f", the mean-difference projection by {change(result.projection.points_change, points)}"
