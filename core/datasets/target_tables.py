"""Target shares as people write them down: a JSON object, or a table with the columns group and share."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from core.config import InputError

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
    try:
        text = data.decode("utf-8-sig")
        pairs = _of_json(json.loads(text), attribute) if text.lstrip().startswith("{") else _of_csv(text, attribute)
    except (UnicodeDecodeError, ValueError, pd.errors.ParserError) as error:
        if isinstance(error, InputError):
            raise InputError(f"{name}: {error}") from None
        said = " ".join(str(error).split())
        raise InputError(f"{name} cannot be read as target shares ({said}); {EXPECTED}") from None
    target: dict[str, float] = {}
    for group, share in pairs:
        if group in target:
            raise InputError(f"{name} gives {group} two shares; give each group one")
        target[group] = _share(name, group, share)
    if not target:
        raise InputError(f"{name} gives no share; {EXPECTED}")
    return target


def _of_json(value: Any, attribute: str | None) -> list[tuple[str, Any]]:
    if value and all(isinstance(item, Mapping) for item in value.values()):
        if attribute not in value:
            raise InputError(f"it has no shares for {attribute}, only for {', '.join(value)}")
        value = value[attribute]
    return [(str(group), share) for group, share in value.items()]


def _of_csv(text: str, attribute: str | None) -> list[tuple[str, Any]]:
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    frame.columns = [str(column).strip().lower() for column in frame.columns]
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(f"it has no column {missing[0]!r}, only {', '.join(frame.columns)}; {EXPECTED}")
    if "attribute" in frame.columns:
        own = frame[frame["attribute"].str.strip() == attribute]
        if own.empty:
            named = ", ".join(dict.fromkeys(frame["attribute"].str.strip()))
            raise InputError(f"it has no shares for {attribute}, only for {named}")
        frame = own
    return list(zip(frame["group"].str.strip(), frame["share"].str.strip(), strict=True))


def _share(name: str, group: str, value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name}: the share of {group} was {value!r}; expected a number above 0") from None
    if isinstance(value, bool) or not math.isfinite(share) or share < 0:
        raise InputError(f"{name}: the share of {group} was {value}; expected a number above 0")
    return share
