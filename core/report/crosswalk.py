"""Which sentences of a report answer which clause of a law or standard; one table, in assets, says so."""

from collections.abc import Collection, Mapping
from typing import Any

from core.audit.stated import BLOCKS
from core.config import ASSETS
from core.store import read_json

TABLE = ASSETS / "report" / "crosswalk.json"
ANSWERED, SAID, PARTLY, NOT_STATED, NOT_COVERED = "answered", "stated", "answered in part", "not stated", "not covered"
NOT_MEASURED = "not measured"
SECTION_OF = {"purpose": "purpose", "data_sheet": "data"}
"""Block of a spec -> the section that holds its words."""
PARTS = {
    "auditor": "Auditor",
    "provenance": "Provenance of labels",
    "edit": "An edit",
    "cost": "What the edit costs",
    "leakage": "Leakage",
}
"""What some sentences rest on beside the auditor's words, with the words of the report."""


def crosswalk(given: Mapping[str, Mapping[str, Any]], held: Collection[str]) -> list[dict[str, Any]]:
    """Every clause with the sentences that answer it in this report, and whether they do.

    answered : by what was measured or recorded. stated : by the auditor's words alone. answered in part : a report
    answers a part of the clause alone, or some of what it rests on is not in this one. not stated : nothing was, and
    nothing else answers it. not measured : what would answer it was not measured. not covered : no sentence of any
    report answers it.

    Parameters
    ----------
    given : the spec's blocks `purpose` and `data_sheet`.
    held : those of PARTS that this report holds.
    """
    table = read_json(TABLE)
    return [_clause(table, source, row, given, held) for source in table["sources"] for row in source["rows"]]


def notes() -> list[dict[str, str]]:
    """What each law or standard is, and for whom."""
    return [{name: source[name] for name in ("source", "full", "note")} for source in read_json(TABLE)["sources"]]


def _clause(
    table: Mapping[str, Any],
    source: Mapping[str, Any],
    row: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]],
    held: Collection[str],
) -> dict[str, Any]:
    asked = [table["sentences"][name] for name in row["sentences"]]
    absent = [one["rests_on"] for one in asked if one.get("rests_on", "") not in ("", *held)]
    measured = [one for one in asked if one.get("rests_on") not in absent]
    unsaid = [name for name in row["needs"] if not _said(name, given)]
    told = [{"section": one["section"], "says": one["says"]} for one in measured]
    told += [_of_block(name) for name in row["needs"] if name not in unsaid]
    return {
        "source": source["source"],
        "clause": row["clause"],
        "asks": row["asks"],
        "wording": table["wording"][row.get("wording", source["wording"])],
        "sections": list(dict.fromkeys(one["section"] for one in (*asked, *map(_of_block, row["needs"])))),
        "sentences": told,
        "answer": row["answer"],
        "status": _status(row, bool(measured), [*unsaid, *absent], bool(told)),
        "missing": [*unsaid, *absent],
    }


def _of_block(name: str) -> dict[str, str]:
    """Where an auditor's words stand, and under which title."""
    block, key = name.split(".")
    return {"section": SECTION_OF[block], "says": BLOCKS[block][key]}


def _said(name: str, given: Mapping[str, Mapping[str, Any]]) -> bool:
    block, key = name.split(".")
    return bool(given[block].get(key))


def _status(row: Mapping[str, Any], measured: bool, missing: list[str], told: bool) -> str:
    if not row["sentences"] and not row["needs"]:
        return NOT_COVERED
    if not told:
        return NOT_STATED if row["needs"] else NOT_MEASURED
    if missing or row.get("partly"):
        return PARTLY
    return ANSWERED if measured else SAID
