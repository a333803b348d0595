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
from core.ui.session.state import bind, get_state

COLUMN, VALUE, HELD = "relevant-column", "relevant-value", "relevant-word"
WORD = "a word of the caption"
MEANING = {
    "precision": "of whom the list shows of a group, how many are relevant",
    "recall": "of a group's relevant people, how many the list shows",
}


def view(question: results.Asked, found: RankResult) -> None:
    """Who is relevant is chosen here; then both measures by group, before, after and their change."""
    asked = _chosen(question.gallery, found)
    if not asked:
        st.caption("Say who is relevant for this prompt, and each group's precision and recall are counted.")
        return
    shown = performance(question.gallery, found, asked)
    for measure in MEASURES:
        st.markdown(f"**{measure.capitalize()} @ {shown.k}** :small[:gray[{MEANING[measure]}]]")
        st.table(rows(shown, measure), border="horizontal", hide_index=True)
        st.caption("  \n".join(gap_lines(shown, measure)))
    for note in shown.notes:
        st.caption(f":material/info: {note}")
    st.caption(f"Intervals are 95 %: {INTERVALS}.")


def _chosen(gallery: Gallery, found: RankResult) -> Mapping[str, str]:
    """Column and value that make an item relevant; {} where nothing is chosen yet."""
    state, own = get_state(), gallery.components(found.request.attribute)
    columns = [name for name in gallery.attributes if name not in own]
    columns = [*([TEXT] if gallery.kind == "captions" else []), *columns]
    if not columns:
        st.info("Nothing but the compared groups is known of these items, so nobody can be said to be relevant.")
        return {}
    left, right = st.columns(2)
    if state.filters.get(COLUMN) not in columns:
        state.set_filter(COLUMN, columns[0])
        state.set_filter(VALUE, None)
    column = left.selectbox(
        "Relevant by", columns, format_func=lambda name: WORD if name == TEXT else name, **bind("filters", COLUMN)
    )
    if column == TEXT:
        if not isinstance(state.filters.get(HELD), str):
            state.set_filter(HELD, "")
        value = right.text_input("Word", placeholder="doctor", **bind("filters", HELD)).strip()
    else:
        values = gallery.groups(column)
        if state.filters.get(VALUE) not in values:
            state.set_filter(VALUE, None)
        value = right.selectbox("Value", values, index=None, placeholder="Choose", **bind("filters", VALUE))
    return {column: value} if value else {}


def rows(shown: Performance, measure: str) -> list[dict[str, Any]]:
    """A row for everybody and one a group."""
    names = ["Everybody", *shown.groups]
    arms = {"Before": shown.before} | ({"After": shown.after} if shown.after is not None else {})
    columns = {arm: [found[measure].overall, *found[measure].by_group] for arm, found in arms.items()}
    table = [{"": name} | {arm: _rate(col[i]) for arm, col in columns.items()} for i, name in enumerate(names)]
    if shown.difference is not None:
        moved = shown.difference[measure]
        for row, change in zip(table, [moved.overall, *moved.by_group], strict=True):
            row["Change, points"] = _change(change)
    sizes = [shown.n, *shown.relevant]
    return [row | {"Relevant in the gallery": f"{n:,}"} for row, n in zip(table, sizes, strict=True)]


def gap_lines(shown: Performance, measure: str) -> list[str]:
    """How far the groups are apart, before and after."""
    arms = {"before": shown.before} | ({"after": shown.after} if shown.after is not None else {})
    return [f"Gap {arm}: {_gap(found[measure].gap, shown.groups)}." for arm, found in arms.items()]


def _rate(e: Estimate) -> str:
    """A share with its interval and n, or why there is none."""
    if e.estimate is None:
        return e.reason or "–"
    return share_text(e) + (" :small[:gray[too few to interpret]]" if e.note else "")


def _change(change: RateChange) -> str:
    e = change.change
    if e.estimate is None or e.lo is None or e.hi is None or change.p is None:
        return e.reason or "–"
    interval = f"{100 * e.lo:+.0f} to {100 * e.hi:+.0f}"
    return f"{100 * e.estimate:+.0f} :small[:gray[{interval}, {_p(change.p)}]]".replace("-", "−")


def _gap(gap: RateGap, groups: tuple[str, ...]) -> str:
    e = gap.gap
    if e.estimate is None or gap.high is None or gap.low is None or gap.corrected is None:
        return e.reason or "not computed"
    p = f", {_p(gap.p)}" if gap.p is not None else ""
    few = f"; {e.note}" if e.note else ""
    if e.estimate == 0:
        return f"none {interval(e)}{few}"
    return (
        f"{groups[gap.high]} over {groups[gap.low]} {percent(e.estimate)} {interval(e)}, corrected for picking "
        f"{100 * gap.corrected:.0f} %{p}{few}"
    )


def _p(p: float) -> str:
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
