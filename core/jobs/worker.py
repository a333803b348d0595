"""A worker: takes one job after the other, has each done in a process of its own, and never holds what it does not do.

What it does is told to nobody else: whoever ends it, in whatever way, leaves the job in the table, for the next worker.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from core import heavy
from core.config import ROOT
from core.databases import DatabaseDown
from core.jobs.kind import KINDS
from core.jobs.opening import JOBS_VARIABLE
from core.jobs.places import tidy
from core.jobs.rows import Hold, Job
from core.jobs.store import DEATHS, KILLS, JobStore
from core.jobs.workers import has_gpu, me, out_of_memory
from core.team.configuration import take_up

CHILD = (sys.executable, "-m", "core.jobs.child")
LOOK = 0.25
"""Seconds between two looks at the work, at whether it is to be cancelled, and at whether this worker is to stop."""
BEATS = 2.0
"""Seconds between two renewals of the lease."""
POLL = 2.0
"""Seconds without a ring after which the table is looked at all the same."""
PRUNES = 3600.0
"""Seconds between two lookings for jobs that have been over for long enough to be forgotten."""
STOPPED, CUT_OFF = (
    "its worker was stopped; another one goes on",
    "its process was ended by signal {}; it is begun again",
)
GAVE_WAY = "gave way to more urgent work; it goes on afterwards"

log = logging.getLogger("unskew")


class Worker:
    """Takes jobs from a store until it is asked to stop.

    Parameters
    ----------
    command : how a try of a job is started; its number, the try, this process and the seconds worked are added.
    """

    def __init__(self, store: JobStore, command: Sequence[str] = CHILD) -> None:
        self.command = command
        self.store, self.gpu, self.name = store, has_gpu(), me()
        self.stopping = threading.Event()
        self._pruned = -PRUNES

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Ask for the end: what is being done goes back to wait. A signal's handler."""
        self.stopping.set()

    def run(self, until_empty: bool = False) -> None:
        """Work until asked to stop.

        Parameters
        ----------
        until_empty : also stop once nothing is left that this worker could take.
        """
        while not self.stopping.is_set():
            try:
                self.store.reap(self.name)  # it does nothing now: what still stands under its name was never begun
                self._prune()
                job = self.store.claim(self.name, self.gpu)
                if job is not None:
                    self.do(job)
                    continue
                if until_empty:
                    return
                self.store.sweep()
            except DatabaseDown as error:
                log.warning("%s", error)
                self.stopping.wait(1.0)
                continue
            self._listen()

    def _prune(self) -> None:
        if (now := time.monotonic()) - self._pruned < PRUNES:
            return
        if forgotten := self.store.prune():
            log.info("%d jobs that were over for long are forgotten", forgotten)
        self._pruned = now

    def _listen(self) -> None:
        """Wait for the bell, or for POLL seconds, or for the end."""
        end = time.monotonic() + POLL
        while not self.stopping.is_set() and time.monotonic() < end:
            if self.store.bell.wait(LOOK):
                return

    def do(self, job: Job) -> None:
        """One try of a job, watched until it is over in one way or another."""
        hold = Hold(job.id, job.attempt)
        log.info("job %s (%s) is begun, try %d", job.id, job.kind, job.attempt)
        self.store.write(job.id, "begun" if job.attempt == 1 else f"goes on, try {job.attempt}")
        starved = out_of_memory()
        told = [job.id, str(job.attempt), str(os.getpid()), f"{job.worked:.0f}"]
        variables = {**os.environ, JOBS_VARIABLE: self.store.address}
        child = subprocess.Popen([*self.command, *told], cwd=ROOT, stdin=subprocess.DEVNULL, env=variables)
        try:
            why = self._watched(child, job, hold)
        finally:
            _ended(child)
        code = child.returncode
        killed = code in (-signal.SIGKILL, 128 + signal.SIGKILL) and out_of_memory() == starved
        self._surely_over(job, hold, code, why, KILLS if killed else DEATHS)

    def _watched(self, child: subprocess.Popen, job: Job, hold: Hold) -> str:
        """Why the watching ended: the child did ("over"), "stop", "cancel", "lost" or "way"."""
        renewed = time.monotonic()
        while child.poll() is None:
            if self.stopping.wait(LOOK):
                return "stop"
            try:
                if asked := self.store.asked_to_end(hold):
                    # a job that is over by its child's own word is nobody's any more
                    return "over" if asked == "lost" and _ends_soon(child) else asked
                if (now := time.monotonic()) - renewed > BEATS:
                    self.store.beat(hold, now - renewed)
                    renewed = now
                    self.store.reap()
                    if _resumable(job) and self.store.should_give_way(job, self.gpu):
                        return "way"
            except DatabaseDown as error:
                log.warning("%s; the work goes on", error)
                self.stopping.wait(1.0)
        return "over"

    def _surely_over(self, job: Job, hold: Hold, code: int, why: str, most: int) -> None:
        """Write down how it ended, however long the store does not answer."""
        while True:
            try:
                self._over(job, hold, code, why, most)
                return
            except DatabaseDown as error:
                log.warning("%s", error)
                if self.stopping.is_set():
                    return  # the next worker sees that this one is gone
                self.stopping.wait(1.0)

    def _over(self, job: Job, hold: Hold, code: int, why: str, most: int) -> None:
        store = self.store
        if why == "lost":
            return
        if why == "cancel" and store.cancelled(hold):
            log.info("job %s was cancelled", job.id)
        elif why == "stop":
            store.put_back(hold, STOPPED)
        elif why == "way":
            store.put_back(hold, GAVE_WAY)
        elif code == heavy.TOO_LONG:
            store.fail(hold, "it took longer than a job may take here, and was ended")
        elif code < 0 or code > 128:
            store.put_back(hold, CUT_OFF.format(-code if code < 0 else code - 128), most)
        elif store.asked_to_end(hold) is None:
            store.put_back(hold, f"its process ended with code {code} and said nothing; it is begun again", most)
        ended = store.get(job.id)
        if not ended.open:
            log.info("job %s: %s", job.id, ended.state)
            tidy(ended)


def _resumable(job: Job) -> bool:
    return job.kind in KINDS.names() and KINDS.get(job.kind).resumable


def _ends_soon(child: subprocess.Popen) -> bool:
    try:
        child.wait(10 * LOOK)
        return True
    except subprocess.TimeoutExpired:
        return False


def _ended(child: subprocess.Popen) -> None:
    """End a child, and by that all below it."""
    child.terminate()
    try:
        child.wait(1.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main() -> int:
    """A worker of this machine, until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    take_up()
    worker = Worker(JobStore())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop)
    log.info("worker %s waits for jobs", worker.name)
    worker.run()
    worker.store.close()
    return 0
