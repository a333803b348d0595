"""Every question of an audit with its verdict, corrected for how many there are."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from core.verify.own.chance import false_discovery, holm_adjusted
from core.verify.own.values import SHOWN

CORRECTED = {"headline": ("Holm", holm_adjusted), "exploratory": ("Benjamini-Hochberg", false_discovery)}
UNREAD = "not interpreted"
UNNAMED = ("no lean beyond chance", "no change beyond chance", "not computed", UNREAD)
"""Verdicts with which no group is named."""


def findings_list(
    attributes: Sequence[Mapping[str, Any]],
    method: str = "neuron-edit",
    others: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = (),
    unread: Collection[str] = (),
) -> list[dict[str, Any]]:
    """One entry a question, in the order of the attributes' prompts, their means last; then the effects of others.

    Parameters
    ----------
    unread : prompts that say nothing to the model.
    """
    found = [entry for one in attributes for entry in _asked(one)]
    for entry in found:
        entry["method"] = method if entry["about"] == "effect" else None
    for name, numbers in others:
        for one in numbers:
            for entry in _effects(one):
                found.append(entry | {"id": entry["id"] + f" | {name}", "method": name})
    for entry in found:
        if entry["prompt"] in unread:
            entry["interpreted"] = False
    for kind, (_, correct) in CORRECTED.items():
        family = [entry for entry in found if entry["kind"] == kind and entry["p"] is not None]
        for entry, adjusted in zip(family, correct([entry["p"] for entry in family]), strict=True):
            entry |= {"p_adjusted": adjusted, "m": len(family), "verdict": _verdict(entry, adjusted <= SHOWN)}
            if entry["prompt"] in unread:
                entry["verdict"] = UNREAD
    for entry in found:
        if entry["verdict"] in UNNAMED:
            entry["group"] = None
    return found


def _verdict(entry: Mapping[str, Any], beyond: bool) -> str:
    if entry["about"] == "lean":
        return "beyond chance" if beyond else "no lean beyond chance"
    return entry["direction"] if beyond else "no change beyond chance"


def _asked(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    name, headline = one["attribute"], 0
    for prompt in one["prompts"]:
        asked, found = (name, prompt["prompt"], prompt["kind"]), prompt["before"]
        headline += prompt["kind"] == "headline"
        leading = found["leading_group"]
        about = leading
        if about is None:
            about = max(found["lean"], key=lambda group: found["lean"][group]["departure"])
        lean = found["lean"][about]
        yield _entry(asked, "lean", leading, lean["points"], found["lean_p"], found["lean_p_smallest"]) | {
            "ratio": lean["ratio"]
        }
        if "difference" in prompt:
            yield _changed(asked, prompt["difference"])
    if headline > 1:
        arms, asked = one["arms"], (name, None, "headline")
        lean = arms["original"]["lean"]
        yield _entry(asked, "lean", lean["leading_group"], lean["points"][lean["group"]], lean["p"], lean["p_smallest"])
        if "edited" in arms:
            yield _mean_changed(asked, arms["edited"]["effect"])


def _effects(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The effects of a further method on one attribute."""
    prompts = one["prompts"]
    for prompt in prompts:
        yield _changed((one["attribute"], prompt["prompt"], prompt["kind"]), prompt["difference"])
    if sum(prompt["kind"] == "headline" for prompt in prompts) > 1 and "edited" in one["arms"]:
        yield _mean_changed((one["attribute"], None, "headline"), one["arms"]["edited"]["effect"])


def _changed(asked: tuple[str, str | None, str], change: Mapping[str, Any]) -> dict[str, Any]:
    return _effect(asked, change.get("effect", change), change.get("shares", {}))


def _mean_changed(asked: tuple[str, str | None, str], effect: Mapping[str, Any]) -> dict[str, Any]:
    return _effect(asked, effect, effect.get("changes", {}))


def _effect(asked: tuple[str, str | None, str], effect: Mapping[str, Any], shares: Mapping[str, Any]) -> dict[str, Any]:
    if "reason" in effect:
        return _entry(asked, "effect", None, {"estimate": None, "reason": effect["reason"]}, None, None)
    entry = _entry(asked, "effect", effect["group"], shares[effect["group"]], effect["p"], effect["p_smallest"])
    return entry | {key: effect[key] for key in ("direction", "lean_direction", "leading_before", "leading_after")}


def _entry(
    asked: tuple[str, str | None, str],
    about: str,
    group: str | None,
    number: Mapping[str, Any],
    p: float | None,
    smallest: float | None,
) -> dict[str, Any]:
    attribute, prompt, kind = asked
    return {
        "id": f"{attribute} | {prompt or 'all pre-registered prompts'} | {about}",
        "attribute": attribute,
        "prompt": prompt,
        "kind": kind,
        "about": about,
        "metric": {"lean": "points", "effect": "share difference"}[about],
        "group": group,
        "value": {key: item for key, item in number.items() if key != "target"},
        "p": p,
        "p_smallest": smallest,
        "p_adjusted": None,
        "m": None,
        "correction": CORRECTED[kind][0],
        "interpreted": "note" not in number,
        "verdict": "not computed",
    }
