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
        return "The prompt leans beyond chance, and no single group stands out by itself."
    return f"Leans towards {leading} beyond chance: {times(groups[leading]['ratio'])} its share of the searched rows."


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
    moved = f"{effect['group']} goes from {100 * before:.0f} % to {100 * after:.0f} %: "
    said = LEAN_CHANGE_WORDS[effect["lean_direction"]]
    if own_target:
        said = f"{TARGET_CHANGE_WORDS[effect['direction']]}; {said}"
    return f"{moved}{said}."


def unknowable(effect: Mapping[str, Any]) -> str:
    """Why nothing could be known, where that is so."""
    if effect["p_smallest"] <= 0.05:
        return ""
    rows = max(effect["left"], effect["entered"])
    return f" ({rows} exchanged {'row' if rows == 1 else 'rows'} cannot show one, whatever they are)"


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
ALL_RETRIEVED = (
    "k is all searched rows: everything is retrieved whatever the prompt is, so that no lean can be computed; choose a "
    "smaller k."
)


def most_retrieved(k: int, n: int) -> str:
    """A note for lists that hold half of the searched rows or more."""
    return (
        f"k = {k} is {100 * k / n:.0f} % of the {n} searched rows: a list this long is mostly the gallery itself, "
        "and leans look small in it"
    )
