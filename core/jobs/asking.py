"""What people do with jobs: ask for them, look at them, cancel them."""

import logging
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from core.access import Person, Refused, acting, acting_as, configured, require
from core.config import InputError, digest_of
from core.jobs.kind import KINDS, read_order
from core.jobs.opening import OpenedJobs
from core.jobs.places import keep_files, tidy, workplace
from core.jobs.rows import JOBS, LOG, OPEN, SHOWN, STATES, Job, State, job_of, kept_roles, now_of
from core.jobs.wording import without_paths
from core.team import record
from core.team.configuration import current
from core.team.quotas import limits_of

log = logging.getLogger("unskew")

LISTED = 200


class AskedJobs(OpenedJobs):
    """The table as whoever asks for work sees it."""

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
                given = dict(parameters) | keep_files(job, files or {})
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
                "owner_roles": kept_roles(person),
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
                connection.execute(insert(JOBS), row | {"submitted": now_of(connection)})
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
                found = [job_of(row) for row in connection.execute(query).mappings()]
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
            return [job_of(row) for row in connection.execute(query).mappings()]

    def latest(self, kind: str, parameters: Mapping[str, Any]) -> Job | None:
        """The newest job for exactly this work; None where nobody asked for it."""
        digest = digest_of([kind, dict(parameters)])
        query = select(*SHOWN).where(JOBS.c.digest == digest).order_by(JOBS.c.seq.desc()).limit(1)
        with self._speaking(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else job_of(row)

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


def written(action: str, what: str) -> None:
    """Record that the one who acts did something; what was done is done, also where the record does not answer."""
    try:
        record.wrote(action, what)
    except InputError as error:
        log.warning("not recorded: %s (%s)", what, error)
