"""The figure of a lean as SVG: a row a group, its share in each list beside its share of what was searched, and the
target.

Drawn here and not by plotly: it stands above every answer of Compare and changes with every switch, and a browser shows
finished lines in a tenth of the time. Marks stand at percentages of a plot whose width the page sets.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import escape

from core.ui.parts.figures import (
    AFTER,
    BEFORE,
    FAINT,
    PHONE_LIFT,
    PHONE_NAME,
    PHONE_NUMBER,
    PHONE_ROW,
    TARGET,
    axis_end,
)
from core.ui.parts.wording import in_points, percent, ratio_text, share_text
from core.verdicts import p_text

if TYPE_CHECKING:
    from core.statistics import Estimate, GroupLean, Lean

ROWS = {1: 32, 2: 40}
"""Height of a group's row in pixels, by the number of lists."""
LANES = {1: (0.0,), 2: (-0.2, 0.2)}
"""Places of the lists in a row, in its height, from its middle."""
TOP, AXIS, RIGHT, PHONE_RIGHT = 34, 30, 240, 8
"""Pixels of the legend, of the axis, and right of the plot, where the numbers stand."""
PRINT = 14
"""Height of a line of small print in pixels."""
BASE = "searched"
"""Name of the strokes at the shares of the searched rows."""
LATER = ("after", "B")
"""Lists drawn filled and in the colour of what came of an edit, or of the second of two."""
LETTER, ENTRY = 6.4, 34
"""Room of a letter and of the mark of an entry of the legend, in pixels."""
PHONE_LANE_LIFT = 14
"""Pixels of a number over its mark in the upper half of a row on a phone, or under it in the lower half: never on the
strokes in the middle."""
PHONE_WIDTH = 350
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
MOST_TICKS, PHONE_TICKS = 6, 4
GREY = "#7d8590"


@dataclass(frozen=True)
class Shares:
    """What is drawn."""

    groups: Sequence[str]
    arms: Mapping[str, "Lean"]
    """Name of the list ("before" or "A", hollow; "after" or "B", filled) -> its lean, groups as in `groups`."""
    target: Sequence[float]
    """Target share of each group; the same as the searched shares where these are the target."""
    target_name: str
    """What the target is called, for example "even shares"."""
    chosen: str | None = None
    """Group whose pictures are shown; the other ones are drawn faint."""
    phone: bool = False
    """Drawn for a window of 420 pixels: numbers above and below their marks, names on several lines."""

    @property
    def base(self) -> list[float]:
        """Share of each group among the searched rows."""
        return [group.base_share for group in next(iter(self.arms.values())).groups]

    @property
    def end(self) -> float:
        """Right end of the axis."""
        ends = [g.share.hi for lean in self.arms.values() for g in lean.groups if g.share.hi is not None]
        return axis_end([*ends, *self.base, *self.target])

    @property
    def left(self) -> int:
        """Pixels left of the plot, enough for the longest line of a name."""
        return 16 + 8 * max((len(line) for group in self.groups for line in self.lines(group)), default=0)

    @property
    def right(self) -> int:
        """Pixels right of the plot."""
        return PHONE_RIGHT if self.phone else RIGHT

    @property
    def row(self) -> int:
        """Height of a row in pixels."""
        height = ROWS[min(len(self.arms), 2)]
        return round(height * PHONE_ROW) if self.phone else height

    @property
    def lanes(self) -> dict[str, float]:
        """Place of each list in a row, in its height, from its middle."""
        return dict(zip(self.arms, LANES[min(len(self.arms), 2)], strict=False))

    def lines(self, group: str) -> list[str]:
        """A group's name on the lines on which it is written."""
        return textwrap.wrap(group, PHONE_NAME, break_long_words=False) or [group] if self.phone else [group]


