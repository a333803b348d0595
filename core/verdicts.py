"""What may be said about a lean, a distance and a change: the one table of verdict words, wherever people read.

"Beyond chance" is said of leans and of changes alone. A distance to a target is a number with an interval; no word here
joins it with chance.
"""

from collections.abc import Mapping, Sequence
from typing import Any

BEYOND, NO_LEAN, NOT_COMPUTED = "beyond chance", "no lean beyond chance", "not computed"
NO_DIFFERENCE = "no difference beyond chance"
NOT_INTERPRETED = "not interpreted"
"""The verdict about a prompt that says nothing to the model, whatever it retrieves."""
TOWARDS, PAST, AWAY, NO_CHANGE = "towards", "past", "away", "no change beyond chance"

LEAN_WORDS = {
    BEYOND: "the prompt leans beyond chance",
    NO_LEAN: "no lean beyond chance",
    NOT_COMPUTED: "not computed",
    NOT_INTERPRETED: NOT_INTERPRETED,
}
"""A finding about a lean in words."""
TARGET_CHANGE_WORDS = {
    TOWARDS: "towards the target",
    PAST: "past the target: it overshoots",
    AWAY: "away from the target",
    NO_CHANGE: "no change beyond chance",
    NOT_COMPUTED: "not computed",
    NOT_INTERPRETED: NOT_INTERPRETED,
}
"""The direction of an edit's effect with respect to the target."""
LEAN_CHANGE_WORDS = {
    TOWARDS: "the lean falls",
    PAST: "the lean turns round: another group is preferred now",
    AWAY: "the lean grows",
    NO_CHANGE: "no change beyond chance",
    NOT_COMPUTED: "not computed",
    NOT_INTERPRETED: NOT_INTERPRETED,
}
"""The same with respect to the shares of the searched rows."""
TARGET_NAMES = {
    "uniform": "even shares",
    "gallery": "the shares of the searched rows",
    "not applicable": "no target",
}
OWN_SHARES = "own shares"
Pair = tuple[float, float]
ALPHA = 0.05
"""As `core.statistics.ALPHA`; this room imports nothing."""
SHOWN_P = 1e-4
"""Smaller p are said to be smaller."""

LEANS = "Leans towards {group} beyond chance: {ratio} its share of the searched rows."
NO_GROUP = "The prompt leans beyond chance, and no single group stands out by itself."
NO_GROUP_CHANGED = "Who is retrieved changes beyond chance, and no single group's change stands out by itself."
DISTANCE = "{difference} {side} {target}{interval}: the gallery brings {composition}, the model adds {model}."
"""A distance and its exact split; numbers in percentage points."""
MOVED = "{group} goes from {before} to {after}: {said}."
TURNED = "From {before} {group} to {follower} {other}: {said}."


def of_items(text: str, kind: str) -> str:
    """A text that names pictures, as it is said of what a gallery holds: "captions" or "images"."""
    return text.replace("picture", "caption").replace("Picture", "Caption") if kind == "captions" else text


def lean_verdict(beyond: bool | None) -> str:
    """The verdict of a lean: beyond chance, no lean beyond chance, or not computed."""
    return NOT_COMPUTED if beyond is None else BEYOND if beyond else NO_LEAN


def target_name(target: Any) -> str:
    """A target in words; a table of shares is "own shares"."""
    return OWN_SHARES if isinstance(target, Mapping) else TARGET_NAMES.get(str(target), str(target))


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


def lean_phrase(leading: str | None, beyond: bool | None) -> str:
    """A lean in a few words, for the points of a curve."""
    if not beyond:
        return lean_verdict(beyond)
    return f"leans towards {leading} {BEYOND}" if leading is not None else f"leans {BEYOND}"


def list_line(document: Mapping[str, Any]) -> str:
    """The lean of one retrieved list in one sentence, from the block `before` or `after` of a ranking.

    Where so few rows were retrieved that no list of them could be told from chance, it says so.
    """
    if document["lean_beyond_chance"] is False:
        known = sum(group["retrieved"] for group in document["lean"].values())
        return f"No lean beyond chance{unknowable_lean(document['lean_p_smallest'], known)}."
    given = (document["leading_group"], document["lean_beyond_chance"], document.get("lean_reason", ""))
    return lean_line(document["lean"], *given)


