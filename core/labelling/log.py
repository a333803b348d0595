"""The label log: events that are only ever added, in SQLite or any database by URL. The only user of sqlalchemy."""

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, MetaData, String, Table, create_engine, event, select
from sqlalchemy.engine import Engine
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, ProgrammingError, SQLAlchemyError

from core.config import InputError, own_folder
from core.labelling.events import LabelEvent
from core.labelling.sets import LabelSet

LOG_VARIABLE = "UNSKEW_LABELS"
BUSY_SECONDS = 60
"""How long a writer waits for its turn: events are small, so that many raters at once still take milliseconds."""

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
        self._engine = _open(self.where)
        self._writer = self._engine.execution_options(writes=True)
        with self._speaking():
            self._make_tables()

    @property
    def public(self) -> str:
        """Where the log is, without a password."""
        return _public(self.where)

    def add(self, entry: LabelEvent) -> bool:
        """Write one event; False where an event of this id is there already, so that a retry adds nothing."""
        return self.extend([entry]) == 1

    def extend(self, entries: Iterable[LabelEvent]) -> int:
        """Write events, each once and for good, in one transaction each; how many were new."""
        return sum(self._insert(EVENTS, _row(entry)) for entry in entries)

    def events(self, sae: str | None = None, rater: str | None = None, after: int = 0) -> list[LabelEvent]:
        """All events in writing order, or those about one SAE, of one rater, or beyond the first `after` numbers."""
        return [entry for _, entry in self.numbered(sae, rater, after)]

    def numbered(
        self, sae: str | None = None, rater: str | None = None, after: int = 0, known: Container[str] = ()
    ) -> list[tuple[int, LabelEvent]]:
        """The same with the number of each in the log, rising; without those whose ids are known already."""
        query = select(EVENTS.c.seq, EVENTS.c.id, EVENTS.c.body).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq)
        for column, wanted in ((EVENTS.c.sae, sae), (EVENTS.c.rater, rater)):
            query = query if wanted is None else query.where(column == wanted)
        with self._speaking(), self._engine.connect() as connection:
            rows = connection.execute(query)
            return [(seq, LabelEvent.from_json(body)) for seq, id, body in rows if id not in known]

    # -- sets ---------------------------------------------------------------------------------------------------------

    def save_set(self, made: LabelSet) -> LabelSet:
        """Keep a set under its hash; the version is one more than that of the newest other set of its name."""
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

    def _make_tables(self) -> None:
        """Make what is not there; another process may be making the same at this moment."""
        for last in (False, True):
            try:
                with self._writer.begin() as connection:
                    TABLES.create_all(connection)
                return
            except (IntegrityError, ProgrammingError):
                if last:
                    raise

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What the database says, as one line for people."""
        try:
            yield
        except SQLAlchemyError as error:
            said = getattr(error, "orig", None)  # the database's own words; the library's are for programmers
            reason = _without_secrets(str(said), self.where) if said else "it holds no label log of this app"
            raise InputError(f"the label log {self.public} cannot be used ({reason}); check it") from None

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


def _public(where: str) -> str:
    """The place without user, password and options, of which any may be a secret."""
    if "://" not in where:
        return where
    kind = where.split("://")[0]
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        return f"{kind}://..."
    place = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    return f"{kind}://{place}/{url.database or ''}"


def _without_secrets(message: str, where: str) -> str:
    """What a driver says in one line, without the address's user, password and options."""
    message = " ".join(message.split())
    if "://" not in where:
        return message
    secrets = {where, where.split("://", 1)[1].rsplit("@", 1)[0]}
    with suppress(ArgumentError, ValueError):
        url = make_url(where)
        secrets |= {url.username or "", url.password or "", *(str(value) for value in url.query.values())}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        message = message.replace(secret, "...")
    return message


def _open(where: str) -> Engine:
    if "://" not in where:
        path = Path(where).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent} cannot be made ({error.strerror}); choose another place") from None
        where = f"sqlite:///{path.absolute()}"
    try:
        engine = create_engine(where)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        why = "its driver is not installed" if isinstance(error, ModuleNotFoundError) else "no such kind of database"
        raise InputError(
            f"the label log {_public(where)} cannot be opened ({why}); "
            "give the path of a file or a database "
            "URL whose driver is installed (for PostgreSQL: pip install psycopg[binary])"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
        event.listen(engine, "begin", _begin)
    return engine


def _tune_sqlite(connection: Any, record: Any) -> None:
    """Readers beside one writer, writers in turn, and what is committed is on disk."""
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    cursor = connection.cursor()
    for line in (f"busy_timeout = {BUSY_SECONDS * 1000}", "journal_mode = WAL", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A writer takes its turn at once: a lock asked for later could find the log changed, and fail instead of wait."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