def svg(shares: Shares, print_lines: Sequence[str], alt: str, answers: bool = False) -> str:
    """The figure as one SVG element; the widths of it and of its parts of class `plot` are set where it is shown.

    Parameters
    ----------
    print_lines : where the numbers come from, in small print below the axis.
    alt : the figure in words.
    answers : a click on a row does something: each is a button.
    """
    legend, high = _legend(shares)
    bottom = high + shares.row * len(shares.groups)
    height = bottom + AXIS + PRINT * len(print_lines)
    body = [
        legend,
        _axis(shares, high, bottom),
        *(_row(shares, i, high + shares.row * i, answers) for i in range(len(shares.groups))),
        *(_text(0, bottom + AXIS + 8 + PRINT * i, line, 10, GREY) for i, line in enumerate(print_lines)),
    ]
    role = "group" if answers else "img"
    return (
        f'<svg role="{role}" aria-label="{escape(alt)}" height="{height}" width="{PHONE_WIDTH}" '
        f'font-size="14" style="display:block">{"".join(body)}</svg>'
    )


def words(shares: Shares, at: int) -> str:
    """Everything about one group's row, a line a list."""
    lines = [f"{shares.groups[at]}, target {percent(shares.target[at])}"]
    for name, lean in shares.arms.items():
        lean_of_group = lean.groups[at]
        lines.append(
            f"{name}: {lean_of_group.retrieved:,} retrieved of {lean_of_group.searched:,} searched, "
            f"share {share_text(lean_of_group.share)}"
        )
        lines.append(
            f"{ratio_text(lean_of_group.ratio)} times its searched share, {in_points(lean_of_group.points)} points, "
            f"adjusted {p_text(lean_of_group.p_adjusted)}"
        )
    return "\n".join(lines)


def beside(lean: "GroupLean") -> str:
    """Share and ratio of a group, as short as a column beside the figure."""
    if lean.share.estimate is None or lean.ratio.estimate is None:
        return share_text(lean.share)
    return f"{share_text(lean.share).rpartition(' of ')[0]}   × {ratio_text(lean.ratio)}"


# -- parts ------------------------------------------------------------------------------------------------------------


def _row(shares: Shares, at: int, top: float, answers: bool) -> str:
    """A group's row: a place to click as wide as the figure, its name, strokes, marks and numbers."""
    group, height, middle = shares.groups[at], shares.row, shares.row / 2
    same, fill = _same(shares), GREY if group == shares.chosen else "transparent"
    stroke = (ROWS[min(len(shares.arms), 2)] if shares.phone else height) * 0.62
    drawn = [_stroke(shares.base[at] / shares.end, middle, stroke, "currentColor")]
    if not same:
        drawn.append(_stroke(shares.target[at] / shares.end, middle, stroke, TARGET))
    faint = shares.chosen not in (None, group)
    for name, lane in shares.lanes.items():
        lean = shares.arms[name].groups[at]
        drawn.append(_mark(lean.share, name, middle + lane * height, shares.end, faint))
        drawn.append(_number(shares, lean, lane, middle))
    told, button = escape(words(shares, at)), ""
    if answers:
        pressed = str(group == shares.chosen).lower()
        button = f' role="button" tabindex="0" aria-pressed="{pressed}" aria-label="{told}"'
    return (
        f'<g class="row" data-group="{escape(group)}" data-told="{told}"{button} '
        f'style="cursor:{"pointer" if answers else "default"}">'
        f'<rect y="{top:.1f}" width="100%" height="{height}" fill="{fill}" fill-opacity="0.16"/>'
        f"{''.join(_name(shares, group, top + middle))}"
        f'<svg class="plot" x="{shares.left}" y="{top:.1f}" width="200" height="{height}" overflow="visible">'
        f"{''.join(drawn)}</svg></g>"
    )


def _name(shares: Shares, group: str, middle: float) -> Iterator[str]:
    lines = shares.lines(group)
    for i, line in enumerate(lines):
        y = middle + 5 + 17 * (i - (len(lines) - 1) / 2)
        yield _text(shares.left - 10, y, line, 15, "currentColor", "end")


def _stroke(along: float, middle: float, height: float, colour: str) -> str:
    """One upright stroke."""
    lo, hi = middle - height / 2, middle + height / 2
    at = _at(along)
    return f'<line class="stroke" x1="{at}" x2="{at}" y1="{lo:.1f}" y2="{hi:.1f}" stroke="{colour}" stroke-width="3"/>'


