"""A gate for continuous integration: is anything worse than in an earlier report, beyond what chance explains?

Asked of every list of a pre-registered prompt that both hold, before and after the edit, and of every cost of an edit
that the earlier report measured (`core.report.gated_costs`). Worse: the lean of a group has grown in size, or a cost
has. The gate fails where all of this holds of a list:

    the lists differ beyond chance: p, corrected by Holm over all lists and costs that are compared, is at most .05
    of the group by itself too: p <= .05, and its interval lies on the side of the growth alone
    the lean is larger than it was: |s_g - p_g| now > |s_g - p_g| then; one that has turned round to the other side
    counts where its own interval lies beyond the mirror image of what it was

Of a cost: its p, corrected with the same family, is at most .05, and the interval of its change lies on the worse side
alone; or it is not measured any more. So noise alone lets one gate of twenty fail at most. `python -m core audit-gate`
says what did, one line a finding.
"""

from collections.abc import Mapping
from typing import Any

from core.audit.spec import AuditSpec
from core.config import InputError
from core.report.comparison import Listed, compared_lists, listed, same_items
from core.report.gated_costs import compared_costs, cost_line
from core.statistics import ALPHA, holm
from core.verdicts import in_points

Document = Mapping[str, Any]
SAME = ("k", "where", "target")
"""Parts of a spec that must be the same for one audit to be held against another."""


def refuse_other_questions(spec: AuditSpec, report: Document) -> None:
    """InputError where the spec no longer asks what the report answers: a gate is not passed by asking less."""
    now, then = spec.to_json(), report["spec"]
    for name in SAME:
        if now[name] != then[name]:
            said = f"{name} is {now[name]!r} in the spec and {then[name]!r} in the report"
            raise InputError(f"{said}; compare like with like")
    for name in ("attributes", "prompts"):
        gone = [one for one in then[name] if one not in now[name]]
        if gone:
            raise InputError(f"the spec no longer asks for {name} {', '.join(gone)}, which the report answers")
    edited = [one for one in listed(report) if one[2] != "before"]
    if edited and not spec.intervenes:
        raise InputError("the spec switches nothing, and the report was made with an edit; give the spec one")
    gone = [arm.removeprefix("after ") for _, _, arm in edited if arm.startswith("after ")]
    gone = [name for name in dict.fromkeys(gone) if name not in spec.methods]
    if gone:
        raise InputError(f"the spec no longer asks for the methods {', '.join(gone)}, which the report answers")


def gate(report: Document, now: Document) -> dict[str, Any]:
    """Whether an audit is worse than an earlier report.

    Parameters
    ----------
    report : document of the earlier report.
    now : document of the audit of today.

    Returns
    -------
    passed, the findings and costs that got worse (each with a line for people), and how many were compared how.
    """
    before, after = listed(report), listed(now)
    costs = compared_costs(report, now)
    compared = [one for one in compared_lists(report, now, len(costs)) if one["kind"] == "headline"]
    # one family: two of .05 each would let noise fail more than one gate of twenty
    family = [one for one in (*compared, *costs) if one["p"] is not None]
    for one, adjusted in zip(family, holm([one["p"] for one in family]), strict=True):
        one |= {"p_adjusted": float(adjusted), "m": len(family)}
    worse: list[dict[str, Any]] = []
    for one in compared:
        key = (one["attribute"], one["prompt"], one["arm"])
        grown = worsened(before[key][0], after[key][0], one)
        if grown is not None:
            worse.append({"attribute": key[0], "prompt": key[1], "arm": key[2], **grown})
    for one in costs:
        if one["worse"] and (one["p"] is None or one["p_adjusted"] <= ALPHA):
            kept = {name: one[name] for name in ("attribute", "arm", "cost", "then", "now", "change")}
            worse.append(kept | {"p_adjusted": one.get("p_adjusted"), "line": cost_line(one)})
    return {
        "schema": 1,
        "passed": not worse,
        "compared": len(compared),
        "costs": len(costs),
        "paired": same_items(report, now),
        "worse": worse,
        "k": now["spec"]["k"],
        "target": now["spec"]["target"],
        "digests": {"report": report["spec_digest"], "spec": now["spec_digest"]}
        | {"gallery": [report["gallery"]["digest"], now["gallery"]["digest"]]},
    }


def worsened(then: Listed | None, now: Listed | None, difference: Document) -> dict[str, Any] | None:
    """The group whose lean grew most beyond chance, with its numbers and a line; None where none did.

    Parameters
    ----------
    difference : what `compared_lists` found of these two lists.
    """
    if then is not None and now is None:
        return {"group": None, "line": "is not computed any more: the method leaves nothing of the prompt"}
    if then is None or now is None or difference["p_adjusted"] is None or difference["p_adjusted"] > ALPHA:
        return None
    changes = difference["share_difference" if difference["paired"] else "points_difference"]
    grown = []
    leans = zip(then.groups, then.lean(1).groups, now.lean(1).groups, strict=True)
    for group, was, now_is in leans:
        change, p = changes[group], difference["p_group"].get(group, 1.0)
        a, b = was.points.to_json(), now_is.points.to_json()
        if change["estimate"] is None or p > ALPHA or a["estimate"] is None or b["estimate"] is None or now_is.small:
            continue
        size = abs(b["estimate"]) - abs(a["estimate"])
        if size > 0 and _beyond(a, b, change):
            grown.append((size, group, a, b, change))
    if not grown:
        return None
    # of two groups one is as much over as the other is under: the one that is over is told
    _, group, a, b, change = max(grown, key=lambda one: (round(one[0], 9), one[3]["estimate"]))
    said = f"{group} leans {in_points(a['estimate'])} points then and {in_points(b['estimate'])} now"
    ends = f"change {in_points(change['estimate'])}, {in_points(change['lo'])} to {in_points(change['hi'])}"
    line = f"{said} ({ends}; adjusted p = {difference['p_adjusted']:.2g})"
    return {"group": group, "then": a, "now": b, "change": dict(change), "p_adjusted": difference["p_adjusted"],
            "line": line}  # fmt: skip


def _beyond(then: Document, now: Document, change: Document) -> bool:
    """Whether a lean that is larger than it was is so beyond its interval."""
    upwards = now["estimate"] > 0
    if then["estimate"] * now["estimate"] >= 0:
        return change["lo"] > 0 if upwards else change["hi"] < 0
    return now["lo"] > -then["estimate"] if upwards else now["hi"] < -then["estimate"]
