"""What engine.json says of a running search: where it is, how it is asked, and where its answer has the ids."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from core.config import InputError, digest_of
from core.store import read_json

SCHEMA = 1
METHODS = ("GET", "POST")
MOST = 10_000
"""Results that are asked for at most where engine.json says nothing."""


@dataclass(frozen=True)
class Engine:
    """A running search, or lists that one gave (`lists`). No key stands in it: only the variable that holds one."""

    name: str = "engine"
    address: str | None = None
    """With {query} and {k} where they stand in the address itself (percent-encoded there)."""
    method: str = "POST"
    body: Any = None
    """JSON; "{query}", "{k}" and "{embedding}" in its texts are filled in, a text that is "{k}" alone as a number."""
    headers: Mapping[str, str] = field(default_factory=dict)
    key: Mapping[str, str] | None = None
    """{"header": ..., "variable": environment variable, "prefix": "Bearer "}."""
    ids: str = "ids"
    """Path of the ids in the answer: results.*.id, hits[].id, ids."""
    per_second: float = 5.0
    timeout: float = 30.0
    retries: int = 3
    most: int = MOST
    """Results that it gives at most."""
    lists: str | None = None
    """CSV or JSONL of ranked lists in place of an address."""

    def __post_init__(self) -> None:
        if (self.address is None) == (self.lists is None):
            raise InputError("an engine has either an address or lists (CSV or JSONL), and not both")
        if self.address is not None and not _is_address(self.address):
            raise InputError(f"the engine's address was {self.address!r}; expected http:// or https:// and a host")
        if self.method not in METHODS:
            raise InputError(f"the engine's method was {self.method!r}; expected GET or POST")
        for name, least, most in (("per_second", 0.001, 1000.0), ("timeout", 0.01, 600.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise InputError(f"the engine's {name} was {value!r}; expected a number from {least:g} to {most:g}")
        for name, least in (("retries", 0), ("most", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"the engine's {name} was {value!r}; expected a whole number of at least {least}")
        if not isinstance(self.ids, str) or not self.ids.strip():
            raise InputError(f"the engine's ids was {self.ids!r}; expected a path such as results.*.id")
        if self.key is not None and not {"header", "variable"} <= set(self.key):
            raise InputError("the engine's key needs header and variable: the name of the environment variable with it")
        said = f"{self.address}{self.body}"
        if self.address is not None and "{query}" not in said and "{embedding}" not in said:
            raise InputError(
                "neither the engine's address nor its body has {query} (or {embedding}); say where it goes"
            )

    def to_json(self) -> dict[str, Any]:
        """All that it says, without user and password of the address; headers by name alone."""
        value = {one.name: getattr(self, one.name) for one in fields(self)}
        value["headers"] = sorted(self.headers)
        if self.address is not None:
            parts = urlsplit(self.address)
            value["address"] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        if self.lists is not None:
            value["lists"] = Path(self.lists).name
        return value

    @property
    def digest(self) -> str:
        """Of the question that it is asked, so that answers of another description are not taken up."""
        return digest_of(self.to_json())

    @property
    def reads_embeddings(self) -> bool:
        """Whether it is asked with the query's embedding."""
        return "{embedding}" in f"{self.address}{self.body}"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an IPv6 address that is none
        return False


def load_engine(path: Path) -> Engine:
    """The engine that a JSON file describes; every mistake names the file."""
    path = Path(path)
    value = read_json(path)
    try:
        found = engine_of(value, path.stem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if found.lists is not None and not Path(found.lists).is_absolute():
        return replace(found, lists=str(path.parent / found.lists))
    return found


def engine_of(value: Any, name: str) -> Engine:
    """The engine that a JSON object describes.

    Parameters
    ----------
    name : what it is called where it does not say.
    """
    known = [one.name for one in fields(Engine)]
    if not isinstance(value, Mapping):
        raise InputError("an engine is a JSON object with an address, or with lists")
    if value.get("schema", SCHEMA) != SCHEMA:
        raise InputError(f"it has schema {value['schema']!r}; this version reads {SCHEMA}")
    given = {key: one for key, one in value.items() if key != "schema"}
    if unknown := [str(key) for key in given if key not in known]:
        raise InputError(f"an engine has no {', '.join(unknown)}; known: {', '.join(known)}")
    for part in ("name", "address", "method", "ids", "lists"):
        if given.get(part) is not None and not isinstance(given[part], str):
            raise InputError(f"{part} was {given[part]!r}; expected text")
    for part in ("headers", "key"):
        one = given.get(part)
        if one is not None and not (isinstance(one, Mapping) and all(isinstance(v, str) for v in one.values())):
            raise InputError(f"{part} was {one!r}; expected an object of texts")
    return Engine(**{"name": name, **given})


def pause(engine: Engine, attempt: int) -> float:
    """Seconds before a further try: 0.5, 1, 2, ... and at most 30."""
    return min(30.0, 0.5 * math.pow(2, attempt))
