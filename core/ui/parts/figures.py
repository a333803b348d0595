"""What every figure of the pages is made of: colours, frame, intervals, and numbers beside their marks."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from core.statistics import Estimate

BEFORE, AFTER, TARGET = "#7d8590", "#1f83c4", "#d97f00"
"""Grey, blue and orange: told apart with every common kind of colour vision, and in grey print by their lightness."""
INK = "#000037"
"""Strong text: Streamlit's theme puts its own near-black or near-white in the place of this colour."""
BAND = "rgba(125, 133, 144, 0.22)"
PALE = 0.45
FAINT = 0.15
TITLED = 48
"""Pixels below the axes of a figure whose horizontal axis has a title: ticks, title, then the small print."""
ROW = {1: 32, 2: 50}
"""Height of a group's row in pixels, by the number of bars in it."""


def frame(height: int, right: int = 8, left: int = 8, legend: bool = True) -> dict[str, Any]:
    """Layout of every figure: margins, a legend above, no dragging."""
    return {
        "height": height,
        "margin": {"l": left, "r": right, "t": 34 if legend else 8, "b": 30},
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yanchor": "bottom",
            "traceorder": "normal",
            "title": {"text": ""},
        },
        "dragmode": False,
        "font": {"size": 14},
        "hoverlabel": {"font": {"size": 14}},
        "bargap": 0.28,
        "bargroupgap": 0.06,
        "uirevision": "kept",
    }


def framed(figure: go.Figure, height: int, right: int = 8, left: int = 8, legend: bool = True) -> go.Figure:
    """The figure in the frame of every figure."""
    return figure.update_layout(frame(height, right, left, legend))


def shares_along(top: float = 1.0) -> dict[str, Any]:
    """A horizontal axis of shares."""
    return {"range": [0, top], "tickformat": ".0%", "fixedrange": True, "zeroline": False}


def percent_axis(figure: go.Figure, top: float = 1.0, **where: int) -> None:
    """Shares along, from none to `top`."""
    figure.update_xaxes(title=None, **shares_along(top), **where)


def axis_end(highest: Sequence[float]) -> float:
    """A round share that leaves room for the longest interval, so that many small groups use the whole axis."""
    end = max([*highest, 0.15])
    return min(1.0, round(end + 0.1, 1))


def rows_axis(names: Sequence[str], room: float = 0.6, size: int = 14) -> dict[str, Any]:
    """An upright axis of rows at 0, 1, 2... from the top with their names, and `room` above the first and below the
    last.
    """
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [f"{name}  " for name in names],
        "range": [len(names) - 1 + room, -room],
        "fixedrange": True,
        "zeroline": False,
        "tickfont": {"size": size, "color": INK},
    }


def named_rows(figure: go.Figure, names: Sequence[str], room: float = 0.6, size: int = 14) -> None:
    """The rows of a figure by their names, see `rows_axis`."""
    figure.update_yaxes(title=None, **rows_axis(names, room, size))


def interval_bars(estimates: Sequence[Estimate], colour: str, thickness: float = 2.5, width: int = 5) -> dict[str, Any]:
    """Intervals of a row of estimates, as plotly wants them: distances to both ends; None, which draws none."""
    return {
        "type": "data",
        "array": [_apart(e.estimate, e.hi) for e in estimates],
        "arrayminus": [_apart(e.lo, e.estimate) for e in estimates],
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def _apart(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else max(high - low, 0.0)


def note_beside(y: float | str, text: str, shift: float = 0.0) -> dict[str, Any]:
    """A number in the column at the right of a figure, as an annotation."""
    return {
        "x": 1,
        "xref": "paper",
        "xanchor": "left",
        "xshift": 8,
        "y": y,
        "yshift": shift,
        "text": text,
        "showarrow": False,
        "font": {"size": 14, "color": INK},
    }


def beside(figure: go.Figure, y: float | str, text: str, shift: float = 0.0) -> None:
    """Put a number into the column at the right of a figure."""
    figure.add_annotation(note_beside(y, text, shift))
