"""Two dozen people on one team server beside a training and an audit: whose answers are whose, how fast, how much."""

import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.config import HOME_VARIABLE
from core.jobs.store import JobStore
from tests.jobs import rounds
from tests.team.killing import MODULES
from tests.team.running import SECRET, TeamServer
from tests.team.visiting import Run, Visitor

MANY = 24
THINKS = (3.0, 9.0)
"""Seconds between two clicks of a person: long enough to have looked at the pictures."""
TOGGLES, MOVES = 0.75, 0.9
"""Shares of what people do: below the first they switch a neuron, below the second they look at another page and come
back, else they open the page in a new tab."""
WORDS = (
    *("doctor", "nurse", "engineer", "secretary", "judge", "cleaner", "chef", "teacher"),
    *("farmer", "pilot", "mechanic", "librarian", "programmer", "florist", "scientist", "assistant"),
)
GALLERIES = ("default", "default-attire", "default-probe")
PAGES = {
    "viewer": ("neurons", "guide", "jobs"),
    "rater": ("label", "neurons", "jobs"),
    "auditor": ("report", "benchmark", "guide"),
    "operator": ("data_and_models", "server", "jobs"),
}
FORGOTTEN_SECONDS, CLOSED_SECONDS = 130.0, 240.0
"""How long one waits at least and at most for the memory of sessions that were closed: Streamlit keeps each for two
minutes, as its tab may return."""
GIVEN_BACK = 1.10
"""Memory after closing over memory at the start."""
STEPS = 1_000_000
"""Of the training: more than it comes to do."""
TEXT = f"""
[access]
mode = "proxy-header"
everyone = ["viewer"]
[access.proxy]
header = "X-Forwarded-Email"
trusted = ["127.0.0.1"]
[roles]
rater = [{", ".join(f'"person-{n}@example.org"' for n in range(1, MANY, 4))}]
auditor = [{", ".join(f'"person-{n}@example.org"' for n in range(2, MANY, 4))}]
operator = ["{rounds.WHO.name}", {", ".join(f'"person-{n}@example.org"' for n in range(3, MANY, 4))}]
[jobs]
workers = 2
"""


