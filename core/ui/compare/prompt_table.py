"""A list of prompts as one table: whom each prefers, by how much, and what the switch does to each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.config import InputError
from core.statistics import ALPHA, Estimate, corrected
from core.ui.parts import charts, offers, provenance
from core.ui.parts.figures import AFTER, BEFORE, INK, TITLED, framed, interval_bars, named_rows
from core.ui.parts.frame import guard
from core.ui.parts.wording import in_points
from core.ui.session import results, why_results
from core.ui.session.choices import COMPARE_VIEW, Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.prompts import short, suggestions
from core.ui.session.state import AppState
from core.verdicts import LEAN_CHANGE_WORDS
from core.writing import frame_text

MOST = 100
"""Prompts of one table."""
DRAWN = 40
"""Prompts that the figure holds; the table has them all."""
LISTED: Choice[str | None] = Choice("prompt-list", None)
"""The prompts as they were typed, one a line; None: those that are worth a try on the gallery."""
GROUP: Choice[str | None] = Choice("prompt-list-group", None)
"""Group whose lean is shown; None: the one that the asked prompt prefers."""


@dataclass(frozen=True)
class Row:
    """One prompt: the group's lean in points before and after, p of the whole list, or why there is none."""

    prompt: str
    before: Estimate
    after: Estimate | None
    share: Estimate
    p: float | None
    direction: str
    reason: str = ""


def view(state: AppState, question: results.Asked) -> None:
    """The list, the table, the figure and the file."""
    group = _group(state, question)
    prompts = _prompts(state, question)
    with progress("Asking every prompt", at_once=False) as report:
        rows = asked(question, prompts, group, report)
    table, tested = frame(rows, group), sum(row.p is not None for row in rows)
    st.caption(
        f"Lean towards {escape(group)} in points: its share of the nearest {question.request.k} minus its share of "
        f"what was searched. p: does the list lean at all, corrected over {tested} prompts (Holm). "
        "A click on a row shows its list."
    )
    chosen = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="prompt-table",
        column_config={"p": st.column_config.NumberColumn(format="%.2g")},
        height=min(38 * (len(rows) + 1), 420),
    )
    _open(state, rows, chosen)
    provenance.chart(
        figure(rows, group),
        lines=_facts(state, question, group),
        key="prompt-figure",
        config=charts.config("prompts"),
        alt=f"Lean towards {group} of {len(rows)} prompts, in points.",
    )
    settings = table.assign(**_facts(state, question, group))
    offers.download(
        st, "Table with every setting", frame_text(settings), "prompts.csv", "text/csv", icon=":material/download:"
    )


def _group(state: AppState, question: results.Asked) -> str:
    """Which group's lean the table is about."""
    ranked = results.ranking(results.without_method(question))
    groups = list(ranked.part.groups)
    if GROUP.of(state) not in groups:
        GROUP.put(state, results.told_of(ranked))
    st.selectbox("Lean towards", groups, width=220, **GROUP.mirrored(state))
    return str(GROUP.of(state))


def _prompts(state: AppState, question: results.Asked) -> list[str]:
    """The prompts of the list; InputError for an empty or too long one."""
    first = "\n".join(dict.fromkeys([state.query, *suggestions(question.gallery)[: DRAWN - 1]]))
    with st.expander("The list of prompts", icon=":material/list:"), st.form("prompt-list-form", border=False):
        text = st.text_area("One prompt a line", value=LISTED.of(state) or first, height=220)
        if st.form_submit_button("Ask all of them"):
            LISTED.put(state, text)
            st.rerun()
    prompts = why_results.prompts_of(LISTED.of(state) or first)
    if len(prompts) > MOST:
        raise InputError(f"the list has {len(prompts)} prompts; a table holds {MOST}: make two lists, or an audit")
    return prompts


def _of(question: results.Asked, prompt: str) -> results.Asked:
    """The same question about another prompt, with what is switched."""
    return replace(question, request=replace(question.request, query=prompt))


def asked(question: results.Asked, prompts: Sequence[str], group: str, report: Any = None) -> list[Row]:
    """Every prompt's lean towards a group, with what is switched and without; p of the whole list by prompt.

    A prompt that cannot be asked (words that the model does not know, none of the known prompts) has its reason.
    """
    rows = []
    for number, prompt in enumerate(prompts):
        try:
            rows.append(_row(results.ranking(_of(question, prompt)), prompt, group))
        except InputError as error:
            missing = Estimate.missing(str(error))
            rows.append(Row(prompt, missing, None, missing, None, "", str(error)))
        if report is not None:
            report(number + 1, len(prompts), short(prompt))
    return rows