def away_line(group: str, away: Mapping[str, Any], target: Any) -> str:
    """How far one group is from its target in one sentence, from the block `distance` of a ranking."""
    value = away["difference"]
    if value.get("estimate") is None:
        return f"Distance to {target_name(target)}: not computed: {value.get('reason', 'nobody known was retrieved')}."
    return f"{group} is {away_words(away, target)}."


def away_words(away: Mapping[str, Any], target: Any) -> str:
    """The same as the part of a sentence: "13 points above even shares (+3 to +22): the gallery brings −33, the model
    adds +46".

    The difference and its two parts are printed so that they add up; where the target is the shares of the searched
    rows the gallery has no part in it. A distance that could not be computed is said to be so.
    """
    value, asked = away["difference"], target_name(target)
    if value.get("estimate") is None:
        return f"at a distance to {asked} that was not computed"
    difference, composition, model = added_up(value["estimate"], away["composition"], away["model"])
    ends = f"({points(value['lo'])} to {points(value['hi'])})"
    size, unit = difference.lstrip("+−"), "point" if difference in ("+1", "−1") else "points"
    side = {"+": f"{size} {unit} above", "−": f"{size} {unit} below"}.get(difference[0], "at")
    words = f"{side} {asked} {ends}"
    return words if target == "gallery" else f"{words}: the gallery brings {composition}, the model adds {model}"


def added_up(difference: float, composition: float, model: float, least: int = 0) -> tuple[str, str, str]:
    """A difference of shares and its two parts in points, with as few decimals as let the printed parts add up.

    Parameters
    ----------
    least : fewest decimals.
    """
    parts = (difference, composition, model)
    fine = next((n for n in range(least, 12) if _adds_up(parts, n)), 12)
    return points(difference, fine), points(composition, fine), points(model, fine)


def _adds_up(parts: tuple[float, float, float], digits: int) -> bool:
    whole, first, second = (round(100 * part, digits) for part in parts)
    return round(first + second - whole, digits) == 0


def points(share: float | None, digits: int = 0) -> str:
    """A difference of shares in percentage points, with a true minus sign: "+13", "−33", "0"."""
    if share is None:
        return "–"
    text = f"{100 * share:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "−")


def p_text(p: float | None, least: float | None = None) -> str:
    """ "p = 0.020", "p < 0.0001, the smallest that could come out"."""
    if p is None:
        return "no p"
    return (f"p = {p:.2g}" if p >= SHOWN_P else f"p < {SHOWN_P:.4f}") + smallest(p, least)


def ties_line(ties: int, k: int) -> str:
    """A note where rows on both sides of the k-th place have the same score."""
    return f"{ties} rows tie at place {k}: the order of the gallery decides which of them are in the list"


def times(ratio: Mapping[str, Any]) -> str:
    """ "3.7 times (3.1 to 4.2)"."""
    if ratio.get("estimate") is None:
        return "no ratio"
    estimate, lo, hi = (f"{ratio[end]:.{2 if ratio['estimate'] < 10 else 1}f}" for end in ("estimate", "lo", "hi"))
    return f"{estimate} times ({lo} to {hi})"


def effect_line(
    effect: Mapping[str, Any],
    before: float | None,
    after: float | None,
    own_target: bool,
    follower: float | None = None,
) -> str:
    """What an edit did to one list in one sentence, from the block `effect` of a ranking.

    Parameters
    ----------
    before, after : share of the effect's group in the two lists.
    own_target : whether the target is another one than the shares of the searched rows.
    follower : share after of the group that leads after, where that is another one.
    """
    if "reason" in effect or before is None or after is None:
        return f"Effect: not computed: {effect.get('reason', 'a list holds no known group')}."
    if effect["direction"] == NO_CHANGE:
        return f"No change beyond chance{unknowable(effect)}."
    group, other = effect["group"], effect["leading_after"]
    shares = {"before": f"{100 * before:.0f} %", "after": f"{100 * after:.0f} %"}
    words = change_words(effect, own_target)
    if other in (None, group) or follower is None:
        return MOVED.format(group=group, said=words, **shares)
    return TURNED.format(group=group, other=other, follower=f"{100 * follower:.0f} %", said=words, **shares)


