"""Figures of the pages. Plain numbers in, plotly figures out; text and background follow the app's theme.

Colour never carries meaning alone: before is grey and after is blue, the target is an orange line, and every number
is printed beside its mark. Bars are pale with a solid interval of the same hue, which reads on light and on dark.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.statistics import Band, Estimate
from core.ui.wording import interval, number, percent, share_text

BEFORE, AFTER, TARGET = "#7d8590", "#1f83c4", "#d97f00"
"""Grey, blue and orange: told apart with every common kind of colour vision, and in grey print by their lightness."""
INK = "#000037"
"""Strong text: Streamlit's theme puts its own near-black or near-white in the place of this colour."""
BAND = "rgba(125, 133, 144, 0.22)"
PALE = 0.45
FAINT = 0.15
ROW = {1: 32, 2: 50}
"""Height of a group's row in pixels, by the number of bars in it."""


def config(name: str) -> dict[str, Any]:
    """Toolbar of a figure: one click saves a vector image named `name`; no logo, no zoom by accident."""
    return {
        "displaylogo": False,
        "scrollZoom": False,
        "toImageButtonOptions": {"format": "svg", "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoom2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    }


def _layout(figure: go.Figure, height: int, right: int = 8, left: int = 8, legend: bool = True) -> go.Figure:
    """Margins, a legend above, no dragging: the same frame for every figure."""
    figure.update_layout(
        height=height,
        margin={"l": left, "r": right, "t": 34 if legend else 8, "b": 30},
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal", "title": {"text": ""}},
        dragmode=False,
        font={"size": 14},
        hoverlabel={"font": {"size": 14}},
        bargap=0.28,
        bargroupgap=0.06,
        uirevision="kept",
    )
    return figure


def _percent_axis(figure: go.Figure, top: float = 1.0, **where: int) -> None:
    figure.update_xaxes(range=[0, top], tickformat=".0%", fixedrange=True, title=None, zeroline=False, **where)


def _axis_end(highest: Sequence[float]) -> float:
    """A round share that leaves room for the longest interval, so that many small groups use the whole axis."""
    end = max([*highest, 0.15])
    return min(1.0, round(end + 0.1, 1))


def _error(estimates: Sequence[Estimate], colour: str) -> dict[str, Any]:
    """Interval of a row of estimates, as plotly wants it: distances to the upper and the lower end."""
    return {
        "type": "data",
        "array": [e.hi - e.estimate for e in estimates],
        "arrayminus": [e.estimate - e.lo for e in estimates],
        "color": colour,
        "thickness": 2.5,
        "width": 5,
    }


def _beside(figure: go.Figure, y: float | str, text: str, shift: float = 0.0) -> None:
    """A number in the column at the right of the figure."""
    figure.add_annotation(
        x=1,
        xref="paper",
        xanchor="left",
        xshift=8,
        y=y,
        yshift=shift,
        text=text,
        showarrow=False,
        font={"size": 14, "color": INK},
    )


def demographics(
    arms: Mapping[str, Mapping[str, Estimate]], target: Mapping[str, float], target_name: str, chosen: str | None = None
) -> go.Figure:
    """Share of each group in the top k, with its interval, beside the target share.

    Parameters
    ----------
    arms : name of the arm ("before", "after") -> group -> share. The first is drawn grey, the second blue.
    target : share that each group would have without bias.
    target_name : what the target is called, for example "even shares".
    chosen : group whose pictures are shown; the other bars are drawn faint.
    """
    groups = list(target)
    figure = go.Figure()
    row = ROW[min(len(arms), 2)]
    for (name, shares), colour in zip(arms.items(), (BEFORE, AFTER), strict=False):
        drawn = [g for g in groups if g in shares and shares[g].estimate is not None]
        figure.add_bar(
            orientation="h",
            name=name,
            y=drawn,
            x=[shares[g].estimate for g in drawn],
            error_x=_error([shares[g] for g in drawn], colour),
            marker={"color": colour, "opacity": [PALE if chosen in (None, g) else FAINT for g in drawn]},
            selected={"marker": {"opacity": PALE}},
            unselected={"marker": {"opacity": FAINT}},
            customdata=[[g] for g in drawn],
            hovertext=[f"{g}, {name}: {share_text(shares[g])}" for g in drawn],
            hoverinfo="text",
        )
    figure.add_scatter(
        name=f"target: {target_name}",
        x=[target[g] for g in groups],
        y=groups,
        mode="markers",
        marker={"symbol": "line-ns", "size": row * 0.78, "line": {"width": 3, "color": TARGET}, "opacity": 1},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=[[g] for g in groups],
        hovertext=[f"{g}, target: {percent(target[g])}" for g in groups],
        hoverinfo="text",
    )
    # Plotly draws the bars of a row downwards once the axis is reversed: first arm above, second below.
    lanes = {1: [0.0], 2: [row * 0.18, -row * 0.18]}[min(len(arms), 2)]
    for (_, shares), lane in zip(arms.items(), lanes, strict=False):
        for group in groups:
            if group in shares:
                _beside(figure, group, share_text(shares[group]), lane)
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, title=None, ticksuffix="  ", tickfont={"size": 15, "color": INK}
    )
    ends = [e.hi for shares in arms.values() for e in shares.values() if e.hi is not None]
    _percent_axis(figure, _axis_end([*ends, *target.values()]))
    figure.update_layout(clickmode="event+select", barmode="group")
    return _layout(figure, 74 + row * len(groups), right=168)


def controls(arms: Mapping[str, float | None], draws: Sequence[float], null: Band | None, title: str) -> go.Figure:
    """One metric for each arm, with the draws of random neurons as strokes and the null band as a strip.

    Parameters
    ----------
    arms : name -> value of the metric, in reading order, the edit itself last; None where it could not be computed.
    draws : values of the random draws.
    null : where the metric lies without any bias.
    title : name of the metric.
    """
    figure = go.Figure()
    known = {name: value for name, value in arms.items() if value is not None}
    rows = list(known) + ([f"{len(draws)} draws of random neurons"] if draws else [])
    figure.add_scatter(
        x=list(known.values()),
        y=list(range(len(known))),
        mode="markers",
        marker={"size": 15, "color": [AFTER if name == list(arms)[-1] else BEFORE for name in known]},
        hovertext=[f"{name}: {number(value)}" for name, value in known.items()],
        hoverinfo="text",
        showlegend=False,
    )
    for row, value in enumerate(known.values()):
        _beside(figure, row, number(value))
    if draws:
        low, high = min(draws), max(draws)
        figure.add_scatter(
            x=list(draws),
            y=[len(known)] * len(draws),
            mode="markers",
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 2, "color": BEFORE}},
            hovertemplate="random neurons: %{x:.3f}<extra></extra>",
            showlegend=False,
        )
        _beside(figure, len(known), f"{number(low)} to {number(high)}")
    if null is not None:
        figure.add_vrect(x0=null.lo, x1=null.hi, fillcolor=BAND, line_width=0, layer="below")
        strip = {"symbol": "square", "color": BAND, "size": 14}
        figure.add_scatter(x=[null.lo], y=[-9], mode="markers", name="no bias at all (95 %)", marker=strip)
    figure.update_xaxes(
        title={"text": title, "font": {"size": 14}}, rangemode="tozero", fixedrange=True, zeroline=False
    )
    _named_rows(figure, rows)
    figure = _layout(figure, 104 + 34 * len(rows), right=110, legend=null is not None)
    return figure.update_layout(margin={"b": 48})


