"""What every prompt file has in common: a schema number, and texts that are texts."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from core import access
from core.config import ASSETS, InputError
from core.store import read_json

SCHEMA = 1
FOLDER = ASSETS / "prompts"


def read_prompts(source: str | Path, kind: str) -> tuple[Any, str]:
    """The JSON of a shipped prompt set or of a file, and its name; InputError naming the file where it is broken."""
    shipped = FOLDER / f"{source}.json"
    by_name = shipped.parent == FOLDER and shipped.is_file()
    path = shipped if by_name else Path(source)
    if not by_name:
        access.require_folder(path)
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in FOLDER.glob("*.json")))
        raise InputError(f"no {kind} at {source}; give a JSON file or a shipped name: {names}")
    return read_json(path), path.stem


def keys_of(value: Any, what: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """`value` as an object with these keys and schema 1; InputError naming the missing or unknown key."""
    if not isinstance(value, dict):
        raise InputError(f"{what} must be a JSON object")
    optional = {"schema", "name", "description", *optional}
    if missing := [key for key in required if key not in value]:
        raise InputError(f"{what} lacks the key {missing[0]!r}; expected {', '.join(required)}")
    if strange := sorted(set(value) - set(required) - optional):
        raise InputError(
            f"{what} has an unknown key {strange[0]!r}; known: {', '.join(sorted({*required, *optional}))}"
        )
    if value.get("schema", SCHEMA) != SCHEMA:
        raise InputError(f"{what} is of schema {value['schema']!r}; this version reads schema {SCHEMA}")
    return value


def texts_of(value: Any, what: str, least: int = 1) -> tuple[str, ...]:
    """`value` as texts without blanks around them and without repeats, in order."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise InputError(f"{what} must be a list of texts")
    texts = tuple(dict.fromkeys(text for text in (" ".join(text.split()) for text in value) if text))
    if len(texts) < least:
        raise InputError(f"{what} has {len(texts)} different texts; expected at least {least}")
    return texts
