"""Answers of a model as bars: P of one answer by group before and after, and the mean gap of every arm."""

from collections.abc import Mapping

from markupsafe import Markup

from core.report.charts.marks import (
    AFTER,
    BAND,
    BEFORE,
    LEFT,
    LINE,
    ROW,
    axis,
    label,
    legend,
    number,
    place,
    short,
    svg,
    whisker,
)
from core.report.words import Value, percent, points


def by_group(words: Mapping[str, Mapping[str, Mapping[str, Value]]], title: str) -> Markup:
    """P of the first answer for every word: a row a group, original hollow and edited filled on a scale from 0 to 1.

    Parameters
    ----------
    words : word -> group -> arm ("before", "after") -> estimate.
    """
    groups = max((len(one) for one in words.values()), default=0)
    step, top = ROW * groups + 12, 30.0
    height = top + step * len(words)
    edited = any("after" in arms for one in words.values() for arms in one.values())
    body = [legend([("before", "before"), *([("after", "after")] * edited)], 14), axis(0, 1, height, percent, top)]
    for i, (word, one) in enumerate(words.items()):
        y = top + step * i
        body.append(f'<path d="M8 {y:.1f}H890" stroke="{LINE}" stroke-width="0.6"/>')
        body.append(label(8, y + ROW / 2 + 2, short(word, 16), font_weight="600"))
        for j, (group, arms) in enumerate(one.items()):
            line = y + ROW * j + ROW / 2 + 2
            body.append(label(LEFT - 12, line, short(group, 12), "end"))
            for arm, value in arms.items():
                after = arm == "after"
                body.append(whisker(value, line, 0, 1, AFTER if after else BEFORE, after))
            last = arms.get("after", arms["before"])
            body.append(number(632, line, last, "share", AFTER if "after" in arms else BEFORE))
    return svg(body, height + 26, title)


def gaps(arms: Mapping[str, Value], blind: float, title: str) -> Markup:
    """The mean gap of every arm with its interval; the grey band ends where labels dealt at random do."""
    top, height = 30.0, 30.0 + (ROW + 4) * len(arms)
    ends = [end for one in arms.values() for end in (one["estimate"], one.get("hi")) if end is not None]
    high = max([0.1, blind, *ends]) * 1.05
    body = [legend([("before", "original and controls"), ("after", "edited"), ("blind", "labels dealt at random")], 14)]
    edge = place(blind, 0, high)
    body.append(f'<rect x="{LEFT}" y="{top}" width="{edge - LEFT:.1f}" height="{height - top:.1f}" fill="{BAND}"/>')
    body.append(axis(0, high, height, points, top))
    for i, (arm, value) in enumerate(arms.items()):
        y, after = top + (ROW + 4) * i + ROW / 2 + 2, arm in ("neurons as chosen", "held at their middle")
        colour = AFTER if after else BEFORE
        body.append(label(LEFT - 12, y, short(arm, 26), "end"))
        body.append(whisker(value, y, 0, high, colour, after))
        body.append(number(632, y, value, "points", colour))
    return svg(body, height + 26, title)
