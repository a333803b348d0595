"""Workers: what they do is done once and whole, whoever ends them and when; urgent work goes first; limits hold."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core import access
from core.access import CONFIG_VARIABLE, Person
from core.databases import DatabaseDown
from core.jobs import child
from core.jobs.kind import KINDS
from core.jobs.places import workplace
from core.jobs.store import DEATHS, JobStore
from tests.jobs.conftest import until

ADA = Person("ada@example.org", "Ada", frozenset({"operator"}))
SQLITE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""What does not depend on the database is tried with one of them."""
Start = Callable[..., subprocess.Popen]


def asked(store: JobStore, home: Path, name: str = "one", **more) -> str:
    priority = more.pop("priority", None)
    return store.submit("toy-count", {"out": str(home / name), **more}, ADA, priority)


def counted(home: Path, name: str = "one") -> list[int]:
    """Numbers that were begun, in the order in which they were."""
    return [int(line) for line in (home / f"{name}.trail").read_text().split()]


def children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    below = [int(number) for number in text.split()]
    return below + [one for child in below for one in children(child)]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@SQLITE
def test_work_is_done_as_it_was_asked_for(store: JobStore, home: Path, worker: Start) -> None:
    done, wrong, bug = (
        asked(store, home),
        asked(store, home, "two", wrong="input"),
        asked(store, home, "b", wrong="bug"),
    )
    assert worker("empty").wait(60) == 0
    assert store.get(done).state == "done" and store.get(done).result == "one"
    assert sorted(path.name for path in (home / "one").iterdir()) == ["1", "2", "3"] and counted(home) == [1, 2, 3]
    assert [line for _, line in store.log(done)] == ["begun", "counting", "done"]
    assert store.get(wrong).state == "failed" and store.get(wrong).reason == "file is wrong"
    assert store.get(bug).state == "failed" and "not for people" not in store.get(bug).reason
    assert "details are in the server log under" in store.get(bug).reason
    assert not workplace(done).exists() and not list(home.glob(".one*"))


def test_a_killed_worker_loses_nothing(store: JobStore, home: Path, worker: Start) -> None:
    """The worker, the process that watches, or the one that works is ended without warning, again and again."""
    draw = random.Random(0)
    job = asked(store, home, to=30, seconds=0.05)
    first = worker()
    assert until(lambda: store.get(job).done >= 2)
    for kind in ("worker", "watch", "work", "worker"):
        running, parent = store.get(job), first.pid
        assert until(lambda: len(children(parent)) == 2)  # noqa: B023
        below = children(first.pid)
        victim = {"worker": first.pid, "watch": below[0], "work": below[1]}[kind]
        time.sleep(draw.uniform(0, 0.3))
        os.kill(victim, signal.SIGKILL)
        assert until(lambda: not any(map(alive, below)), 5.0), "what was below it goes on working"  # noqa: B023
        if kind == "worker":
            first.wait()
            first = worker()
        assert until(lambda: store.get(job).attempt > running.attempt or store.get(job).state == "done")  # noqa: B023
        assert until(lambda: store.get(job).stage or store.get(job).state == "done")
    assert until(lambda: store.get(job).state == "done")
    numbers = counted(home)
    assert numbers == sorted(numbers) and set(numbers) == set(range(1, 31)) and len(numbers) <= 34
    assert sorted(int(path.name) for path in (home / "one").iterdir()) == list(range(1, 31))


@SQLITE
def test_a_process_that_ends_by_a_fault_fails_its_job_in_the_end(store: JobStore, home: Path, worker: Start) -> None:
    job = asked(store, home, wrong="dies")
    assert worker("empty").wait(90) == 0
    assert store.get(job).state == "failed" and store.get(job).attempt == DEATHS
    assert "was ended 5 times at the same place" in store.get(job).reason


@SQLITE
def test_a_worker_that_is_stopped_puts_its_job_back(store: JobStore, home: Path, worker: Start) -> None:
    job = asked(store, home, to=60, seconds=0.05)
    first = worker()
    assert until(lambda: store.get(job).done >= 2)
    below, began = children(first.pid), time.monotonic()
    first.terminate()
    assert first.wait(10) == 0 and time.monotonic() - began < 3
    assert not any(map(alive, below))
    assert store.get(job).state == "waiting" and store.get(job).worker == ""
    reached = len(counted(home))
    store.cancel(job, ADA)
    assert not list(home.glob(".one*")) and reached >= 2
    assert store.log(job)[-1][1] == "cancelled by Ada"


@SQLITE
def test_a_running_job_is_cancelled_within_a_second(store: JobStore, home: Path, worker: Start) -> None:
    job = asked(store, home, to=1000, seconds=0.05)
    first = worker()
    assert until(lambda: store.get(job).done >= 1)
    below = children(first.pid)
    began = time.monotonic()
    store.cancel(job, ADA)
    assert until(lambda: not any(map(alive, below)), 5)
    assert time.monotonic() - began < 1.5
    assert until(lambda: store.get(job).state == "cancelled")
    assert until(lambda: not list(home.glob(".one*")))
    after = asked(store, home, "after")
    assert until(lambda: store.get(after).state == "done")


