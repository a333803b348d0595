"""Restrictions to a part of a gallery, as people type them."""

from collections.abc import Iterable

from core.config import InputError


def parse_where(conditions: Iterable[str]) -> dict[str, str]:
    """{"race": "White"} from ["race=White"]; InputError for what has no "=" and for a column named twice."""
    where: dict[str, str] = {}
    for condition in conditions:
        column, equals, value = (part.strip() for part in condition.partition("="))
        if not equals or not column:
            raise InputError(f"the condition {condition!r} has no column and value; expected COLUMN=VALUE")
        if column in where:
            raise InputError(f"the column {column!r} is restricted twice; give one value for it")
        where[column] = value
    return where
