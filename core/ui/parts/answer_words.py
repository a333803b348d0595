"""What a neuron answers to, in words: its lift over the other groups, and its strongest association. No streamlit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.ui.parts.wording import number, percent
from core.ui.session import probing
from core.ui.session.escaping import escape
from core.verdicts import NOT_COMPUTED

if TYPE_CHECKING:
    from core.neurons import Answers, Association, Lift
    from core.statistics import Estimate


def points(difference: "Estimate") -> str:
    """A difference of rates in points with its interval: "9 points (5 to 13)"."""
    ends = [v for v in (difference.estimate, difference.lo, difference.hi) if v is not None]
    if len(ends) < 3:
        return NOT_COMPUTED if difference.estimate is None else f"{100 * difference.estimate:.0f} points"
    value, lo, hi = (round(100 * v, 1) for v in ends)
    digits = 0 if all(v == 0 or abs(v) >= 0.5 for v in (value, lo, hi)) else 1  # a sign is never rounded away
    words = [f"{v + 0.0:.{digits}f}".replace("-", "−") for v in (value, lo, hi)]
    return f"{words[0]} point{'s' * (words[0] != '1')} ({words[1]} to {words[2]})"


def times(lift: "Lift") -> str:
    """A ratio of rates with its interval, or its lower end alone where nobody of another group fires."""
    ratio = lift.ratio
    if ratio.estimate is None or ratio.hi is None:
        return f"at least {number(ratio.lo)} times as often"
    return f"{number(ratio.estimate)} times as often ({number(ratio.lo)} to {number(ratio.hi)})"


def rates(lift: "Lift", group: str) -> str:
    """How often a neuron fires on its group and on the next one, and by how much more. Markdown."""
    both = f"{percent(lift.rate)} of {escape(group)} · {percent(lift.other_rate)} of {escape(lift.other_group)}"
    less = lift.difference.hi is not None and lift.difference.hi < 0
    verdict = " more" if lift.sure else "" if less else " :orange-badge[unsure]"
    return f"{both} · {points(lift.difference)}{verdict}"


def most_often(lift: "Lift", group: str, others: int) -> str:
    """On which group it fires most often, by how much, and for which tau it is that group's. Markdown.

    Parameters
    ----------
    others : number of other groups; of several the next one was picked, which the interval knows.
    """
    both = f"It fires most often on **{escape(group)}** ({percent(lift.rate)}) and next on {escape(lift.other_group)} "
    both += f"({percent(lift.other_rate)})"
    together = "" if others == 1 else f" The interval holds for all {others} other groups together."
    if not lift.sure:
        return (
            f"{both}: {points(lift.difference)} more, which may be nothing. **Unsure**, not specific for "
            f"{escape(group)}.{together}"
        )
    return (
        f"{both}: **{points(lift.difference)} more**, {times(lift)}. Specific for {escape(group)} at τ above "
        f"{round(lift.other_rate, 3):g} and up to {round(lift.rate, 3):g}.{together}"
    )


def auc_text(association: "Association") -> str:
    return "{} ({} to {})".format(*map(number, probing.towards(association)))


def sentence(answers: "Answers", components: Sequence[str], named: str = "", auc: float = 0.5) -> str:
    """What it answers to most, beside the group that is looked at; or that nothing known tells it. Markdown.

    Parameters
    ----------
    named : the attribute that is looked at with its group; "": none is.
    """
    strongest = answers.strongest
    if not answers.tests:
        return "What it answers to is not known here: no group is large enough to be told from the others."
    if strongest is None:
        return f"What it answers to is not known here: none of {answers.tests} associations is beyond chance."
    words = f"Answers most to **{escape(strongest.said)}**, AUC {auc_text(strongest)}"
    how = probing.compared(answers, components, auc) if named else None
    than = {"more": "more than", "as much": "about as much as"}
    return f"{words}: {than[how]} to {escape(named)} ({number(max(auc, 1 - auc))})." if how else f"{words}."
