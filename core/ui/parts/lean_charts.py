"""Figures of a lean: who is retrieved beside who was searched, and how every combination of two attributes fares."""

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

import plotly.graph_objects as go

from core.statistics import ALPHA, GroupLean, Lean
from core.ui.parts.figures import (
    AFTER,
    BEFORE,
    FAINT,
    INK,
    TARGET,
    axis_end,
    frame,
    framed,
    interval_bars,
    note_beside,
    rows_axis,
    shares_along,
)
from core.ui.parts.wording import in_points, percent, ratio_text, share_text
from core.verdicts import lean_verdict, p_text

ROWS = {1: 32, 2: 40}
"""Height of a group's row in pixels, by the number of lists."""
LEAST = 80
"""Least height of all rows: of a smaller plot plotly cuts the margins, and with them the small print."""
BASE = "searched"
"""Name of the strokes at the shares of the searched rows."""
MARKS = {"before": "circle-open", "A": "circle-open", "after": "circle", "B": "circle"}
LATER = ("after", "B")
"""Lists drawn in the colour of what came of an edit, or of the second of two."""
CHOSEN = "rgba(125, 133, 144, 0.16)"
CLEAR = "rgba(125, 133, 144, 0.0)"


def demographics(
    groups: Sequence[str],
    arms: Mapping[str, Lean],
    target: Sequence[float],
    target_name: str,
    chosen: str | None = None,
) -> go.Figure:
    """Share of each group among the retrieved rows with its interval, beside its share of the searched rows and the
    target; the numbers at the right are the share and the representation ratio.

    Parameters
    ----------
    arms : name of the list ("before" or "A", hollow; "after" or "B", filled) -> its lean, groups as in `groups`.
    target : target share of each group; the same as the searched shares where these are the target.
    target_name : what the target is called, for example "even shares".
    chosen : group whose pictures are shown; the other ones are drawn faint.
    """
    height = ROWS[min(len(arms), 2)]
    first = next(iter(arms.values()))
    base = [group_lean.base_share for group_lean in first.groups]
    ends = [
        group_lean.share.hi for lean in arms.values() for group_lean in lean.groups if group_lean.share.hi is not None
    ]
    top = axis_end([*ends, *base, *target])
    words = [_words(group, arms, i, target[i]) for i, group in enumerate(groups)]
    same = max(abs(b - t) for b, t in zip(base, target, strict=True)) < 1e-9
    traces = [_places_to_click(groups, words, top, chosen)]
    traces.append(_strokes(groups, base, f"{BASE} = target" if same else BASE, INK, height * 0.62))
    if not same:
        traces.append(_strokes(groups, target, target_name, TARGET, height * 0.62))
    lanes = dict(zip(arms, {1: [0.0], 2: [0.2, -0.2]}[min(len(arms), 2)], strict=False))
    traces += [_dots(groups, name, arms[name], lane, chosen) for name, lane in lanes.items()]
    # short names in small letters: four entries fit on one line of the plot beside its column of numbers
    layout = frame(66 + max(height * len(groups), LEAST), right=240, left=names_width(groups))
    layout["legend"]["font"] = {"size": 12}
    layout |= {
        "xaxis": shares_along(top),
        "yaxis": {**rows_axis(groups, room=0.5, size=15), "showgrid": False},
        "clickmode": "event+select",
        "barmode": "overlay",
        "annotations": [
            note_beside(i - lane, _beside(group_lean))
            for name, lane in lanes.items()
            for i, group_lean in enumerate(arms[name].groups)
        ],
    }
    # in one piece: every part that is added to a figure is looked through with all that stands there already
    return go.Figure({"data": traces, "layout": layout})


def names_width(groups: Sequence[str]) -> int:
    """Pixels left of the plot of `demographics`, enough for the longest name."""
    return 16 + 8 * max(map(len, groups), default=0)


def _beside(lean: GroupLean) -> str:
    """Share and ratio of a group, as short as a column beside the figure."""
    if lean.share.estimate is None or lean.ratio.estimate is None:
        return share_text(lean.share)
    return f"{share_text(lean.share).rpartition(' of ')[0]}   × {ratio_text(lean.ratio)}"


def _words(group: str, arms: Mapping[str, Lean], at: int, asked: float) -> str:
    """Everything about one group's row, for the pointer."""
    lines = [f"<b>{group}</b>, target {percent(asked)}"]
    for name, lean in arms.items():
        group_lean = lean.groups[at]
        lines.append(
            f"{name}: {group_lean.retrieved:,} retrieved of {group_lean.searched:,} searched, "
            f"share {share_text(group_lean.share)}<br>"
            f"{ratio_text(group_lean.ratio)} times its searched share, {in_points(group_lean.points)} points, "
            f"adjusted {p_text(group_lean.p_adjusted)}"
        )
    return "<br>".join(lines)


def _places_to_click(groups: Sequence[str], words: Sequence[str], top: float, chosen: str | None) -> dict[str, Any]:
    """A whole row answers the pointer, not the small marks alone."""
    return {
        "type": "bar",
        "orientation": "h",
        "x": [top] * len(groups),
        "y": list(range(len(groups))),
        "width": 1.0,
        "marker": {"color": [CHOSEN if group == chosen else CLEAR for group in groups], "line": {"width": 0}},
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 1}},
        "customdata": [[group] for group in groups],
        "hovertext": list(words),
        "hoverinfo": "text",
        "showlegend": False,
    }


def _strokes(groups: Sequence[str], shares: Sequence[float], name: str, colour: str, height: float) -> dict[str, Any]:
    """One upright stroke a group."""
    return {
        "type": "scatter",
        "name": name,
        "x": list(shares),
        "y": list(range(len(groups))),
        "mode": "markers",
        "marker": {"symbol": "line-ns", "size": height, "line": {"width": 3, "color": colour}, "opacity": 1},
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 1}},
        "customdata": [[group] for group in groups],
        "hovertext": [f"{group}, {name}: {percent(share)}" for group, share in zip(groups, shares, strict=True)],
        "hoverinfo": "text",
    }


def _dots(groups: Sequence[str], name: str, lean: Lean, lane: float, chosen: str | None) -> dict[str, Any]:
    """The shares of one list with their intervals, a little above or below the middle of their rows."""
    colour = AFTER if name in LATER else BEFORE
    drawn = [
        (i, g, group_lean)
        for i, (g, group_lean) in enumerate(zip(groups, lean.groups, strict=True))
        if group_lean.share.n
    ]
    return {
        "type": "scatter",
        "name": name,
        "legendrank": 1,
        "x": [group_lean.share.estimate for _, _, group_lean in drawn],
        "y": [i - lane for i, _, _ in drawn],
        "error_x": interval_bars([group_lean.share for _, _, group_lean in drawn], colour),
        "mode": "markers",
        "marker": {
            "symbol": MARKS.get(name, "circle"),
            "size": 11,
            "color": colour,
            "line": {"width": 2.5, "color": colour},
            "opacity": [1.0 if chosen in (None, g) else 2 * FAINT for _, g, _ in drawn],
        },
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 1}},
        "cliponaxis": False,
        "customdata": [[g] for _, g, _ in drawn],
        "hovertext": [f"{g}, {name}: {share_text(group_lean.share)}" for _, g, group_lean in drawn],
        "hoverinfo": "text",
    }


# -- combinations of two attributes -----------------------------------------------------------------------------------


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
