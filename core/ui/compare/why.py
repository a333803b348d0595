"""Why this lean? The neurons that make a prompt prefer a group, and the smallest edit that ends it."""

from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from core.config import Side
from core.edits import Confirmed, SmallestEdit, WhyResult
from core.ranking import ArmResult, RankResult
from core.ranking.measures import lean_json
from core.ui.compare import take_home, why_charts
from core.ui.parts import charts, grids, provenance
from core.ui.parts.switches import switch
from core.ui.parts.wording import in_points, interval_of, number, percent
from core.ui.session import probing, results, why_results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.state import AppState, get_state
from core.verdicts import lean_phrase, list_line, p_text, points, target_name

STRIPS, STRIP = 3, 8
"""Neurons whose strongest items are shown, and how many items each."""
SKEW_TARGET = Choice("why-target", 0.15)
SCOPE = Choice("why-scope", "query")
SCOPES = {"query": "For this prompt only", "list": "One edit for a list of prompts"}
PROMPTS: Choice[str | None] = Choice("why-prompts", None)
CLICKED: Choice[int | None] = Choice("why-neuron", None)


class Picked(NamedTuple):
    """A set that was switched for one prompt only."""

    query: str
    edit: str
    """The set's digest."""
    side: Side


PICKED: Choice[Picked | None] = Choice("edit-of-prompt", None)


def view(question: results.Asked) -> None:
    """Who pulls, drawn and shown; then the search."""
    state = get_state()
    asked = why_results.leaning(state, question)
    why = why_results.why(asked)
    explained = why.share_of(why.attribution.gap - why.attribution.rest)
    together = "there is no gap to explain" if explained is None else f"all explain {percent(explained)} of it"
    st.markdown(
        f"On the probe half, “{grids.escape(state.query)}”: **{lean_said(why)}** "
        f":small[:gray[(n = {why.n:,}, k = {why.k}, {p_text(why.lean.p, why.lean.smallest_p)})]]  \n"
        f"The neurons below pull its score gap, the mean score of {escape(why.group)} minus that of everybody "
        f"else, up or down; {together}."
    )
    provenance.chart(
        why_charts.pulls(why),
        key="why-pulls",
        config=charts.config("why-this-lean"),
        on_select=partial(_take_neuron, state),
        selection_mode="points",
        alt="; ".join(f"neuron {p.neuron}: {why_charts.signed_percent(p.share)} of the score gap" for p in why.pulls),
    )
    order = "its decoder's part of the score, first order: a row's own scale is held" if why.first_order else "exact"
    st.caption(
        f"Bars add up to the score gap, the difference of mean scores ({order}), with 95 % intervals. “off” is "
        "what switching that neuron alone closes when everything is ranked again. A click on a bar shows its items."
    )
    _neurons(state, asked, [pull.neuron for pull in why.pulls])
    st.divider()
    _search(state, asked)
    take_home.button(question)


def lean_said(why: WhyResult) -> str:
    """The lean of the probe rows in one sentence."""
    return escape(list_line(lean_json(tuple(why.group_counts), why.lean)))


def keep_to_its_prompt(state: AppState) -> None:
    """An edit that was picked for one prompt ends with that prompt: every other one sees the original gallery."""
    picked = PICKED.of(state)
    if picked is None or picked.query == state.query:
        return
    PICKED.put(state, None)
    edit = state.edits.get(picked.side)
    if edit is not None and edit.digest == picked.edit:
        state.set_edit(picked.side, None)
        st.info(
            f"The edit picked for “{escape(picked.query)}” was for that prompt only; "
            "this one is answered on the original."
        )


def _take_neuron(state: AppState) -> None:
    points = st.session_state["why-pulls"]["selection"]["points"]
    CLICKED.put(state, points[0]["customdata"][0] if points else None)


