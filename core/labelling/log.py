"""The label log: events that are only ever added, in SQLite or any database by URL."""

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from core import access
from core.config import InputError, own_folder
from core.databases import DatabaseDown, make_tables, open_database, public_address, reason_of
from core.labelling.events import LabelEvent
from core.labelling.sets import LabelSet
from core.reading import parse_json

LOG_VARIABLE = "UNSKEW_LABELS"
MANY = 500
"""Rows of one statement: databases take no more than some thousand values at once."""

# What is looked for has a column; everything else of an event is its JSON, so that the tables need not move.
TABLES = MetaData()
EVENTS = Table(
    "label_events",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), unique=True, nullable=False),
    Column("rater", String(100), index=True, nullable=False),
    Column("sae", String(64), index=True, nullable=False),
    Column("neuron", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    sqlite_autoincrement=True,
)
SETS = Table(
    "label_sets",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("digest", String(64), unique=True, nullable=False),
    Column("sae", String(64), index=True, nullable=False),
    Column("body", JSON, nullable=False),
    sqlite_autoincrement=True,
)


def default_url() -> str:
    """$UNSKEW_LABELS (a URL or the path of a file), else labels.sqlite in the app's own folder."""
    return os.environ.get(LOG_VARIABLE) or str(own_folder() / "labels.sqlite")


