"""Figures of the pages. Plain numbers in, plotly figures out; text and background follow the app's theme.

Colour never carries meaning alone: before is grey and after is blue, the target is an orange line, and every number
is printed beside its mark. Bars are pale with a solid interval of the same hue, which reads on light and on dark.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core.statistics import Estimate
from core.ui.parts import robustness_charts
from core.ui.parts.figures import AFTER, BEFORE, INK, TARGET, TITLED, beside, framed, interval_bars, named_rows
from core.ui.parts.wording import in_points, percent, share_text
from core.verdicts import NOT_COMPUTED, points

PLOT_WIDTH, PHONE_PLOT, PLOT_HEIGHT = 480, 250, 400
"""Least pixels of a plot of points on a page and on a phone, and its height."""
LABEL_WIDTH, LABEL_HEIGHT, LABEL_RIGHT = 18, 14, 11
"""Room of a number of two digits beside a point, and how far right of the point its middle is, in pixels."""


def config(name: str) -> dict[str, Any]:
    """Toolbar of a figure: one click saves a vector image named `name`; no logo, no zoom by accident."""
    return {
        "displaylogo": False,
        "scrollZoom": False,
        "toImageButtonOptions": {"format": "svg", "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoom2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    }


def controls(arms: Mapping[str, Estimate], draws: Sequence[float], title: str) -> go.Figure:
    """A difference of shares for each arm with its interval, with the draws of random neurons as strokes.

    Parameters
    ----------
    arms : name -> lean in points, in reading order, the edit itself last; arms that could not be computed are left
        out.
    draws : the same number of each random draw.
    title : what is drawn.
    """
    figure = go.Figure()
    known = {name: e for name, e in arms.items() if e.estimate is not None}
    rows = list(known) + ([f"{len(draws)} draws of random neurons"] if draws else [])
    for row, (name, e) in enumerate(known.items()):
        colour, shown = AFTER if name == list(arms)[-1] else BEFORE, hundredfold(e)
        figure.add_scatter(
            x=[shown.estimate],
            y=[row],
            error_x=interval_bars([shown], colour),
            mode="markers",
            marker={"size": 13, "color": colour},
            hovertext=[f"{name}: {in_points(e)} points"],
            hoverinfo="text",
            showlegend=False,
        )
        beside(figure, row, in_points(e))
    if draws:
        figure.add_scatter(
            x=[100 * value for value in draws],
            y=[len(known)] * len(draws),
            mode="markers",
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 2, "color": BEFORE}},
            hovertext=[f"random neurons: {points(value)} points" for value in draws],
            hoverinfo="text",
            showlegend=False,
        )
        beside(figure, len(known), f"{points(min(draws))} to {points(max(draws))}")
    figure.add_vline(x=0, line={"color": INK, "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title={"text": title, "font": {"size": 14}}, tickformat="+.0f", fixedrange=True, zeroline=False)
    named_rows(figure, rows)
    return framed(figure, 70 + 34 * len(rows), right=120, legend=False).update_layout(margin={"b": TITLED})


def hundredfold(e: Estimate) -> Estimate:
    """A difference of shares in points."""
    estimate, lo, hi = (None if end is None else 100 * end for end in (e.estimate, e.lo, e.hi))
    return Estimate(estimate, lo, hi, e.n)


def pairs_of_dots(
    rows: Mapping[str, tuple[Estimate, Estimate]],
    names: tuple[str, str],
    hover: Callable[[Estimate], str],
    short: Callable[[Estimate], str],
) -> go.Figure:
    """Two dots a row with their intervals; `hover` is what pointing at one says, `short` stands beside the row."""
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
            hovertext=[f"{name}: {hover(e)}" for _, e in drawn],
            hoverinfo="text",
        )
    for i, (first, second) in enumerate(rows.values()):
        beside(figure, i, f"{short(first)} → {short(second)}")
    named_rows(figure, list(rows))
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
    return NOT_COMPUTED if e.estimate is None else percent(e.estimate, 1)


def trade_off(
    points: Sequence[tuple[str, Estimate, Estimate]], cost: str, skew: str, width: int = PLOT_WIDTH
) -> go.Figure:
    """Skew (up) against cost (along), one named point a method, with both intervals.

    Parameters
    ----------
    points : (name, cost, skew) of each method; the name begins with the number that stands beside its point.
    width : least width of the plot in pixels; in a wider one the numbers are further apart.
    """
    x_range, y_range = _room([e for _, e, _ in points]), (0.0, _room([e for *_, e in points])[1])
    figure = go.Figure(
        go.Scatter(
            x=[e.estimate for _, e, _ in points],
            y=[e.estimate for *_, e in points],
            error_x=interval_bars([e for _, e, _ in points], BEFORE, 1.2, 3),
            error_y=interval_bars([e for *_, e in points], BEFORE, 1.2, 3),
            customdata=[name for name, *_ in points],
            mode="markers",
            marker={"size": 9, "color": AFTER},
            hovertemplate="%{customdata}<br>" + cost + " %{x:.3f}<br>" + skew + " %{y:.3f}<extra></extra>",
        )
    )
    places = [
        (_along(e.estimate, x_range) * width, (1 - _along(s.estimate, y_range)) * PLOT_HEIGHT) for _, e, s in points
    ]
    for (name, e, s), lift in zip(points, lifts(places), strict=True):
        figure.add_annotation(
            x=e.estimate,
            y=s.estimate,
            text=name.split(".")[0],
            ax=LABEL_RIGHT,
            ay=lift,
            showarrow=True,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=BEFORE if abs(lift) > LABEL_HEIGHT else "rgba(0,0,0,0)",
            standoff=5,
            font={"size": 13, "color": INK},
        )
    framed(figure, PLOT_HEIGHT + 60, legend=False)
    figure.update_layout(margin={"b": TITLED})
    figure.update_xaxes(title=cost, fixedrange=True, zeroline=False, range=x_range)
    figure.update_yaxes(title=skew, fixedrange=True, range=y_range)
    return figure


def lifts(places: Sequence[tuple[float, float]]) -> list[int]:
    """How far below (above: negative) its point each number stands, in pixels, so that none lies over another.

    Numbers move up and down only, so that those which are apart stay apart in a wider plot; the first of a list has
    the first choice.

    Parameters
    ----------
    places : (x, y) of each point in pixels, y downwards.
    """
    taken: list[tuple[float, float]] = []
    found = []
    for x, y in places:
        steps = sorted(
            (sign * (LABEL_HEIGHT - 5 + 4 * i) for i in range(PLOT_HEIGHT // 4) for sign in (-1, 1)), key=abs
        )
        inside = [step for step in steps if 0 <= y + step <= PLOT_HEIGHT]
        free = [s for s in inside if all(abs(x - a) >= LABEL_WIDTH or abs(y + s - b) >= LABEL_HEIGHT for a, b in taken)]
        lift = (free or inside)[0]
        taken.append((x, y + lift))
        found.append(lift)
    return found


def _room(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Both ends of an axis that holds these numbers with their intervals and some air."""
    ends = [end for e in estimates for end in (e.estimate, e.lo, e.hi) if end is not None]
    air = 0.06 * ((max(ends) - min(ends)) or abs(max(ends)) or 1.0)
    return min(ends) - air, max(ends) + air


def _along(value: float | None, ends: tuple[float, float]) -> float:
    return 0.0 if value is None else (value - ends[0]) / (ends[1] - ends[0])


def picture(of: Any) -> go.Figure:
    """A study's figure (core.figures.Picture) for the screen."""
    if of.kind == "cells":
        return _cells(of)
    if of.kind == "rows":
        return robustness_charts.rows(of)
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
    words = [[NOT_COMPUTED if v is None else f"{v:+.3f}" for v in row] for row in numbers]
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


def _minus(a: Sequence[float | None], b: Sequence[float | None]) -> list[float | None]:
    return [None if x is None or y is None else max(x - y, 0.0) for x, y in zip(a, b, strict=True)]
