"""Numbers as words: percentages, intervals, and the plain sentences above the figures. No streamlit, no arrays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.config import Edit
from core.statistics import Estimate
from core.ui.session.escaping import escape
from core.verdicts import NOT_COMPUTED, answers_moved, away_line, effect_line, list_line, p_text, points

TARGET_CHOICES = {"gallery": "searched shares", "uniform": "even shares", "own table": "own table"}
"""Targets where one is chosen: short enough for the field."""
MOST_NAMED = 4
"""Neurons that a sentence names; the switches beside it show them all."""
ITEM_NAMES = {"images": "pictures", "captions": "captions"}


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage; small and near-full shares keep a decimal so that they do not read as 0 or 100."""
    value = 100 * share
    if digits == 0 and (0 < value < 0.95 or 99.05 < value < 100):
        digits = 1
    return f"{value:.{digits}f} %"


def interval(e: Estimate) -> str:
    """The 95 % interval of a share, in brackets, without the sign."""
    return "" if e.lo is None or e.hi is None else f"({percent(e.lo)[:-2]} to {percent(e.hi)[:-2]})"


def share_alone(e: Estimate, digits: int = 0) -> str:
    """A share without its interval; in words where there is none."""
    return NOT_COMPUTED if e.estimate is None else percent(e.estimate, digits)


def share_text(e: Estimate) -> str:
    """A share with interval and count, or the reason why there is none."""
    if e.estimate is None:
        return escape(e.reason or NOT_COMPUTED)
    return f"{percent(e.estimate)} {interval(e)} of {e.n:,}"


def number(value: float | None) -> str:
    """A metric's value with a true minus sign; a dash where there is none. What is printed as 0 has no sign."""
    if value is None:
        return "–"
    text = f"{value:.2f}" if abs(value) >= 0.0995 or value == 0 else f"{value:.3f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float | None) -> str:
    """A difference with its sign in front, which one that is printed as 0 does not have."""
    text = number(value)
    return text if value is None or value <= 0 or float(text) == 0 else f"+{text}"


def listing(names: Sequence[object], most: int = 6) -> str:
    """Names with commas and "and"; after `most` of them only how many more there are."""
    words = [str(name) for name in names]
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def counted(query: str, k: int, group: str, retrieved: int, known: int, items: str) -> str:
    """How many of the retrieved items are of a group, as a count of what was asked for. Markdown.

    Parameters
    ----------
    known : retrieved items with a known label.
    items : what is searched, "pictures" or "captions".
    """
    of = f"the {k:,}" if known == k else f"the {known:,} with a known label among the {k:,}"
    return f"Of {of} {items} nearest to “{query}”, **{retrieved:,} are {escape(group)}**"


def lean_p(told: Mapping[str, Any]) -> str:
    """The p behind the lean of one list, in small print; empty where nothing was tested. Markdown."""
    if told["lean_p"] is None:
        return ""
    return f" :small[:gray[Lean: {p_text(told['lean_p'], told['lean_p_smallest'])}.]]"


def after_said(after: Mapping[str, Any], group: str, target: Any) -> str:
    """The lean and the distance of the list after an edit. Markdown."""
    lean, away = list_line(after), after["distance"][group]
    return escape(f"After: {lean[:1].lower()}{lean[1:-1]}; {away_line(group, away, target)}")


def effect_said(switched: str, difference: Mapping[str, Any], arms: tuple[Mapping, Mapping], target: Any) -> str:
    """What switching did, by direction, with the p of the exchange. Markdown.

    Parameters
    ----------
    switched : what was done, in words.
    difference, arms : the blocks `difference`, and `before` and `after`, of a ranking.
    """
    effect = difference["effect"]
    group = effect.get("group")
    before, after = (arm["shares"][group]["estimate"] if group else None for arm in arms)
    leads = effect.get("leading_after")
    follower = arms[1]["shares"][leads]["estimate"] if leads else None
    line = effect_line(effect, before, after, target != "gallery", follower)
    p = f" :small[:gray[({p_text(effect['p'], effect['p_smallest'])})]]" if "p" in effect else ""
    return f"With {escape(switched)}: **{escape(line)}**{p}"


