"""Which numbers are findings: every one is listed, null and unfavourable ones too, corrected for their number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.statistics import ALPHA, benjamini_hochberg, holm
from core.verdicts import BEYOND, NO_CHANGE, NO_LEAN, NOT_COMPUTED, NOT_INTERPRETED

LEAN, EFFECT = "lean", "effect"
CORRECTIONS = {"headline": "Holm", "exploratory": "Benjamini-Hochberg"}
TOGETHER = "all pre-registered prompts"


def findings(
    attributes: Sequence[Mapping[str, Any]],
    method: str = "neuron-edit",
    others: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = (),
    unread: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """One entry for every question that the audit asked, in the order of the spec, with p and adjusted p.

    lean : does the prompt prefer a group, given who is there? effect : does the edit change who is retrieved? Both per
    prompt, and for the mean of all pre-registered prompts. Headline findings are one family (Holm), exploratory ones
    another (Benjamini-Hochberg). A group is named only where the finding is beyond chance in its family and the group
    by itself too. Nothing of a lean depends on the target.

    Parameters
    ----------
    attributes : the attributes' numbers; see `core.audit.run`.
    method : what the edit was made by.
    others : further methods, each with its numbers of every attribute; their effects come last.
    unread : prompts that say nothing to the model, with the reason: they are tested, and not interpreted.
    """
    listed = [entry | {"method": method} for one in attributes for entry in _of_attribute(one)]
    for name, numbers in others:
        effects = [entry for one in numbers for entry in _of_attribute(one) if entry["about"] == EFFECT]
        listed += [entry | {"id": f"{entry['id']} | {name}", "method": name} for entry in effects]
    for entry in listed:
        if entry["about"] == LEAN:
            entry["method"] = None
        entry["interpreted"] &= entry["prompt"] not in (unread or {})
    for kind, correct in (("headline", holm), ("exploratory", benjamini_hochberg)):
        family = [entry for entry in listed if entry["kind"] == kind and entry["p"] is not None]
        for entry, adjusted in zip(family, correct([entry["p"] for entry in family]), strict=True):
            entry["p_adjusted"], entry["m"] = float(adjusted), len(family)
            entry["verdict"] = NOT_INTERPRETED if entry["prompt"] in (unread or {}) else _verdict(entry)
    for entry in listed:
        if entry["verdict"] in (NO_LEAN, NO_CHANGE, NOT_COMPUTED, NOT_INTERPRETED):
            entry["group"] = None
    return listed


def _of_attribute(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    attribute, prompts = one["attribute"], one["prompts"]
    for prompt in prompts:
        if "before" in prompt:
            yield _lean(attribute, prompt["prompt"], prompt["kind"], *_of_list(prompt["before"]))
        if "difference" in prompt:
            yield _effect(attribute, prompt["prompt"], prompt["kind"], prompt["difference"])
    if sum(prompt["kind"] == "headline" for prompt in prompts) > 1:
        original, edited = one["arms"].get("original"), one["arms"].get("edited")
        if original is not None:
            found = original["lean"]
            yield _lean(attribute, None, "headline", found, found["points"][found["group"]])
        if edited is not None:
            change = {**edited, "shares": edited["effect"].get("changes", {})}
            yield _effect(attribute, None, "headline", change)


def _of_list(before: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What the finding of one list needs, named as the mean over lists names it, and the lean of its group."""
    groups = before["lean"]
    about = before["leading_group"] or max(groups, key=lambda group: groups[group]["departure"])
    facts = {"p": before["lean_p"], "p_smallest": before["lean_p_smallest"], "leading_group": before["leading_group"]}
    return {**facts, "ratio": groups[about]["ratio"], "about": about}, groups[about]["points"]


def _lean(
    attribute: str, prompt: str | None, kind: str, found: Mapping[str, Any], points: Mapping[str, Any]
) -> dict[str, Any]:
    value = {key: item for key, item in points.items() if key != "target"}
    more = {"ratio": found["ratio"]} if "ratio" in found else {}
    return _entry(attribute, prompt, kind, LEAN, found["leading_group"], value, found["p"], found["p_smallest"]) | more


def _effect(attribute: str, prompt: str | None, kind: str, change: Mapping[str, Any]) -> dict[str, Any]:
    effect = change.get("effect", change)
    if "reason" in effect:
        return _entry(attribute, prompt, kind, EFFECT, None, {"estimate": None, "reason": effect["reason"]}, None, None)
    group = effect["group"]
    value = {key: item for key, item in change["shares"][group].items() if key != "target"}
    entry = _entry(attribute, prompt, kind, EFFECT, group, value, effect["p"], effect["p_smallest"])
    return entry | {name: effect[name] for name in ("direction", "lean_direction", "leading_before", "leading_after")}


def _entry(
    attribute: str,
    prompt: str | None,
    kind: str,
    about: str,
    group: str | None,
    value: Mapping[str, Any],
    p: float | None,
    smallest: float | None,
) -> dict[str, Any]:
    """Many parameters: the columns of one finding, in their order."""
    return {
        "id": " | ".join([attribute, prompt or TOGETHER, about]),
        "attribute": attribute,
        "prompt": prompt,
        "kind": kind,
        "about": about,
        "metric": "points" if about == LEAN else "share difference",
        "group": group,
        "value": dict(value),
        "p": p,
        "p_smallest": smallest,
        "p_adjusted": None,
        "m": None,
        "correction": CORRECTIONS[kind],
        "interpreted": "note" not in value,
        "verdict": NOT_COMPUTED,
    }


def _verdict(entry: Mapping[str, Any]) -> str:
    """A lean is beyond chance or not; an effect has a direction with respect to the target, or there is none."""
    shown = entry["p_adjusted"] <= ALPHA
    if entry["about"] == LEAN:
        return BEYOND if shown else NO_LEAN
    return entry["direction"] if shown else NO_CHANGE
