"""Numbers as they stand in the report: never alone, always with interval, n and target."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from core.verdicts import TARGET_NAMES, in_points

Value = Mapping[str, Any]
NO_TARGET = "not applicable"


ARMS = (("before", "original"), ("after", "edited"))
"""Lists of a prompt in the document, and their names on the page."""


def edited(prompt: Mapping[str, Any]) -> bool:
    """Whether a prompt has a list after an edit; an edit may leave nothing of a prompt, and says why."""
    return "after" in prompt and "reason" not in prompt["after"]


def arms_of(prompt: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The lists of a prompt, each with its name on the page."""
    return [*ARMS] if edited(prompt) else [ARMS[0]]


def heading(document: Mapping[str, Any]) -> str:
    """The title of a report with the part of the gallery that it is about."""
    where = " and ".join(f"{column} = {value}" for column, value in document["spec"]["where"].items())
    return f"{document['spec']['title']} (only {where})" if where else document["spec"]["title"]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plain(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{in_points(value)} points"


def target_name(target: Any) -> str:
    """The target in words; a single share as a percentage, a table as its groups."""
    if isinstance(target, Mapping):
        return "own table: " + ", ".join(f"{group} {percent(share)}" for group, share in target.items())
    return percent(target) if isinstance(target, float) else TARGET_NAMES.get(target, str(target))


def p_text(p: float | None) -> str:
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def ratio(value: float) -> str:
    """A ratio to two digits: more than a list of some hundred rows can tell."""
    return f"{value:.2f}"


WRITE = {
    "share": percent,
    "points": points,
    "bare points": in_points,
    "metric": plain,
    "change": signed,
    "ratio": ratio,
}


def mark(value: Value, text: str) -> Markup:
    """Any text about one estimate, with the estimate's own numbers in attributes for whoever reads by machine.

    A lean and its ratio have no target, and say so.
    """
    kept = {name: value.get(name) for name in ("estimate", "lo", "hi", "n")}
    data = " ".join(f'data-{name}="{number!r}"' for name, number in kept.items())
    return Markup(
        f'<span class="est" {data} data-target="{escape(target_name(value.get("target", NO_TARGET)))}">'
        f"{escape(text)}</span>"
    )


def estimate(value: Value, how: str = "metric", n: bool = True, unit: str = "") -> Markup:
    """ "87.0 % (79.0 to 92.2 %, n = 100)", or the reason why there is no number.

    Parameters
    ----------
    unit : a word behind the number itself: "3.67 times (3.12 to 4.19, n = 100)".
    """
    if value["estimate"] is None:
        return Markup(f'<span class="none">not computed: {escape(value["reason"])}</span>')
    count = f", n = {value['n']:,}" if n else ""
    return mark(value, f"{WRITE[how](value['estimate'])}{unit} ({interval(value, how)}{count})")


def interval(value: Value, how: str = "metric") -> str:
    """ "79.0 to 92.2 %"; an interval may have no upper end."""
    write = WRITE[how]
    if value.get("lo") is None:
        return "no interval"
    lo = write(value["lo"])
    if value["hi"] is None:
        return f"at least {lo}"
    own = lo[lo.index(" ") :] if " " in lo else ""
    return f"{lo.removesuffix(own) if own else lo} to {write(value['hi'])}"


def blind(found: Mapping[str, Any], name: str) -> Markup:
    """What a blind draw shows of one metric of a list: the null band where the target is the searched rows' shares."""
    drawn = (found["blind_draw"] or {"metrics": {}})["metrics"].get(name)
    if drawn is None:
        return Markup('<span class="none">none</span>')
    lo, hi, mean, n = drawn["lo"], drawn["hi"], drawn["mean"], found["blind_draw"]["n"]
    whole = {"estimate": mean, "lo": lo, "hi": hi, "n": n, "target": found[name].get("target", NO_TARGET)}
    return mark(whole, f"{plain(lo)} to {plain(hi)} (mean {plain(mean)}, n = {n:,})")


def neurons(edits: Mapping[str, Any]) -> str:
    """What one edit switches, in words."""
    said = []
    for side, edit in edits.items():
        alpha = f", alpha {edit['alpha']:g}" if edit["form"] == "blend" else ""
        said.append(
            f"{side} neurons {_listed(edit)}; strength {edit['strength']:g}, gamma {edit['gamma']:g}, "
            f"{edit['form']}{alpha}"
        )
    return "; ".join(said) or "nothing is switched"


def _listed(edit: Mapping[str, Any]) -> str:
    """The neurons, each with its own strength and value where the edit has such: "3 (strength 0.8 to 0.12)"."""
    numbers, n = edit["neurons"], len(edit["neurons"])
    strengths, gammas = edit.get("strengths"), edit.get("gammas")
    if not (strengths or gammas):
        return ", ".join(map(str, numbers)) or "none"
    own = zip(numbers, strengths or [1.0] * n, gammas or [edit["gamma"]] * n, strict=True)
    return ", ".join(f"{neuron} (strength {strength:g} to {gamma:g})" for neuron, strength, gamma in own)
