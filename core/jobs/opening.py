"""The job store as a database that is opened: where it is, what it says when it does not answer, how it is changed."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from core.config import own_folder
from core.databases import DatabaseDown, make_tables, open_database, public_address, reason_of
from core.jobs.bell import Bell
from core.jobs.rows import JOBS, LOG, TABLES, State, now_of, one_line
from core.team.configuration import current

JOBS_VARIABLE = "UNSKEW_JOBS"
LEASE_SECONDS = 15.0
"""A job whose holder has not been heard of for so long is put back, where nobody can see whether the holder lives."""
LINES = 200
"""Lines of a job's log that are kept, the newest."""


def default_address() -> str:
    """Of the configuration, else $UNSKEW_JOBS (a URL or the path of a file), else jobs.sqlite in the own folder."""
    configuration = current()
    stated = configuration.jobs if configuration is not None else ""
    return stated or os.environ.get(JOBS_VARIABLE) or str(own_folder() / "jobs.sqlite")


class OpenedJobs:
    """The table of jobs in its database, and the bell that wakes workers.

    Parameters
    ----------
    address : URL of a database ("postgresql+psycopg://user@host/unskew") or path of an SQLite file, made if missing;
        "redis://host" keeps the table in the own folder and rings through Redis. None: `default_address`.
    lease : seconds after which a holder that was not heard of has lost its job.
    """

    def __init__(self, address: str | Path | None = None, lease: float = LEASE_SECONDS) -> None:
        given = str(address or default_address())
        self.address = given if "://" in given else f"sqlite:///{Path(given).expanduser().absolute()}"
        self.where = str(own_folder() / "jobs.sqlite") if given.startswith(("redis://", "rediss://")) else given
        self.where = self.where.removeprefix("sqlite:///") if self.where.startswith("sqlite:///") else self.where
        self.lease = lease
        self._engine = open_database(_with_driver(self.where), "job store")
        self._writer = self._engine.execution_options(writes=True)
        self._trouble = -float("inf")
        """When the database last did not answer; who could not renew a lease then is not put out."""
        self.bell = Bell(self.where if self.address.startswith("sqlite:") else given)
        with self._speaking():
            make_tables(self._engine, TABLES)

    def write(self, job: str, line: str) -> None:
        """Add a line to a job's log, of which the newest LINES are kept."""
        with self._speaking(), self._writer.begin() as connection:
            self._write(connection, job, line)

    def close(self) -> None:
        self.bell.close()
        self._engine.dispose()

    # -- private ------------------------------------------------------------------------------------------------------

    def _end(self, connection: Connection, job: str, state: State, **more: Any) -> None:
        values = {"state": state, "finished": now_of(connection), "seconds_left": None, "worker": "", **more}
        connection.execute(update(JOBS).where(JOBS.c.id == job).values(**values))

    def _write(self, connection: Connection, job: str, line: str) -> None:
        connection.execute(insert(LOG), {"job": job, "at": now_of(connection), "line": one_line(line)})
        oldest = select(LOG.c.seq).where(LOG.c.job == job).order_by(LOG.c.seq.desc()).offset(LINES).limit(1)
        if (seq := connection.scalar(oldest)) is not None:
            connection.execute(delete(LOG).where(LOG.c.job == job, LOG.c.seq <= seq))

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that is alone with the table: in SQLite every writer is, elsewhere the table is locked."""
        with self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"LOCK TABLE {JOBS.name} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What the database says, as one line for people."""
        try:
            yield
        except SQLAlchemyError as error:
            self._trouble = time.monotonic()
            reason = reason_of(error, self.where, "it holds no jobs of this app")
            place = "of this server" if "://" not in self.where else public_address(self.where)
            raise DatabaseDown(f"the job store {place} cannot be used ({reason}); check it") from None


def _with_driver(address: str) -> str:
    """The address with the driver that is installed here, where it names none."""
    for short in ("postgresql://", "postgres://"):
        if address.startswith(short):
            return f"postgresql+psycopg://{address.removeprefix(short)}"
    return address
