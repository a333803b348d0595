"""What an edit costs in one report beside what it costs in an earlier one.

A cost is told where both reports measured it: the change of an accuracy or of the AUC of an explicit query, the mean
cosine of an item before and after the edit, and the change of what can still be read of a group. d = now - then has the
interval of two independent estimates (square-and-add of their own); where both searched the same items they vary
together, so that it is rather too wide. Its p is that of the normal deviate with the half-width on the side of 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.report.comparison import deviate_p, independent
from core.report.costs import SMALLER_IS_BETTER, cost_rows

Document = Mapping[str, Any]
Key = tuple[str, str, str]
SAME = 1e-5
"""Changes of less come from float32 embeddings, and may have an interval without width."""
COSINE = "mean cosine of an item before and after"
LEAKAGE = "change of what a probe still reads (AUC)"


@dataclass(frozen=True)
class Cost:
    """One number that should not get worse."""

    value: Document
    """An estimate."""
    sign: int
    """1 where a smaller value is worse, -1 where a larger one is."""


def costs_of(document: Document) -> dict[Key, Cost]:
    """(attribute, arm, what is measured) -> its cost; arms are "after", and "after METHOD" of every further method."""
    found: dict[Key, Cost] = {}
    parts = [("after", document["attributes"])]
    parts += [(f"after {one['method']}", one["attributes"]) for one in document.get("methods", ())]
    for arm, attributes in parts:
        for one in attributes:
            found |= {(one["attribute"], arm, name): cost for name, cost in _of(one) if _measured(cost.value)}
    return found


def _of(one: Document) -> Iterator[tuple[str, Cost]]:
    for name, _, _, difference in cost_rows(one.get("cost", {})):
        # the gap to the worst group tells the same as the worst group beside the accuracy
        if difference is not None and not name.endswith(SMALLER_IS_BETTER):
            yield f"change of {name}", Cost(difference, 1)
    if cosine := one.get("arms", {}).get("edited", {}).get("cosine"):
        yield COSINE, Cost(cosine, 1)
    if left := one.get("leakage", {}).get("difference"):
        yield LEAKAGE, Cost(left, -1)


def _measured(value: Document) -> bool:
    return value["estimate"] is not None and value["lo"] is not None and value["hi"] is not None


def compared_costs(then: Document, now: Document) -> list[dict[str, Any]]:
    """Every cost of the earlier report with the change to today's; `p` None and `now` None where it is gone."""
    before, after = costs_of(then), costs_of(now)
    found = []
    for (attribute, arm, name), cost in before.items():
        about: dict[str, Any] = {"attribute": attribute, "arm": arm, "cost": name, "then": dict(cost.value)}
        other = after.get((attribute, arm, name))
        if other is None:
            found.append(about | {"now": None, "change": None, "p": None, "worse": True})
            continue
        change = independent(cost.value, other.value)
        d = change["estimate"]
        beyond = change["hi"] < 0 if cost.sign > 0 else change["lo"] > 0
        still = abs(d) <= SAME
        p = 1.0 if still else deviate_p(change)
        found.append(about | {"now": dict(other.value), "change": change, "p": p, "worse": beyond and not still})
    return found


def cost_line(one: Document) -> str:
    """A cost that got worse, for people."""
    then = one["then"]["estimate"]
    if one["now"] is None:
        return f"is not measured any more; it was {then:+.3f}"
    change, now = one["change"], one["now"]["estimate"]
    ends = f"difference {change['estimate']:+.3f}, {change['lo']:+.3f} to {change['hi']:+.3f}"
    return f"{then:+.3f} then and {now:+.3f} now ({ends}; adjusted p = {one['p_adjusted']:.2g})".replace("-", "−")
