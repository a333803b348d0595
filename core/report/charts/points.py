"""Leans in points on a signed scale: one prompt a row, or one arm a row."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from core.report.charts.marks import (
    AFTER,
    BEFORE,
    LEFT,
    RIGHT,
    ROW,
    WIDTH,
    axis,
    label,
    legend,
    number,
    place,
    short,
    svg,
    whisker,
)
from core.report.words import Value

EDITED = ("after", "edited")


def leans(rows: Mapping[str, Mapping[str, Value]], title: str) -> Markup:
    """The lean of one group for every prompt, original hollow and edit filled, around 0."""
    edited = any("after" in arms for arms in rows.values())
    low, high = _scale([value for arms in rows.values() for value in arms.values()])
    step = ROW * (2 if edited else 1) + 8
    top, height = 30.0, 30.0 + step * len(rows)
    body = [legend([("before", "original"), *([("after", "edited")] * edited)], 14), _axis(low, high, height, top)]
    for i, (prompt, arms) in enumerate(rows.items()):
        y = top + step * i + ROW / 2 + 4
        body.append(label(LEFT - 12, y + (ROW / 2 if edited else 0), short(prompt), "end"))
        for j, (arm, value) in enumerate(arms.items()):
            body.append(_one(value, y + ROW * j, low, high, arm in EDITED))
    return svg(body, height + 26, title)


def arms(rows: Mapping[str, Value], draws: Sequence[Value], title: str) -> Markup:
    """The mean size of the lean under every arm; draws of random neurons as strokes in their own row."""
    low, high = _scale([*rows.values(), *({**draw, "lo": None} for draw in draws)])
    step, top = ROW + 8, 8.0
    height = top + step * len(rows)
    body = [_axis(low, high, height, top)]
    for i, (name, value) in enumerate(rows.items()):
        y = top + step * i + 16
        body.append(label(LEFT - 12, y, short(name), "end"))
        if name != "random neurons":
            body.append(_one(value, y, low, high, name in EDITED))
            continue
        strokes = "".join(f"M{place(draw['estimate'], low, high):.1f} {y - 9:.1f}v18" for draw in draws)
        body.append(f'<path d="{strokes}" stroke="{BEFORE}" stroke-width="1.4"/>')
        body.append(number(WIDTH - RIGHT + 14, y, value, "points", BEFORE))
    return svg(body, height + 26, title)


def _one(value: Value, y: float, low: float, high: float, edited: bool) -> str:
    colour = AFTER if edited else BEFORE
    return whisker(value, y, low, high, colour, edited) + number(WIDTH - RIGHT + 14, y, value, "points", colour)


def _scale(values: Sequence[Value]) -> tuple[float, float]:
    """From the lowest to the highest end, 0 inside, and never narrower than 20 points."""
    known = [v for v in values if v["estimate"] is not None]
    ends = [v[end] for v in known for end in ("estimate", "lo", "hi") if v[end] is not None]
    return max(min([-0.1, *ends]) - 0.02, -1.0), min(max([0.1, *ends]) + 0.02, 1.0)


def _axis(low: float, high: float, bottom: float, top: float) -> str:
    return axis(low, high, bottom, lambda points: f"{100 * points:+.0f}".replace("-", "−").replace("+0", "0"), top)
