"""Ranked lists that an engine gave, from a file: CSV (query, rank, id) or JSONL ({"query": ..., "ids": [...]})."""

from pathlib import Path
from typing import Any

from core.config import InputError
from core.engines.answers import Answer, Answers
from core.reading import parse_json
from core.tables import read_table

QUERY = ("query", "prompt", "text")


def read_lists(path: Path) -> Answers:
    """The lists of a file; InputError naming the file and the line that cannot be read."""
    path = Path(path)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        found = _jsonl(path)
    elif path.suffix.lower() in (".csv", ".tsv", ".parquet", ".feather"):
        found = _table(path)
    else:
        raise InputError(f"{path} is of a kind that is not read as ranked lists; expected CSV or JSONL")
    if not found:
        raise InputError(f"{path} holds no list; expected one a query")
    return Answers({query: Answer(query, len(ids), tuple(ids)) for query, ids in found.items()})


def _jsonl(path: Path) -> dict[str, list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); expected UTF-8 lines of JSON") from None
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        value: Any = parse_json(line, f"{path}, line {number}")
        query = next((value[name] for name in QUERY if name in value), None) if isinstance(value, dict) else None
        ids = value.get("ids") if isinstance(value, dict) else None
        if not isinstance(query, str) or not isinstance(ids, list):
            raise InputError(f'{path}, line {number}: expected {{"query": TEXT, "ids": [...]}}')
        if query in found:
            raise InputError(f"{path}, line {number}: a second list for {query!r}; expected one a query")
        found[query] = [str(one) for one in ids]
    return found


def _table(path: Path) -> dict[str, list[str]]:
    frame = read_table(path, need=("id",)).frame
    query = next((name for name in QUERY if name in frame.columns), None)
    if query is None or "rank" not in frame.columns:
        raise InputError(f"{path} has the columns {', '.join(frame.columns)}; expected query, rank and id")
    found: dict[str, list[tuple[float, str]]] = {}
    for number, (text, rank, one) in enumerate(zip(frame[query], frame["rank"], frame["id"], strict=True), 2):
        try:
            found.setdefault(str(text), []).append((float(rank), str(one)))
        except (TypeError, ValueError):
            raise InputError(f"{path}, line {number}: the rank was {rank!r}; expected a number") from None
    return {text: [one for _, one in sorted(ranked, key=lambda pair: pair[0])] for text, ranked in found.items()}
