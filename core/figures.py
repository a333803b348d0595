"""Figures on paper: what a study or benchmark shows, as plain data, drawn as an SVG that repeats byte by byte."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.store import atomic_file
from core.verdicts import NOT_COMPUTED

Kind = Literal["bars", "lines", "points", "cells", "rows"]

COLOURS = ("#1f83c4", "#d97f00", "#2e6b47", "#9a5bb5", "#7d8590", "#c0504d", "#5f6b2f", "#00798c")
MARKS = "osD^vPX*"
"""Every series has its own mark as well as its own colour."""
WIDTH, HEIGHT, ROW, MARK_ROW = 8.0, 4.5, 0.3, 0.6
"""Inches: a figure's width, the height of curves and points, of each row of bars, and of each row of marks."""
PLOT, LETTER = (500.0, 255.0), (4.4, 8.0)
"""Points (1/72 inch): the area of curves and points inside its axes, and a letter of a name with its height."""
ALL_NAMED = 24
"""Up to so many points all names are written, also where they meet; of more, the table has them all."""
LEGEND_COLUMNS = 3


@dataclass(frozen=True)
class Series:
    """One line, cloud of points or set of bars: x and y of equal length, perhaps with intervals of y.

    For bars, cells and rows `x` holds words; for points and rows `names` says what each is.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[float | None]
    lo: Sequence[float | None] = ()
    hi: Sequence[float | None] = ()
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.x, self.y, self.lo, self.hi, self.names) if len(part)}
        if len(lengths) > 1:
            raise ValueError(f"series {self.name!r} has parts of lengths {sorted(lengths)}")


@dataclass(frozen=True)
class Picture:
    """A figure as data: bars (one row a word), lines, points with names, a table of coloured cells with numbers, or
    rows of marks: positive numbers on a logarithmic axis, one row a word, several marks a series; the first series is
    filled."""

    title: str
    kind: Kind
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    notes: str = ""
    """Small print below: what intervals are, what was left out."""
    marks: dict[str, float] = field(default_factory=dict)
    """Named reference values of the measured quantity, drawn as lines across (not in cells)."""
    alt: str = ""
    """What the figure shows, for people who do not see it."""


def draw_svg(picture: Picture, path: Path) -> None:
    """Write a figure as SVG; equal figures give equal files. Missing numbers leave a gap."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(
        {
            "svg.hashsalt": "unskew",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 10,
            "text.parse_math": False,  # a $ in a name is a $
        }
    ):
        figure = Figure(figsize=(WIDTH, _height(picture)), layout="constrained")
        axes = figure.add_subplot()
        {"bars": _bars, "lines": _curves, "points": _points, "cells": _cells, "rows": _rows}[picture.kind](
            axes, picture
        )
        axes.set_title(picture.title, loc="left", fontsize=11)
        if picture.notes:
            figure.supxlabel(picture.notes, fontsize=8, color="#555555")
        with atomic_file(path) as partial:
            figure.savefig(partial, format="svg", metadata=_about(picture))


def _about(picture: Picture) -> dict[str, Any]:
    """Metadata of the file; no date, so that equal figures give equal files."""
    told = {"Title": picture.title, "Description": picture.alt} if picture.alt else {}
    return {"Date": None, "Creator": None, **told}


def _height(picture: Picture) -> float:
    if picture.kind == "bars":
        return 1.2 + ROW * sum(len(series.x) for series in picture.series)
    if picture.kind == "cells":
        return 1.6 + 0.55 * len(picture.series)
    if picture.kind == "rows":
        return 1.7 + MARK_ROW * len(words_of(picture))
    return HEIGHT