class LabelLog:
    """Events in the order in which they were written; nothing is ever changed or removed.

    One event is one transaction, on disk when `add` returns. Any number of processes may write at once. Events of one
    rater come back in the order in which that rater wrote them.

    Parameters
    ----------
    where : a database URL ("postgresql+psycopg://user@host/labels") or the path of an SQLite file, made if missing;
        None: the default.
    """

    def __init__(self, where: str | Path | None = None) -> None:
        self.where = str(where or default_url())
        self._engine = open_database(self.where, "label log")
        self._writer = self._engine.execution_options(writes=True)
        self.damaged: dict[int, str] = {}
        """Number of an event in the log that cannot be read -> what is wrong with it; passed by all that reads."""
        with self._speaking():
            make_tables(self._engine, TABLES)

    @property
    def public(self) -> str:
        """Where the log is, without a password."""
        return public_address(self.where)

    def add(self, entry: LabelEvent) -> bool:
        """Write one event; False where an event of this id is there already, so that a retry adds nothing."""
        return self.extend([entry]) == 1

    def extend(self, entries: Iterable[LabelEvent]) -> int:
        """Write events, each once and for good, all of them or, where that fails, none; how many were new."""
        by_id: dict[str, dict[str, Any]] = {}
        for entry in entries:
            access.require("adjudicate" if entry.kind == "adjudication" else "label")
            access.require_own([entry.rater])
            by_id.setdefault(entry.id, _row(entry))
        rows = list(by_id.values())
        if not rows:
            return 0
        with self._speaking(), self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                # writers in turn, as in SQLite: numbers then rise in the order in which events can be seen
                connection.execute(text(f"LOCK TABLE {EVENTS.name} IN SHARE ROW EXCLUSIVE MODE"))
            there: set[str] = set()
            for part in _parts(list(by_id)):
                there |= set(connection.scalars(select(EVENTS.c.id).where(EVENTS.c.id.in_(part))))
            fresh = [row for row in rows if row["id"] not in there]
            for part in _parts(fresh):
                connection.execute(insert(EVENTS), part)
        return len(fresh)

    def events(self, sae: str | None = None, rater: str | None = None, after: int = 0) -> list[LabelEvent]:
        """All events in writing order, or those about one SAE, of one rater, or beyond the first `after` numbers."""
        return [entry for _, entry in self.numbered(sae, rater, after)]

    def numbered(
        self, sae: str | None = None, rater: str | None = None, after: int = 0, known: Container[str] = ()
    ) -> list[tuple[int, LabelEvent]]:
        """The same with the number of each in the log, rising; without those whose ids are known already."""
        body = type_coerce(EVENTS.c.body, Text)  # read here, so that one damaged row costs that row alone
        query = select(EVENTS.c.seq, EVENTS.c.id, body).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq)
        for column, wanted in ((EVENTS.c.sae, sae), (EVENTS.c.rater, rater)):
            query = query if wanted is None else query.where(column == wanted)
        with self._speaking(), self._engine.connect() as connection:
            rows = [row for row in connection.execute(query) if row[1] not in known]
        found = []
        for number, _, content in rows:
            try:
                found.append((number, LabelEvent.from_json(_object(content))))
            except InputError as error:
                self.damaged[number] = str(error)
        return found

    def warnings(self) -> list[str]:
        """One line for each event that could not be read so far."""
        return [
            f"event {number} of the label log is damaged and left out: {why}" for number, why in self.damaged.items()
        ]

    # -- sets ---------------------------------------------------------------------------------------------------------

    def save_set(self, made: LabelSet) -> LabelSet:
        """Keep a set under its hash; the version is one more than that of the newest other set of its name."""
        access.require("freeze-labels")
        others = [s for s in self.sets(made.sae) if s.name == made.name]
        same = next((s for s in others if s.neurons == made.neurons and s.rule == made.rule), None)
        if same is not None:
            return same
        made = made.with_version(1 + max((s.version for s in others), default=0))
        self._insert(SETS, {"digest": made.digest, "sae": made.sae, "body": made.to_json()})
        return made

    def sets(self, sae: str | None = None) -> list[LabelSet]:
        """The kept sets, oldest first."""
        query = select(SETS.c.body).order_by(SETS.c.seq)
        query = query if sae is None else query.where(SETS.c.sae == sae)
        with self._speaking(), self._engine.connect() as connection:
            return [LabelSet.from_json(body) for (body,) in connection.execute(query)]

    def label_set(self, digest: str) -> LabelSet:
        """The set of a hash (or of its first 8 or more digits); InputError where there is none."""
        found = [s for s in self.sets() if s.digest.startswith(digest)] if len(digest) >= 8 else []
        if len(found) != 1:
            raise InputError(f"no set of labelled neurons has the hash {digest!r} in {self.public}; make it on Label")
        return found[0]

    # -- private ------------------------------------------------------------------------------------------------------

    def _insert(self, table: Table, row: dict[str, Any]) -> bool:
        with self._speaking():
            try:
                with self._writer.begin() as connection:
                    connection.execute(table.insert().values(**row))
            except IntegrityError:
                return False  # it is there already
        return True

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What the database says, as one line for people."""
        try:
            yield
        except SQLAlchemyError as error:
            reason = reason_of(error, self.where, "it holds no label log of this app")
            raise DatabaseDown(f"the label log {self.public} cannot be used ({reason}); check it") from None

    def close(self) -> None:
        self._engine.dispose()


def label_set(digest: str, sae: str | None = None, where: str | Path | None = None) -> LabelSet:
    """A set by its hash, for edits; InputError where it is not there or belongs to another SAE.

    Parameters
    ----------
    sae : digest of the SAE that is edited; None: not compared.
    where : the log; None: the default one.
    """
    log = LabelLog(where)
    try:
        found = log.label_set(digest)
    finally:
        log.close()
    if sae is not None and found.sae != sae:
        raise InputError(
            f"the set {found.name!r} ({digest[:12]}) names neurons of the SAE {found.sae[:12]}, not of {sae[:12]}; "
            "label the neurons of this SAE"
        )
    return found


def _row(entry: LabelEvent) -> dict[str, Any]:
    body = entry.to_json()
    return {name: body[name] for name in ("id", "rater", "sae", "neuron")} | {"body": body}


def _object(content: Any) -> dict[str, Any]:
    """The body of a row as an object; InputError where it is none."""
    value = parse_json(content, "its content") if isinstance(content, str | bytes) else content
    if not isinstance(value, dict):
        raise InputError("its content is no JSON object")
    return value


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + MANY] for start in range(0, len(items), MANY))
