"""The sweep of Compare: how a group's share would move along the strength, along alpha or along k, all at once."""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.config import Edit, Progress
from core.metrics import RANKING_METRICS, headline_metrics
from core.ranking import Sweep, SweepPoint, sweep
from core.ranking.sweep import Over
from core.statistics import Estimate, Lean
from core.ui.parts import charts, offers, provenance
from core.ui.parts.figures import AFTER, BAND, BEFORE, INK, TARGET, framed
from core.ui.parts.switches import switch
from core.ui.parts.wording import interval_of, number, percent, ratio_text, share_text
from core.ui.session import cache, results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.state import get_state
from core.verdicts import lean_phrase, p_text, target_name
from core.writing import csv_text

OVERS: dict[Over, str] = {"strength": "Strength", "alpha": "Alpha", "k": "k"}
MEANING = {
    "strength": "how strongly the neurons are switched: 0 not at all, 1 fully",
    "alpha": "share of the reconstruction in the blend form: 0 is the original",
    "k": "how many items are retrieved",
}
STEPS, DEEPEST, DEPTHS = 101, 1000, 80
"""Places on a scale from 0 to 1; the largest k, and how many ks, closer together where they are small."""
TICKS = (5, 10, 20, 50, 100, 200, 500, 1000)
SHADE = "rgba(31, 131, 196, 0.18)"
COLUMNS = (
    *("over", "value", "arm", "group", "metric", "n", "estimate", "lo", "hi", "null_lo", "null_hi"),
    *("lean_p", "leading_group", "cosine"),
)
SHARE = "share"
OVER: Choice[Over] = Choice("sweep-over", "strength")
SHOWN = Choice("sweep-shown", SHARE)
"""What is drawn along it: the share of one group, or a metric."""
MOST_RUNS = 4
"""Stretches of equal verdict that are told one by one."""
NOTHING = "Nothing is switched, so there is nothing to follow. Switch a neuron first."


