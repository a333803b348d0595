"""Figures of the pages. Plain numbers in, plotly figures out; text and background follow the app's theme.

Colour never carries meaning alone: before is grey and after is blue, the target is an orange line, and every number
is printed beside its mark. Bars are pale with a solid interval of the same hue, which reads on light and on dark.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core.statistics import Band, Estimate
from core.ui.figure_parts import (
    AFTER,
    BAND,
    BEFORE,
    FAINT,
    INK,
    PALE,
    ROW,
    TARGET,
    TITLED,
    axis_end,
    beside,
    framed,
    interval_bars,
    percent_axis,
)
from core.ui.wording import number, percent, share_text


def config(name: str) -> dict[str, Any]:
    """Toolbar of a figure: one click saves a vector image named `name`; no logo, no zoom by accident."""
    return {
        "displaylogo": False,
        "scrollZoom": False,
        "toImageButtonOptions": {"format": "svg", "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoom2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    }


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
            error_x=interval_bars([shares[g] for g in drawn], colour),
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
                beside(figure, group, share_text(shares[group]), lane)
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, title=None, ticksuffix="  ", tickfont={"size": 15, "color": INK}
    )
    ends = [e.hi for shares in arms.values() for e in shares.values() if e.hi is not None]
    percent_axis(figure, axis_end([*ends, *target.values()]))
    figure.update_layout(clickmode="event+select", barmode="group")
    return framed(figure, 74 + row * len(groups), right=168)


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
        beside(figure, row, number(value))
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
        beside(figure, len(known), f"{number(low)} to {number(high)}")
    if null is not None:
        figure.add_vrect(x0=null.lo, x1=null.hi, fillcolor=BAND, line_width=0, layer="below")
        strip = {"symbol": "square", "color": BAND, "size": 14}
        figure.add_scatter(x=[null.lo], y=[-9], mode="markers", name="no bias at all (95 %)", marker=strip)
    figure.update_xaxes(
        title={"text": title, "font": {"size": 14}}, rangemode="tozero", fixedrange=True, zeroline=False
    )
    _named_rows(figure, rows)
    figure = framed(figure, 104 + 34 * len(rows), right=110, legend=null is not None)
    return figure.update_layout(margin={"b": TITLED})


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


def pairs_of_dots(
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
            error_x=interval_bars([e for _, e in drawn], colour),
            mode="markers",
            marker={"size": 12, "color": colour},
            cliponaxis=False,
            hovertext=[f"{name}: {said(e)}" for _, e in drawn],
            hoverinfo="text",
        )
    for i, (first, second) in enumerate(rows.values()):
        beside(figure, i, f"{short(first)} → {short(second)}")
    _named_rows(figure, list(rows))
    return figure


def before_after(rows: Mapping[str, tuple[Estimate, Estimate]], low: float = 0.0) -> go.Figure:
    """Two dots a row, before and after, with their intervals: what the edit cost.

    Parameters
    ----------
    rows : what is measured -> (before, after), each a share or a probability in [0, 1].
    low : left end of the axis.
    """
    figure = pairs_of_dots(rows, ("before", "after"), share_text, _cost)
    figure.update_xaxes(range=[low, 1], tickformat=".0%", fixedrange=True, title=None, zeroline=False)
    return framed(figure, 74 + 44 * len(rows), right=140)


def _cost(e: Estimate) -> str:
    return "none" if e.estimate is None else percent(e.estimate, 1)


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
    framed(figure, 460, legend=False)
    figure.update_layout(margin={"b": TITLED})
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
    framed(figure, max(260, 90 + 26 * rows) if of.kind == "bars" else 400, legend=len(of.series) > 1)
    figure.update_layout(margin={"b": TITLED})
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
    framed(figure, 120 + 52 * len(of.series), legend=False, left=60)
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
