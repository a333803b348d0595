"""Precision and recall by group in Compare, where it is known who is relevant."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.gallery import Gallery
from core.ranking import Performance, RankResult, performance
from core.ranking.performance import INTERVALS, MEASURES, TEXT
from core.statistics import Estimate, RateChange, RateGap
from core.ui.parts.wording import interval, percent, share_text
from core.ui.session import results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.state import get_state

COLUMN: Choice[str | None] = Choice("relevant-column", None)
VALUE: Choice[str | None] = Choice("relevant-value", None)
SAID = Choice("relevant-word", "")
"""What makes an item relevant: a value of a column, or a word of its caption."""
WORD = "a word of the caption"
MEANING = {
    "precision": "of whom the list shows of a group, how many are relevant",
    "recall": "of a group's relevant people, how many the list shows",
}


def view(question: results.Asked, ranked: RankResult) -> None:
    """Who is relevant is chosen here; then both measures by group, before, after and their change."""
    asked = _chosen(question.gallery, ranked)
    if not asked:
        st.caption("Say who is relevant for this prompt, and each group's precision and recall are counted.")
        return
    shown = performance(question.gallery, ranked, asked)
    for measure in MEASURES:
        st.markdown(f"**{measure.capitalize()} @ {shown.k}** :small[:gray[{MEANING[measure]}]]")
        st.table(rows(shown, measure), border="horizontal", hide_index=True)
        st.caption("  \n".join(gap_lines(shown, measure)))
    for note in shown.notes:
        st.caption(f":material/info: {escape(note)}")
    st.caption(f"Intervals are 95 %: {INTERVALS}.")


def _chosen(gallery: Gallery, ranked: RankResult) -> Mapping[str, str]:
    """Column and value that make an item relevant; {} where nothing is chosen yet."""
    state, compared = get_state(), gallery.components(ranked.request.attribute)
    columns = [name for name in gallery.attributes if name not in compared]
    columns = [*([TEXT] if gallery.kind == "captions" else []), *columns]
    if not columns:
        st.info("Nothing but the compared groups is known of these items, so nobody can be said to be relevant.")
        return {}
    left, right = st.columns(2)
    column = COLUMN.among(state, columns)
    left.selectbox(
        "Relevant by", columns, format_func=lambda name: WORD if name == TEXT else name, **COLUMN.mirrored(state)
    )
    value: str | None
    if column == TEXT:
        value = right.text_input("Word", placeholder="doctor", **SAID.mirrored(state)).strip()
    else:
        values = gallery.groups(column)
        if VALUE.of(state) not in values:
            VALUE.put(state, None)
        value = right.selectbox("Value", values, index=None, placeholder="Choose", **VALUE.mirrored(state))
    return {column: value} if value else {}


def rows(shown: Performance, measure: str) -> list[dict[str, Any]]:
    """A row for everybody and one a group."""
    names = ["Everybody", *shown.groups]
    arms = {"Before": shown.before} | ({"After": shown.after} if shown.after is not None else {})
    columns = {arm: [rates[measure].overall, *rates[measure].by_group] for arm, rates in arms.items()}
    table = [{"": escape(name)} | {arm: _rate(col[i]) for arm, col in columns.items()} for i, name in enumerate(names)]
    if shown.difference is not None:
        moved = shown.difference[measure]
        for row, change in zip(table, [moved.overall, *moved.by_group], strict=True):
            row["Change, points"] = _change(change)
    sizes = [shown.n, *shown.relevant]
    return [row | {"Relevant in the gallery": f"{n:,}"} for row, n in zip(table, sizes, strict=True)]


def gap_lines(shown: Performance, measure: str) -> list[str]:
    """How far the groups are apart, before and after."""
    arms = {"before": shown.before} | ({"after": shown.after} if shown.after is not None else {})
    return [f"Gap {arm}: {_gap(rates[measure].gap, shown.groups)}." for arm, rates in arms.items()]


def _rate(e: Estimate) -> str:
    """A share with its interval and n, or why there is none."""
    if e.estimate is None:
        return escape(e.reason or "–")
    return share_text(e) + (" :small[:gray[too few to interpret]]" if e.note else "")


def _change(change: RateChange) -> str:
    e = change.change
    if e.estimate is None or e.lo is None or e.hi is None or change.p is None:
        return escape(e.reason or "–")
    interval = f"{100 * e.lo:+.0f} to {100 * e.hi:+.0f}"
    return f"{100 * e.estimate:+.0f} :small[:gray[{interval}, {_p(change.p)}]]".replace("-", "−")


def _gap(gap: RateGap, groups: tuple[str, ...]) -> str:
    e = gap.gap
    if e.estimate is None or gap.high is None or gap.low is None or gap.corrected is None:
        return escape(e.reason or "not computed")
    p = f", {_p(gap.p)}" if gap.p is not None else ""
    few = f"; {escape(e.note)}" if e.note else ""
    if e.estimate == 0:
        return f"none {interval(e)}{few}"
    high, low = escape(groups[gap.high]), escape(groups[gap.low])
    return (
        f"{high} over {low} {percent(e.estimate)} {interval(e)}, corrected for picking "
        f"{100 * gap.corrected:.0f} %{p}{few}"
    )


def _p(p: float) -> str:
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
