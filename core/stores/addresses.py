"""Addresses of tables inside databases: PLACE#TABLE, PLACE?table=TABLE, or PLACE/TABLE."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from core.config import InputError

OWN = ("table", "collection", "column")
"""Keys of an address that are the app's and not the database's."""


@dataclass(frozen=True)
class Address:
    """Where a database is, and which of its tables is meant."""

    place: str
    table: str | None = None
    column: str | None = None

    def require_table(self, what: str, example: str) -> str:
        if not self.table:
            raise InputError(f"{shown(self.place)} names no {what}; expected {example}")
        return self.table


PASSWORD = re.compile(r"(//[^/:@?#]*):[^/?#]*@")
SECRET = re.compile(r"(?i)(?<=[?&])((?:ssl)?password|api_?key)=[^&#]*")


def shown(address: str) -> str:
    """The address without a password, for messages and for what is kept."""
    return SECRET.sub(r"\1=***", PASSWORD.sub(r"\1@", address))


def parsed(address: str) -> Address:
    """The parts of an address; what follows # or is called table, collection or column is the app's own."""
    place, _, named = address.partition("#")
    parts = urlsplit(place)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    own = {key: query.pop(key) for key in OWN if key in query}
    rest = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
    if place.startswith(f"{parts.scheme}:///") and not rest.startswith(f"{parts.scheme}:///"):
        rest = rest.replace(f"{parts.scheme}:", f"{parts.scheme}://", 1)
    return Address(
        rest if query or own else place, named or own.get("table") or own.get("collection"), own.get("column")
    )
