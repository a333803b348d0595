"""What `audit_diff` found, in words and rows: the same for the command line and the Report page."""

from collections.abc import Iterator, Mapping
from typing import Any

from core.verdicts import NOT_COMPUTED, TARGET_CHANGE_WORDS, in_points

Document = Mapping[str, Any]
ARMS = {"before": "model as it is", "after": "with the edit"}


def named_line(one: Document) -> str:
    """One of two audits: title, time, gallery, SAEs, auditor."""
    saes = ", ".join(one["saes"].values()) or "no SAE"
    return f"{one['title']}, {one['created_at']}, gallery {one['gallery']}, {saes}, auditor {one['auditor']}"


def asked_lines(found: Document) -> Iterator[str]:
    """What was asked of one otherwise than of the other, lists that one of them holds alone, and how they compare."""
    for key, (a, b) in found["asked"]["different"].items():
        yield f"asked otherwise, {key}: {a!r} and {b!r}"
    for name in found["asked"]["not_in_both"]:
        yield f"in one of them alone: {name}"
    yield "paired: both searched the same items" if found["paired"] else "not paired: other items were searched"


def list_row(one: Document) -> dict[str, str | float | None]:
    """One list of both audits: what changed, of which group by how much in points, and its p.

    Numbers are points (share of the top k; not paired: the lean), second minus first; None where nothing was computed.
    """
    row: dict[str, str | float | None] = {
        "attribute": one["attribute"],
        "prompt": one["prompt"],
        "list": ARMS.get(one["arm"], one["arm"].replace("after ", "with ")),
        "what changed": TARGET_CHANGE_WORDS.get(one["verdict"], one["verdict"]),
    }
    if one["p"] is None:
        empty = dict.fromkeys(("group", "points", "from", "to", "n", "p", "adjusted p"))
        return row | {"what changed": f"{NOT_COMPUTED}: {one['reason']}"} | empty
    change = _change(one)
    points = {name: 100 * change[key] for name, key in (("points", "estimate"), ("from", "lo"), ("to", "hi"))}
    return row | {"group": one["group"], **points, "n": change["n"], "p": one["p"], "adjusted p": one["p_adjusted"]}


def list_line(one: Document) -> str:
    """The same in one line."""
    if one["p"] is None:
        return f"{NOT_COMPUTED}: {one['reason']}"
    change = _change(one)
    ends = f"{in_points(change['lo'])} to {in_points(change['hi'])}, n = {change['n']}"
    said = TARGET_CHANGE_WORDS.get(one["verdict"], one["verdict"])
    p = f"{_p(one['p'])}, adjusted {_p(one['p_adjusted'])} (m = {one['m']})"
    return f"{said}: {one['group']} {in_points(change['estimate'])} points ({ends}); {p}"


def finding_lines(found: Document) -> Iterator[str]:
    """Findings of which both audits say something else."""
    for one in found["findings"]:
        if one["a"] is not None and one["b"] is not None and not one["same_verdict"]:
            said = [f"{x['verdict']}{', ' + x['group'] if x['group'] else ''}" for x in (one["a"], one["b"])]
            yield f"finding {one['id']}: {said[0]}; now {said[1]}"


def _change(one: Document) -> Document:
    return one["share_difference" if one["paired"] else "points_difference"][one["group"]]


def _p(p: float | None) -> str:
    return "no p" if p is None else f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
