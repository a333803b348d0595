"""Figures of a neuron's page: how often and how strongly it fires, group by group.

Each is made from its description in one go: adding trace by trace took more of a page's time than all else on it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from core.statistics import Estimate
from core.ui.parts.figures import AFTER, INK, PALE, ROW, frame, interval_bars, note_beside, shares_along
from core.ui.parts.wording import interval, percent, share_text
from core.verdicts import NOT_COMPUTED

if TYPE_CHECKING:
    pass

GAP = 0.1
"""Between two columns of the histogram, as a share of its width."""


def rates(by_group: Mapping[str, Estimate], what: str = "fires on") -> go.Figure:
    """Share of each group's items on which a neuron fires, with Wilson interval and n beside it."""
    drawn = {group: e for group, e in by_group.items() if e.estimate is not None}
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": list(drawn),
        "x": [e.estimate for e in drawn.values()],
        "error_x": interval_bars(list(drawn.values()), AFTER),
        "marker": {"color": AFTER, "opacity": PALE},
        "hovertext": [f"{what} {share_text(e)} of {group}" for group, e in drawn.items()],
        "hoverinfo": "text",
    }
    names = {"autorange": "reversed", "fixedrange": True, "ticksuffix": "  ", "tickfont": {"size": 14, "color": INK}}
    layout = frame(44 + ROW[1] * len(by_group), right=200, legend=False)
    layout |= {"xaxis": shares_along(), "yaxis": names}
    layout["annotations"] = [note_beside(group, _said(e)) for group, e in by_group.items()]
    return go.Figure({"data": [bars], "layout": layout})


def _said(e: Estimate) -> str:
    return e.reason or NOT_COMPUTED if e.estimate is None else f"{percent(e.estimate)} {interval(e)}, n = {e.n:,}"


def activation_histogram(
    edges: Sequence[float],
    shares: Mapping[str, Sequence[float]],
    what: str = "activation",
    above: Mapping[str, str] | None = None,
) -> go.Figure:
    """How strongly a neuron fires, one row of bars per group on common axes; from five groups on in two columns.

    Parameters
    ----------
    edges : (bins + 1,) borders of the bins of activation values above 0.
    shares : group -> (bins,) share of the group's items in each bin. Items on which the neuron is silent are in no
        bin, so that a row sums to the group's firing rate.
    what : what is counted in the bins, for the axis.
    above : group -> what stands above its row; None: how often the neuron fires.
    """
    columns = 1 if len(shares) <= 4 else 2
    rows = -(-len(shares) // columns)
    middles, width = [(a + b) / 2 for a, b in pairwise(edges)], edges[1] - edges[0]
    layout = frame(70 + 92 * rows, legend=False)
    layout |= {"bargap": 0, "annotations": []}
    layout["margin"] |= {"b": 44, "t": 26}
    bars = []
    for index, (group, values) in enumerate(shares.items()):
        row, column = divmod(index, columns)
        axis = "" if index == 0 else str(index + 1)
        last = index + columns >= len(shares)
        layout[f"xaxis{axis}"] = _along(axis, column, columns, last, what)
        layout[f"yaxis{axis}"] = _upwards(axis, row, rows)
        layout["annotations"].append(
            _above(axis, f"{group}, fires on {percent(sum(values))}" if above is None else above[group])
        )
        pointed = f"{group}: {what} %{{x:.2f}}, %{{y:.1%}} of the group<extra></extra>"
        place = {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
        mark = {"color": AFTER, "opacity": 0.75}
        bars.append({"type": "bar", "x": middles, "y": list(values), "width": width, "marker": mark, **place})
        bars[-1]["hovertemplate"] = pointed
    return go.Figure({"data": bars, "layout": layout})


def _along(axis: str, column: int, columns: int, last: bool, what: str) -> dict[str, Any]:
    """The axis of activations of one group; its name and numbers only below the lowest of a column."""
    wide = (1 - GAP * (columns - 1)) / columns
    left = column * (wide + GAP)
    shown = {"title": {"text": what, "font": {"size": 13}}} if last else {"showticklabels": False}
    common = {"matches": "x"} if axis else {}
    return {"domain": [left, left + wide], "anchor": f"y{axis}", "fixedrange": True, **shown, **common}


def _upwards(axis: str, row: int, rows: int) -> dict[str, Any]:
    """The axis of shares of one group, the first row on top."""
    between = 0.3 / rows
    high = (1 - between * (rows - 1)) / rows
    top = 1 - row * (high + between)
    common = {"matches": "y"} if axis else {}
    place = {"domain": [max(0.0, top - high), top], "anchor": f"x{axis}"}
    return {**place, "tickformat": ".0%", "fixedrange": True, "nticks": 3, **common}


def _above(axis: str, text: str) -> dict[str, Any]:
    """A group's name and rate above its bars."""
    place = {"xref": f"x{axis} domain", "yref": f"y{axis} domain", "x": 0, "y": 1}
    return {**place, "xanchor": "left", "yanchor": "bottom", "text": text, "showarrow": False} | {
        "font": {"size": 14, "color": INK}
    }
