"""The sweep of Compare: how MaxSkew would move along the strength, along alpha or along k, all at once."""

import csv
import io
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.config import Edit
from core.ranking import Sweep, sweep
from core.statistics import Estimate
from core.ui import cache, charts, provenance, results
from core.ui.figure_parts import AFTER, BAND, BEFORE, INK, framed
from core.ui.jobs import Progress, progress
from core.ui.state import bind, get_state
from core.ui.wording import interval_of, number

OVERS = {"strength": "Strength", "alpha": "Alpha", "k": "k"}
MEANING = {
    "strength": "how strongly the neurons are switched: 0 not at all, 1 fully",
    "alpha": "share of the reconstruction in the blend form: 0 is the original",
    "k": "how many items are retrieved",
}
STEPS, DEEPEST, DEPTHS = 101, 1000, 80
"""Places on a scale from 0 to 1; the largest k, and how many ks, closer together where they are small."""
TICKS = (5, 10, 20, 50, 100, 200, 500, 1000)
SHADE = "rgba(31, 131, 196, 0.18)"
COLUMNS = ("over", "value", "arm", "metric", "n", "estimate", "lo", "hi", "null_lo", "null_hi", "cosine")
NOTHING = "Nothing is switched, so there is nothing to follow. Switch a neuron at the left."


def view(question: results.Asked) -> None:
    """The scale to follow, the curve, and the same numbers as a table to take away."""
    if not any(edit.neurons for edit in question.request.edits.values()):
        st.info(NOTHING)
        return
    state = get_state()
    if state.filters.get("sweep-over") not in OVERS:
        state.set_filter("sweep-over", "strength")
    over = st.segmented_control(
        "Along",
        list(OVERS),
        format_func=OVERS.get,
        required=True,
        label_visibility="collapsed",
        **bind("filters", "sweep-over"),
    )
    with progress("Sweep") as report:
        found = swept(question, over, report)
    first, last = found.points[0], found.points[-1]
    ends = f"{number(first.after.estimate)} at {first.value:g}, {number(last.after.estimate)} at {last.value:g}"
    provenance.chart(
        figure(found, _now(question, over)),
        key=f"sweep-{over}",
        config=charts.config(f"sweep-{over}"),
        alt=f"MaxSkew along {over}: {ends}.",
    )
    st.caption(_words(found))
    st.download_button(
        "Download as CSV", tidy(found), f"sweep-{over}.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )


def _words(found: Sweep) -> str:
    """What was done, and what the ends of the shaded strip are."""
    last, places = found.points[-1], len(found.points)
    what = f"Two exact rankings cut at {places} places" if found.over == "k" else f"{places} exact rankings"
    lowest = min(point.cosine for point in found.points)
    strip = f"at {last.value:g} {interval_of(last.after) or 'none'}, n = {last.after.n or 0}"
    return (
        f"{what}, of {found.n:,} items. Shaded: 95 % interval after the edit, {strip}. The mean cosine to the "
        f"original is {lowest:.3f}{'' if found.over == 'k' else ' where it is lowest'}."
    )


def swept(question: results.Asked, over: str, report: Progress | None = None) -> Sweep:
    """The sweep of a question, kept; where the slider stands along the scale itself makes no difference to it."""
    request = replace(question.request, edits={s: _at_the_end(e, over) for s, e in question.request.edits.items()})
    if over == "k":
        deepest = min(DEEPEST, results.searched(get_state(), question.gallery))
        values = np.unique(np.geomspace(min(5, deepest), deepest, DEPTHS).astype(int)).tolist()
    else:
        values = np.linspace(0.0, 1.0, STEPS).tolist()
    q, bench = replace(question, request=request), results.bench(question)
    return cache.result(
        "sweep",
        [*q.parts, over, values],
        lambda: sweep(q.gallery, request, over, values, q.model, q.saes, bench, progress=report),
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


def figure(found: Sweep, now: float | None) -> go.Figure:
    """MaxSkew before and after along the scale, with the interval of the latter and where no bias at all would lie."""
    made = go.Figure()
    points = [point for point in found.points if None not in (point.before.estimate, point.after.estimate)]
    values = [point.value for point in points]
    bands = [(point.value, point.after.null) for point in points if point.after.null is not None]
    if bands:
        _between(
            made, [v for v, _ in bands], [b.lo for _, b in bands], [b.hi for _, b in bands], BAND, "no bias (95 %)"
        )
    whole = [point for point in points if point.after.lo is not None]
    _between(
        made,
        [point.value for point in whole],
        [point.after.lo for point in whole],
        [point.after.hi for point in whole],
        SHADE,
        "after, 95 % interval",
    )
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
            hovertext=[f"{name}, {found.over} {v:g}: {_value(e)}" for v, e in zip(values, estimates, strict=True)],
            hoverinfo="text",
        )
    if now is not None and values:
        nearest = min(points, key=lambda point: abs(point.value - now))
        made.add_vline(x=now, line={"color": INK, "width": 1.5, "dash": "dot"})
        side = "left" if nearest.value > found.points[len(found.points) // 2].value else "right"
        made.add_scatter(
            x=[now],
            y=[nearest.after.estimate],
            mode="markers+text",
            marker={"size": 10, "color": AFTER},
            text=[f"  now: {number(nearest.after.estimate)}  "],
            textposition=f"bottom {side}",
            textfont={"size": 14, "color": INK},
            hoverinfo="skip",
            showlegend=False,
        )
    made.update_xaxes(title={"text": MEANING[found.over], "font": {"size": 14}}, fixedrange=True, zeroline=False)
    if found.over == "k":  # the ks lie closer together where they are small
        made.update_xaxes(type="log", tickvals=[v for v in TICKS if values and values[0] <= v <= values[-1]])
    skew = "MaxSkew" if found.over == "k" else f"MaxSkew@{found.request.k}"
    made.update_yaxes(title={"text": skew}, rangemode="tozero", fixedrange=True)
    return framed(made, 360, left=60).update_layout(margin={"b": 52}, hovermode="x")


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


def tidy(found: Sweep) -> str:
    """Every number of the figure as a table, one estimate a line."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    for point in found.points:
        for arm, e in (("before", point.before), ("after", point.after)):
            null = (e.null.lo, e.null.hi) if e.null else (None, None)
            cells = [e.n, e.estimate, e.lo, e.hi, *null, point.cosine if arm == "after" else 1.0]
            table.writerow([found.over, point.value, arm, found.metric, *("" if c is None else c for c in cells)])
    return written.getvalue()
