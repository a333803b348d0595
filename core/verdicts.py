"""What may be said about a lean, a distance and a change: the one table of verdict words, wherever people read.

"Beyond chance" is said of leans and of changes alone. A distance to a target is a number with an interval; no word here
joins it with chance.
"""

from collections.abc import Mapping
from typing import Any

BEYOND, NO_LEAN, NOT_COMPUTED = "beyond chance", "no lean beyond chance", "not computed"
TOWARDS, PAST, AWAY, NO_CHANGE = "towards", "past", "away", "no change beyond chance"

LEAN_WORDS = {
    BEYOND: "the prompt leans beyond chance",
    NO_LEAN: "no lean beyond chance",
    NOT_COMPUTED: "not computed",
}
"""A finding about a lean in words."""
TARGET_CHANGE_WORDS = {
    TOWARDS: "towards the target",
    PAST: "past the target: it overshoots",
    AWAY: "away from the target",
    NO_CHANGE: "no change beyond chance",
    NOT_COMPUTED: "not computed",
}
"""The direction of an edit's effect with respect to the target."""
LEAN_CHANGE_WORDS = {
    TOWARDS: "the lean falls",
    PAST: "the lean turns round: another group is preferred now",
    AWAY: "the lean grows",
    NO_CHANGE: "no change beyond chance",
    NOT_COMPUTED: "not computed",
}
"""The same with respect to the shares of the searched rows."""
TARGET_NAMES = {
    "uniform": "even shares",
    "gallery": "the shares of the searched rows",
    "not applicable": "no target",
}

LEANS = "Leans towards {group} beyond chance: {ratio} its share of the searched rows."
NO_GROUP = "The prompt leans beyond chance, and no single group stands out by itself."
NO_GROUP_CHANGED = "Who is retrieved changes beyond chance, and no single group's change stands out by itself."
DISTANCE = "{difference} {side} {target}{interval}: the gallery brings {composition}, the model adds {model}."
"""A distance and its exact split; numbers in percentage points."""
MOVED = "{group} goes from {before} to {after}: {said}."


def lean_verdict(beyond: bool | None) -> str:
    """The verdict of a lean: beyond chance, no lean beyond chance, or not computed."""
    return NOT_COMPUTED if beyond is None else BEYOND if beyond else NO_LEAN


def target_name(target: Any) -> str:
    """A target in words; a table of shares is "own shares"."""
    return "own shares" if isinstance(target, Mapping) else TARGET_NAMES.get(str(target), str(target))


def lean_line(
    groups: Mapping[str, Mapping[str, Any]], leading: str | None, beyond: bool | None, reason: str = ""
) -> str:
    """A lean in one sentence, from the block `lean` of a ranking."""
    if beyond is None:
        return f"Lean: not computed: {reason}." if reason else "Lean: not computed."
    if not beyond:
        return "No lean beyond chance."
    if leading is None:
        return NO_GROUP
    return LEANS.format(group=leading, ratio=times(groups[leading]["ratio"]))


def times(ratio: Mapping[str, Any]) -> str:
    """ "3.7 times (3.1 to 4.2)"."""
    if ratio.get("estimate") is None:
        return "no ratio"
    return f"{ratio['estimate']:.3g} times ({ratio['lo']:.3g} to {ratio['hi']:.3g})"


def effect_line(effect: Mapping[str, Any], before: float | None, after: float | None, own_target: bool) -> str:
    """What an edit did to one list in one sentence, from the block `effect` of a ranking.

    Parameters
    ----------
    before, after : share of the effect's group in the two lists.
    own_target : whether the target is another one than the shares of the searched rows.
    """
    if "reason" in effect or before is None or after is None:
        return f"Effect: not computed: {effect.get('reason', 'a list holds no known group')}."
    if effect["direction"] == NO_CHANGE:
        return f"No change beyond chance{unknowable(effect)}."
    shares = {"before": f"{100 * before:.0f} %", "after": f"{100 * after:.0f} %"}
    return MOVED.format(group=effect["group"], said=change_words(effect, own_target), **shares)


def change_words(effect: Mapping[str, Any], own_target: bool) -> str:
    """The directions of a change: with respect to the target, where it is one of its own, and of the lean."""
    said = LEAN_CHANGE_WORDS[effect["lean_direction"]]
    return f"{TARGET_CHANGE_WORDS[effect['direction']]}; {said}" if own_target else said


def distance_line(distance: Mapping[str, Any], target: str) -> str:
    """A distance to the target with its split, from one group of the block `distance` of a ranking; no word of chance.

    Parameters
    ----------
    target : the target in words.
    """
    away = distance["difference"]
    if away["estimate"] is None:
        return f"Distance: not computed: {away['reason']}."
    return DISTANCE.format(
        **distance_parts(distance),
        target=target,
        interval="",
        composition=in_points(distance["composition"]),
        model=in_points(distance["model"]),
    )


def distance_parts(distance: Mapping[str, Any]) -> dict[str, str]:
    """How far, and on which side of the target: "13.0 points", "above"."""
    away = distance["difference"]["estimate"]
    side = "at" if round(100 * abs(away), 1) == 0 else "above" if away > 0 else "below"
    return {"difference": f"{100 * abs(away):.1f} points", "side": side}


def in_points(value: float) -> str:
    """Percentage points with their sign: "−32.9"; 0 has none."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def unknowable(effect: Mapping[str, Any]) -> str:
    """Why nothing could be known, where that is so."""
    if effect["p_smallest"] <= 0.05:
        return ""
    rows = max(effect["left"], effect["entered"])
    return f" ({rows} exchanged {'row' if rows == 1 else 'rows'} cannot show one, whatever they are)"


def unknowable_lean(least: float | None, k: int) -> str:
    """Why no lean could be told from chance, where that is so."""
    if least is None or least <= 0.05:
        return ""
    return f" (a list of {k} {'row' if k == 1 else 'rows'} of known group cannot show one here, whoever they are)"


def smallest(p: float | None, least: float | None) -> str:
    """A word for a p that could not have come out smaller."""
    return (
        ", the smallest p that could come out"
        if p is not None and least is not None and p <= least * (1 + 1e-9)
        else ""
    )


ONLY_TOGETHER = (
    "No single prompt is beyond chance, but their mean is: each prompt leans too little to be told from chance by "
    "itself, and all lean the same way."
)
ONLY_APART = "Single prompts are beyond chance, but their mean is not: they lean in different ways and cancel out."
ONLY_SOME = (
    "Single prompts are beyond chance, but their mean is not: the others lean too little, or the other way, for the "
    "mean of all to be told from chance."
)
THESE_PROMPTS = (
    "The interval is about prompts like these and holds 0, while p is about these prompts alone: other prompts need "
    "not go the same way."
)
ALL_RETRIEVED = (
    "k is all searched rows: everything is retrieved whatever the prompt is, so that no lean can be computed; choose a "
    "smaller k."
)


def ties_line(ties: int, k: int) -> str:
    """A note where rows on both sides of the k-th place have the same score."""
    return f"{ties} rows tie at place {k}: the order of the gallery decides which of them are in the list"


def most_retrieved(k: int, n: int) -> str:
    """A note for lists that hold half of the searched rows or more."""
    return (
        f"k = {k} is {100 * k / n:.0f} % of the {n} searched rows: a list this long is mostly the gallery itself, "
        "and leans look small in it"
    )