def _row(ranked: Any, prompt: str, group: str) -> Row:
    at = ranked.before.numbers.groups.index(group)
    lean = ranked.before.numbers.lean
    after = ranked.after.numbers.lean.groups[at].points if ranked.after is not None else None
    effect = ranked.difference.change.to_json()["effect"] if ranked.difference is not None else {}
    direction = LEAN_CHANGE_WORDS.get(effect.get("lean_direction", ""), "")
    return Row(prompt, lean.groups[at].points, after, lean.groups[at].share, lean.p, direction, ranked.reason or "")


def frame(rows: Sequence[Row], group: str) -> pd.DataFrame:
    """The table: numbers as numbers, so that a click on a column sorts them; sorted by the lean."""
    p = corrected([float("nan") if row.p is None else row.p for row in rows]).adjusted
    changed = any(row.after is not None for row in rows)
    lines = []
    for row, adjusted in zip(rows, p, strict=True):
        line: dict[str, Any] = {"Prompt": row.prompt, "Lean, points": _hundred(row.before.estimate)}
        line |= {"from": _hundred(row.before.lo), "to": _hundred(row.before.hi)}
        line |= {"p": None if row.p is None else float(adjusted)}
        line["Beyond chance"] = None if row.p is None else bool(adjusted <= ALPHA)
        line[f"{group}, %"] = _hundred(row.share.estimate)
        if changed:
            line |= {"After, points": _hundred(row.after.estimate) if row.after else None, "Change": row.direction}
        if any(one.reason for one in rows):
            line["Not computed"] = row.reason
        lines.append(line)
    return pd.DataFrame(lines).sort_values("Lean, points", ascending=False, na_position="last", ignore_index=True)


def _hundred(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def figure(rows: Sequence[Row], group: str) -> go.Figure:
    """Lean of every prompt with its interval, strongest first; with what is switched beside."""
    known = [(lean, -place) for place, row in enumerate(rows) if (lean := row.before.estimate) is not None]
    shown, drawn = [rows[-place] for _, place in sorted(known, reverse=True)[:DRAWN]], go.Figure()
    arms = {"before": [row.before for row in shown]}
    if any(row.after is not None for row in shown):
        arms["after"] = [row.after or Estimate.missing("none") for row in shown]
    for arm, colour, lift in (("before", BEFORE, -0.14), ("after", AFTER, 0.14)):
        if arm not in arms:
            continue
        found = [(i, charts.hundredfold(e)) for i, e in enumerate(arms[arm]) if e.estimate is not None]
        drawn.add_scatter(
            name=arm,
            x=[e.estimate for _, e in found],
            y=[i + (lift if len(arms) == 2 else 0) for i, _ in found],
            error_x=interval_bars([e for _, e in found], colour, 1.6, 3),
            mode="markers",
            marker={"size": 8, "color": colour},
            hovertext=[f"{shown[i].prompt}, {arm}: {in_points(arms[arm][i])} points" for i, _ in found],
            hoverinfo="text",
        )
    drawn.add_vline(x=0, line={"color": INK, "width": 1.2, "dash": "dot"})
    named_rows(drawn, [short(row.prompt) for row in shown], size=13)
    drawn.update_xaxes(title=f"lean towards {group}, points", tickformat="+.0f", fixedrange=True, zeroline=False)
    return framed(drawn, 90 + 19 * max(len(shown), 4), right=20).update_layout(margin={"b": TITLED})


def _open(state: AppState, rows: Sequence[Row], chosen: Any) -> None:
    """A click on a row asks its prompt and shows its pictures."""
    picked = chosen["selection"]["rows"]
    if picked:
        with guard():
            prompt = frame(rows, str(GROUP.of(state)))["Prompt"].iloc[picked[0]]
            state.ask(str(prompt))
            COMPARE_VIEW.put(state, None)
            del st.session_state["prompt-table"]
            st.rerun()


def _facts(state: AppState, question: results.Asked, group: str) -> dict[str, str]:
    lines = provenance.of(state, question)
    return {"prompts": f"lean towards {group}", **{name: text for name, text in lines.items() if name != "prompt"}}