def view(question: results.Asked) -> None:
    """The scale to follow, the curve, and the same numbers as a table to take away."""
    if not any(edit.neurons for edit in question.request.edits.values()):
        st.info(NOTHING)
        return
    state, metrics = get_state(), followable()
    scale, what = st.columns([2, 1], vertical_alignment="center")
    SHOWN.among(state, [SHARE, *metrics])
    with scale:
        over = switch(state, "Along", OVER, OVERS)
    shown = what.selectbox(
        "Show",
        [SHARE, *metrics],
        format_func=lambda name: metrics.get(name, "Share of the leading group"),
        label_visibility="collapsed",
        **SHOWN.mirrored(state),
    )
    with progress("Sweep") as report:
        swept = sweep_of(question, over, "max_skew" if shown == SHARE else shown, report)
    drawn = share_figure if shown == SHARE else figure
    provenance.chart(
        drawn(swept, _now(question, over)),
        key=f"sweep-{over}-{shown}",
        config=charts.config(f"sweep-{over}"),
        alt=f"{_named(swept, shown)} along {over}: {_ends(swept, shown)}.",
    )
    st.markdown(verdicts_said(swept))
    st.caption(_words(swept, shown))
    offers.download(
        st,
        "Download as CSV",
        tidy(swept),
        f"sweep-{over}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def followable() -> dict[str, str]:
    """Names and titles of what else than the share can be followed: the metrics of group counts."""
    return {name: kind.title for name, kind in headline_metrics().items() if not kind.ordered}


def followed(swept: Sweep) -> int:
    """Place of the group whose share is followed: the one that leads before the edit, else the one that departs most,
    at the page's own k.
    """
    nearest = min(swept.points, key=lambda point: abs(point.value - swept.request.k) if swept.over == "k" else 0)
    lean = nearest.lean_before
    return lean.leading if lean.leading is not None else max(range(len(lean.groups)), key=_departure(lean))


def _departure(lean: Lean) -> Callable[[int], float]:
    return lambda group: lean.groups[group].departure


def _named(swept: Sweep, shown: str) -> str:
    return (
        RANKING_METRICS.get(swept.metric).title
        if shown != SHARE
        else f"Share of {swept.points[0].groups[followed(swept)]}"
    )


def _after(point: SweepPoint, group: int, shown: str) -> Estimate:
    return point.lean_after.groups[group].share if shown == SHARE else point.after


def _ends(swept: Sweep, shown: str) -> str:
    group, write = followed(swept), percent if shown == SHARE else number
    ends = [(point.value, _after(point, group, shown).estimate) for point in (swept.points[0], swept.points[-1])]
    return ", ".join(f"{'none' if value is None else write(value)} at {place:g}" for place, value in ends)


def verdicts_said(swept: Sweep) -> str:
    """Where along the scale the list after the edit leans, in stretches of equal verdict."""
    told = [(point.value, _verdict(point.groups, point.lean_after)) for point in swept.points]
    runs = [(verdict, [value for value, _ in places]) for verdict, places in groupby(told, key=lambda one: one[1])]
    if len(runs) > MOST_RUNS:
        runs = [runs[0], ("the verdict changes several times", [runs[1][1][0], runs[-2][1][-1]]), runs[-1]]
    words = [f"{places[0]:g} to {places[-1]:g}: {escape(verdict)}" for verdict, places in runs]
    return f"{OVERS[swept.over]} {'; '.join(words)}."


def _verdict(groups: tuple[str, ...], lean: Lean) -> str:
    return lean_phrase(None if lean.leading is None else groups[lean.leading], lean.beyond_chance)


def _words(swept: Sweep, shown: str) -> str:
    """What was done, and what the ends of the shaded strip are."""
    last, places = swept.points[-1], len(swept.points)
    what = f"Two exact rankings cut at {places} places" if swept.over == "k" else f"{places} exact rankings"
    lowest = min(point.cosine for point in swept.points)
    end = _after(last, followed(swept), shown)
    inside = share_text(end).partition(" of ")[0] if shown == SHARE else interval_of(end) or "none"
    strip = f"at {last.value:g} it is {inside}, n = {end.n or 0:,}"
    return (
        f"{what}, of {swept.n:,} items. Shaded: 95 % interval after the edit, {strip}. The mean cosine to the "
        f"original is {lowest:.3f}{'' if swept.over == 'k' else ' where it is lowest'}."
    )


def sweep_of(question: results.Asked, over: Over, metric: str = "max_skew", report: Progress | None = None) -> Sweep:
    """The sweep of a question, kept; where the slider stands along the scale itself makes no difference to it."""
    request = replace(question.request, edits={s: _at_the_end(e, over) for s, e in question.request.edits.items()})
    if over == "k":
        deepest = min(DEEPEST, results.searched(get_state(), question.gallery))
        values = np.unique(np.geomspace(min(5, deepest), deepest, DEPTHS).astype(int)).tolist()
    else:
        values = np.linspace(0.0, 1.0, STEPS).tolist()
    q = replace(question, request=request)
    return cache.result(
        "sweep",
        [*q.parts, over, values, metric],
        lambda: sweep(q.scene, request, over, values, metric, report),
    )


def _at_the_end(edit: Edit, over: str) -> Edit:
    if over == "strength":
        return replace(edit, strength=1.0)
    return replace(edit, form="blend", alpha=1.0) if over == "alpha" else edit


def _now(question: results.Asked, over: str) -> float | None:
    """Where the page stands on the scale; None where it stands nowhere."""
    request = question.request
    if over == "k":
        return request.k
    edits = [edit for edit in request.edits.values() if edit.neurons]
    if over == "alpha":
        return next((edit.alpha for edit in edits if edit.form == "blend"), None)
    return edits[0].strength if len({edit.strength for edit in edits}) == 1 else None


def share_figure(swept: Sweep, now: float | None) -> go.Figure:
    """Share of the leading group before and after along the scale beside its searched share and its target; a filled
    mark is a list that leans beyond chance, a hollow one a list that does not.
    """
    made, group = go.Figure(), followed(swept)
    name = swept.points[0].groups[group]
    pairs = [(point, point.lean_before.groups[group], point.lean_after.groups[group]) for point in swept.points]
    pairs = [pair for pair in pairs if pair[1].share.estimate is not None and pair[2].share.estimate is not None]
    _strip(made, [(point.value, after.share) for point, _, after in pairs])
    base = [before.base_share for _, before, _ in pairs[:1]]
    target = [share for share in (swept.target[group],) if base and abs(share - base[0]) > 1e-9]
    level(made, base, INK, "searched share" if target else "searched share = target", "dash")
    level(made, target, TARGET, target_name(swept.request.target), "solid")
    for arm, colour, at in (("before", BEFORE, 1), ("after", AFTER, 2)):
        leans = [point.lean_before if arm == "before" else point.lean_after for point, *_ in pairs]
        shown = [before if arm == "before" else after for _, before, after in pairs]
        made.add_scatter(
            x=[point.value for point, *_ in pairs],
            y=[lean.share.estimate for lean in shown],
            mode="lines+markers",
            legendrank=at,
            line={"color": colour, "width": 2},
            marker={
                "size": 6,
                "color": colour,
                "symbol": ["circle" if lean.beyond_chance else "circle-open" for lean in leans],
                "line": {"width": 1.5, "color": colour},
            },
            name=arm,
            hovertext=[
                f"{arm}, {swept.over} {point.value:g}: {name} {share_text(group_lean.share)}, "
                f"{ratio_text(group_lean.ratio)} times its searched share, {_verdict(point.groups, lean)} "
                f"({p_text(lean.p)})"
                for (point, *_), group_lean, lean in zip(pairs, shown, leans, strict=True)
            ],
            hoverinfo="text",
        )
    for symbol, words in (("circle", "leans beyond chance"), ("circle-open", "no lean beyond chance")):
        made.add_scatter(
            x=[None], y=[None], mode="markers", name=words, marker={"symbol": symbol, "color": INK, "size": 7}
        )
    curve = [(point.value, after.share.estimate) for point, _, after in pairs if after.share.estimate is not None]
    _here(made, swept, now, curve, percent)
    made.update_yaxes(title={"text": f"share of {name}"}, rangemode="tozero", tickformat=".0%", fixedrange=True)
    return _framed(made, swept)


def level(made: go.Figure, shares: list[float], colour: str, name: str, dash: str) -> None:
    """A line across the whole figure with its name in the legend; none where there is no share."""
    for share in shares:
        made.add_hline(y=share, line={"color": colour, "width": 2, "dash": dash})
        made.add_scatter(x=[None], y=[None], mode="lines", name=name, line={"color": colour, "dash": dash})


def figure(swept: Sweep, now: float | None) -> go.Figure:
    """The metric before and after along the scale with the interval of the latter; where it is one of lean, also what
    a blind draw of these rows shows.
    """
    made = go.Figure()
    points = [point for point in swept.points if None not in (point.before.estimate, point.after.estimate)]
    values = [point.value for point in points]
    bands = [(point.value, point.after.null) for point in points if point.after.null is not None]
    if bands:
        lows, highs = [b.lo for _, b in bands], [b.hi for _, b in bands]
        _between(made, [v for v, _ in bands], lows, highs, BAND, "a blind draw (95 %)")
    _strip(made, [(point.value, point.after) for point in points])
    for name, colour, estimates in (
        ("before", BEFORE, [point.before for point in points]),
        ("after", AFTER, [point.after for point in points]),
    ):
        made.add_scatter(
            x=values,
            y=[e.estimate for e in estimates],
            mode="lines",
            line={"color": colour, "width": 2.5},
            name=name,
            hovertext=[f"{name}, {swept.over} {v:g}: {_value(e)}" for v, e in zip(values, estimates, strict=True)],
            hoverinfo="text",
        )
    curve = [(point.value, point.after.estimate) for point in points if point.after.estimate is not None]
    _here(made, swept, now, curve, number)
    title = RANKING_METRICS.get(swept.metric).title
    made.update_yaxes(
        title={"text": title if swept.over == "k" else f"{title}@{swept.request.k}"},
        rangemode="tozero",
        fixedrange=True,
    )
    return _framed(made, swept)


def _strip(made: go.Figure, curve: list[tuple[float, Estimate]]) -> None:
    """The interval after the edit, shaded."""
    whole = [(value, e) for value, e in curve if e.lo is not None]
    lows, highs = [e.lo for _, e in whole], [e.hi for _, e in whole]
    _between(made, [value for value, _ in whole], lows, highs, SHADE, "after, 95 % interval")


def _here(
    made: go.Figure,
    swept: Sweep,
    now: float | None,
    curve: list[tuple[float, float]],
    write: Callable[[float], str],
) -> None:
    """Where the page stands on the scale, with the number there."""
    if now is None or not curve:
        return
    value, height = min(curve, key=lambda point: abs(point[0] - now))
    made.add_vline(x=now, line={"color": INK, "width": 1.5, "dash": "dot"})
    side = "left" if value > swept.points[len(swept.points) // 2].value else "right"
    made.add_scatter(
        x=[now],
        y=[height],
        mode="markers+text",
        marker={"size": 10, "color": AFTER},
        text=[f"  now: {write(height)}  "],
        textposition=f"bottom {side}",
        textfont={"size": 14, "color": INK},
        hoverinfo="skip",
        showlegend=False,
    )


def _framed(made: go.Figure, swept: Sweep) -> go.Figure:
    """The scale along, in the frame of every figure."""
    made.update_xaxes(title={"text": MEANING[swept.over], "font": {"size": 14}}, fixedrange=True, zeroline=False)
    if swept.over == "k":  # the ks lie closer together where they are small
        ks = [point.value for point in swept.points]
        made.update_xaxes(type="log", tickvals=[v for v in TICKS if ks[0] <= v <= ks[-1]])
    return framed(made, 360, left=60).update_layout(margin={"b": 52}, hovermode="x", legend={"font": {"size": 12}})


def _between(made: go.Figure, x: list, low: list, high: list, colour: str, name: str) -> None:
    """A strip between two curves."""
    made.add_scatter(
        x=[*x, *x[::-1]],
        y=[*high, *low[::-1]],
        fill="toself",
        fillcolor=colour,
        line={"width": 0},
        mode="lines",
        name=name,
        hoverinfo="skip",
    )


def _value(e: Estimate) -> str:
    return f"{number(e.estimate)} ({interval_of(e)}), n = {e.n}"


def tidy(swept: Sweep) -> str:
    """Every number of the figure as a table, one estimate a line."""
    rows: list[list[Any]] = []
    for point in swept.points:
        arms = (("before", point.before, point.lean_before), ("after", point.after, point.lean_after))
        for arm, metric, lean in arms:
            leads = "" if lean.leading is None else point.groups[lean.leading]
            named = [("", swept.metric, metric)]
            for group, group_lean in zip(point.groups, lean.groups, strict=True):
                named += [(group, SHARE, group_lean.share), (group, "ratio", group_lean.ratio)]
            for group, name, e in named:
                null = (e.null.lo, e.null.hi) if e.null else (None, None)
                cells = [e.n, e.estimate, e.lo, e.hi, *null, lean.p]
                cells = ["" if c is None else c for c in cells]
                cosine = point.cosine if arm == "after" else 1.0
                rows.append([swept.over, point.value, arm, group, name, *cells, leads, cosine])
    return csv_text(COLUMNS, rows)
