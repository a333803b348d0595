"""What an edit costs, as rows: everything that should not suffer from it, before and after."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Row = tuple[str, Any, Any, Any]
ZEROSHOT = (("accuracy", "accuracy"), ("worst_group", "worst group"), ("gap", "gap to worst group"))
SMALLER_IS_BETTER = "gap to worst group"


def cost_rows(cost: Document) -> list[Row]:
    """(what is measured, before, after, difference) of zero-shot classification and explicit queries; a row that could
    not be measured has its reason in the second place and None in the others.
    """
    rows: list[Row] = []
    for name, found in cost.get("zeroshot", {}).items():
        if "estimate" in found:
            rows.append((f"zero-shot {name}", found, None, None))
            continue
        for key, title in ZEROSHOT:
            values = [_inner(found[arm], key) for arm in ("before", "after", "difference")]
            if all(value is not None for value in values):
                rows.append((f"zero-shot {name}, {title}", *values))
    for query, found in cost.get("explicit", {}).items():
        title, values = (
            f"AUC of “{query}” for {found['group']}",
            [found[arm] for arm in ("before", "after", "difference")],
        )
        if all(value["estimate"] is None and value == values[0] for value in values):
            rows.append((title, values[0], None, None))
        else:
            rows.append((title, *values))
    return rows


def largest_loss(cost: Document) -> Row | None:
    """The row that loses most, of accuracies and AUCs; None where nothing was measured."""
    measured = [
        row
        for row in cost_rows(cost)
        if row[3] is not None and row[3]["estimate"] is not None and not row[0].endswith(SMALLER_IS_BETTER)
    ]
    return min(measured, key=lambda row: row[3]["estimate"], default=None)


def _inner(found: Document, key: str) -> Any:
    """An estimate that may stand one level deeper, beside the name of the worst group."""
    value = found.get(key)
    if isinstance(value, Mapping) and "estimate" not in value:
        value = next((item for item in value.values() if isinstance(item, Mapping) and "estimate" in item), None)
    return value if isinstance(value, Mapping) else None
