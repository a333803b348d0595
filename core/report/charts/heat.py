"""Intersections as a heat map of representation ratios, with the number in every cell."""

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from core.report.charts.marks import SOFT, data_of, label, short, svg
from core.report.words import ratio

Document = Mapping[str, Any]
CROSS = " x "
LEFT, CELL, TALL, TOP = 112, 122, 46, 58
OVER, UNDER = (26, 107, 168), (194, 106, 0)
STRONGEST = math.log(4.0)
"""Ratios of 4 and of 1/4, and everything beyond, have the strongest colour."""
TINT = 0.7
"""The strongest colour is so much of the full one: dark text stays readable on it."""


def heat_map(found: Document, title: str) -> Markup | None:
    """Ratio of the share among the retrieved rows to that among the searched ones, a cell a group of two attributes.

    Blue is above 1 and orange below, both by the logarithm. None where the groups are no intersections. A group that
    nobody is searched of has no cell.
    """
    pairs = {group: group.split(CROSS, 1) for group in found["lean"] if CROSS in group}
    if len(pairs) < len(found["lean"]) or not pairs:
        return None
    rows, columns = (list(dict.fromkeys(pair[i] for pair in pairs.values())) for i in (0, 1))
    bold = {"font_weight": "600"}
    body = [label(LEFT + CELL * (j + 0.5), TOP - 14, short(c, 16), "middle", **bold) for j, c in enumerate(columns)]
    body += [label(LEFT - 12, TOP + TALL * (i + 0.5), short(r, 13), "end", **bold) for i, r in enumerate(rows)]
    for group, (row, column) in pairs.items():
        x, y = LEFT + CELL * columns.index(column), TOP + TALL * rows.index(row)
        body.append(_cell(group, found["lean"][group], x, y))
    body.append(label(8, 14, title, fill=SOFT))
    width = LEFT + CELL * len(columns) + 8
    return svg(body, TOP + TALL * len(rows) + 8, title, width)


def _cell(group: str, lean: Document, x: float, y: float) -> str:
    value, counts = lean["ratio"], f"{lean['retrieved']:,} of {lean['searched']:,}"
    strength = 0.0 if value["estimate"] is None else _strength(value["estimate"])
    box = f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{CELL - 2}" height="{TALL - 2}" fill="{_colour(strength)}" '
    box += f'stroke="#d5dae1"><title>{escape(group)}</title></rect>'
    if value["estimate"] is None:
        return box + label(x + CELL / 2, y + TALL / 2, "no ratio", "middle")
    # a sign besides the colour: blue and orange are one grey on paper
    sign = "▲" if value["estimate"] > 1 else "▼" if value["estimate"] < 1 else "="
    text = f"{sign} {ratio(value['estimate'])} ({ratio(value['lo'])} to {ratio(value['hi'])})"
    small = {"font_size": "12.5"}
    return (
        box
        + label(x + CELL / 2, y + 15, text, "middle", **small, **data_of(value))
        + label(x + CELL / 2, y + 32, counts, "middle", **small)
    )


def _strength(value: float) -> float:
    """From -1 (a quarter as often or less) over 0 (as often) to 1 (four times or more)."""
    if value <= 0:
        return -1.0
    return max(-1.0, min(1.0, math.log(value) / STRONGEST))


def _colour(strength: float) -> str:
    end, share = OVER if strength > 0 else UNDER, TINT * abs(strength)
    red, green, blue = (round(255 + (part - 255) * share) for part in end)
    return f"#{red:02x}{green:02x}{blue:02x}"
