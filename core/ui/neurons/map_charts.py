"""Figures of the map. Thousands of points are drawn by the graphics card; colour never stands without its number."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.tables import natural

SCALE = ((0.0, "#b35806"), (0.25, "#f1a340"), (0.5, "#c9ced6"), (0.75, "#67a9cf"), (1.0, "#0b5394"))
"""Orange against blue through grey: told apart with every common kind of colour vision, and by lightness."""
HUES = ("#1f83c4", "#d97f00", "#7d8590", "#5b3f99", "#2a9d8f", "#b5478b", "#8a6d3b", "#9aa700")
UPLOAD = "#7a3ff2"
HEIGHT = 430
"""A projector of 1280 x 720 shows the whole map below the choices."""
SIZES = (4.0, 22.0)
"""Diameters in pixels of a neuron that hardly ever fires, and of one that always does."""


def tools(config: Mapping[str, Any]) -> dict[str, Any]:
    """The usual toolbar, with lasso, box, zoom and pan."""
    removed = ["autoScale2d", "zoomIn2d", "zoomOut2d"]
    return {**config, "scrollZoom": True, "displayModeBar": True, "modeBarButtonsToRemove": removed}


def neurons(
    numbers: np.ndarray,
    places: np.ndarray,
    rate: np.ndarray,
    sign: np.ndarray,
    hover: Sequence[str] | None,
    group: str,
) -> go.Figure:
    """One point a neuron: area by firing rate, colour by signed association with a group.

    Parameters
    ----------
    rate : (n,) share of items on which each fires, in [0, 1].
    sign : (n,) 2 AUC - 1 for the group, in [-1, 1].
    hover : (n,) what is said about each; None: its number and rate.
    """
    texts = hover or [f"neuron {j}<br>fires on {r:.1%}" for j, r in zip(numbers, rate, strict=True)]
    strongest = max(0.1, float(np.abs(sign).max(initial=0)))
    marker = {
        "size": SIZES[0] + (SIZES[1] - SIZES[0]) * np.sqrt(np.clip(rate, 0, 1)),
        "color": sign,
        "cmin": -strongest,
        "cmax": strongest,
        "colorscale": [list(stop) for stop in SCALE],
        "line": {"width": 0.5, "color": "rgba(125,133,144,0.6)"},
        "opacity": 0.9,
    }
    if group:
        marker["colorbar"] = {
            "title": {"text": f"2 AUC − 1<br>for {group}", "side": "top"},
            "thickness": 10,
            "len": 0.6,
        }
    figure = go.Figure(_scatter(places, texts, numbers, marker))
    return _frame(figure)


def items(
    numbers: np.ndarray, places: np.ndarray, groups: Sequence[str], names: Sequence[str], landed: np.ndarray
) -> go.Figure:
    """One point an item, a colour and a sign a group; uploads as stars.

    Parameters
    ----------
    groups : (n,) group of each item, for its colour and for what is said when the pointer is on it.
    names, landed : uploads (m,) and their places (m, 2).
    """
    figure, of = go.Figure(), np.asarray(groups, dtype=object)
    signs = ("circle", "diamond", "square", "cross", "x", "triangle-up", "pentagon", "hexagon")
    for place, group in enumerate(sorted(set(groups), key=natural)):
        of_group = of == group
        texts = [f"item {row}<br>{group}" for row in numbers[of_group]]
        marker = {"size": 6, "opacity": 0.7, "color": HUES[place % len(HUES)], "symbol": signs[place % len(signs)]}
        figure.add_trace(
            _scatter(places[of_group], texts, numbers[of_group], marker, f"{group} ({int(of_group.sum()):,})")
        )
    if len(names):
        marker = {"size": 15, "symbol": "star", "color": UPLOAD, "line": {"width": 1, "color": "#fff"}}
        upload = go.Scatter(x=landed[:, 0], y=landed[:, 1], mode="markers", marker=marker, name="your uploads")
        figure.add_trace(upload.update(hovertext=[f"your upload {name}" for name in names], hoverinfo="text"))
    _frame(figure)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return figure


def heat(picture: bytes, values: np.ndarray) -> go.Figure:
    """A picture under the activations (rows, columns) of its patches; darker blue is stronger, numbers on hover."""
    rows, columns = values.shape
    source = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    figure = go.Figure(
        go.Heatmap(
            z=values.round(3).tolist(),
            colorscale=[[0, "rgba(11,83,148,0)"], [1, "rgba(11,83,148,0.85)"]],
            zmin=0,
            hovertemplate="row %{y}, column %{x}: %{z}<extra></extra>",
            colorbar={"thickness": 10, "len": 0.8},
        )
    )
    place = {"x": -0.5, "y": -0.5, "sizex": columns, "sizey": rows, "xref": "x", "yref": "y", "sizing": "stretch"}
    figure.add_layout_image(source=source, layer="below", **place)
    figure.update_xaxes(visible=False, range=[-0.5, columns - 0.5])
    figure.update_yaxes(visible=False, range=[rows - 0.5, -0.5], scaleanchor="x")
    figure.update_layout(height=340, width=420, margin={"l": 0, "r": 0, "t": 8, "b": 8}, dragmode=False)
    return figure


def _scatter(
    places: np.ndarray, texts: Sequence[str], numbers: np.ndarray, marker: Mapping[str, Any], name: str = ""
) -> go.Scattergl:
    return go.Scattergl(
        x=places[:, 0].round(3),
        y=places[:, 1].round(3),
        mode="markers",
        name=name,
        marker=dict(marker),
        # lists: a packed array comes back from a selection without its values
        customdata=[[int(j)] for j in numbers],
        hovertext=list(texts),
        hoverinfo="text",
        unselected={"marker": {"opacity": 0.25}},
    )


def _frame(figure: go.Figure) -> go.Figure:
    """No axes: places have no units. Dragging moves the map, the wheel zooms, a click takes one point.

    Streamlit takes no click for a choice while dragging draws a lasso, so the lasso is a tool of the toolbar.
    """
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x")
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        dragmode="pan",
        showlegend=False,
        uirevision="kept",
        hoverlabel={"font": {"size": 14}},
    )
    return figure