def _named_rows(figure: go.Figure, names: Sequence[str]) -> None:
    """Rows at 0, 1, 2... from the top, with their names at the left."""
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(names))),
        ticktext=[f"{name}  " for name in names],
        range=[len(names) - 0.4, -0.6],
        fixedrange=True,
        title=None,
        zeroline=False,
        tickfont={"size": 14, "color": INK},
    )


def _pairs_of_dots(
    rows: Mapping[str, tuple[Estimate, Estimate]],
    names: tuple[str, str],
    said: Callable[[Estimate], str],
    short: Callable[[Estimate], str],
) -> go.Figure:
    """Two dots a row with their intervals; `said` is what pointing at one says, `short` stands beside the row."""
    figure = go.Figure()
    for arm, (name, colour, lift) in enumerate(zip(names, (BEFORE, AFTER), (-0.13, 0.13), strict=True)):
        drawn = [(i, pair[arm]) for i, pair in enumerate(rows.values()) if pair[arm].estimate is not None]
        figure.add_scatter(
            name=name,
            x=[e.estimate for _, e in drawn],
            y=[i + lift for i, _ in drawn],
            error_x=_error([e for _, e in drawn], colour),
            mode="markers",
            marker={"size": 12, "color": colour},
            cliponaxis=False,
            hovertext=[f"{name}: {said(e)}" for _, e in drawn],
            hoverinfo="text",
        )
    for i, (first, second) in enumerate(rows.values()):
        _beside(figure, i, f"{short(first)} → {short(second)}")
    _named_rows(figure, list(rows))
    return figure


