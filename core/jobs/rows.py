"""The tables of jobs and of what was said about them, and a row of them as the rest of the house reads it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    text,
)

from core.access import Person
from core.jobs.kind import KINDS
from core.jobs.wording import without_paths
from core.reading import parse_json

State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "cancelled")
OPEN: tuple[State, ...] = ("waiting", "running")
OVER: tuple[State, ...] = ("done", "failed", "cancelled")

LONGEST = 400
"""Characters of a line about a job that are kept."""
GROUP = "group:"
"""Beginning of a group among the roles that are kept with a job, as the configuration writes it."""

TABLES = MetaData()
JOBS = Table(
    "jobs",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), unique=True, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("subject", Text, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("owner", Text, nullable=False),
    Column("owner_title", Text, nullable=False),
    Column("owner_roles", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("needs_gpu", Boolean, nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("cancelling", Boolean, nullable=False, default=False),
    Column("submitted", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("attempt", Integer, nullable=False, default=0),
    Column("deaths", Integer, nullable=False, default=0),
    Column("died_at", Text, nullable=False, default=""),
    Column("worked", Float, nullable=False, default=0.0),
    Column("worker", Text, nullable=False, default=""),
    Column("host", Text, nullable=False, default=""),
    Column("lease", Float, nullable=False, default=0.0),
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False, default=0),
    Column("stage", Text, nullable=False, default=""),
    Column("seconds_left", Float),
    Column("result", Text, nullable=False, default=""),
    Column("place", Text, nullable=False, default=""),
    Column("bytes", Float, nullable=False, default=0.0),
    Column("reason", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)
LOG = Table(
    "job_lines",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("job", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("line", Text, nullable=False),
    Index("job_lines_of", "job", "seq"),
    sqlite_autoincrement=True,
)
SHOWN = [
    column for column in JOBS.c if column.name not in ("seq", "digest", "owner_roles", "died_at", "lease", "bytes")
]


@dataclass(frozen=True)
class Job:
    """One job as it stands at a moment."""

    id: str
    kind: str
    subject: str
    """What it is about, for people; never a path."""
    parameters: Mapping[str, Any]
    """Holds paths: not for pages."""
    owner: str
    owner_title: str
    priority: int
    needs_gpu: bool
    state: State
    cancelling: bool
    submitted: float
    """Seconds since 1970, as are the other times; by the database's clock where it is a server."""
    started: float | None
    """When it was first begun."""
    finished: float | None
    attempt: int
    """How often it was begun."""
    deaths: int
    worked: float
    """Seconds of work on it so far, in all tries."""
    worker: str
    host: str
    done: int
    total: int
    stage: str
    seconds_left: float | None
    """To the end of the stage; None where nobody can tell."""
    result: str
    """What it made, by its name."""
    place: str
    """Folder of what it makes or made: not for pages."""
    reason: str
    """Why it failed, in one line."""

    @property
    def title(self) -> str:
        """ "Train an SAE: my-sae"."""
        title = KINDS.get(self.kind).title if self.kind in KINDS.names() else self.kind
        return f"{title}: {self.subject}" if self.subject else title

    @property
    def open(self) -> bool:
        return self.state in OPEN


@dataclass(frozen=True)
class Hold:
    """A worker's right to a job: one of its tries."""

    job: str
    attempt: int


def job_of(row: RowMapping) -> Job:
    """The job of a row of SHOWN."""
    values = dict(row)
    parameters = values["parameters"]
    return Job(
        **values | {"parameters": parse_json(parameters, "a job") if isinstance(parameters, str) else parameters}
    )


def held(hold: Hold) -> Sequence[Any]:
    """What holds of a row that is still this try's."""
    return JOBS.c.id == hold.job, JOBS.c.attempt == hold.attempt, JOBS.c.state == "running"


def one_line(said: str) -> str:
    """One line of bounded length without paths of this server."""
    line = without_paths(" ".join(str(said).split()).replace("\x00", ""))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def now_of(connection: Connection) -> float:
    """Seconds since 1970 by the one clock that all of a server's clients share; of a file, this machine's."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
    return time.time()


def kept_roles(person: Person) -> list[str]:
    """What a job keeps of whoever asks for it: roles, and the groups that the sign-in named."""
    return [*sorted(person.roles), *(f"{GROUP}{group}" for group in sorted(person.groups))]


def person_by(name: str, title: str, kept: Sequence[str]) -> Person:
    """Whoever asked for a job, as `kept_roles` kept it."""
    groups = frozenset(one.removeprefix(GROUP) for one in kept if one.startswith(GROUP))
    return Person(name, title, frozenset(one for one in kept if not one.startswith(GROUP)), groups)
