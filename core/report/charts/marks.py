"""What all figures draw with: labels, axes, intervals, legends."""

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from core.report.words import NO_TARGET, Value, interval, percent, points, target_name

BEFORE, AFTER, TARGET, BAND, INK, LINE = "#6b7280", "#1a6ba8", "#c26a00", "#e3e6ea", "#1d2330", "#b9c0ca"
SOFT = "#555c68"
WIDTH, LEFT, RIGHT, ROW = 900, 205, 280, 26
TEXT = 'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="14"'
STEPS = [digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5)]
MOST_MARKS = 5
Write = Callable[[float], str]
WRITTEN = {"share": percent, "points": points}


def place(value: float, low: float, high: float) -> float:
    """Horizontal place of a value on the scale from low to high."""
    return LEFT + (WIDTH - LEFT - RIGHT) * (min(max(value, low), high) - low) / (high - low)


def svg(body: Sequence[str], height: float, title: str, width: float = WIDTH) -> Markup:
    return Markup(
        f'<svg class="chart" style="max-width:{width:.0f}px" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}" {TEXT} fill="{INK}"><title>{escape(title)}</title>{"".join(body)}</svg>'
    )


def label(x: float, y: float, text: str, anchor: str = "start", **more: str) -> str:
    extra = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


def number(x: float, y: float, value: Value, how: str, colour: str, **more: str) -> str:
    """The estimate beside its mark, with interval and n."""
    if value["estimate"] is None:
        return label(x, y, "not computed")
    written, ends = WRITTEN[how](value["estimate"]).removesuffix(" points"), interval(value, how)
    text = f"{written} ({ends.removesuffix(' points').removesuffix(' %')}), n = {value['n']:,}"
    return label(x, y, text, fill=colour, **data_of(value), **more)


def data_of(value: Value) -> dict[str, str]:
    """The estimate's own numbers in attributes, for whoever reads by machine."""
    data = {f"data_{name}": repr(value[name]) for name in ("estimate", "lo", "hi", "n")}
    return {"class": "est", **data, "data_target": target_name(value.get("target", NO_TARGET))}


def whisker(value: Value, y: float, low: float, high: float, colour: str, filled: bool) -> str:
    """A dot with its interval; hollow before, filled after. An end beyond the scale has no cap.

    Of one item alone there is no interval: a dot without a line. An interval without an upper end leaves the scale.
    """
    if value["estimate"] is None:
        return ""
    at, fill = place(value["estimate"], low, high), colour if filled else "#fff"
    dot = f'<circle cx="{at:.1f}" cy="{y:.1f}" r="5.5" stroke="{colour}" stroke-width="2" fill="{fill}"/>'
    if value["lo"] is None:
        return dot
    ends = [math.inf if end is None else end for end in (value["lo"], value["hi"])]
    lo, hi = (place(end, low, high) for end in ends)
    caps = "".join(
        f"M{x:.1f} {y - 5:.1f}v10" for x, end in zip((lo, hi), ends, strict=True) if low - 1e-9 <= end <= high + 1e-9
    )
    return f'<path d="M{lo:.1f} {y:.1f}H{hi:.1f}{caps}" stroke="{colour}" stroke-width="2" fill="none"/>{dot}'


def axis(low: float, high: float, bottom: float, write: Write, top: float) -> str:
    """Marks of the scale at round values, 0 drawn darker."""
    drawn, step = [], next(step for step in STEPS if (high - low) / step <= MOST_MARKS)
    for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        x, zero = place(step * i, low, high), i == 0 and low < 0
        colour, wide = (SOFT, 1.2) if zero else (LINE, 0.6)
        drawn.append(f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}" stroke-width="{wide}"/>')
        drawn.append(label(x, bottom + 14, write(step * i), "middle", **{"class": "tick"}, fill=SOFT))
    return "".join(drawn)


def legend(names: Sequence[tuple[str, str]], y: float) -> str:
    """Each name behind its mark, from left to right."""
    drawn, x = [], 8.0
    for kind, text in names:
        drawn += [MARKS[kind](x, y), label(x + 24, y, text, fill=SOFT)]
        x += 42 + 7.0 * len(text)
    return "".join(drawn)


def triangle(x: float, y: float) -> str:
    """A triangle that points down to a share of the searched rows."""
    return f'<path d="M{x - 5:.1f} {y - 6:.1f}h10l-5 8z" fill="{INK}"/>'


def bar(x: float, y: float, height: float) -> str:
    """The line of a target."""
    return f'<rect x="{x - 1.5:.1f}" y="{y:.1f}" width="3" height="{height:.1f}" fill="{TARGET}"/>'


def dot(x: float, y: float, colour: str, fill: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" stroke="{colour}" stroke-width="2" fill="{fill}"/>'


MARKS: dict[str, Callable[[float, float], str]] = {
    "before": lambda x, y: dot(x + 10, y, BEFORE, "#fff"),
    "after": lambda x, y: dot(x + 10, y, AFTER, AFTER),
    "target": lambda x, y: bar(x + 10, y - 8, 16),
    "searched": lambda x, y: triangle(x + 10, y + 2),
    "blind": lambda x, y: f'<rect x="{x:.1f}" y="{y - 8:.1f}" width="18" height="16" fill="{BAND}"/>',
    "random": lambda x, y: f'<path d="M{x + 10:.1f} {y - 8:.1f}v16" stroke="{BEFORE}" stroke-width="1.4"/>',
}


def short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