def before_after(rows: Mapping[str, tuple[Estimate, Estimate]], low: float = 0.0) -> go.Figure:
    """Two dots a row, before and after, with their intervals: what the edit cost.

    Parameters
    ----------
    rows : what is measured -> (before, after), each a share or a probability in [0, 1].
    low : left end of the axis.
    """
    figure = _pairs_of_dots(rows, ("before", "after"), share_text, _cost)
    figure.update_xaxes(range=[low, 1], tickformat=".0%", fixedrange=True, title=None, zeroline=False)
    return _layout(figure, 74 + 44 * len(rows), right=140)


def _cost(e: Estimate) -> str:
    return "none" if e.estimate is None else percent(e.estimate, 1)


def rates(by_group: Mapping[str, Estimate], what: str = "fires on") -> go.Figure:
    """Share of each group's items on which a neuron fires, with Wilson interval and n beside it."""
    figure = go.Figure()
    groups = [g for g, e in by_group.items() if e.estimate is not None]
    figure.add_bar(
        orientation="h",
        y=groups,
        x=[by_group[g].estimate for g in groups],
        error_x=_error([by_group[g] for g in groups], AFTER),
        marker={"color": AFTER, "opacity": PALE},
        hovertext=[f"{what} {share_text(by_group[g])} of {g}" for g in groups],
        hoverinfo="text",
    )
    for group, e in by_group.items():
        text = e.reason or "none" if e.estimate is None else f"{percent(e.estimate)} {interval(e)}, n = {e.n:,}"
        _beside(figure, group, text)
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, title=None, ticksuffix="  ", tickfont={"size": 14, "color": INK}
    )
    _percent_axis(figure)
    return _layout(figure, 44 + ROW[1] * len(by_group), right=200, legend=False)


def activation_histogram(edges: Sequence[float], shares: Mapping[str, Sequence[float]]) -> go.Figure:
    """How strongly a neuron fires, one row of bars per group on a common axis.

    Parameters
    ----------
    edges : (bins + 1,) borders of the bins of activation values above 0.
    shares : group -> (bins,) share of the group's items in each bin. Items on which the neuron is silent are in no
        bin, so that a row sums to the group's firing rate.
    """
    names = list(shares)
    columns = 1 if len(names) <= 4 else 2
    rows = -(-len(names) // columns)
    figure = make_subplots(rows=rows, cols=columns, shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.3 / rows)
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    for index, (name, values) in enumerate(shares.items()):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        figure.add_bar(
            x=middles,
            y=list(values),
            marker={"color": AFTER, "opacity": 0.75},
            width=edges[1] - edges[0],
            hovertemplate=f"{name}: activation %{{x:.2f}}, %{{y:.1%}} of the group<extra></extra>",
            **place,
        )
        axis = "" if index == 0 else index + 1
        figure.add_annotation(
            text=f"{name}, fires on {percent(sum(values))}",
            xref=f"x{axis} domain",
            yref=f"y{axis} domain",
            x=0,
            y=1,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 14, "color": INK},
        )
    figure.update_yaxes(tickformat=".0%", fixedrange=True, title=None, nticks=3)
    figure.update_xaxes(fixedrange=True, title=None)
    for column in range(1, columns + 1):
        figure.update_xaxes(title={"text": "activation", "font": {"size": 13}}, row=rows, col=column)
    figure = _layout(figure, 70 + 92 * rows, legend=False)
    return figure.update_layout(bargap=0, margin={"b": 44, "t": 26})


