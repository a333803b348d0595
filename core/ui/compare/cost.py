"""The other views of Compare: the controls that belong beside every effect, and what the edit costs."""

from collections.abc import Mapping

import streamlit as st

from core.statistics import Estimate
from core.ui.parts import charts, provenance
from core.ui.parts.wording import change, percent
from core.ui.session import results
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.zeroshot import ZeroshotResult

# -- controls ---------------------------------------------------------------------------------------------------------


# -- cost -------------------------------------------------------------------------------------------------------------


def cost(question: results.Asked) -> None:
    """What the model still knows: other attributes, how far items moved, and queries that name a group outright."""
    if not question.request.intervenes:
        st.info("Nothing is switched, so nothing is lost. Switch a neuron first.")
        return
    with progress("What it costs") as report:
        result = results.cost(question, report)
    moved, cosine, explicit = st.columns(3)
    moved.metric(
        "Items moved", percent(result.rows_changed / result.n), help=f"{result.rows_changed:,} of {result.n:,}"
    )
    cosine.metric("Mean cosine to the original", f"{result.cosine_mean:.3f}", help="1: nothing moved")
    explicit.metric("Smallest cosine", f"{result.cosine_min:.3f}")
    attribute = question.request.attribute
    st.markdown("**Other attributes** :small[:gray[share recognised right by class prompts, with 95 % interval]]")
    right = {a: (c.before, c.after) for a, c in result.zeroshot.items() if c.before and c.after}
    accuracies = {a: (before.accuracy, after.accuracy) for a, (before, after) in right.items()}
    _dumbbells(accuracies, "cost-attributes", "Accuracy before and after")
    for name, c in result.zeroshot.items():
        if c.reason:
            st.caption(f"{escape(name)}: {escape(first_clause(c.reason))}")
    if not result.zeroshot:
        st.caption("No attribute of this gallery besides the edited one has class prompts.")
    st.markdown(
        f"**Queries that name a {escape(attribute)}** "
        ":small[:gray[AUC: 100 % finds that group first, 50 % is guessing]]"
    )
    _dumbbells({q: (c.before, c.after) for q, c in result.explicit.items()}, "cost-explicit", "AUC before and after")
    if not result.explicit:
        st.caption(f"There are no class prompts for {escape(attribute)}, so no query names its groups.")
    left = result.leakage
    st.markdown(
        f"**Is {escape(attribute)} gone?** :small[:gray[AUC of a linear probe that reads it off the items, "
        "cross-validated; "
        "50 % is guessing]]"
    )
    _dumbbells({f"probe for {attribute}": (left.before, left.after)}, "cost-leakage", "AUC before and after")
    if left.after.estimate is not None:
        st.caption(
            f"Change {change(left.difference)}, n = {left.after.n:,}, {escape(left.rows)}. A neuron that is off "
            f"does not mean that {escape(attribute)} can no longer be read."
        )
    worst = "; ".join(f"{escape(a)} {_worst(*right[a])}" for a in right)
    st.caption(
        "An edit after which such queries find nobody has made the model blind, not fair."
        + (f" Worst-group accuracy: {worst}." if worst else "")
    )


def _dumbbells(rows: Mapping[str, tuple[Estimate, Estimate]], key: str, what: str) -> None:
    """The rows that have numbers as a figure, the others with their reasons."""
    drawn, words = {}, []
    for name, (before, after) in rows.items():
        if before.estimate is not None and after.estimate is not None:
            drawn[name] = (before, after)
            words.append(f"{name} {percent(before.estimate)} to {percent(after.estimate)}")
    if drawn:
        provenance.chart(
            charts.before_after(drawn), key=key, config=charts.config(key), alt=f"{what}: {', '.join(words)}."
        )
    for name in rows.keys() - drawn.keys():
        st.caption(f"{escape(name)}: {escape(rows[name][0].reason or rows[name][1].reason or '')}")


def first_clause(reason: str) -> str:
    """What is wrong, without what to type on the command line about it."""
    return reason.partition("; ")[0]


def _worst(before: ZeroshotResult, after: ZeroshotResult) -> str:
    return f"{escape(before.worst_group or '')} {_accuracy(before.worst)} → {_accuracy(after.worst)}"


def _accuracy(e: Estimate) -> str:
    return "none" if e.estimate is None else percent(e.estimate)
