"""The figure of a lean over the combinations of two attributes: how every one of them fares."""

from collections.abc import Mapping, Sequence
from math import log2

import plotly.graph_objects as go

from core.statistics import ALPHA, GroupLean, Lean
from core.ui.parts.figures import (
    INK,
    framed,
)
from core.ui.parts.wording import ratio_text
from core.verdicts import lean_verdict, p_text

SCALE = ((0.0, "#d97f00"), (0.5, "rgba(125,133,144,0.10)"), (1.0, "#1f83c4"))
"""Orange below, blue above: told apart with every common kind of colour vision, and every cell holds its number."""
FURTHEST = 2.0
"""Ends of the colours: a quarter of the searched share, or four times as much."""


def representation(
    lean: Lean, places: Mapping[tuple[str, str], int], rows: Sequence[str], columns: Sequence[str]
) -> go.Figure:
    """Representation ratio of every combination: 1 is as often as chance would. Cells whose lean is not beyond chance
    are pale, those with too few searched rows to be interpreted are marked *, and nobody there is a dash.

    Parameters
    ----------
    places : (row, column) -> place of the combination among the lean's groups; absent where nobody was searched.
    """
    cells = {(r, c): lean.groups[places[r, c]] if (r, c) in places else None for r in rows for c in columns}
    strong = {cell: named(lean, cell_lean) for cell, cell_lean in cells.items()}
    words = [[_of_cell(f"{r}, {c}", cells[r, c], strong[r, c]) for c in columns] for r in rows]
    figure = go.Figure()
    for kind, opacity in ((True, 0.78), (False, 0.22)):
        figure.add_heatmap(
            z=[[_level(cells[r, c]) if strong[r, c] == kind else None for c in columns] for r in rows],
            x=list(columns),
            y=list(rows),
            hovertext=words,
            hoverinfo="text",
            colorscale=[list(stop) for stop in SCALE],
            zmin=-FURTHEST,
            zmax=FURTHEST,
            showscale=False,
            xgap=2,
            ygap=2,
            opacity=opacity,
        )
    notes = [
        {
            "x": c,
            "y": r,
            "text": f"<b>{_in_cell(cell_lean)}</b>" if strong[r, c] else _in_cell(cell_lean),
            "showarrow": False,
            "font": {"size": 14, "color": INK},
        }
        for (r, c), cell_lean in cells.items()
    ]
    framed(figure, 74 + 40 * len(rows), legend=False)
    axis = {"fixedrange": True, "showgrid": False, "type": "category", "title": None}
    figure.update_xaxes(
        side="top",
        tickfont={"size": 13, "color": INK},
        tickvals=list(columns),
        ticktext=[column.replace(" ", "<br>").replace("_", "<br>") for column in columns],
        tickangle=0,
        **axis,
    )
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", tickfont={"size": 14, "color": INK}, **axis)
    return figure.update_layout(margin={"t": 52, "b": 8}, annotations=notes)


def named(lean: Lean, cell: GroupLean | None) -> bool:
    """Whether a group by itself is beyond chance: the test of all groups rejects, and its own adjusted p does."""
    if cell is None or cell.small or cell.p_adjusted is None:
        return False
    return bool(lean.beyond_chance) and cell.p_adjusted <= ALPHA


def _level(cell: GroupLean | None) -> float | None:
    """Colour of a cell: log2 of its ratio, cut to the ends of the scale."""
    if cell is None or cell.ratio.estimate is None:
        return None
    return max(-FURTHEST, min(FURTHEST, log2(cell.ratio.estimate))) if cell.ratio.estimate > 0 else -FURTHEST


def _in_cell(cell: GroupLean | None) -> str:
    if cell is None or cell.ratio.estimate is None:
        return "–"
    return f"{cell.ratio.estimate:.2f}" + ("*" if cell.small else "")


def _of_cell(name: str, cell: GroupLean | None, beyond: bool) -> str:
    """Everything about one cell, for the pointer."""
    if cell is None or cell.searched == 0:
        return f"{name}: nobody was searched"
    if cell.ratio.estimate is None:
        return f"{name}: {cell.ratio.reason}"
    few = ", too few searched rows to be interpreted" if cell.small else f", {lean_verdict(beyond)}"
    return (
        f"<b>{name}</b>: {cell.retrieved:,} retrieved of {cell.searched:,} searched<br>"
        f"{ratio_text(cell.ratio)} times its searched share, adjusted {p_text(cell.p_adjusted)}{few}"
    )
