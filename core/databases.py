"""Databases by their address: opened so that writers take turns and nothing that is committed is lost.

Whoever keeps something that several processes write (labels, jobs, the record of what was done) opens it here.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, create_engine, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, ProgrammingError, SQLAlchemyError

from core.config import InputError

BUSY_SECONDS = 60
"""How long a writer waits for its turn: what is written is small, so that many at once still take milliseconds."""


class DatabaseDown(InputError):
    """A database does not answer, or not as it should; a moment later it may."""


def open_database(where: str, what: str) -> Engine:
    """The database at an address, or in the SQLite file at a path, made if missing.

    Connections whose option "writes" is set take their turn in SQLite; a server's are tried before they are used, so
    that one that was restarted is found again.

    Parameters
    ----------
    what : what is kept there, for messages: "label log".

    Raises
    ------
    InputError : one line, without a password, where the address or its driver is not known.
    """
    reads_alone = None
    if "://" not in where:
        path = Path(where).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent} cannot be made ({error.strerror}); choose another place") from None
        where, reads_alone = f"sqlite:///{path.absolute()}", _read_only(path.absolute())
    try:
        engine = (
            create_engine(where, pool_pre_ping=True)
            if reads_alone is None
            else create_engine(where, creator=reads_alone)
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        why = "its driver is not installed" if isinstance(error, ModuleNotFoundError) else "no such kind of database"
        raise InputError(
            f"the {what} {public_address(where)} cannot be opened ({why}); give the path of a file or a database "
            "URL whose driver is installed (for PostgreSQL: pip install psycopg[binary])"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite if reads_alone is None else _wait_for_turn)
        event.listen(engine, "begin", _begin)
    return engine


def make_tables(engine: Engine, tables: MetaData) -> None:
    """Make the tables that are not there; another process may be making the same at this moment."""
    if all(inspect(engine).has_table(table.name) for table in tables.sorted_tables):
        return
    for last in (False, True):
        try:
            with engine.execution_options(writes=True).begin() as connection:
                tables.create_all(connection)
            return
        except (IntegrityError, ProgrammingError):
            if last:
                raise


def reason_of(error: SQLAlchemyError, where: str, lacking: str) -> str:
    """Why a database cannot be used, in its own words without secrets; `lacking` where only the library has words."""
    said = getattr(error, "orig", None)  # the library's words are for programmers
    return without_secrets(str(said), where) if said else lacking


def _read_only(path: Path) -> Callable[[], sqlite3.Connection] | None:
    """How a log is opened that may not be written (a read-only disk, somebody else's file); None for any other.

    Where its folder cannot be written either, SQLite could not make the file by which readers and writers agree; then
    nobody writes, and the log is read as it lies there.
    """
    if not path.is_file() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    way = "mode=ro" if os.access(path.parent, os.W_OK) else "mode=ro&immutable=1"
    return lambda: sqlite3.connect(f"{path.as_uri()}?{way}", uri=True, check_same_thread=False)


def _wait_for_turn(connection: Any, record: Any = None) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.close()


def _tune_sqlite(connection: Any, record: Any) -> None:
    """Readers beside one writer, writers in turn, and what is committed is on disk."""
    _wait_for_turn(connection)
    cursor = connection.cursor()
    # asked first: to change it needs the log alone, and a writer may hold it
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A writer takes its turn at once: a lock asked for later could find the log changed, and fail instead of wait."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def public_address(where: str) -> str:
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


def without_secrets(message: str, where: str) -> str:
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
