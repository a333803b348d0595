"""Who is retrieved for one prompt: share of each group, before and after, beside the searched share and the target."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from core.report.charts.marks import (
    AFTER,
    BAND,
    BEFORE,
    LEFT,
    RIGHT,
    ROW,
    WIDTH,
    axis,
    bar,
    label,
    legend,
    number,
    place,
    short,
    svg,
    triangle,
    whisker,
)
from core.report.words import arms_of
from core.report.words import edited as has_edit

Document = Mapping[str, Any]
GAP = 12


def groups(prompt: Document, title: str) -> Markup:
    """A row a group: original hollow, edit filled, both with intervals; what is searched, what is asked for, and what a
    blind draw of these rows would show.
    """
    before, edited = prompt["before"], has_edit(prompt)
    step = ROW * (2 if edited else 1) + GAP
    top, height = 34.0, 34.0 + step * len(before["lean"])
    high = min(1.0, max(0.2, *(_highest(prompt, group) for group in before["lean"])))
    names = [("before", "original"), *([("after", "edited")] * edited), ("searched", "share of the searched rows")]
    body = [legend([*names, ("target", "target"), ("blind", "a blind draw, 95 %")], 14)]
    rows = [_row(prompt, group, top + step * i, step, high) for i, group in enumerate(before["lean"])]
    strips, marks = zip(*rows, strict=True)
    ticks = axis(0.0, high, height, lambda share: f"{100 * share:.0f} %", top)
    return svg([*body, *strips, ticks, *marks], height + 26, title)


def _highest(prompt: Document, group: str) -> float:
    shares = [prompt[arm]["shares"][group] for arm, _ in arms_of(prompt)]
    ends = [share["hi"] for share in shares if share["estimate"] is not None]
    before = prompt["before"]
    return max([*ends, before["distance"][group]["target"], before["lean"][group]["base_share"]])


def _row(prompt: Document, group: str, top: float, step: float, high: float) -> tuple[str, str]:
    """The strip of a blind draw, and all that lies over it."""
    before, edited = prompt["before"], has_edit(prompt)
    first, target = top + GAP / 2 + ROW / 2, before["distance"][group]["target"]
    strip, tall = "", step - GAP
    if before["blind_draw"] is not None:
        drawn = before["blind_draw"]["shares"][group]
        lo, hi = place(drawn["lo"], 0.0, high), place(drawn["hi"], 0.0, high)
        strip = f'<rect x="{lo:.1f}" y="{top + GAP / 2:.1f}" width="{max(hi - lo, 1.0):.1f}" height="{tall:.1f}" '
        strip += f'fill="{BAND}"/>'
    marks = [label(LEFT - 12, first + (ROW / 2 if edited else 0), short(group), "end", font_weight="600")]
    marks.append(bar(place(target, 0.0, high), top + GAP / 2, tall))
    marks.append(triangle(place(before["lean"][group]["base_share"], 0.0, high), top + GAP / 2))
    for i, (arm, colour) in enumerate((("before", BEFORE), ("after", AFTER))):
        if arm == "before" or edited:
            share, y = {**prompt[arm]["shares"][group], "target": target}, first + ROW * i
            marks.append(whisker(share, y, 0.0, high, colour, arm == "after"))
            marks.append(number(WIDTH - RIGHT + 14, y, share, "share", colour))
    return strip, "".join(marks)
