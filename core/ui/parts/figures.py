"""What every figure of the pages is made of: colours, frame, intervals, and numbers beside their marks."""

import textwrap
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
BESIDE = "beside"
"""Name of the annotations in the column at the right."""
PHONE_ROW, PHONE_LIFT = 2.15, 17
"""On a phone: how much higher a row is whose numbers do not stand beside it, and by how many pixels they are above the
row's middle."""
PHONE_TITLE, PHONE_NAME, PHONE_NUMBER = 40, 12, 12
"""On a phone: letters on a line of an axis's title and of a row's name, and the size of numbers in pixels."""
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
        "name": BESIDE,
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


def for_a_phone(figure: go.Figure) -> go.Figure:
    """The figure for a window of 420 pixels: numbers above their marks instead of beside, long names and titles on
    several lines. What is drawn stays the same.
    """
    layout = figure.layout
    beside_marks = [note for note in layout.annotations if note.name == BESIDE]
    for note in beside_marks:
        note.update(xanchor="right", xshift=0, yshift=(note.yshift or 0) + PHONE_LIFT, font_size=PHONE_NUMBER)
    if beside_marks:
        margin = layout.margin
        plot = layout.height - (margin.t or 0) - (margin.b or 0)
        layout.height += round(plot * (PHONE_ROW - 1))
        margin.r = 8
    for axis in figure.select_yaxes():
        if (beside_marks or axis.automargin) and axis.ticktext:
            axis.ticktext = [_lines(name, PHONE_NAME) for name in axis.ticktext]
        if beside_marks and axis.ticktext:
            longest = max(len(line) for name in axis.ticktext for line in name.split("<br>"))
            layout.margin.l = min(layout.margin.l or 0, 8 * longest)
    heading = layout.title.text or ""
    if heading:
        layout.title.text = _lines(heading, PHONE_TITLE)
        more = 19 * (layout.title.text or "").count("<br>")
        layout.margin.t = (layout.margin.t or 0) + more
        layout.title.pad.t = (layout.title.pad.t or 0) + more / 2  # plotly centres the lines where one would stand
        layout.height = layout.height and layout.height + more
    for axis in figure.select_xaxes():
        title = axis.title.text or ""
        axis.title.text = _lines(title, PHONE_TITLE)
        more = 18 * (axis.title.text or "").count("<br>")
        layout.margin.b = (layout.margin.b or 0) + more
        layout.height = layout.height and layout.height + more
        axis.nticks = axis.nticks or 5
    return figure


def _lines(text: str, letters: int) -> str | None:
    """A text on lines of at most so many letters; blanks at its end, which keep it off an axis, stay."""
    if not text.strip():
        return text or None
    return "<br>".join(textwrap.wrap(text, letters, break_long_words=False)) + text[len(text.rstrip()) :]
