"""Figures of the report as inline SVG: text stays text, every mark has its number beside it, colour is never alone.

Grey is the original and blue the edit, as a hollow and a filled mark; the target is an orange line. The three are told
apart with every common kind of colour vision and by their lightness in grey print.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from core.report.words import Value, percent, plain, target_name

BEFORE, AFTER, TARGET, BAND, INK, LINE = "#6b7280", "#1a6ba8", "#c26a00", "#e3e6ea", "#1d2330", "#b9c0ca"
WIDTH, LEFT, RIGHT, ROW = 900, 230, 250, 26
TEXT = 'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="14"'


STEPS = [digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5)]
MOST_MARKS = 5


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (min(max(value, low), high) - low) / (high - low)


def _svg(body: Sequence[str], height: float, title: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}" {TEXT} '
        f'fill="{INK}"><title>{escape(title)}</title>{"".join(body)}</svg>'
    )


def _label(x: float, y: float, text: str, anchor: str = "start", **more: str) -> str:
    extra = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


def _number(x: float, y: float, value: Value, write: Any, colour: str) -> str:
    """The estimate beside its mark, with interval and n."""
    if value["estimate"] is None:
        return _label(x, y, "not computed")
    unit = " %" if write is percent else ""
    lo, hi = (write(value[end]).removesuffix(unit) for end in ("lo", "hi"))
    text = f"{write(value['estimate'])} ({lo} to {hi}), n = {value['n']:,}"
    data = {f"data_{name}": repr(value[name]) for name in ("estimate", "lo", "hi", "n")}
    return _label(x, y, text, fill=colour, **{"class": "est"}, **data, data_target=target_name(value["target"]))


def _interval(value: Value, y: float, low: float, high: float, colour: str, filled: bool) -> str:
    """A dot with its interval; hollow before, filled after."""
    if value["estimate"] is None:
        return ""
    at, lo, hi = (_x(value[name], low, high) for name in ("estimate", "lo", "hi"))
    line = f'<path d="M{lo:.1f} {y:.1f}H{hi:.1f}M{lo:.1f} {y - 5:.1f}v10M{hi:.1f} {y - 5:.1f}v10" stroke="{colour}" '
    dot = f'<circle cx="{at:.1f}" cy="{y:.1f}" r="5.5" stroke="{colour}" stroke-width="2" '
    return f'{line}stroke-width="2" fill="none"/>{dot}fill="{colour if filled else "#fff"}"/>'


def _axis(low: float, high: float, bottom: float, write: Any, top: float) -> str:
    """Marks of the scale at round values."""
    drawn, step = [], next(step for step in STEPS if (high - low) / step <= MOST_MARKS)
    for i in range(int((high - low) / step + 1e-9) + 1):
        value = low + step * i
        x = _x(value, low, high)
        drawn.append(f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{LINE}" stroke-width="0.6"/>')
        text = f"{100 * value:.0f} %" if write is percent else f"{value:g}"
        drawn.append(_label(x, bottom + 14, text, "middle", **{"class": "tick"}, fill="#555c68"))
    return "".join(drawn)


def _legend(names: Sequence[tuple[str, str, bool | None]], y: float) -> str:
    """Hollow and filled dots, a line for the target, a strip for the null band."""
    drawn, x = [], float(LEFT)
    for text, colour, filled in names:
        if filled is None:
            wide = 4 if colour == TARGET else 18
            shape = f'<rect x="{x:.1f}" y="{y - 8:.1f}" width="{wide}" height="16" fill="{colour}"/>'
        else:
            fill = colour if filled else "#fff"
            shape = f'<circle cx="{x + 6:.1f}" cy="{y:.1f}" r="5.5" stroke="{colour}" stroke-width="2" fill="{fill}"/>'
        drawn += [shape, _label(x + 24, y, text)]
        x += 40 + 7.4 * len(text)
    return "".join(drawn)


def shares(by_group: Mapping[str, Mapping[str, Value]], title: str) -> Markup:
    """Share of each group in the top k: original, edit where there is one, and the target as an orange line."""
    edited = any("edited" in arms for arms in by_group.values())
    step = ROW * (2 if edited else 1) + 8
    top, height = 30.0, 30.0 + step * len(by_group)
    high = min(1.0, max(0.2, *(_highest(arms) for arms in by_group.values())))
    body = [_legend([("original", BEFORE, False), *([("edited", AFTER, True)] * edited), ("target", TARGET, None)], 14)]
    body.append(_axis(0.0, high, height, percent, top))
    for i, (group, arms) in enumerate(by_group.items()):
        y, x = top + step * i + ROW / 2 + 2, _x(arms["original"]["target"], 0.0, high)
        tall = step - 10
        body.append(_label(LEFT - 12, y + (ROW / 2 if edited else 0), group[:30], "end", font_weight="600"))
        body.append(f'<rect x="{x - 1.5:.1f}" y="{y - 11:.1f}" width="3" height="{tall:.1f}" fill="{TARGET}"/>')
        body.append(_interval(arms["original"], y, 0.0, high, BEFORE, False))
        body.append(_number(WIDTH - RIGHT + 16, y, arms["original"], percent, BEFORE))
        if "edited" in arms:
            body.append(_interval(arms["edited"], y + ROW, 0.0, high, AFTER, True))
            body.append(_number(WIDTH - RIGHT + 16, y + ROW, arms["edited"], percent, AFTER))
    return _svg(body, height + 26, title)


def _highest(arms: Mapping[str, Value]) -> float:
    ends = [v["hi"] for name, v in arms.items() if name != "difference" and v["estimate"] is not None]
    return max([*ends, arms["original"]["target"]])


def metric(rows: Mapping[str, Mapping[str, Value]], title: str) -> Markup:
    """One metric, a row a prompt: original and edit with intervals, over the strip of the null band."""
    known = [v for arms in rows.values() for v in arms.values() if v["estimate"] is not None]
    edited = any("edited" in arms for arms in rows.values())
    high = max([0.1, *(v["hi"] for v in known), *(v["null"][1] for v in known if "null" in v)]) * 1.05
    step = ROW * (2 if edited else 1) + 8
    top, height = 30.0, 30.0 + step * len(rows)
    names = [("original", BEFORE, False), *([("edited", AFTER, True)] * edited), ("no bias at all (95 %)", BAND, None)]
    body = [_legend(names, 14)]
    strips, marks = [], []
    for i, (prompt, arms) in enumerate(rows.items()):
        y = top + step * i + ROW / 2 + 2
        marks.append(_label(LEFT - 12, y + (ROW / 2 if edited else 0), _short(prompt), "end"))
        for j, (arm, colour, filled) in enumerate((("original", BEFORE, False), ("edited", AFTER, True))):
            if arm not in arms:
                continue
            at = y + ROW * j
            if "null" in arms[arm]:
                a, b = (_x(end, 0.0, high) for end in arms[arm]["null"])
                strips.append(f'<rect x="{a:.1f}" y="{at - 12:.1f}" width="{b - a:.1f}" height="24" fill="{BAND}"/>')
            marks.append(_interval(arms[arm], at, 0.0, high, colour, filled))
            marks.append(_number(WIDTH - RIGHT + 16, at, arms[arm], plain, colour))
    return _svg([*body, *strips, _axis(0.0, high, height, plain, top), *marks], height + 26, title)


def arms(
    rows: Mapping[str, Value], draws: Sequence[Value], title: str, low: float = 0.0, high: float | None = None
) -> Markup:
    """One number an arm with its interval, the edit filled; draws of random neurons as strokes in their own row."""
    known = [v for v in rows.values() if v["estimate"] is not None]
    high = high if high is not None else max([0.1, *(v["hi"] for v in known), *(d["estimate"] for d in draws)]) * 1.05
    top, height = 8.0, 8.0 + (ROW + 8) * len(rows)
    body = [_axis(low, high, height, plain, top)]
    for i, (name, value) in enumerate(rows.items()):
        y = top + (ROW + 8) * i + 16
        colour = AFTER if name in ("edited", "after") else BEFORE
        body.append(_label(LEFT - 12, y, _short(name), "end"))
        if name == "random neurons":
            body += [
                f'<path d="M{_x(d["estimate"], low, high):.1f} {y - 9:.1f}v18" stroke="{BEFORE}" stroke-width="1.4"/>'
                for d in draws
            ]
        else:
            body.append(_interval(value, y, low, high, colour, name in ("edited", "after")))
        body.append(_number(WIDTH - RIGHT + 16, y, value, plain, colour))
    return _svg(body, height + 26, title)


def _short(text: str, most: int = 31) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
