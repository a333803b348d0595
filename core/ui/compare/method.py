"""Which method answers: by the side it changes, with what it does in plain words, its formula, needs and price."""

import streamlit as st

from core.ui.session import results
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, bind

SIDES = {
    "edit": "Neurons",
    "query": "Prompt",
    "items": "Items",
    "both": "Prompt and items",
}
"""What a method changes, in the order in which methods are listed."""
LINE, LINES = r"\qquad", r"\\"
"""Where a formula breaks: the popover is as narrow as the column it opens in."""
FIRST = "neuron-edit"
HIDDEN = ("identity", "reconstruction-only")
"""The baseline and a control: both are shown beside every method anyway."""


def choice(state: AppState, question: results.Asked) -> str | None:
    """The method's name to choose and what it is; returns why it cannot run here, None where it can."""
    from core.interventions import INTERVENTIONS

    reasons = results.unavailable(question)
    named = {name: INTERVENTIONS.get(name) for name in INTERVENTIONS if name not in HIDDEN}
    order = list(SIDES)
    names = sorted(named, key=lambda n: (order.index(named[n].changes), n in reasons, named[n].title))

    def label(name: str) -> str:
        unavailable = " (not here)" if name in reasons else ""
        return f"{SIDES[named[name].changes]} · {named[name].title}{unavailable}"

    if state.method not in named:
        state.choose_method(FIRST)
    st.selectbox("Method", names, format_func=label, help="What is changed · how", **bind("method"))
    chosen = named[state.method]
    st.caption(chosen.plain_for(question.gallery.kind))
    with st.popover("Formula, needs, cost", icon=":material/function:", width="stretch"):
        st.latex(rf"\begin{{gathered}}{chosen.formula.replace(LINE, LINES)}\end{{gathered}}")
        st.markdown(
            f"**Needs** {', '.join(chosen.needs.words()) or 'nothing'}  \n**Costs** {chosen.cost}  \n"
            f"**Source** {chosen.paper}"
        )
    return reasons.get(state.method)


def refusal(reason: str) -> None:
    """The calm line for a method that cannot run here."""
    st.info(
        f"{escape(reason[:1].upper() + reason[1:])}.",
        title="This method cannot run here",
        icon=":material/info:",
    )
