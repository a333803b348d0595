"""Ranked lists that an engine gave, from a file: CSV (query, rank, id) or JSONL ({"query": ..., "ids": [...]})."""

from pathlib import Path
from typing import Any

from core.config import InputError
from core.engines.answers import Answer, Answers
from core.reading import parse_json

QUERY = ("query", "prompt", "text")


def read_lists(path: Path) -> Answers:
    """The lists of a file; InputError naming the file and the line that cannot be read."""
    path = Path(path)
    try:
        return lists_of(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected CSV or JSONL") from None


def lists_of(data: bytes, name: str) -> Answers:
    """The lists in the bytes of a file of this name; nothing is written."""
    suffix = Path(name).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        found = _jsonl(data, name)
    elif suffix in (".csv", ".tsv", ".parquet", ".feather"):
        found = _table(data, name, suffix)
    else:
        raise InputError(f"{name} is of a kind that is not read as ranked lists; expected CSV or JSONL")
    if not found:
        raise InputError(f"{name} holds no list; expected one a query")
    return Answers({query: Answer(query, len(ids), tuple(ids)) for query, ids in found.items()})


def _jsonl(data: bytes, path: str) -> dict[str, list[str]]:
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
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


def _table(data: bytes, path: str, suffix: str) -> dict[str, list[str]]:
    from core.tables import table_of  # brings pandas, which reads tables and nothing else here

    frame = table_of(data, path, suffix, need=("id",)).frame
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
