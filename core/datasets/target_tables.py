"""Target shares as people write them down: a JSON object, or a table with the columns group and share."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import InputError
from core.tables import clean_text
from core.tables.delimited import decoded, read_delimited
from core.tables.read import named

COLUMNS = ("group", "share")
EXPECTED = "expected a CSV table with the columns group and share, or a JSON object group: share"


def read_target(path: Path, attribute: str | None = None) -> dict[str, float]:
    """The shares of a file; see `parse_target`."""
    try:
        return parse_target(Path(path).read_bytes(), str(path), attribute)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {EXPECTED}") from None


def parse_target(data: bytes, name: str, attribute: str | None = None) -> dict[str, float]:
    """Group -> share, as it was written: whether it fits a gallery is for `target_distribution` to say.

    A file for several attributes has a column `attribute`, or is an object of objects; then `attribute` says which.

    Parameters
    ----------
    data : what is in the file, UTF-8.
    name : of the file, for messages.

    Raises
    ------
    InputError : the file cannot be read, names a group twice, lacks the attribute, or a share is no number above 0.
    """
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{name} cannot be read as target shares: it is empty; {EXPECTED}")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        pairs = _of_json(_object(decoded(data, name), name), name, attribute)
    else:
        pairs = _of_table(data, name, attribute)
    target: dict[str, float] = {}
    for group, share in pairs:
        if group in target:
            raise InputError(f"{name} gives {group} two shares; give each group one")
        target[group] = _share(name, group, share)
    if not target:
        raise InputError(f"{name} gives no share; {EXPECTED}")
    return target


def _object(text: str, name: str) -> dict[str, Any]:
    """The JSON object of a file; InputError where it is none, or names something twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [clean_text(key) for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise InputError(f"{name} gives {twice} two shares; give each group one")
        return dict(zip(keys, (value for _, value in pairs), strict=True))

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        at = "a number in it is too large" if isinstance(error, ValueError) else "it is nested too deeply"
        at = f"line {error.lineno} is no JSON" if isinstance(error, json.JSONDecodeError) else at
        raise InputError(f"{name} cannot be read as target shares ({at}); {EXPECTED}") from None


def _of_json(value: dict[str, Any], name: str, attribute: str | None) -> list[tuple[str, Any]]:
    if value and all(isinstance(item, Mapping) for item in value.values()):
        if attribute not in value:
            raise InputError(f"{name}: it has no shares for {attribute}, only for {', '.join(value)}")
        value = value[attribute]
    return [(str(group), share) for group, share in value.items()]


def _of_table(data: bytes, name: str, attribute: str | None) -> list[tuple[str, Any]]:
    try:
        grid = named(read_delimited(decoded(data, name), name), name)
    except InputError as error:
        raise InputError(f"{error}; {EXPECTED}") from None
    columns = {one.lower(): cells for one, cells in zip(grid.names, grid.columns, strict=True)}
    if len(columns) < len(grid.names):
        raise InputError(f"{name} has two columns of one name ({', '.join(grid.names)}); {EXPECTED}")
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise InputError(f"{name}: it has no column {missing[0]!r}, only {', '.join(grid.names)}; {EXPECTED}")
    groups = [clean_text(cell or "") for cell in columns["group"]]
    shares = [(cell or "").strip() for cell in columns["share"]]
    if "attribute" in columns:
        of = [clean_text(cell or "") for cell in columns["attribute"]]
        if attribute not in of:
            raise InputError(f"{name}: it has no shares for {attribute}, only for {', '.join(dict.fromkeys(of))}")
        own = [place for place, one in enumerate(of) if one == attribute]
        groups, shares = [groups[place] for place in own], [shares[place] for place in own]
    return list(zip(groups, shares, strict=True))


def _share(name: str, group: str, value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name}: the share of {group} was {value!r}; expected a number above 0") from None
    if isinstance(value, bool) or not math.isfinite(share) or share < 0:
        raise InputError(f"{name}: the share of {group} was {value}; expected a number above 0")
    return share