def _mark(share: "Estimate", name: str, y: float, end: float, faint: bool) -> str:
    """A share with its interval: hollow or filled; nothing where nobody was counted."""
    if share.estimate is None:
        return ""
    colour, filled = (AFTER, True) if name in LATER else (BEFORE, False)
    parts = []
    if share.lo is not None and share.hi is not None:
        lo, hi = _at(share.lo / end), _at(share.hi / end)
        parts.append(f'<line class="interval" x1="{lo}" x2="{hi}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts += [f'<line x1="{x}" x2="{x}" y1="{y - 5:.1f}" y2="{y + 5:.1f}"/>' for x in (lo, hi)]
    fill = colour if filled else "transparent"
    parts.append(f'<circle cx="{_at(share.estimate / end)}" cy="{y:.1f}" r="5.5" fill="{fill}"/>')
    opacity = 2 * FAINT if faint else 1
    return f'<g class="mark" stroke="{colour}" stroke-width="2.5" opacity="{opacity}">{"".join(parts)}</g>'


def _number(shares: Shares, lean: "GroupLean", lane: float, middle: float) -> str:
    """Share and ratio at the right of the plot; on a phone over the upper marks and under the lower ones."""
    if not shares.phone:
        return _text("100%", middle + lane * shares.row + 5, beside(lean), 14, "currentColor", dx=12, kind="number")
    lift = -PHONE_LIFT if lane == 0 else -PHONE_LANE_LIFT if lane < 0 else PHONE_LANE_LIFT
    y = middle + lane * shares.row + lift + 4
    return _text("100%", y, beside(lean), PHONE_NUMBER, "currentColor", "end", kind="number")


def _axis(shares: Shares, top: float, bottom: float) -> str:
    """Faint lines at round shares with their percentages."""
    most = PHONE_TICKS if shares.phone else MOST_TICKS
    step = next(step for step in STEPS if shares.end / step <= most)
    drawn = []
    for share in np.arange(0.0, shares.end + step / 2, step):
        if share <= shares.end + 1e-9:
            at = _at(share / shares.end)
            drawn.append(f'<line x1="{at}" x2="{at}" y1="0" y2="{bottom - top:.1f}" stroke="{GREY}" opacity="0.25"/>')
            last = shares.phone and share > 0.95 * shares.end  # there is no room right of it
            drawn.append(_text(at, bottom - top + 18, f"{100 * share:.0f}%", 12, GREY, "end" if last else "middle"))
    return (
        f'<svg class="plot" x="{shares.left}" y="{top:.1f}" width="200" height="{bottom - top:.1f}" '
        f'overflow="visible">{"".join(drawn)}</svg>'
    )


def _legend(shares: Shares) -> tuple[str, int]:
    """The names of all marks on one line, on a phone on as many as they need; and the height down to the first row."""
    names = [(name, AFTER if name in LATER else BEFORE) for name in shares.lanes]
    names.append((f"{BASE} = target" if _same(shares) else BASE, "currentColor"))
    if not _same(shares):
        names.append((shares.target_name, TARGET))
    x, y, drawn = float(shares.left if not shares.phone else 8), 18, []
    for name, colour in names:
        wide = ENTRY + LETTER * len(name)
        if shares.phone and x + wide > PHONE_WIDTH and x > 8:
            x, y = 8.0, y + 18
        if name in shares.lanes:
            fill = colour if name in LATER else "transparent"
            drawn.append(f'<circle cx="{x + 6}" cy="{y}" r="5" stroke="{colour}" stroke-width="2.5" fill="{fill}"/>')
        else:
            drawn.append(f'<rect x="{x + 5}" y="{y - 8}" width="3" height="16" fill="{colour}"/>')
        drawn.append(_text(x + 18, y + 4, name, 12, "currentColor"))
        x += wide
    return "".join(drawn), TOP + y - 18


def _text(
    x: float | str, y: float, text: str, size: int, fill: str, anchor: str = "start", dx: int = 0, kind: str = "label"
) -> str:
    """Many parameters: place and look of a text."""
    return (
        f'<text class="{kind}" x="{x}" y="{y:.1f}" dx="{dx}" text-anchor="{anchor}" font-size="{size}" fill="{fill}" '
        f'xml:space="preserve">{escape(text)}</text>'
    )


def _at(along: float) -> str:
    return f"{100 * along:.3f}%"


def _same(shares: Shares) -> bool:
    return max(abs(b - t) for b, t in zip(shares.base, shares.target, strict=True)) < 1e-9
