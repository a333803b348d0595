"""The jobs of a team: one table that says what waits, who does what, and how it ended; and a bell that wakes workers.

What stands in the table is the truth. A worker holds a job by a lease that it renews; what a worker writes about a job
counts only while it holds it, so that a job is never done twice at once, and never lost with whoever did it.
"""

import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
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
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from core.access import Person, Refused, acting, acting_as, configured, require
from core.config import InputError, digest_of, own_folder
from core.databases import make_tables, open_database, public_address, reason_of
from core.jobs.bell import Bell
from core.jobs.kind import KINDS, Made, read_order
from core.jobs.wording import without_paths
from core.jobs.workers import ended, here
from core.reading import parse_json
from core.store import forget_workplace
from core.team import record
from core.team.configuration import current
from core.team.quotas import limits_of

log = logging.getLogger("unskew")

JOBS_VARIABLE = "UNSKEW_JOBS"
State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "cancelled")
OPEN: tuple[State, ...] = ("waiting", "running")
OVER: tuple[State, ...] = ("done", "failed", "cancelled")

LEASE_SECONDS = 15.0
"""A job whose holder has not been heard of for so long is put back, where nobody can see whether the holder lives."""
LINES, LONGEST = 200, 400
"""Lines of a job's log that are kept, the newest, and characters of each."""
LONGEST_NAME = 80
"""Letters of an uploaded file's name that are kept, from its end."""
LISTED = 200
DEATHS, KILLS = 5, 100
"""Times in a row that the process of a job may end without getting any further, by a fault or for want of memory, or
because somebody killed it; then the job has failed. Workers that are stopped or killed themselves do not count."""
PATIENT_SECONDS = 5.0
"""How long more urgent work waits for a free worker before less urgent work gives way."""

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


def default_address() -> str:
    """Of the configuration, else $UNSKEW_JOBS (a URL or the path of a file), else jobs.sqlite in the own folder."""
    configuration = current()
    stated = configuration.jobs if configuration is not None else ""
    return stated or os.environ.get(JOBS_VARIABLE) or str(own_folder() / "jobs.sqlite")