def _bars(axes: Any, picture: Picture) -> None:
    """Horizontal bars, the first word on top, each with its number."""
    words = list(dict.fromkeys(word for series in picture.series for word in series.x))
    height = 0.8 / len(picture.series)
    for place, series in enumerate(picture.series):
        at = [words.index(word) + (place - (len(picture.series) - 1) / 2) * height for word in series.x]
        values = [math.nan if y is None else y for y in series.y]
        axes.barh(at, values, height, color=_colour(place), alpha=0.55, label=_label(series.name))
        if series.lo:
            axes.errorbar(values, at, xerr=_whiskers(series), fmt="none", ecolor=_colour(place), capsize=2)
        for y, value in zip(at, values, strict=True):
            axes.annotate(
                NOT_COMPUTED if math.isnan(value) else f"{value:.3f}", (1.01, y), xycoords=("axes fraction", "data")
            )
    axes.set_yticks(range(len(words)), words)
    axes.invert_yaxis()
    axes.set_xlabel(picture.y_label)
    for name, value in picture.marks.items():
        axes.axvline(value, color="#555555", linestyle=":", label=name)
    _legend(axes, picture)


def _curves(axes: Any, picture: Picture) -> None:
    for place, series in enumerate(picture.series):
        values = [math.nan if y is None else y for y in series.y]
        axes.plot(series.x, values, marker=MARKS[place % len(MARKS)], color=_colour(place), label=_label(series.name))
        if series.lo:
            axes.fill_between(series.x, _numbers(series.lo), _numbers(series.hi), color=_colour(place), alpha=0.15)
    _frame(axes, picture)


def _points(axes: Any, picture: Picture) -> None:
    for place, series in enumerate(picture.series):
        values = _numbers(series.y)
        mark = MARKS[place % len(MARKS)]
        axes.errorbar(
            series.x,
            values,
            yerr=_whiskers(series) if series.lo else None,
            fmt=mark,
            color=_colour(place),
            capsize=2,
            label=_label(series.name),
        )
    _names(axes, picture)
    _frame(axes, picture)


def _names(axes: Any, picture: Picture) -> None:
    """The names beside their points: where there are many, those that meet no point and no other name."""
    points = [(x, y, "") for series in picture.series for x, y in zip(series.x, _numbers(series.y), strict=True)]
    named = [point for s in picture.series if s.names for point in zip(s.x, _numbers(s.y), s.names, strict=True)]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()

    def place(x: float, y: float) -> tuple[float, float]:
        return (x - left) / (right - left) * PLOT[0], (y - low) / (high - low) * PLOT[1]

    taken = [(px - 3, py - 3, px + 3, py + 3) for px, py in (place(x, y) for x, y, _ in points)]
    for x, y, name in named:
        if math.isnan(y):
            continue
        px, py = place(x, y)
        width, height = LETTER[0] * len(name), LETTER[1]
        for dx, dy, align in ((5, 3, "left"), (-5, 3, "right"), (5, -3 - height, "left"), (-5, -3 - height, "right")):
            x0 = px + dx - (width if align == "right" else 0)
            box = (x0, py + dy, x0 + width, py + dy + height)
            inside = box[0] >= 0 and box[2] <= PLOT[0]
            if inside and not any(_meet(box, other) for other in taken):
                break
        else:
            if len(named) > ALL_NAMED:
                continue
            dx, dy, align = 5, 3, "left"
        taken.append(box)
        axes.annotate(name, (x, y), xytext=(dx, dy), textcoords="offset points", fontsize=8, ha=align)


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes (left, low, right, high) share a place."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _cells(axes: Any, picture: Picture) -> None:
    """One row a series, one column a word; the number stands in its cell, the colour repeats it."""
    words = list(picture.series[0].x)
    table = [_numbers(series.y) for series in picture.series]
    size = max((abs(value) for row in table for value in row if not math.isnan(value)), default=1.0) or 1.0
    axes.imshow(table, cmap="RdBu_r", vmin=-size, vmax=size, aspect="auto", alpha=0.6)
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            axes.text(j, i, NOT_COMPUTED if math.isnan(value) else f"{value:+.3f}", ha="center", va="center")
    axes.set_xticks(range(len(words)), words)
    axes.set_yticks(range(len(picture.series)), [series.name for series in picture.series])
    axes.set_xlabel(picture.x_label)
    axes.set_ylabel(picture.y_label)