def _neurons(state: AppState, asked: why_results.Leaning, listed: list[int]) -> None:
    """Strongest items of the neuron that was clicked, or of the first few, with the way to their pages."""
    clicked = CLICKED.of(state)
    shown = [clicked] if clicked in listed else listed[:STRIPS]
    for column, neuron in zip(st.columns(len(shown) or 1, gap="medium"), shown, strict=False):
        with column:
            if st.button(f"Neuron {neuron}", key=f"why-open-{neuron}", icon=":material/open_in_new:", type="tertiary"):
                state.open_neuron(neuron, asked.side)
                st.switch_page("pages/neurons.py")
            top = probing.shown_examples(asked.probe, neuron).top.rows[:STRIP]
            grids.strip(asked.probe.gallery, map(int, top), f"why-{neuron}", f"neuron {neuron}")


# -- the smallest edit ------------------------------------------------------------------------------------------------


def _search(state: AppState, asked: why_results.Leaning) -> None:
    """Target and scope, the path with its points, and what the picked one does on the evaluation half."""
    st.markdown("**The smallest edit** :small[:gray[searched on the probe half, confirmed on the evaluation half]]")
    left, right = st.columns([1, 1.2], gap="medium", vertical_alignment="bottom")
    with left:
        st.slider("MaxSkew to get under", 0.02, 0.7, step=0.01, **SKEW_TARGET.mirrored(state))
    with right:
        scope = switch(state, "Scope", SCOPE, SCOPES)
    prompts = None
    if scope == "list":
        if PROMPTS.of(state) is None:
            PROMPTS.put(state, state.query)
        st.text_area("Prompts, one a line", height=110, **PROMPTS.mirrored(state))
        prompts = why_results.prompts_of(PROMPTS.of(state) or "")
    with progress("Smallest edit") as report:
        smallest = why_results.smallest(asked, prompts, report).under(SKEW_TARGET.of(state))
    picked = _picked(state, asked, smallest)
    provenance.chart(
        why_charts.path(smallest, picked),
        key="why-path",
        config=charts.config("smallest-edit"),
        on_select=partial(_take_point, state, asked, smallest, prompts),
        selection_mode="points",
        alt="; ".join(
            f"{len(p.edit.neurons)} neurons: {p.expected:.2f} at cosine {p.cosine:.3f}" for p in smallest.points
        ),
    )
    _offer(state, asked, smallest, prompts)
    if picked is not None:
        _confirm(asked, smallest, picked, prompts)


def _offer(state: AppState, asked: why_results.Leaning, smallest: SmallestEdit, prompts: list[str] | None) -> None:
    """The point that the target chooses, in words, and the button that switches it."""
    point = smallest.point
    words = (
        f"{len(point.edit.neurons)} neurons bring the expected MaxSkew to {number(point.expected)} at cosine "
        f"{point.cosine:.3f}"
    )
    if not smallest.reached:
        words = f"No edit of at most {why_results.SIZE} neurons gets under {number(smallest.target_skew)}; {words}"
    if point.explicit:
        words += "; AUC of " + ", ".join(
            f"“{escape(query)}” {percent(auc)}" for query, auc in zip(asked.explicit, point.explicit, strict=True)
        )
    st.markdown(words + ".")
    st.button(
        "Switch this set",
        type="primary",
        icon=":material/toggle_on:",
        on_click=_switch,
        args=(state, asked, smallest, smallest.chosen, prompts),
        disabled=not point.edit.neurons or _picked(state, asked, smallest) == smallest.chosen,
        help="Another one: click on its point in the figure",
    )
    st.caption(
        f"Every neuron moves towards its mean on the probe half by a strength of its own. {smallest.trials} edits were "
        f"ranked on {smallest.n:,} probe rows; “expected” is the mean over resamples of them."
    )


def _picked(state: AppState, asked: why_results.Leaning, smallest: SmallestEdit) -> int | None:
    """The point of the path that is switched now."""
    edit = state.edits.get(asked.side)
    return next((i for i, point in enumerate(smallest.points) if edit is not None and point.edit == edit), None)


