"""Taking a TOML document apart, key by key; what is wrong becomes a line each, and reading goes on."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.config import finite

SECRET_WORDS = ("secret", "password", "passwd", "token", "private_key")
"""Words in a key that promise a value which must not stand in a file."""


class Section:
    """One table of a document. Every getter names its key; `close` says which keys nobody asked for.

    Parameters
    ----------
    name : as it stands in the file, without brackets: "access.oidc".
    table : the keys and values; anything else than a table is said and read as an empty one.
    wrong : where lines about what is wrong are added.
    """

    def __init__(self, name: str, table: Any, wrong: list[str]) -> None:
        self.name, self.wrong = name, wrong
        self._known: list[str] = []
        if not isinstance(table, Mapping):
            self.wrong.append(f"[{name}] is {_shown(table)}; expected a table of keys")
            table = {}
        self.table: Mapping[str, Any] = table

    def say(self, key: str, given: Any, expected: str) -> None:
        """A line: where, what was given, what was expected."""
        self.wrong.append(f"[{self.name}] {key} is {_shown(given)}; expected {expected}")

    def __contains__(self, key: str) -> bool:
        return key in self.table

    def section(self, key: str) -> "Section":
        """The table below this one; an empty one where there is none."""
        self._known.append(key)
        return Section(f"{self.name}.{key}" if self.name else key, self.table.get(key, {}), self.wrong)

    def sections(self) -> list[tuple[str, "Section"]]:
        """Every table below this one, for tables whose names people choose."""
        return [(key, self.section(key)) for key in self.table]

    def text(self, key: str, otherwise: str = "", needed: str = "") -> str:
        """A text; where `needed` says what it is for, a missing or empty one is said."""
        value = self._take(key, otherwise)
        if not isinstance(value, str):
            self.say(key, value, "a text in quotes")
            return otherwise
        if needed and not value.strip():
            self.wrong.append(f"[{self.name}] {key} is missing; expected {needed}")
        return value.strip()

    def flag(self, key: str, otherwise: bool) -> bool:
        value = self._take(key, otherwise)
        if not isinstance(value, bool):
            self.say(key, value, "true or false")
            return otherwise
        return value

    def whole(self, key: str, otherwise: Any, low: int, high: int) -> Any:
        """A whole number from low to high; `otherwise` where there is none."""
        value = self._take(key, otherwise)
        if key in self and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            self.say(key, value, f"a whole number from {low} to {high}")
            return otherwise
        return value

    def number(self, key: str, otherwise: Any) -> Any:
        """A finite number above 0; `otherwise` where there is none."""
        value = self._take(key, otherwise)
        good = isinstance(value, int | float) and not isinstance(value, bool) and finite(value) > 0
        if key in self and not good:
            self.say(key, value, "a number above 0")
            return otherwise
        return value

    def texts(self, key: str, otherwise: Iterable[str] = ()) -> tuple[str, ...]:
        """A list of texts that are not empty."""
        value = self._take(key, list(otherwise))
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            self.say(key, value, "a list of texts, for example ['a', 'b']")
            return tuple(otherwise)
        return tuple(one.strip() for one in value)

    def folder(self, key: str, beside: Path) -> Path | None:
        """A folder that is there, absolute or beside the file; None where the key is missing or wrong."""
        value = self._take(key, None)
        if value is None:
            return None
        path = beside / Path(value).expanduser() if isinstance(value, str) and value.strip() else None
        if path is None or not path.is_dir():
            self.say(key, value, "the path of a folder that is there")
            return None
        return path.resolve()

    def close(self) -> None:
        """A line for every key that nobody asked for, with the known one that it resembles."""
        for key in self.table:
            if key in self._known:
                continue
            where = f"[{self.name}] {key}" if self.name else f"[{key}]"
            if any(word in key.lower() for word in SECRET_WORDS):
                self.wrong.append(f"{where}: secrets never stand in the file; give it as an environment variable")
                continue
            near = difflib.get_close_matches(key, self._known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(self._known) or 'none'}"
            self.wrong.append(f"{where} is no key of this file{hint}")

    def _take(self, key: str, otherwise: Any) -> Any:
        self._known.append(key)
        return self.table.get(key, otherwise)


def _shown(value: Any, most: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]}…"
