"""The other views of Compare: the controls that belong beside every effect, and what the edit costs."""

from collections.abc import Mapping

import streamlit as st

from core.ranking import ZeroshotCost
from core.statistics import Estimate
from core.ui.parts import charts, provenance
from core.ui.parts.wording import change, percent
from core.ui.session import results
from core.ui.session.jobs import progress

# -- controls ---------------------------------------------------------------------------------------------------------


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
