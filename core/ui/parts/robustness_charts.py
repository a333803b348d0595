"""Rows of marks on a logarithmic axis, for the screen."""

import math
from typing import Any

import plotly.graph_objects as go

from core.figures import COLOURS, lane, log_edge, log_ticks, words_of
from core.ui.parts.figures import BAND, INK, framed

SYMBOLS = ("circle", "square-open", "diamond-open", "triangle-up-open", "triangle-down-open")
ROW_PIXELS, SHORTEST = 62, 230
"""Height of a row of marks, and of the shortest figure."""
PAD = {"t": 6, "l": 8}


def rows(of: Any) -> go.Figure:
    """A figure of rows (core.figures.Picture): one row a word, a lane a series; what is 0 stands at the left edge."""
    words, least = words_of(of), log_edge(of)
    figure = go.Figure()
    for place, series in enumerate(of.series):
        values = [None if y is None else max(float(y), least) for y in series.y]
        figure.add_scatter(
            x=values,
            y=[words.index(word) + lane(place, len(of.series)) for word in series.x],
            mode="markers",
            name=series.name,
            showlegend=bool(len(series.x)),
            marker={
                "symbol": SYMBOLS[place % len(SYMBOLS)],
                "size": 12 if place == 0 else 9,
                "color": COLOURS[place % len(COLOURS)],
                "line": {"width": 1.8},
            },
            error_x=_whiskers(series, values, least, COLOURS[place % len(COLOURS)]),
            text=[_told(name, y) for name, y in zip(series.names, series.y, strict=True)],
            hovertemplate="%{text}<extra></extra>",
        )
    for place in range(0, len(words), 2):
        figure.add_hrect(place - 0.5, place + 0.5, fillcolor=BAND, opacity=0.35, line_width=0, layer="below")
    for value in of.marks.values():
        figure.add_vline(value, line={"color": INK, "width": 1.4})
    framed(figure, max(SHORTEST, 136 + ROW_PIXELS * len(words)))
    figure.update_layout(
        title={
            "text": of.title,
            "x": 0,
            "xref": "container",
            "y": 1,
            "yanchor": "top",
            "font": {"size": 15},
            "pad": PAD,
        },
        margin={"t": 64, "b": 58},
    )
    ticks = log_ticks(of)
    most = max([v for s in of.series for v in (*s.y, *s.hi) if v is not None] + list(of.marks.values()))
    figure.update_xaxes(
        type="log",
        range=[math.log10(least * 0.97), math.log10(most * 1.08)],
        tickvals=ticks,
        ticktext=[f"{tick:g}" for tick in ticks],
        title="; ".join([of.y_label, *(f"the line: {name}" for name in of.marks)]),
        fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=list(range(len(words))),
        ticktext=words,
        range=[len(words) - 0.5, -0.5],
        automargin=True,
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    return figure


def _told(name: str, ratio: float | None) -> str:
    return f"{name}: {'no ratio' if ratio is None else f'{ratio:.2f} times'}"


def _whiskers(series: Any, values: list[float | None], least: float, colour: str) -> dict[str, Any] | None:
    """Intervals as distances from the marks, cut at the left edge."""
    if not series.lo:
        return None
    ends = list(zip(values, series.lo, series.hi, strict=True))
    return {
        "type": "data",
        "array": [0.0 if v is None or hi is None else hi - v for v, _, hi in ends],
        "arrayminus": [0.0 if v is None or lo is None else v - max(lo, least) for v, lo, _ in ends],
        "color": colour,
        "thickness": 2,
        "width": 5,
    }
