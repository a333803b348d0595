"""The other views of Compare: the controls that belong beside every effect, and what the edit costs."""

from collections.abc import Callable, Mapping

import streamlit as st

from core.ranking import ControlsResult, ZeroshotCost
from core.statistics import Estimate
from core.ui import charts, provenance, results
from core.ui.jobs import progress
from core.ui.wording import in_points, interval_of, number, percent, signed
from core.verdicts import p_text, points


def value(e: Estimate) -> str:
    """A metric with its interval, or why there is none."""
    return e.reason or "–" if e.estimate is None else f"{number(e.estimate)} :small[:gray[{interval_of(e)}]]"


def change(e: Estimate, write: Callable[[float], str] = signed) -> str:
    """A difference with its interval; a difference of 0 is printed as such."""
    if e.estimate is None:
        return e.reason or "–"
    inside = "" if e.lo is None or e.hi is None else f" :small[:gray[({write(e.lo)} to {write(e.hi)})]]"
    return write(e.estimate) + inside


# -- controls ---------------------------------------------------------------------------------------------------------

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


# -- cost -------------------------------------------------------------------------------------------------------------


def cost(question: results.Asked) -> None:
    """What the model still knows: other attributes, how far items moved, and queries that name a group outright."""
    if not question.request.intervenes:
        st.info("Nothing is switched, so nothing is lost. Switch a neuron at the left.")
        return
    with progress("What it costs") as report:
        found = results.cost(question, report)
    moved, cosine, explicit = st.columns(3)
    moved.metric("Items moved", percent(found.rows_changed / found.n), help=f"{found.rows_changed:,} of {found.n:,}")
    cosine.metric("Mean cosine to the original", f"{found.cosine_mean:.3f}", help="1: nothing moved")
    explicit.metric("Smallest cosine", f"{found.cosine_min:.3f}")
    attribute = question.request.attribute
    st.markdown("**Other attributes** :small[:gray[share recognised right by class prompts, with 95 % interval]]")
    right = {a: (c.before.accuracy, c.after.accuracy) for a, c in found.zeroshot.items() if c.before and c.after}
    _dumbbells(right, "cost-attributes", "Accuracy before and after")
    for name, c in found.zeroshot.items():
        if c.reason:
            st.caption(f"{name}: {c.reason}")
    if not found.zeroshot:
        st.caption("No attribute of this gallery besides the edited one has class prompts.")
    st.markdown(
        f"**Queries that name a {attribute}** :small[:gray[AUC: 100 % finds that group first, 50 % is guessing]]"
    )
    _dumbbells({q: (c.before, c.after) for q, c in found.explicit.items()}, "cost-explicit", "AUC before and after")
    if not found.explicit:
        st.caption(f"There are no class prompts for {attribute}, so no query names its groups.")
    left = found.leakage
    st.markdown(
        f"**Is {attribute} gone?** :small[:gray[AUC of a linear probe that reads it off the items, cross-validated; "
        "50 % is guessing]]"
    )
    _dumbbells({f"probe for {attribute}": (left.before, left.after)}, "cost-leakage", "AUC before and after")
    if left.after.estimate is not None:
        st.caption(
            f"Change {change(left.difference)}, n = {left.after.n:,}, {left.rows}. A neuron that is off does not mean "
            f"that {attribute} can no longer be read."
        )
    worst = "; ".join(f"{a} {_worst(c)}" for a, c in found.zeroshot.items() if c.before and c.after)
    st.caption(
        "An edit after which such queries find nobody has made the model blind, not fair."
        + (f" Worst-group accuracy: {worst}." if worst else "")
    )


def _dumbbells(rows: Mapping[str, tuple[Estimate, Estimate]], key: str, what: str) -> None:
    """The rows that have numbers as a figure, the others with their reasons."""
    drawn = {name: pair for name, pair in rows.items() if None not in (pair[0].estimate, pair[1].estimate)}
    if drawn:
        words = ", ".join(f"{name} {percent(b.estimate)} to {percent(a.estimate)}" for name, (b, a) in drawn.items())
        provenance.chart(charts.before_after(drawn), key=key, config=charts.config(key), alt=f"{what}: {words}.")
    for name in rows.keys() - drawn.keys():
        st.caption(f"{name}: {rows[name][0].reason or rows[name][1].reason}")


def _worst(c: ZeroshotCost) -> str:
    return f"{c.before.worst_group} {percent(c.before.worst.estimate)} → {percent(c.after.worst.estimate)}"
