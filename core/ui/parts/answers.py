"""What a neuron answers to, drawn: one sentence, the strongest association of each attribute, and a table of more."""

import pandas as pd
import streamlit as st

from core.neurons import Answers, named_group
from core.ui.parts import answer_charts, answer_words, charts, grids, provenance
from core.ui.parts.wording import number
from core.ui.session import probing

BARS = 6
"""Bars of the figure: one an attribute, and each word of a caption for itself."""
LONG_NAMES = 14
"""Letters that a line of the figure's small print has fewer: the names beside the bars are long."""


def said(probe: probing.Probe, neuron: int, attribute: str | None) -> str:
    """What it answers to most, beside the group of the chosen attribute that it fires on most often. Markdown."""
    answers = probing.answers(probe, neuron)
    if attribute is None:
        return answer_words.sentence(answers, ())
    rates = _rates(probe, neuron, attribute)
    if not rates:
        return answer_words.sentence(answers, ())
    first = max(rates, key=lambda group: rates[group])
    auc, components = probing.auc(probe, neuron, attribute, first), probe.gallery.components(attribute)
    name = named_group(attribute, first) if auc == auc else ""
    return answer_words.sentence(answers, components, name, auc)


def most_often(probe: probing.Probe, neuron: int, attribute: str | None) -> str:
    """On which group it fires most often, by how much, and for which tau it is specific, in words. Markdown."""
    if attribute is None:
        return ""
    rates = _rates(probe, neuron, attribute)
    if len(rates) < 2:
        return ""
    first, second = sorted(rates, key=lambda group: -rates[group])[:2]
    if rates[first] == rates[second]:
        return f" It fires equally often on {grids.escape(first)} and {grids.escape(second)}."
    lift = probing.lift(probe, neuron, attribute, first)
    return "" if lift is None else " " + answer_words.most_often(lift, first, len(rates) - 1)


def _rates(probe: probing.Probe, neuron: int, attribute: str) -> dict[str, float]:
    """Share of each group's items on which it fires, of the groups that have items."""
    found = probing.rates(probe, neuron, attribute)
    return {group: e.estimate for group, e in found.items() if e.estimate is not None}


def others(probe: probing.Probe, neuron: int) -> str:
    """The next associations, one an attribute, and which of them share their items, in words. Markdown."""
    answers = probing.answers(probe, neuron)
    words = [
        f"{grids.escape(each.said)} {answer_words.auc_text(each)}"
        for each in answers.by_attribute(BARS)[1:]
        if each.found
    ]
    following = f"Next: {', '.join(words)}." if words else ""
    return f"{following} {grids.escape(answers.overlap)}" if answers.overlap else following


def panel(probe: probing.Probe, neuron: int) -> None:
    """The figure, what must be known to read it, and the table."""
    answers = probing.answers(probe, neuron)
    st.markdown("**What it answers to** :small[:gray[AUC, with 95 % interval; 0.5 tells nothing]]")
    if not answers:
        st.caption(_left_out(answers) or "It is the same on all items.")
        return
    listed = answers.by_attribute(BARS)
    words = ", ".join(f"{each.said} {number(probing.towards(each)[0])}" for each in listed)
    provenance.chart(
        answer_charts.associations(listed),
        provenance.NARROW - LONG_NAMES,
        lines=provenance.probed(probe),
        key="answers",
        config=charts.config(f"neuron-{neuron}-answers"),
        alt=f"AUC of the strongest association of each attribute: {words}.",
    )
    if answers.overlap:
        st.caption(f":material/warning: {grids.escape(answers.overlap)}")
    with st.expander(f"The {len(answers)} strongest of {answers.tests} associations", icon=":material/table_rows:"):
        _table(answers)


def _table(answers: Answers) -> None:
    share = st.column_config.NumberColumn(format="percent")
    fine = st.column_config.NumberColumn(format="%.3f")
    table = pd.DataFrame(
        {
            "answers to": [each.said for each in answers],
            "auc": [probing.towards(each)[0] for each in answers],
            "lo": [probing.towards(each)[1] for each in answers],
            "hi": [probing.towards(each)[2] for each in answers],
            "fires on": [each.rate for each in answers],
            "on others": [each.other_rate for each in answers],
            "n": [each.n for each in answers],
            "p adjusted": [_p(each.p_adjusted) for each in answers],
        }
    )
    shares = dict.fromkeys(("fires on", "on others"), share)
    st.dataframe(table, hide_index=True, height=280, column_config=shares | dict.fromkeys(("auc", "lo", "hi"), fine))
    left = _left_out(answers)
    st.caption(
        "Each group against all other items with a known label; a word against the captions without it. fires on, on "
        "others and n are of the group itself, also where it stands as “not”. p adjusted: Mann-Whitney, Benjamini-"
        f"Hochberg over all {answers.tests} associations of this neuron." + (f" {left}" if left else "")
    )


def _left_out(answers: Answers) -> str:
    return f"Left out: {grids.escape('; '.join(answers.left_out))}." if answers.left_out else ""


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"
