"""Labels as JSON and CSV, out and in again: every event with everything that it says."""

import csv
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config import InputError
from core.labelling.events import SCHEMA, LabelEvent
from core.reading import parse_json as parse_as_json
from core.store import atomic_file, read_json
from core.tables.delimited import decoded, read_delimited
from core.tables.read import named
from core.writing import csv_text, unguarded

COLUMNS = (
    *("schema", "id", "at", "rater", "kind", "neuron", "type", "attribute", "text", "confidence", "confound"),
    *("sae", "gallery", "about", "score", "source", "app"),
)


def document(events: Sequence[LabelEvent]) -> dict[str, Any]:
    return {"schema": SCHEMA, "events": [entry.to_json() for entry in events]}


def to_csv(events: Sequence[LabelEvent]) -> str:
    """One line an event; a spreadsheet never runs what somebody typed."""
    rows = []
    for entry in events:
        row = entry.to_json()
        row["score"] = None if row["score"] is None else json.dumps(row["score"], sort_keys=True)
        rows.append({name: row[name] for name in COLUMNS})
    return csv_text(COLUMNS, rows)


def write_events(events: Sequence[LabelEvent], path: Path) -> None:
    """Write events to `path`, as CSV where its name ends so, else as JSON; whole or not at all."""
    text = to_csv(events) if path.suffix.lower() == ".csv" else json.dumps(document(events), ensure_ascii=False) + "\n"
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_events(path: Path) -> list[LabelEvent]:
    """The events of a file that `write_events` wrote; InputError naming the file and the place of what is wrong."""
    if path.suffix.lower() == ".csv":
        return parse_csv(_text_of(path), str(path))
    return _of_document(read_json(path), str(path))


def parse_json(text: str, name: str) -> list[LabelEvent]:
    """The events of a document as `labels export --json` prints it."""
    return _of_document(parse_as_json(text, name, "export the labels again"), name)


def _of_document(value: Any, name: str) -> list[LabelEvent]:
    if not isinstance(value, dict) or not isinstance(value.get("events"), list):
        raise InputError(f'{name} holds no labels: expected {{"events": [...]}} as `labels export --json` prints it')
    return [_read(entry, f"{name}, event {i}", Path(name).name) for i, entry in enumerate(value["events"], 1)]


def parse_csv(text: str, name: str) -> list[LabelEvent]:
    """The events of a CSV with the columns of `to_csv`; columns that are not there take their defaults."""
    try:
        grid = named(read_delimited(text, name, ours=True), name)
    except csv.Error:
        raise InputError(f"{name} has a quotation mark that is not closed; export the labels again") from None
    lacking = [column for column in ("neuron", "rater", "sae") if column not in grid.names]
    if lacking:
        raise InputError(f"{name} has no column {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
    if strange := [column for column in grid.names if column not in COLUMNS]:
        raise InputError(f"{name} has a column {strange[0]!r}, which labels do not have; expected {', '.join(COLUMNS)}")
    rows = (dict(zip(grid.names, cells, strict=True)) for cells in zip(*grid.columns, strict=True))
    return [
        _read(_from_cells(row), f"{name}, line {line}", Path(name).name)
        for line, row in zip(grid.lines, rows, strict=True)
    ]


def _from_cells(row: dict[str, Any]) -> dict[str, Any]:
    """A line's cells as an event's values; empty cells are left out."""
    value: dict[str, Any] = {
        key: unguarded(str(cell)) for key, cell in row.items() if key is not None and cell not in (None, "")
    }
    value |= {name: value.get(name, "") for name in ("rater", "text", "source")}
    for name, read in (("schema", int), ("neuron", int), ("confidence", float), ("score", _score)):
        if name in value:
            with suppress(ValueError):  # refused by name when the event is made
                value[name] = read(value[name])
    if "confound" in value:
        value["confound"] = str(value["confound"]).lower() in ("true", "1", "yes")
    return value


def _score(text: str) -> Any:
    return parse_as_json(text, "the score")


def _read(value: Any, where: str, source: str) -> LabelEvent:
    if not isinstance(value, dict):
        raise InputError(f"{where} is no event; expected an object with neuron, rater, sae, type")
    try:
        return LabelEvent.from_json(value, source=f"imported from {source}")
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _text_of(path: Path) -> str:
    try:
        return decoded(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a CSV or JSON file of labels") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a CSV or JSON file of labels") from None