def trade_off(points: Sequence[tuple[str, Estimate, Estimate]], cost: str, skew: str) -> go.Figure:
    """Skew (up) against cost (along), one named point a method, with both intervals.

    Parameters
    ----------
    points : (name, cost, skew) of each method; the name begins with the number that stands beside its point.
    """
    figure = go.Figure(
        go.Scatter(
            x=[e.estimate for _, e, _ in points],
            y=[e.estimate for *_, e in points],
            error_x=_spread([e for _, e, _ in points]),
            error_y=_spread([e for *_, e in points]),
            text=[name.split(".")[0] for name, *_ in points],
            customdata=[name for name, *_ in points],
            mode="markers+text",
            textposition="top right",
            marker={"size": 9, "color": AFTER},
            textfont={"size": 13},
            hovertemplate="%{customdata}<br>" + cost + " %{x:.3f}<br>" + skew + " %{y:.3f}<extra></extra>",
        )
    )
    _layout(figure, 460, legend=False)
    figure.update_xaxes(title=cost, fixedrange=True, zeroline=False)
    figure.update_yaxes(title=skew, fixedrange=True, rangemode="tozero")
    return figure


def picture(of: Any) -> go.Figure:
    """A study's figure (core.figures.Picture) for the screen."""
    if of.kind == "cells":
        return _cells(of)
    figure = go.Figure()
    colours = (AFTER, TARGET, "#2e6b47", "#9a5bb5", BEFORE, "#c0504d", "#5f6b2f", "#00798c")
    for place, series in enumerate(of.series):
        colour = colours[place % len(colours)]
        ends = {"array": _minus(series.hi, series.y), "arrayminus": _minus(series.y, series.lo)} if series.lo else None
        error = {"type": "data", **ends, "color": colour, "thickness": 1.6, "width": 4} if ends else None
        if of.kind == "bars":
            figure.add_bar(
                x=series.y,
                y=series.x,
                orientation="h",
                name=series.name,
                error_x=error,
                marker_color=colour,
                opacity=0.7,
            )
        else:
            mode = "lines+markers" if of.kind == "lines" else "markers"
            figure.add_scatter(
                x=series.x,
                y=series.y,
                error_y=error,
                name=series.name,
                mode=mode,
                marker_color=colour,
                hovertext=list(series.names) or None,
            )
    rows = sum(len(series.x) for series in of.series)
    _layout(figure, max(260, 90 + 26 * rows) if of.kind == "bars" else 400, legend=len(of.series) > 1)
    if of.kind == "bars":
        figure.update_yaxes(autorange="reversed", fixedrange=True)
        figure.update_xaxes(title=of.y_label, fixedrange=True)
    else:
        figure.update_xaxes(title=of.x_label, fixedrange=True)
        figure.update_yaxes(title=of.y_label, fixedrange=True)
    return figure


def _cells(of: Any) -> go.Figure:
    """Rows and columns of numbers, each written in its cell; the colour repeats it."""
    numbers = [list(series.y) for series in of.series]
    largest = max((abs(v) for row in numbers for v in row if v is not None), default=1.0) or 1.0
    words = [["–" if v is None else f"{v:+.3f}" for v in row] for row in numbers]
    figure = go.Figure(
        go.Heatmap(
            z=numbers,
            x=list(of.series[0].x),
            y=[series.name for series in of.series],
            text=words,
            texttemplate="%{text}",
            colorscale=[[0, "#1f83c4"], [0.5, "rgba(125,133,144,0.12)"], [1, "#d97f00"]],
            zmin=-largest,
            zmax=largest,
            showscale=False,
        )
    )
    _layout(figure, 120 + 52 * len(of.series), legend=False, left=60)
    figure.update_xaxes(title=of.x_label, side="top", fixedrange=True)
    figure.update_yaxes(title=of.y_label, autorange="reversed", fixedrange=True)
    return figure


def _spread(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Intervals of estimates of which some may have none."""
    up = [0.0 if e.hi is None else max(e.hi - e.estimate, 0.0) for e in estimates]
    down = [0.0 if e.lo is None else max(e.estimate - e.lo, 0.0) for e in estimates]
    return {"type": "data", "array": up, "arrayminus": down, "color": BEFORE, "thickness": 1.2, "width": 3}


def _minus(a: Sequence[float | None], b: Sequence[float | None]) -> list[float]:
    return [0.0 if x is None or y is None else max(x - y, 0.0) for x, y in zip(a, b, strict=True)]