class JobStore:
    """Jobs in one table, for any number of pages and workers at once.

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

    # -- whoever asks for work ----------------------------------------------------------------------------------------

    def submit(
        self,
        kind: str,
        parameters: Mapping[str, Any],
        owner: Person | None = None,
        priority: int | None = None,
        needs_gpu: bool | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> str:
        """Check a job and let it wait; its id. The same work is not done twice at once: of that which is open, the id.

        Parameters
        ----------
        kind : a name of KINDS.
        parameters : what the kind's `Order` takes.
        owner : who asks; None: the one who acts.
        priority, needs_gpu : None: the kind's own.
        files : parameter -> name and content of an uploaded file, which the job finds in its workplace.

        Raises
        ------
        InputError : the owner may not ask for this (Refused) or has too many jobs or too much on disk; the parameters
            cannot be used; another job is making the same folder.
        """
        wanted, person = KINDS.get(kind), owner or acting()
        job = uuid.uuid4().hex
        try:
            with acting_as(person):
                if not person.may(wanted.action):
                    require(wanted.action, wanted.title)
                given = dict(parameters) | _kept_files(job, files or {})
                order = read_order(wanted, given)
                wanted().check(order)
            place = wanted().place(order)
            digest = digest_of([kind, given])
            row: dict[str, Any] = {
                "id": job,
                "kind": kind,
                "subject": without_paths(wanted().subject(order)),
                "parameters": given,
                "digest": digest,
                "owner": person.name,
                "owner_title": person.title,
                "owner_roles": sorted(person.roles),
                "priority": wanted.priority if priority is None else int(priority),
                "needs_gpu": wanted.needs_gpu if needs_gpu is None else bool(needs_gpu),
                "state": "waiting",
                "place": "" if place is None else os.path.abspath(place),
            }
            with acting_as(person):
                require(wanted.action, row["subject"])  # once more, as what is recorded has a name only now
            with self._speaking(), self._changing() as connection:
                same = connection.scalar(select(JOBS.c.id).where(JOBS.c.digest == digest, JOBS.c.state.in_(OPEN)))
                if same is not None:
                    shutil.rmtree(workplace(job), ignore_errors=True)
                    return str(same)
                self._require_room(connection, person, row["place"])
                connection.execute(insert(JOBS), row | {"submitted": _now(connection)})
        except BaseException:
            shutil.rmtree(workplace(job), ignore_errors=True)
            raise
        self.bell.ring(row["priority"])
        return job

    def _require_room(self, connection: Connection, person: Person, place: str) -> None:
        """InputError where the person has enough already, or somebody makes the same folder."""
        making = select(JOBS.c.owner_title).where(JOBS.c.place == place, JOBS.c.state.in_(OPEN))
        if place and connection.execute(making).first() is not None:
            raise InputError(f"another job is making {Path(place).name}; wait for it or choose another name")
        limits, own = limits_of(person, current()), JOBS.c.owner == person.name
        if limits.jobs is not None:
            open_jobs = select(func.count()).select_from(JOBS).where(own, JOBS.c.state.in_(OPEN))
            waiting = int(connection.scalar(open_jobs) or 0)
            if waiting >= limits.jobs:
                raise InputError(
                    f"{waiting} of your jobs wait or run, and your roles allow {limits.jobs}; "
                    "wait until one is over, or cancel it"
                )
        if limits.disk_gb is not None:
            made = connection.execute(select(JOBS.c.place, JOBS.c.bytes).where(own, JOBS.c.state == "done"))
            taken = sum(size for where, size in dict(made.all()).items() if where and Path(where).exists())
            if taken >= limits.disk_gb * 1e9:
                raise InputError(
                    f"your jobs have made {taken / 1e9:,.1f} GB that is still there, and your roles allow "
                    f"{limits.disk_gb:,.1f} GB; have something deleted first"
                )

    def get(self, job: str) -> Job:
        """A job by its id, or by the first 6 or more characters of it; InputError where there is none."""
        found = []
        if len(job) >= 6 and job.isalnum():
            with self._speaking(), self._engine.connect() as connection:
                query = select(*SHOWN).where(JOBS.c.id.startswith(job)).limit(2)
                found = [_job(row) for row in connection.execute(query).mappings()]
        if len(found) != 1:
            raise InputError(f"there is no job {job[:40]!r}; choose one of the list")
        return found[0]

    def listed(
        self,
        states: Sequence[State] | None = None,
        owner: str | None = None,
        kind: str | None = None,
        limit: int = LISTED,
    ) -> list[Job]:
        """Jobs that the one who acts may see, the newest first: everybody's with "see-jobs", else the own ones."""
        query = select(*SHOWN).order_by(JOBS.c.seq.desc()).limit(limit)
        if not acting().may("see-jobs"):
            query = query.where(JOBS.c.owner == acting().name)
        if states is not None:
            query = query.where(JOBS.c.state.in_(states))
        for column, wanted in ((JOBS.c.owner, owner), (JOBS.c.kind, kind)):
            query = query if wanted is None else query.where(column == wanted)
        with self._speaking(), self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def latest(self, kind: str, parameters: Mapping[str, Any]) -> Job | None:
        """The newest job for exactly this work; None where nobody asked for it."""
        digest = digest_of([kind, dict(parameters)])
        query = select(*SHOWN).where(JOBS.c.digest == digest).order_by(JOBS.c.seq.desc()).limit(1)
        with self._speaking(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _job(row)

    def counts(self) -> dict[str, int]:
        """State -> number of jobs in it, of everyone."""
        with self._speaking(), self._engine.connect() as connection:
            found = connection.execute(select(JOBS.c.state, func.count()).group_by(JOBS.c.state))
            return dict.fromkeys(STATES, 0) | {state: int(n) for state, n in found}

    def log(self, job: str) -> list[tuple[float, str]]:
        """When and what was written about a job, oldest first."""
        query = select(LOG.c.at, LOG.c.line).where(LOG.c.job == job).order_by(LOG.c.seq)
        with self._speaking(), self._engine.connect() as connection:
            return [(float(at), line) for at, line in connection.execute(query)]

    def cancel(self, job: str, by: Person | None = None) -> State:
        """End a job for good: at once where it waits, within a second where it runs; the state it then has.

        Refused for whoever is neither its owner nor may "cancel-any-job". A job that is over stays as it is.
        """
        person, found = by or acting(), self.get(job)
        own = person.name == found.owner and (bool(person.name) or not configured())
        if not own and not person.may("cancel-any-job"):
            raise Refused("only who asked for a job and operators may cancel it")
        with self._speaking(), self._changing() as connection:
            state: State | None = connection.scalar(select(JOBS.c.state).where(JOBS.c.id == found.id))
            if state == "waiting":
                self._end(connection, found.id, "cancelled")
                self._write(connection, found.id, f"cancelled by {person.title or person.name or 'its owner'}")
            elif state == "running":
                connection.execute(update(JOBS).where(JOBS.c.id == found.id).values(cancelling=True))
        if state in OPEN:
            with acting_as(person):
                written("cancel-any-job", found.title)
        if state == "waiting":
            tidy(found)
            return "cancelled"
        assert state is not None
        return state

    # -- workers ------------------------------------------------------------------------------------------------------

    def claim(self, worker: str, gpu: bool = False) -> Job | None:
        """Take the most urgent job that waits, the oldest of equals; None where there is none to be taken.

        Parameters
        ----------
        worker : who takes it, as `workers.me` says.
        gpu : whether this machine has a GPU, which one job has at a time.
        """
        with self._speaking():
            with self._engine.connect() as connection:  # nobody is kept waiting where there is nothing to take
                if connection.execute(select(JOBS.c.seq).where(JOBS.c.state == "waiting").limit(1)).first() is None:
                    return None
            with self._changing() as connection:
                query = select(JOBS.c.id).where(JOBS.c.state == "waiting")
                if gpu and self._gpu_taken(connection):
                    query = query.where(~JOBS.c.needs_gpu)
                taken = connection.scalar(query.order_by(JOBS.c.priority.desc(), JOBS.c.seq).limit(1))
                if taken is None:
                    return None
                now = _now(connection)
                connection.execute(
                    update(JOBS)
                    .where(JOBS.c.id == taken)
                    .values(
                        state="running",
                        worker=worker,
                        host=here(),
                        lease=now + self.lease,
                        attempt=JOBS.c.attempt + 1,
                        started=func.coalesce(JOBS.c.started, now),
                        seconds_left=None,
                    )
                )
                row = connection.execute(select(*SHOWN).where(JOBS.c.id == taken)).mappings().one()
                return _job(row)

    def _gpu_taken(self, connection: Connection) -> bool:
        taken = select(JOBS.c.seq).where(JOBS.c.state == "running", JOBS.c.needs_gpu, JOBS.c.host == here())
        return connection.execute(taken.limit(1)).first() is not None

    def person_of(self, job: str) -> Person:
        """Who asked for a job, with the roles of that moment."""
        query = select(JOBS.c.owner, JOBS.c.owner_title, JOBS.c.owner_roles).where(JOBS.c.id == job)
        with self._speaking(), self._engine.connect() as connection:
            name, title, roles = connection.execute(query).one()
        return Person(name, title, frozenset(roles))

    def beat(self, hold: Hold, seconds: float = 0.0) -> bool:
        """Renew the lease and add seconds of work; False where the job is no longer this worker's."""
        with self._speaking(), self._writer.begin() as connection:
            renewed = {"lease": _now(connection) + self.lease, "worked": JOBS.c.worked + seconds}
            return connection.execute(update(JOBS).where(*_held(hold)).values(**renewed)).rowcount == 1

    def asked_to_end(self, hold: Hold) -> Literal["cancel", "lost"] | None:
        """Whether a running job is to be cancelled, or is no longer this worker's; reads alone."""
        with self._speaking(), self._engine.connect() as connection:
            cancelling = connection.scalar(select(JOBS.c.cancelling).where(*_held(hold)))
        if cancelling is None:
            return "lost"
        return "cancel" if cancelling else None

    def should_give_way(self, job: Job, gpu: bool = False) -> bool:
        """Whether more urgent work has waited for a while, and could begin if this job were put back.

        Of several running jobs the least urgent gives way, the youngest of equals.
        """
        with self._speaking(), self._engine.connect() as connection:
            urgent = select(JOBS.c.seq).where(
                JOBS.c.state == "waiting",
                JOBS.c.priority > job.priority,
                JOBS.c.submitted < _now(connection) - PATIENT_SECONDS,
            )
            if gpu and not job.needs_gpu and self._gpu_taken(connection):
                urgent = urgent.where(~JOBS.c.needs_gpu)
            if connection.execute(urgent.limit(1)).first() is None:
                return False
            running = select(JOBS.c.id).where(JOBS.c.state == "running", JOBS.c.host == here())
            last = running.order_by(JOBS.c.priority, JOBS.c.seq.desc()).limit(1)
            return connection.scalar(last) == job.id or job.needs_gpu

    def progress(self, hold: Hold, done: int, total: int, stage: str, seconds_left: float | None = None) -> bool:
        """Say how far a job is; False where it is no longer this worker's."""
        told = {"done": int(done), "total": int(total), "stage": _line(stage), "seconds_left": seconds_left}
        with self._speaking(), self._writer.begin() as connection:
            return connection.execute(update(JOBS).where(*_held(hold)).values(**told)).rowcount == 1

    def write(self, job: str, line: str) -> None:
        """Add a line to a job's log, of which the newest LINES are kept."""
        with self._speaking(), self._writer.begin() as connection:
            self._write(connection, job, line)

    def finish(self, hold: Hold, made: Made) -> bool:
        """The job is done; False where it is no longer this worker's."""
        place = "" if made.place is None else os.path.abspath(made.place)
        size = 0.0 if made.place is None else float(_size(made.place))
        result = {"result": _line(made.name), "place": place, "bytes": size, "reason": ""}
        return self._over(hold, "done", **result)

    def fail(self, hold: Hold, reason: str) -> bool:
        """The job has failed for good, for a reason in one line; False where it is no longer this worker's."""
        return self._over(hold, "failed", reason=_line(reason))

    def cancelled(self, hold: Hold) -> bool:
        """The running job was ended because somebody cancelled it."""
        return self._over(hold, "cancelled")

    def _over(self, hold: Hold, state: State, **more: Any) -> bool:
        with self._speaking(), self._changing() as connection:
            if connection.execute(select(JOBS.c.seq).where(*_held(hold))).first() is None:
                return False
            self._end(connection, hold.job, state, **more)
            self._write(connection, hold.job, more.get("reason") or state)
        return True

    def put_back(self, hold: Hold, why: str, most: int | None = None) -> bool:
        """Let a job wait again, to be gone on with; False where it is no longer this worker's.

        Parameters
        ----------
        most : its process has ended; after so many times in a row at the same place the job has failed.
        """
        with self._speaking(), self._changing() as connection:
            row = connection.execute(select(JOBS).where(*_held(hold))).mappings().first()
            if row is None:
                return False
            if row["cancelling"]:
                self._end(connection, hold.job, "cancelled")
            elif most is not None and (deaths := self._died(connection, row)) >= most:
                why = f"its process was ended {deaths} times at the same place, perhaps for want of memory"
                self._end(connection, hold.job, "failed", reason=why)
            else:
                connection.execute(update(JOBS).where(JOBS.c.id == hold.job).values(state="waiting", worker=""))
            self._write(connection, hold.job, why)
        self.bell.ring(row["priority"])
        return True

    def _died(self, connection: Connection, row: RowMapping) -> int:
        at = f"{row['stage']} {row['done']}"
        deaths = row["deaths"] + 1 if row["died_at"] == at else 1
        connection.execute(update(JOBS).where(JOBS.c.id == row["id"]).values(deaths=deaths, died_at=at))
        return deaths

    def reap(self) -> list[str]:
        """Put back the jobs of workers that are no more; their ids.

        A worker of this machine is no more when its process is gone, any other when its lease has run out. Leases do
        not count while the database did not answer for a moment: nobody could renew one.
        """
        running = select(JOBS.c.id, JOBS.c.attempt, JOBS.c.worker, JOBS.c.host, JOBS.c.lease)
        with self._speaking(), self._engine.connect() as connection:
            rows, now = connection.execute(running.where(JOBS.c.state == "running")).all(), _now(connection)
        steady = time.monotonic() - self._trouble > 2 * self.lease
        lost = []
        for job, attempt, worker, host, lease in rows:
            gone = ended(worker) if host == here() else steady and lease < now
            if gone and self.put_back(Hold(job, attempt), "its worker was lost; another one goes on"):
                lost.append(job)
                if (now_is := self.get(job)).state == "cancelled":
                    tidy(now_is)
        return lost

    def sweep(self) -> None:
        """Remove workplaces of jobs that are over."""
        folder = workplaces()
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        with self._speaking(), self._engine.connect() as connection:
            over = set(connection.scalars(select(JOBS.c.id).where(JOBS.c.id.in_(names), JOBS.c.state.in_(OVER))))
        for name in over:
            shutil.rmtree(folder / name, ignore_errors=True)

    def close(self) -> None:
        self.bell.close()
        self._engine.dispose()

    # -- private ------------------------------------------------------------------------------------------------------

    def _end(self, connection: Connection, job: str, state: State, **more: Any) -> None:
        values = {"state": state, "finished": _now(connection), "seconds_left": None, "worker": "", **more}
        connection.execute(update(JOBS).where(JOBS.c.id == job).values(**values))

    def _write(self, connection: Connection, job: str, line: str) -> None:
        connection.execute(insert(LOG), {"job": job, "at": _now(connection), "line": _line(line)})
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
            raise StoreDown(f"the job store {place} cannot be used ({reason}); check it") from None


class StoreDown(InputError):
    """The database does not answer, or not as it should."""


def written(action: str, what: str) -> None:
    """Record that the one who acts did something; what was done is done, also where the record does not answer."""
    try:
        record.wrote(action, what)
    except InputError as error:
        log.warning("not recorded: %s (%s)", what, error)


# -- folders ----------------------------------------------------------------------------------------------------------


def workplaces() -> Path:
    return own_folder() / "jobs"


def workplace(job: str) -> Path:
    """The folder in which a job keeps what it needs until it is over."""
    return workplaces() / job


def tidy(job: Job) -> None:
    """Remove what a job that is over has left beside its result; what a failed one reached may be gone on with."""
    shutil.rmtree(workplace(job.id), ignore_errors=True)
    if job.place and job.state != "failed":
        forget_workplace(Path(job.place))


def _kept_files(job: str, files: Mapping[str, tuple[str, bytes]]) -> dict[str, str]:
    """Uploaded files in the job's workplace: parameter -> path."""
    kept = {}
    for parameter, (name, content) in files.items():
        plain = re.sub(r"[^\w. -]", "-", Path(name).name)[-LONGEST_NAME:]
        path = workplace(job) / "given" / parameter / (plain if plain.strip(". ") else "file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        kept[parameter] = str(path)
    return kept


def _size(place: Path) -> int:
    if place.is_file():
        return place.stat().st_size
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and not path.is_symlink())


# -- rows -------------------------------------------------------------------------------------------------------------


def _job(row: RowMapping) -> Job:
    values = dict(row)
    parameters = values["parameters"]
    return Job(
        **values | {"parameters": parse_json(parameters, "a job") if isinstance(parameters, str) else parameters}
    )


def _held(hold: Hold) -> Sequence[Any]:
    return JOBS.c.id == hold.job, JOBS.c.attempt == hold.attempt, JOBS.c.state == "running"


def _line(said: str) -> str:
    """One line of bounded length without paths of this server."""
    line = without_paths(" ".join(str(said).split()).replace("\x00", ""))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _now(connection: Connection) -> float:
    """Seconds since 1970 by the one clock that all of a server's clients share; of a file, this machine's."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
    return time.time()


def _with_driver(address: str) -> str:
    """The address with the driver that is installed here, where it names none."""
    for short in ("postgresql://", "postgres://"):
        if address.startswith(short):
            return f"postgresql+psycopg://{address.removeprefix(short)}"
    return address
