"""`python -m core.jobs.child JOB ATTEMPT WORKER SECONDS`: one try of one job, at low priority, within limits.

Two processes: one that watches and holds nothing, and below it the one that works. Both end with their worker.
"""

import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from core import heavy

if TYPE_CHECKING:
    from core.jobs.kind import JobKind, Made, Work
    from core.jobs.rows import Hold
    from core.jobs.store import JobStore

T = TypeVar("T")

NICENESS = 19
"""The lowest priority: whoever clicks in the app comes first."""
TOLD_EVERY = 0.5
"""Seconds between two writings of how far a job is."""
PATIENCE = 600.0
"""How long a job waits for a database that does not answer."""
BUSY_SECONDS = 30.0

log = logging.getLogger("unskew")


def main(job: str, attempt: int, worker: int, worked: float) -> int:
    """Watch over the work; the exit code is 0 where the work said how it ended.

    Parameters
    ----------
    worker : number of the process that this one ends with.
    worked : seconds that earlier tries took.
    """
    from core.team.configuration import current

    heavy.end_with_parent(worker)
    os.nice(NICENESS)
    configuration = current()
    hours = configuration.job_hours if configuration is not None else 24 * 365.0
    stated = configuration.job_memory_gb if configuration is not None else None
    memory = None if stated is None else int(stated * 1e9)
    code = heavy.supervised(partial(work, job, attempt), max(hours * 3600 - worked, 1.0), memory)
    return code if code >= 0 else 128 - code


def work(job: str, attempt: int) -> None:
    """Do the job as the person who asked for it, and write down how it ended."""
    from core.access import acting_as, require
    from core.config import InputError
    from core.jobs.asking import written
    from core.jobs.kind import KINDS, Work, read_order
    from core.jobs.places import workplace
    from core.jobs.rows import Hold
    from core.jobs.store import JobStore
    from core.team import record
    from core.team.configuration import current
    from core.team.entering import still_granted

    record.keep()
    store, hold = _surely(JobStore), Hold(job, attempt)
    asked, person = _surely(lambda: store.get(job)), _surely(lambda: store.person_of(job))
    folder = workplace(job)
    folder.mkdir(parents=True, exist_ok=True)
    if (configuration := current()) is not None:  # roles that were taken away while it waited do nothing any more
        person = still_granted(configuration, person)
    try:
        kind = KINDS.get(asked.kind)
        with acting_as(person):
            _surely(lambda: require(kind.action, asked.title))
            order, told, say = read_order(kind, asked.parameters), _Told(store, hold), partial(_say, store, job)
            tries = count(attempt)
            made = _surely(lambda: _run(kind(), order, Work(told, say, folder, next(tries) > 1)))
        _surely(lambda: store.finish(hold, made))
        log.info("job %s is done", job)
        with acting_as(person):
            written(kind.action, asked.title)
    except InputError as error:
        reason = str(error)
        _surely(lambda: store.fail(hold, reason))
    except Exception as error:
        reason = _unexpected(error)
        _surely(lambda: store.fail(hold, reason))


def _run(kind: "JobKind", order: Any, work: "Work") -> "Made":
    """Do it; where an earlier try that was ended a moment ago still holds what it was making, once that is gone."""
    from core.store import Busy

    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return kind.run(order, work)
        except Busy:
            if not work.again or time.monotonic() > end:
                raise
            time.sleep(TOLD_EVERY)


def _unexpected(error: Exception) -> str:
    """What people read of an error that speaks to programmers."""
    from core.store import is_full, said_full

    if is_full(error):
        return said_full(error)
    if heavy.wants_memory(error):
        log.warning("a job wanted more memory than it may have: %s", str(error)[:200])
        return "it needs more memory than a job may have here: choose something smaller"
    reference = secrets.token_hex(3)
    log.error("a job failed, reference %s", reference, exc_info=error)
    return f"something went wrong that should not; details are in the server log under {reference}"


class _Told:
    """The job's progress, written now and then; a new stage is a line of its log."""

    def __init__(self, store: "JobStore", hold: "Hold") -> None:
        from core.jobs.pace import Pace

        self._store, self._hold, self._pace = store, hold, Pace()
        self._at, self._stage = 0.0, ""

    def __call__(self, done: int, total: int, what: str) -> None:
        from core.databases import DatabaseDown

        now, stage = time.monotonic(), what.split(":")[0]
        left = self._pace.left(done, total, what, now)
        if now - self._at < TOLD_EVERY and done < total and stage == self._stage:
            return
        if now - self._at < TOLD_EVERY / 5 and stage == self._stage:
            return
        self._at = now
        try:
            if stage != self._stage:
                self._stage = stage
                self._store.write(self._hold.job, stage)
            self._store.progress(self._hold, done, total, what, left)
        except DatabaseDown:
            log.info("the job store does not answer; the work goes on")


def _say(store: "JobStore", job: str, line: str) -> None:
    from core.databases import DatabaseDown

    try:
        store.write(job, line)
    except DatabaseDown:
        log.info("the job store does not answer; not written: %s", line)


def _surely(work: Callable[[], T]) -> T:
    """What it gives; again and again while a database does not answer, so that no job fails over that."""
    from core.databases import DatabaseDown

    end, wait = 0.0, 0.2
    while True:
        began = time.monotonic()
        try:
            return work()
        except DatabaseDown as error:
            now = time.monotonic()
            if end == 0.0 or now - began > PATIENCE:  # it had answered in between
                end, wait = now + PATIENCE, 0.2
            if now > end:
                raise
            log.info("%s; it is tried again", error)
            time.sleep(wait)
            wait = min(2 * wait, 5.0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