def test_two_workers_never_do_one_job_at_once(store: JobStore, home: Path, worker: Start) -> None:
    jobs = [asked(store, home, f"job-{i}", to=2, seconds=0.02) for i in range(6)]
    workers = [worker("empty"), worker("empty")]
    assert [one.wait(120) for one in workers] == [0, 0]
    for i, job in enumerate(jobs):
        assert store.get(job).state == "done" and store.get(job).attempt == 1
        assert counted(home, f"job-{i}") == [1, 2]


@SQLITE
def test_urgent_work_does_not_wait_for_long_work(store: JobStore, home: Path, worker: Start) -> None:
    training = asked(store, home, "training", to=400, seconds=0.05)
    worker()
    assert until(lambda: store.get(training).done >= 1)
    click = asked(store, home, "click", priority=20)
    assert until(lambda: store.get(click).state == "done", 30)
    assert store.get(training).open and "gave way" in " ".join(line for _, line in store.log(training))
    assert until(lambda: store.get(training).state == "running")
    store.cancel(training, ADA)


@SQLITE
def test_work_is_done_at_the_lowest_priority(store: JobStore, home: Path, worker: Start) -> None:
    job = asked(store, home, to=100, seconds=0.05)
    first = worker(lowest=True)
    assert until(lambda: store.get(job).done >= 1)
    niceness = [os.getpriority(os.PRIO_PROCESS, one) for one in children(first.pid)]
    assert niceness == [19, 19] and os.getpriority(os.PRIO_PROCESS, first.pid) < 19
    store.cancel(job, ADA)


@SQLITE
def test_limits_of_the_configuration_hold(store: JobStore, home: Path, worker: Start, monkeypatch, tmp_path) -> None:
    """Time and memory of a job, as the configuration states them, read by the process that does the work."""
    stated = tmp_path / "unskew.toml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(stated))
    for limit, order, said in (
        ("memory_gb = 0.5", {"wrong": "memory"}, "needs more memory than a job may have"),
        ("hours = 0.001", {"to": 1000, "seconds": 0.1}, "longer than a job may take"),
    ):
        stated.write_text(f'[access]\nmode = "open"\n[jobs]\n{limit}\n[roles]\noperator = ["ada@example.org"]\n')
        job = asked(store, home, limit[:5], **order)
        assert worker("empty").wait(90) == 0
        assert store.get(job).state == "failed" and said in store.get(job).reason


@SQLITE
def test_who_lost_the_role_meanwhile_is_refused(store: JobStore, home: Path, worker: Start) -> None:
    """A job is done as the person who asked for it, with that person's roles."""
    job = asked(store, home)
    with store._writer.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET owner_roles = '[\"viewer\"]'")
    assert worker("empty").wait(60) == 0
    assert store.get(job).state == "failed" and "needs one of the roles auditor, operator" in store.get(job).reason


@SQLITE
def test_a_role_that_the_configuration_took_away_while_a_job_waited_does_nothing(
    store: JobStore, home: Path, worker: Start, monkeypatch, tmp_path
) -> None:
    job, stated = asked(store, home), tmp_path / "unskew.toml"
    stated.write_text('[access]\nmode = "open"\n[roles]\nviewer = ["ada@example.org"]\n')
    monkeypatch.setenv(CONFIG_VARIABLE, str(stated))
    assert worker("empty").wait(60) == 0
    assert store.get(job).state == "failed" and "Ada has none" in store.get(job).reason


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_database_that_is_killed_loses_no_job(store: JobStore, home: Path, worker: Start, database_server) -> None:
    job = asked(store, home, to=40, seconds=0.1)
    first = worker()
    assert until(lambda: store.get(job).done >= 2)
    for _ in range(2):
        database_server.kill()
        time.sleep(1.0)
        assert first.poll() is None
        database_server.start()
        time.sleep(0.5)
    assert until(lambda: store.get(job).state == "done")
    assert counted(home) == list(range(1, 41)) and store.get(job).attempt == 1


@SQLITE
def test_a_job_outlasts_a_database_that_ceases_to_answer(
    store: JobStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it begins and on the way: whoever has to be asked or told again a moment later is."""
    job, down = asked(store, home), iter(["the record", "the record", "the label log"])

    def ceasing(owner: object, name: str) -> None:
        whole = getattr(owner, name)

        def call(*given: object) -> object:
            if (what := next(down, None)) is not None:
                raise DatabaseDown(f"{what} cannot be used")
            return whole(*given)

        monkeypatch.setattr(owner, name, call)

    monkeypatch.setattr(access, "_told", [])  # a job has its process listen
    ceasing(access, "require")
    ceasing(KINDS.get("toy-count"), "run")
    taken = store.claim("1-1")
    assert taken is not None
    child.work(job, taken.attempt)
    assert store.get(job).state == "done" and next(down, None) is None