def interval_of(e: Estimate) -> str:
    """The 95 % interval of a metric, in brackets."""
    return "" if e.lo is None or e.hi is None else f"({number(e.lo)} to {number(e.hi)})"


def in_points(e: Estimate) -> str:
    """A difference of shares in points with its interval, or why there is none."""
    if e.estimate is None:
        return escape(e.reason or NOT_COMPUTED)
    inside = "" if e.lo is None or e.hi is None else f" ({points(e.lo)} to {points(e.hi)})"
    return points(e.estimate) + inside


def ratio_text(e: Estimate) -> str:
    """A ratio with its interval; no upper end is said to be none."""
    if e.estimate is None:
        return escape(e.reason or NOT_COMPUTED)
    if e.lo is None:
        return times_number(e.estimate)
    return f"{times_number(e.estimate)} ({times_number(e.lo)} to {'any' if e.hi is None else times_number(e.hi)})"


def times_number(value: float) -> str:
    """A ratio with two decimals; with one from 10 on."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def switched_words(edit: Edit, side: str) -> str:
    """What is switched, for sentences: "image neurons 3 and 17 off"; of many neurons only how many."""
    plural = "neuron" if len(edit.neurons) == 1 else "neurons"
    part = percent(edit.strength)
    level = f"{edit.gamma:g}".replace("-", "−")
    if edit.strengths or edit.gammas:  # by a strength of each neuron's own, the smallest edit towards its own mean
        how = f"moved towards {'their means' if edit.gammas else level}"
        how += "" if edit.strength == 1 else f", at {part} of their strengths"
    elif edit.gamma:
        how = f"held at {level}" if edit.strength == 1 else f"moved by {part} of the way to {level}"
    else:
        how = "off" if edit.strength == 1 else f"turned down by {part}"
    if len(edit.neurons) > MOST_NAMED:
        return f"{len(edit.neurons)} {side} neurons {how}"
    return f"{side} {plural} {listing(edit.neurons)} {how}"


def value(e: Estimate) -> str:
    """A metric with its interval, or why there is none."""
    return (
        escape(e.reason or NOT_COMPUTED)
        if e.estimate is None
        else f"{number(e.estimate)} :small[:gray[{interval_of(e)}]]"
    )


def change(e: Estimate, write: Callable[[float], str] = signed) -> str:
    """A difference with its interval; a difference of 0 is printed as such."""
    if e.estimate is None:
        return escape(e.reason or NOT_COMPUTED)
    inside = "" if e.lo is None or e.hi is None else f" :small[:gray[({write(e.lo)} to {write(e.hi)})]]"
    return write(e.estimate) + inside


def gap_said(arms: Mapping[str, Mapping[str, Estimate]]) -> str:
    """What an edit did to two groups' mean P of an answer: how wide the gap is, and whose answers moved.

    Parameters
    ----------
    arms : "before" and "after" -> group -> mean P, the same two groups in both.
    """
    a, b = arms["before"]
    both = [
        {group: e.estimate for group, e in arms[arm].items() if e.estimate is not None} for arm in ("before", "after")
    ]
    lacking = [group for group in (a, b) if any(group not in arm for arm in both)]
    if lacking:
        return f"What the edit does to the gap is {NOT_COMPUTED}: no picture of {escape(lacking[0])} was answered."
    before, after = both
    gap, left = before[b] - before[a], after[b] - after[a]
    told = f"The gap goes from {100 * abs(gap):.0f} to {100 * abs(left):.0f} points"
    pairs = [[(arm[a], arm[b])] for arm in (before, after)]
    words = answers_moved((escape(a), escape(b)), *pairs)
    return f"{told}: {words}." if words else f"{told}."
