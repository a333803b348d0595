"""Which section of a report answers which clause of a law or standard; one table, in assets, says so."""

from collections.abc import Mapping
from typing import Any

from core.config import ASSETS
from core.store import read_json

TABLE = ASSETS / "report" / "crosswalk.json"
ANSWERED, SAID, PARTLY, NOT_STATED, NOT_COVERED = "answered", "stated", "answered in part", "not stated", "not covered"
STATED = ("purpose", "data")
"""Sections that hold the auditor's own words; what the others say was measured."""


def crosswalk(given: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every clause with the sections that answer it in this report, and whether they do.

    answered : by what was measured or recorded. stated : by the auditor's words alone. answered in part : some of the
    words that it rests on were not given. not stated : none were, and nothing else answers it. not covered : no section
    of a report answers it.

    Parameters
    ----------
    given : the spec's blocks `purpose` and `data_sheet`.
    """
    found = []
    for source in read_json(TABLE)["sources"]:
        for row in source["rows"]:
            missing = [name for name in row["needs"] if not _said(name, given)]
            found.append(
                {
                    "source": source["source"],
                    "clause": row["clause"],
                    "asks": row["asks"],
                    "sections": row["sections"],
                    "answer": row["answer"],
                    "status": _status(row, missing),
                    "missing": missing,
                }
            )
    return found


def notes() -> list[dict[str, str]]:
    """What each law or standard is, and for whom."""
    return [{name: source[name] for name in ("source", "full", "note")} for source in read_json(TABLE)["sources"]]


def _said(name: str, given: Mapping[str, Mapping[str, Any]]) -> bool:
    block, key = name.split(".")
    return bool(given[block].get(key))


def _status(row: Mapping[str, Any], missing: list[str]) -> str:
    if not row["sections"]:
        return NOT_COVERED
    measured = any(name not in STATED for name in row["sections"])
    if not missing:
        return ANSWERED if measured or not row["needs"] else SAID
    elsewhere = measured or len(missing) < len(row["needs"])
    return PARTLY if elsewhere else NOT_STATED
