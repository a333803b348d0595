"""Small multiples: every prompt of one attribute in a panel of its own, all on one scale, for a page of paper."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from core.report.charts.marks import AFTER, BEFORE, INK, LINE, SOFT, TARGET, data_of, label, legend, short, svg
from core.report.words import arms_of, edited

Document = Mapping[str, Any]
COLUMNS, PANEL, NAME, GAP = 3, 292, 92, 12
HEAD, STEP, FOOT, TOP = 24, 15, 20, 30
SMALL = {"font_size": "11.5"}
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def multiples(prompts: Sequence[Document], title: str) -> Markup:
    """Shares of each group before (hollow) and after (filled), with intervals; searched share and target behind them.

    Numbers stand in the tables: here is where one sees which prompts are unlike the others.
    """
    groups = list(prompts[0]["before"]["lean"])
    rows = 2 if any(edited(prompt) for prompt in prompts) else 1
    height = HEAD + STEP * rows * len(groups) + 6 * len(groups) + FOOT
    names = [("before", "original"), *([("after", "edited")] * (rows == 2)), ("searched", "share of the searched rows")]
    body = [legend([*names, ("target", "target")], 14)]
    for i, prompt in enumerate(prompts):
        x = (i % COLUMNS) * (PANEL + GAP)
        y = TOP + (i // COLUMNS) * (height + GAP)
        body.append(_panel(prompt, groups, x, y, rows))
    lines = -(-len(prompts) // COLUMNS)
    width = COLUMNS * PANEL + (COLUMNS - 1) * GAP
    return svg(body, TOP + lines * (height + GAP), title, width)


def _panel(prompt: Document, groups: Sequence[str], x: float, y: float, rows: int) -> str:
    bottom = y + HEAD + (STEP * rows + 6) * len(groups)
    drawn = [label(x, y + 8, short(prompt["prompt"], 42), font_weight="600", **SMALL)]
    for share in TICKS:
        at = _place(x, share)
        drawn.append(f'<path d="M{at:.1f} {y + HEAD - 4:.1f}V{bottom:.1f}" stroke="{LINE}" stroke-width="0.6"/>')
        if share in (0.0, 0.5, 1.0):
            text = f"{100 * share:.0f} %"
            drawn.append(label(at, bottom + 9, text, "middle", fill=SOFT, font_size="10.5", **{"class": "tick"}))
    for g, group in enumerate(groups):
        top = y + HEAD + g * (STEP * rows + 6)
        middle = top + STEP * rows / 2
        drawn.append(label(x + NAME - 10, middle - 1, short(group, 14), "end", **SMALL))
        target = _place(x, prompt["before"]["distance"][group]["target"])
        base = _place(x, prompt["before"]["lean"][group]["base_share"])
        drawn.append(f'<path d="M{target:.1f} {top:.1f}v{STEP * rows}" stroke="{TARGET}" stroke-width="2.4"/>')
        drawn.append(f'<path d="M{base - 4:.1f} {top - 4:.1f}h8l-4 6z" fill="{INK}"/>')
        for i, (arm, _) in enumerate(arms_of(prompt)):
            found = {**prompt[arm]["shares"][group], "target": prompt["before"]["distance"][group]["target"]}
            drawn.append(_mark(found, x, top + STEP * (i + 0.5), arm == "after"))
    return "".join(drawn)


def _place(x: float, share: float) -> float:
    return x + NAME + (PANEL - NAME - 18) * share


def _mark(share: Document, x: float, y: float, filled: bool) -> str:
    if share["estimate"] is None:
        return label(_place(x, 0.0), y, "not computed", font_size="10.5")
    at, lo, hi = (_place(x, share[name]) for name in ("estimate", "lo", "hi"))
    colour = AFTER if filled else BEFORE
    data = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in data_of(share).items())
    return (
        f'<path d="M{lo:.1f} {y:.1f}H{hi:.1f}" stroke="{colour}" stroke-width="1.6"/>'
        f'<circle cx="{at:.1f}" cy="{y:.1f}" r="4" stroke="{colour}" stroke-width="1.6" '
        f'fill="{colour if filled else "#fff"}"{data}/>'
    )