def change_words(effect: Mapping[str, Any], own_target: bool) -> str:
    """The directions of a change: with respect to the target, where it is one of its own, and of the lean."""
    words = LEAN_CHANGE_WORDS[effect["lean_direction"]]
    return f"{TARGET_CHANGE_WORDS[effect['direction']]}; {words}" if own_target else words


def distance_parts(distance: Mapping[str, Any]) -> dict[str, str]:
    """A distance to the target in words that add up: "13.0 points", "above", and its parts "−32.9" and "+45.9"."""
    away = distance["difference"]["estimate"]
    difference, composition, model = added_up(away, distance["composition"], distance["model"], 1)
    side = {"+": "above", "−": "below"}.get(difference[0], "away from")
    return {
        "difference": f"{difference.lstrip('+−')} points",
        "side": side,
        "composition": composition,
        "model": model,
    }


def in_points(value: float) -> str:
    """Percentage points with their sign: "−32.9"; 0 has none."""
    return points(value, 1)


def unknowable(effect: Mapping[str, Any]) -> str:
    """Why nothing could be known, where that is so."""
    if effect["p_smallest"] <= ALPHA:
        return ""
    rows = max(effect["left"], effect["entered"])
    return f" ({rows} exchanged {'row' if rows == 1 else 'rows'} cannot show one, whatever they are)"


def unknowable_lean(least: float | None, k: int) -> str:
    """Why no lean could be told from chance, where that is so."""
    if least is None or least <= ALPHA:
        return ""
    return f" (a list of {k} {'row' if k == 1 else 'rows'} of known group cannot show one here, whoever they are)"


STILL, STAYS = 0.02, 0.34
"""Mean change of P below which an edit moves nobody; part of the other group's change below which a group stays."""


def answers_moved(names: tuple[str, str], before: Sequence[Pair], after: Sequence[Pair]) -> str:
    """What an edit did to the gap between two groups' answers, as the part of a sentence; "" where it only shrinks.

    Parameters
    ----------
    names : of the two groups.
    before, after : both groups' mean P of the answer, a pair for every question, at least one; 0 to 1.
    """
    n, moved, approach, gap, left, turned = len(before), [0.0, 0.0], [0.0, 0.0], 0.0, 0.0, 0.0
    for pair, then in zip(before, after, strict=True):
        apart = pair[1] - pair[0]
        sign = (apart > 0) - (apart < 0)
        gap, left, turned = gap + abs(apart), left + abs(then[1] - then[0]), turned + sign * (then[1] - then[0])
        for g in (0, 1):
            change = then[g] - pair[g]
            moved[g] += abs(change) / n
            approach[g] += sign * change * (1 - 2 * g)
    if max(moved) < STILL:
        return "hardly any answer moves"
    if turned < 0:
        return "its sign turns"
    if left >= gap:
        return "it does not shrink"
    stays, goes = sorted((0, 1), key=lambda g: moved[g])
    if moved[stays] < STAYS * moved[goes] and left < gap / 2:
        return f"after it, answers about {names[goes]} are nearly those about {names[stays]}"
    return "both groups' answers move towards each other" if min(approach) > 0 else ""


def smallest(p: float | None, least: float | None) -> str:
    """A word for a p that could not have come out smaller; none where no p could have shown anything."""
    if least is not None and least > ALPHA:
        return ""
    return (
        ", the smallest that could come out" if p is not None and least is not None and p <= least * (1 + 1e-9) else ""
    )


ONLY_TOGETHER = (
    "No single prompt is beyond chance, but their mean is: each prompt leans too little to be told from chance by "
    "itself, and together they lean one way."
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


DIFFERENT_PEOPLE = (
    "Rows are taken as different people: where several are of one person, film or scene, intervals are too narrow and "
    "p too small. A gallery built with --together says which rows belong together."
)


def clustered(column: str) -> str:
    """How rows that belong together enter a lean, and where they do not."""
    return (
        f"rows with the same {column} may be retrieved together: leans are tested by whole {column}s and their "
        "intervals widened; changes take rows as different people"
    )


def most_retrieved(k: int, n: int) -> str:
    """A note for lists that hold half of the searched rows or more."""
    return (
        f"k = {k} is {100 * k / n:.0f} % of the {n} searched rows: a list this long is mostly the gallery itself, "
        "and leans look small in it"
    )