def _rows(axes: Any, picture: Picture) -> None:
    """One row a word, the first on top, a lane a series; what is 0 stands as < at the left edge."""
    words, least = words_of(picture), log_edge(picture)
    for place in range(0, len(words), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#7d8590", alpha=0.08, linewidth=0)
    for place, series in enumerate(picture.series):
        if not len(series.x):
            continue  # keeps its place, so that a mark means the same in every figure
        at = [words.index(word) + lane(place, len(picture.series)) for word in series.x]
        values = [math.nan if y is None else max(float(y), least) for y in series.y]
        looks = {"color": _colour(place), "linestyle": "none", "markersize": 8 if place == 0 else 5.5}
        filled = "full" if place == 0 else "none"
        axes.plot(values, at, MARKS[place % len(MARKS)], fillstyle=filled, label=_label(series.name), zorder=3, **looks)
        none = [(v, y) for v, y in zip(values, at, strict=True) if v <= least]
        if none:
            axes.plot(*zip(*none, strict=True), "<", zorder=4, **looks)
        if series.lo:
            ends = zip(_numbers(series.lo), _numbers(series.hi), at, strict=True)
            for lo, hi, y in ends:
                axes.plot([max(lo, least), hi], [y, y], color=_colour(place), linewidth=1.6)
    axes.set_xscale("log")
    ticks = log_ticks(picture)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(words)), words)
    axes.set_ylim(len(words) - 0.5, -0.5)
    axes.set_xlabel(picture.y_label)
    axes.grid(axis="x", alpha=0.25)
    for name, value in picture.marks.items():
        axes.axvline(value, color="#333333", linewidth=1.2, label=name, zorder=1)
    axes.figure.legend(loc="outside upper left", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False)


def words_of(picture: Picture) -> list[str]:
    """The rows of a figure, the first on top."""
    return list(dict.fromkeys(str(word) for series in picture.series for word in series.x))


def lane(place: int, lanes: int) -> float:
    """Where a series lies in its row, in (-.5, .5): the first above the others."""
    return (place - (lanes - 1) / 2) * 0.8 / lanes


def log_edge(picture: Picture) -> float:
    """Left edge of a logarithmic axis, below every positive value: where a 0 stands, and intervals are cut."""
    values = [v for series in picture.series for v in (*series.y, *series.hi) if v is not None and v > 0]
    return min([*values, *picture.marks.values()], default=1.0) * 0.7


def log_ticks(picture: Picture) -> list[float]:
    """Round numbers along a logarithmic axis."""
    values = [v for series in picture.series for v in (*series.y, *series.hi) if v is not None and v > 0]
    least, most = log_edge(picture), max([*values, *picture.marks.values()], default=1.0) * 1.1
    steps = (1, 1.5, 2, 3, 5, 7) if most / least < 8 else (1, 2, 5)
    ticks = [10.0**power * step for power in range(-4, 5) for step in steps]
    return [tick for tick in ticks if least <= tick <= most]


def _frame(axes: Any, picture: Picture) -> None:
    axes.set_xlabel(picture.x_label)
    axes.set_ylabel(picture.y_label)
    axes.grid(alpha=0.25)
    for name, value in picture.marks.items():
        axes.axhline(value, color="#555555", linestyle=":", label=name)
    _legend(axes, picture)


def _legend(axes: Any, picture: Picture) -> None:
    if len(picture.series) + len(picture.marks) > 1:
        axes.legend(loc="best", fontsize=8, frameon=False)


def _label(name: str) -> str:
    """A name for a legend, which leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _whiskers(series: Series) -> list[list[float]]:
    """Distances down and up from each value to the ends of its interval; NaN, which draws nothing, without one."""
    values, lows, highs = _numbers(series.y), _numbers(series.lo), _numbers(series.hi)
    down = [max(v - lo, 0.0) if lo == lo else math.nan for v, lo in zip(values, lows, strict=True)]
    up = [max(hi - v, 0.0) if hi == hi else math.nan for v, hi in zip(values, highs, strict=True)]
    return [down, up]


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
