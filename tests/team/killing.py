"""A team server of which one part after the other is killed while people label and jobs are done; and what is left."""

import os
import random
import shutil
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.config import InputError
from core.gallery import open_gallery
from core.jobs import rows as jobs
from core.jobs.store import JobStore
from core.labelling import LabelEvent, LabelLog
from core.team.record import Record
from tests.jobs import rounds
from tests.team.postgres import Server
from tests.team.running import SHARED, TeamServer
from tests.team.visiting import Visitor

PARTS = ("app", "worker", "serve", "postgresql")
MODULES = {"app": "core.ui.server.run", "worker": "core.jobs"}
OVER_SECONDS = 300
THERE_SECONDS = 60.0
"""Longest wait for a part to kill: one that ended often is started again after half a minute."""
OPEN = 6
"""Jobs that wait or run at once: people ask for no more than a server does that is killed all the time."""


class House:
    """A server, its database, and people who go on whatever happens.

    Parameters
    ----------
    audits : how many audits are asked for.
    workers : how many there are.
    """

    def __init__(self, folder: Path, database: Server, seed: int, audits: int, workers: int) -> None:
        self.folder, self.database, self.draw, self.audits = folder, database, random.Random(seed), audits
        self.address = database.database(f"kills_{uuid.uuid4().hex[:12]}")
        rounds.world(folder / "world", captions=20)
        (folder / "out").mkdir()
        self.server = TeamServer(folder, SHARED.format(address=self.address, workers=workers))
        self.labelled: list[str] = []
        self.recorded: list[str] = []
        self.asked: list[str] = []
        """What was told to be kept: ids of labels, lines of the record, ids of jobs."""
        self.over = threading.Event()

    # -- people -------------------------------------------------------------------------------------------------------

    def label(self) -> None:
        log = _opened(lambda: LabelLog(self.address))
        while not self.over.wait(0.05):
            entry = LabelEvent(neuron=len(self.labelled), rater="ada", sae="a" * 64, type="social", attribute="gender")
            _surely(lambda entry=entry: log.add(entry))
            self.labelled.append(entry.id)
        log.close()

    def record(self) -> None:
        kept = _opened(lambda: Record(self.address))
        while not self.over.wait(0.05):
            what = f"line {len(self.recorded)}"
            _surely(lambda what=what: kept.add("ben", "label", what))
            self.recorded.append(what)
        kept.close()

    def ask(self) -> None:
        store, number = _opened(lambda: JobStore(self.address)), 0
        while not self.over.wait(2.0):
            if len(_surely(lambda: store.listed(jobs.OPEN))) >= OPEN:
                continue
            number += 1
            orders = rounds.orders(self.folder / "world", self.folder / "out" / str(number))
            kinds = ("gallery-import", "audit") if number <= self.audits else ("gallery-import",)
            for kind in kinds:
                self.asked.append(_surely(lambda kind=kind, order=orders[kind]: store.submit(kind, order, rounds.WHO)))
        store.close()

    # -- accidents ----------------------------------------------------------------------------------------------------

    def kill(self, part: str, pause: float = 1.5) -> None:
        """End a part without warning at a moment that is drawn, at most so many seconds on; start again what nothing
        else does."""
        time.sleep(self.draw.uniform(0.0, pause))
        if part == "postgresql":
            self.database.kill()
            time.sleep(self.draw.uniform(0.0, 1.0))
            self.database.start()
        elif part == "serve":
            self.server.kill()
            self.server.start()
        else:
            os.kill(self.draw.choice(self._running(MODULES[part])), signal.SIGKILL)

    def _running(self, module: str) -> list[int]:
        """Processes of the server that run this module, as soon as there is one."""
        end = time.monotonic() + THERE_SECONDS
        while not (found := [number for name, number in self.server.parts().items() if name.startswith(module)]):
            if time.monotonic() > end:
                raise RuntimeError(f"nothing runs {module}:\n{self.server.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return found

    # -- what is left -------------------------------------------------------------------------------------------------

    def lost(self) -> dict[str, Any]:
        """What was told to be kept and is not there as it was told; empty lists where nothing is lost."""
        self.server.await_health()
        store, kept, log = JobStore(self.address), Record(self.address), LabelLog(self.address)
        end = time.monotonic() + OVER_SECONDS
        while any(store.get(job).open for job in self.asked) and time.monotonic() < end:
            time.sleep(0.5)
        ended = [store.get(job) for job in self.asked]
        there, told = [event.id for event in log.events()], set(self.labelled)
        times = Counter(there)
        lines = {line.what for line in kept.lines(who="ben")}
        found = {
            "labels": [one for one in self.labelled if times[one] != 1],
            "order": [] if [one for one in there if one in told] == self.labelled else ["labels"],
            "record": [one for one in self.recorded if one not in lines],
            "damages": kept.damages(),
            "jobs": [f"{job.kind} {job.state}: {job.reason}" for job in ended if job.state != "done"],
            "results": [job.kind for job in ended if job.state == "done" and not _is_there(job)],
            "served": [] if self._served() else ["the app does not answer"],
        }
        for one in (store, kept, log):
            one.close()
        return found

    def _served(self) -> bool:
        with Visitor(self.server.address) as visitor:
            return "Start" in visitor.open().pages


@contextmanager
def house(folder: Path, database: Server, seed: int = 0, audits: int = 1, workers: int = 2) -> Iterator[House]:
    """A house in which people are at work."""
    made = House(folder, database, seed, audits, workers)
    people = [threading.Thread(target=work) for work in (made.label, made.record, made.ask)]
    try:
        made.server.start()
        for one in people:
            one.start()
        yield made
    finally:
        made.over.set()
        for one in people:
            one.join()
        made.server.kill()
        shutil.rmtree(folder / "out", ignore_errors=True)


def rest(made: House) -> None:
    """Let people finish what they have in hand and ask for nothing more."""
    made.over.set()
    time.sleep(2.0)


def _is_there(job: Any) -> bool:
    if job.kind == "gallery-import":
        return open_gallery(job.place).n == 400
    return (Path(job.place) / "report.json").is_file() or any(Path(job.place).iterdir())


def _opened(make: Callable[[], Any]) -> Any:
    return _surely(make)


def _surely(work: Callable[[], Any]) -> Any:
    """Do it as a person does who is told that it did not work: again."""
    end = time.monotonic() + OVER_SECONDS
    while True:
        try:
            return work()
        except InputError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