def run(minutes: float = 10.0, runs: int = MANY, seed: int = 0) -> dict[str, Any]:
    """Runs that showed anything of somebody else, seconds of a click on a switch, memory of the app.

    Every person asks another prompt of a gallery; what the page says with each set of switches is first drawn while
    nobody else is there, and has to be drawn to the letter afterwards.

    Parameters
    ----------
    minutes : how long people are at work.
    runs : number of people.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unskew-sessions")))
        (folder / "team").mkdir()
        os.environ[HOME_VARIABLE] = str(folder / "team" / "home")
        server = TeamServer(folder / "team", TEXT)
        stack.callback(server.kill)
        memory = _Memory(server.start())
        cold = memory.now()
        people = [Somebody(server, number, seed) for number in range(runs)]
        stack.callback(_leave, people)
        for one in people:
            one.learn()
            _say(f"{one.name}: {one.role}, {one.gallery}, {one.word}")
        alone = [seconds for one in people for seconds in one.seconds]
        _leave(people)
        memory.settle()
        start = memory.peak = memory.now()
        beside = stack.enter_context(_beside(folder))
        began, load, worked = time.monotonic(), [os.getloadavg()[0]], _processor(server)
        for one in people:
            one.begin(began + 60 * minutes)
        while any(one.at_work for one in people):
            time.sleep(1.0)
            memory.now()
            if time.monotonic() - began > 30 * len(load):
                load.append(os.getloadavg()[0])
                _say(f"{30 * len(load) - 30} s: {_told(people)}, {memory.peak / 1e6:.0f} MB, load {load[-1]:.1f}")
        work, worked = beside(), _processor(server) - worked
        _leave(people)
        waited = memory.settle(GIVEN_BACK * start)
        return {
            "people": runs,
            "minutes": minutes,
            "runs": sum(one.runs for one in people),
            "processor_ms_per_run": 1e3 * worked / max(sum(one.runs for one in people), 1),
            "cross_talk": sum(len(one.wrong) for one in people),
            "wrong": [line for one in people for line in one.wrong][:10],
            "failed": [line for one in people for line in one.failed][:10],
            "toggle": _spread([seconds for one in people for seconds in one.seconds]),
            "toggle_of_one_alone": _spread(alone),
            "memory_mb": {
                "cold": cold / 1e6,
                "start": start / 1e6,
                "peak": memory.peak / 1e6,
                "after": memory.now() / 1e6,
            },
            "after_over_start": memory.now() / start,
            "seconds_until_given_back": waited,
            "beside": work,
            "load": {"mean": statistics.fmean(load), "most": max(load)},
        }


@dataclass
class Somebody:
    """One person with a prompt of her own, who switches neurons, looks at other pages and comes back.

    Parameters
    ----------
    number : which of the people: decides role, gallery, prompt and what is drawn.
    """

    server: TeamServer
    number: int
    seed: int
    right: dict[frozenset[str], str] = field(default_factory=dict)
    """Neurons that are off, by their switches -> what the page says then."""
    parts: dict[frozenset[str], str] = field(default_factory=dict)
    """The same -> what the answer says, which a switch draws again at once."""
    rests: dict[frozenset[str], str] = field(default_factory=dict)
    """The same -> what the part around it says, which follows."""
    seconds: list[float] = field(default_factory=list)
    """From a click on a switch to the last message of the page."""
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        self.name = f"person-{self.number}@example.org"
        self.role = ("viewer", "rater", "auditor", "operator")[self.number % 4]
        self.gallery, self.word = GALLERIES[self.number % 3], WORDS[self.number % len(WORDS)]
        self.query = f"gallery={self.gallery}&target=gallery&q=a+photo+of+a+{self.word}&k={20 + self.number}"
        self.draw = random.Random(self.seed * 1000 + self.number)
        self.visitor = Visitor(self.server.address, {"X-Forwarded-Email": self.name, "X-Unskew-Proxy": SECRET})
        self.off: frozenset[str] = frozenset()
        self.pages: list[str] = []
        self.thread: threading.Thread | None = None

    def learn(self) -> None:
        """Draw the page with each set of two switches while nobody else is there."""
        first = self.visitor.open("compare", self.query)
        self.pages, self.switches = first.pages, first.switches[:2]
        self.right[frozenset()] = _said(first)
        self.part = first.part_of(self.switches[0])
        for which in (0, 1, 0, 1):
            run = self._switch(self.switches[which])
            self.parts[self.off] = _said(run)
            self.rests[self.off] = _said(self.visitor.rest(run))
            self.right.setdefault(self.off, _said(self.visitor.again()))
        assert len(set(self.right.values())) == 4, f"{self.name}: every set of neurons has a page of its own"

    def begin(self, until: float) -> None:
        """Be at work until a time of `time.monotonic`."""
        self.seconds = []
        self.thread = threading.Thread(target=self._work, args=(until,), daemon=True)
        self.thread.start()

    @property
    def at_work(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def _work(self, until: float) -> None:
        try:
            self._open()
            while time.monotonic() < until:
                time.sleep(self.draw.uniform(*THINKS))
                drawn = self.draw.random()
                if drawn < TOGGLES:
                    run = self._switch(self.draw.choice(self.switches))
                    self._check(run, "a switch", self.parts)
                    if run.owed:
                        self._check(self.visitor.rest(run), "what follows a switch", self.rests)
                elif drawn < MOVES:
                    self._look(self.visitor.move(self.draw.choice(PAGES[self.role])))
                    time.sleep(self.draw.uniform(*THINKS))
                    self._check(self.visitor.move("compare"), "coming back")
                else:
                    self._open()
        except Exception as error:  # one person less is a finding, not the end of the others
            self.failed.append(f"{self.name}: {type(error).__name__}: {error}")

    def _open(self) -> None:
        self.off = frozenset()
        self._check(self.visitor.open("compare", self.query), "a new tab")

    def _switch(self, identity: str) -> Run:
        began = time.perf_counter()
        run = self.visitor.switch(identity, identity in self.off, self.part)
        self.seconds.append(time.perf_counter() - began)
        self.off = self.off ^ {identity}
        return run

    def _check(self, run: Run, what: str, right: dict[frozenset[str], str] | None = None) -> None:
        """Whether the page, or a part of it, says what it says to this person alone, to the letter."""
        self._look(run)
        wanted = (self.right if right is None else right)[self.off]
        if (said := _said(run)) != wanted:
            other = sorted(set(said.splitlines()) ^ set(wanted.splitlines()), key=len)
            self.wrong.append(f"{self.name} after {what}: {' | '.join(other)[:300] or 'in another order'}")

    def _look(self, run: Run) -> None:
        """Whether there is anybody else, or a page of another role."""
        self.runs += 1
        if run.pages and run.pages != self.pages:
            self.wrong.append(f"{self.name} sees the pages {run.pages}")
        if self.visitor._page in ("server", "jobs"):
            return  # there everybody stands by right
        everything = run.everything
        others = [number for number in range(MANY) if f"person-{number}@" in everything and number != self.number]
        if others:
            self.wrong.append(f"{self.name} reads of {others}")


def _said(run: Run) -> str:
    """What stands on the page, without what is there for as long as something is loaded, or says what was before."""
    passing = ("Loading", '{"owed"')
    return "\n".join(line for line in run.text.splitlines() if not line.startswith(passing))


class _Memory:
    """Memory of the app's process, in bytes."""

    def __init__(self, server: TeamServer) -> None:
        self.server, self.peak = server, 0.0

    def now(self) -> float:
        found = self.server.metrics()['unskew_memory_bytes{part="app"}']
        self.peak = max(self.peak, found)
        return found

    def settle(self, below: float = np.inf) -> float:
        """Wait until the sessions that were closed are forgotten and the memory is below something; seconds."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < CLOSED_SECONDS:
            if waited > FORGOTTEN_SECONDS and self.now() <= below:
                break
            time.sleep(2.0)
        return waited


def _processor(server: TeamServer) -> float:
    """Seconds that the app's process has had a core so far: what does not depend on who else works on this machine."""
    (number,) = [number for name, number in server.parts().items() if name.startswith(MODULES["app"])]
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _beside(folder: Path) -> Iterator[Callable[[], dict[str, Any]]]:
    """A training and audits at the workers for as long as the block; what they came to."""
    from core.gallery import open_gallery
    from core.saes.base import sae_config
    from core.training.config import TrainingConfig

    store, over, audits = JobStore(), threading.Event(), []
    size = open_gallery("default").embeddings("pooled").shape[1]
    plan = TrainingConfig(steps=STEPS, batch=256).to_json()
    shape = sae_config("matryoshka-batch-topk", size, 8 * size, 16).to_json()
    order = {"gallery": "default", "out": str(folder / "sae"), "config": shape, "training": plan}
    training = store.submit("sae-train", order, rounds.WHO)

    def audit() -> None:
        while not over.is_set():
            spec = rounds.orders(folder, folder / f"audit-{len(audits)}")["audit"]
            audits.append(store.submit("audit", spec, rounds.WHO))
            while store.get(audits[-1]).open and not over.wait(1.0):
                pass

    asking = threading.Thread(target=audit)
    asking.start()

    def told() -> dict[str, Any]:
        trained, ended = store.get(training), [store.get(job) for job in audits]
        return {
            "training": f"{trained.state}, {trained.done:,} of {trained.total:,} steps",
            "audits done": sum(job.state == "done" for job in ended),
            "audits failed": [job.reason for job in ended if job.state == "failed"],
        }

    try:
        yield told
    finally:
        over.set()
        asking.join()
        for job in (training, *audits):
            store.cancel(job, rounds.WHO)
        store.close()


def _leave(people: list[Somebody]) -> None:
    for one in people:
        with suppress(Exception):
            one.visitor.leave()


def _spread(seconds: list[float]) -> dict[str, float]:
    """Quantiles in milliseconds."""
    p50, p95 = (1e3 * float(np.quantile(seconds, share)) for share in (0.5, 0.95))
    return {"n": len(seconds), "p50_ms": p50, "p95_ms": p95, "max_ms": 1e3 * max(seconds)}


def _told(people: list[Somebody]) -> str:
    seconds = [one for somebody in people for one in somebody.seconds]
    wrong = sum(len(one.wrong) + len(one.failed) for one in people)
    spread = _spread(seconds or [0.0])
    runs = sum(one.runs for one in people)
    return f"{runs:,} runs, {wrong} wrong, a switch {spread['p50_ms']:.0f} ms, p95 {spread['p95_ms']:.0f} ms"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
