"""Target shares as people write them down: a JSON object, a table with the columns group and share, or typed words.

Shares are numbers from 0 to 1, or percentages: with a sign, or where all of an attribute sum to 100. "0,4" is 0.4.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.config import InputError
from core.tables import clean_text
from core.tables.delimited import decoded, read_delimited
from core.tables.read import named

COLUMNS = ("group", "share")
PERCENT = re.compile(r"\s*(?:%|percent|per cent)\s*$", re.IGNORECASE)
COMMA = re.compile(r"^\d*,\d+$")
TYPED = re.compile(r"^(?P<group>.*?)[\s:=]*(?P<share>\d*[.,]?\d+\s*(?:%|percent)?)$", re.IGNORECASE)
HUNDRED = 0.05
"""How far from 100 percentages may sum for each of them: they were rounded to tenths."""
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
    Percentages become shares.

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
    return _shares(name, pairs)


def parse_typed(text: str, groups: Sequence[str]) -> dict[str, float]:
    """Shares in a line: "Female 40, Male 60", "Female 40 %; Male 60 %", or numbers alone in the order of the groups.

    InputError where it is none, or names something else than the groups.
    """
    # a comma between digits is a decimal one
    parts = [part.strip() for part in re.split(r"[;\n]|,(?!\d)", text)]
    parts = [part for part in parts if part]
    if len(parts) == 1:
        parts = re.split(r"(?<=[\d%])\s+(?=[\d\w])", parts[0])
    expected = f"expected for example “{', '.join(f'{g} {100 // max(len(groups), 1)}' for g in groups)}”"
    pairs = []
    for i, part in enumerate(parts):
        found = TYPED.match(part)
        if found is None:
            raise InputError(f"the target shares were {text!r}; {expected}")
        named = found["group"].strip(" :=")
        if not named and len(parts) != len(groups):
            raise InputError(
                f"the target shares were {text!r}, {len(parts)} numbers for {len(groups)} groups; {expected}"
            )
        pairs.append((named or groups[i], found["share"]))
    near = {group.lower(): group for group in groups}
    shares = _shares("the line", [(near.get(group.lower(), group), share) for group, share in pairs])
    if foreign := [group for group in shares if group not in groups]:
        raise InputError(f"the target shares name {foreign[0]!r}; the groups are {', '.join(groups)}")
    return shares


def _shares(name: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, float]:
    """The shares of one attribute; percentages are told by their sign, or by their sum."""
    target: dict[str, float] = {}
    signs = 0
    for group, share in pairs:
        if group in target:
            raise InputError(f"{name} gives {group} two shares; give each group one")
        text = isinstance(share, str)
        number = PERCENT.sub("", share).strip() if text else share
        if text and COMMA.match(number):
            number = number.replace(",", ".")
        signs += text and PERCENT.search(share) is not None
        target[group] = _share(name, group, number, share)
    if not target:
        raise InputError(f"{name} gives no share; {EXPECTED}")
    if 0 < signs < len(target):
        raise InputError(f"{name} gives {signs} of {len(target)} shares in per cent; write all of them alike")
    if signs or abs(sum(target.values()) - 100) <= HUNDRED * len(target):
        total = sum(target.values())
        # percentages that were rounded may miss 100 by some hundredths
        scale = total if abs(total - 100) <= HUNDRED * len(target) else 100.0
        return {group: share / scale for group, share in target.items()}
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


def _share(name: str, group: str, value: Any, said: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name}: the share of {group} was {said!r}; expected a number above 0") from None
    if isinstance(value, bool) or not math.isfinite(share) or share < 0:
        raise InputError(f"{name}: the share of {group} was {value}; expected a number above 0")
    return share
