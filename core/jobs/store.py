"""The jobs of a team: one table that says what waits, who does what, and how it ended; and a bell that wakes workers.

What stands in the table is the truth. A worker holds a job by a lease that it renews; what a worker writes about a job
counts only while it holds it, so that a job is never done twice at once, and never lost with whoever did it.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, delete, func, select, update

from core.access import Person
from core.jobs.asking import AskedJobs
from core.jobs.kind import Made
from core.jobs.places import size_of, tidy, workplaces
from core.jobs.rows import JOBS, LOG, OPEN, OVER, SHOWN, Hold, Job, State, held, job_of, now_of, one_line, person_by
from core.jobs.workers import ended, here
from core.store import forget_workplace
from core.team.configuration import current

DEATHS, KILLS = 5, 100
"""Times in a row that the process of a job may end without getting any further, by a fault or for want of memory, or
because somebody killed it; then the job has failed. Workers that are stopped or killed themselves do not count."""
PATIENT_SECONDS = 5.0
"""How long more urgent work waits for a free worker before less urgent work gives way."""
MANY = 500
"""Jobs that are forgotten in one statement."""
DAY = 86400.0


class JobStore(AskedJobs):
    """Jobs in one table, for any number of pages and workers at once: what pages ask, and what workers do."""

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
                now = now_of(connection)
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
                return job_of(row)

    def _gpu_taken(self, connection: Connection) -> bool:
        taken = select(JOBS.c.seq).where(JOBS.c.state == "running", JOBS.c.needs_gpu, JOBS.c.host == here())
        return connection.execute(taken.limit(1)).first() is not None

    def person_of(self, job: str) -> Person:
        """Who asked for a job, with the roles and groups of that moment."""
        query = select(JOBS.c.owner, JOBS.c.owner_title, JOBS.c.owner_roles).where(JOBS.c.id == job)
        with self._speaking(), self._engine.connect() as connection:
            name, title, roles = connection.execute(query).one()
        return person_by(name, title, roles)

    def beat(self, hold: Hold, seconds: float = 0.0) -> bool:
        """Renew the lease and add seconds of work; False where the job is no longer this worker's."""
        with self._speaking(), self._writer.begin() as connection:
            renewed = {"lease": now_of(connection) + self.lease, "worked": JOBS.c.worked + seconds}
            return connection.execute(update(JOBS).where(*held(hold)).values(**renewed)).rowcount == 1

    def asked_to_end(self, hold: Hold) -> Literal["cancel", "lost"] | None:
        """Whether a running job is to be cancelled, or is no longer this worker's; reads alone."""
        with self._speaking(), self._engine.connect() as connection:
            cancelling = connection.scalar(select(JOBS.c.cancelling).where(*held(hold)))
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
                JOBS.c.submitted < now_of(connection) - PATIENT_SECONDS,
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
        told = {"done": int(done), "total": int(total), "stage": one_line(stage), "seconds_left": seconds_left}
        with self._speaking(), self._writer.begin() as connection:
            return connection.execute(update(JOBS).where(*held(hold)).values(**told)).rowcount == 1

    def finish(self, hold: Hold, made: Made) -> bool:
        """The job is done; False where it is no longer this worker's."""
        place = "" if made.place is None else os.path.abspath(made.place)
        size = 0.0 if made.place is None else float(size_of(made.place))
        result = {"result": one_line(made.name), "place": place, "bytes": size, "reason": ""}
        return self._over(hold, "done", **result)

    def fail(self, hold: Hold, reason: str) -> bool:
        """The job has failed for good, for a reason in one line; False where it is no longer this worker's."""
        return self._over(hold, "failed", reason=one_line(reason))

    def cancelled(self, hold: Hold) -> bool:
        """The running job was ended because somebody cancelled it."""
        return self._over(hold, "cancelled")

    def _over(self, hold: Hold, state: State, **more: Any) -> bool:
        with self._speaking(), self._changing() as connection:
            if connection.execute(select(JOBS.c.seq).where(*held(hold))).first() is None:
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
            row = connection.execute(select(JOBS).where(*held(hold))).mappings().first()
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

    def reap(self, idle: str = "") -> list[str]:
        """Put back the jobs of workers that are no more; their ids.

        A worker of this machine is no more when its process is gone, any other when its lease has run out. Leases do
        not count while the database did not answer for a moment: nobody could renew one.

        Parameters
        ----------
        idle : a worker of this machine that does nothing: what stands under its name was given to it while the database
            ceased to answer, and nobody does it.
        """
        running = select(JOBS.c.id, JOBS.c.attempt, JOBS.c.worker, JOBS.c.host, JOBS.c.lease)
        with self._speaking(), self._engine.connect() as connection:
            rows, now = connection.execute(running.where(JOBS.c.state == "running")).all(), now_of(connection)
        steady = time.monotonic() - self._trouble > 2 * self.lease
        lost = []
        for job, attempt, worker, host, lease in rows:
            gone = worker == idle or ended(worker) if host == here() else steady and lease < now
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

    def prune(self) -> int:
        """Forget jobs that are over beyond the configuration's age and number, with their lines; how many. None
        without a configuration.

        What was done stays on the record. A job whose result is still there stays too: it counts for its owner's disk.
        """
        if (configuration := current()) is None:
            return 0
        days, most = configuration.job_keep_days, configuration.job_keep
        over = select(JOBS.c.id, JOBS.c.state, JOBS.c.place, JOBS.c.finished).where(JOBS.c.state.in_(OVER))
        making = select(JOBS.c.place).where(JOBS.c.state.in_(OPEN))
        with self._speaking(), self._engine.connect() as connection:
            rows, oldest = connection.execute(over.order_by(JOBS.c.seq.desc())).all(), now_of(connection) - days * DAY
            wanted = set(connection.scalars(making))
        old = [row for number, row in enumerate(rows) if number >= most or (row.finished or 0.0) < oldest]
        forgotten = [row for row in old if row.state != "done" or not (row.place and Path(row.place).exists())]
        gone = [row.id for row in forgotten]
        for at in range(0, len(gone), MANY):
            with self._speaking(), self._writer.begin() as connection:
                for column in (LOG.c.job, JOBS.c.id):
                    connection.execute(delete(column.table).where(column.in_(gone[at : at + MANY])))
        for place in {row.place for row in forgotten if row.state == "failed" and row.place} - wanted:
            forget_workplace(Path(place))  # what it had reached, which nobody goes on with any more
        return len(gone)