def _take_point(state: AppState, asked: why_results.Leaning, smallest: SmallestEdit, prompts: list[str] | None) -> None:
    points: list[dict[str, Any]] = st.session_state["why-path"]["selection"]["points"]
    places = [point["customdata"][0] for point in points if point.get("customdata")]
    if places:
        _switch(state, asked, smallest, int(places[0]), prompts)


def _switch(
    state: AppState, asked: why_results.Leaning, smallest: SmallestEdit, place: int, prompts: list[str] | None
) -> None:
    """Make a point of the path the switched set, for all prompts or for this one."""
    edit = smallest.points[place].edit
    state.set_edit(asked.side, edit)
    PICKED.put(state, Picked(state.query, edit.digest, asked.side) if prompts is None and edit.neurons else None)


def _confirm(asked: why_results.Leaning, smallest: SmallestEdit, picked: int, prompts: list[str] | None) -> None:
    """The picked edit on rows that took no part in finding it, beside its rivals."""
    edit = smallest.points[picked].edit
    if not edit.neurons:
        return
    with progress("Evaluation half") as report:
        done = why_results.confirmed(asked, edit, report)
    st.markdown(
        f"**On the evaluation half** :small[:gray[n = {done.result.part.n:,}, k = {done.result.request.k}, rows that "
        "took no part in the search]]"
    )
    st.table(_rows(done), border="horizontal", hide_index=True)
    target = escape(target_name(done.result.request.target))
    st.caption(f"The target of MaxSkew: {target}. The lean depends on no target.")
    aucs = [
        f"“{escape(query)}” {percent(c.before.estimate)} to {percent(c.after.estimate)}"
        for query, c in done.cost.explicit.items()
        if c.before.estimate is not None and c.after.estimate is not None
    ]
    if prompts is None:
        st.caption("The edit belongs to this prompt: every other prompt is answered on the original gallery.")
    elif aucs:
        st.caption(f"AUC of prompts that name a group, before and after: {', '.join(aucs)}.")


def _rows(done: Confirmed) -> list[dict[str, str]]:
    """One line an arm: the lean with its verdict, MaxSkew with its interval, cosine."""
    result, group = done.result, done.controls.group
    assert result.after is not None and result.difference is not None

    def row(name: str, arm: ArmResult, cosine: float | None) -> dict[str, str]:
        numbers, skew = arm.numbers, arm.metrics["max_skew"]
        lean = numbers.lean
        return {
            "": escape(name),
            f"Lean of {escape(group)}, points": in_points(lean.groups[numbers.groups.index(group)].points),
            "Which": escape(lean_phrase(numbers.leading_group, lean.beyond_chance)),
            "MaxSkew": escape(skew.reason or "–")
            if skew.estimate is None
            else f"{number(skew.estimate)} {interval_of(skew)}",
            "Cosine": "–" if cosine is None else f"{cosine:.3f}",
        }

    rows = [row("original", result.before, 1.0)]
    rows.append(row("this edit", result.after, result.difference.cosine.estimate))
    lo, hi = done.controls.band
    drawn = done.controls.random
    mean = sum(arm.cosine for arm in drawn) / len(drawn)
    rows.append(
        {
            "": f"random neurons, {len(drawn)} draws",
            f"Lean of {escape(group)}, points": f"{points(lo)} to {points(hi)}",
            "Which": "",
            "MaxSkew": "",
            "Cosine": f"{mean:.3f}",
        }
    )
    for name, rival in done.rivals.items():
        if isinstance(rival, RankResult) and rival.after is not None and rival.difference is not None:
            rows.append(row(name, rival.after, rival.difference.cosine.estimate))
        else:
            rows.append(dict.fromkeys(rows[0], "–") | {"": escape(name), "Which": escape(str(rival))})
    return rows
