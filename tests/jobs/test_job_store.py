"""The store of jobs: what is asked for waits, is taken once, is told of, ends once, and is never lost."""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from core import access
from core.access import CONFIG_VARIABLE, Person, Refused, acting_as
from core.config import InputError
from core.jobs import asking, opening
from core.jobs import store as module
from core.jobs.kind import KINDS, Made
from core.jobs.places import workplace
from core.jobs.rows import OVER, Hold, Job
from core.jobs.store import JobStore
from core.jobs.workers import ended, me
from core.team.configuration import Configuration, Limits

ADA = Person("ada@example.org", "Ada", frozenset({"operator"}))
BOB = Person("bob@example.org", "Bob", frozenset({"auditor"}))
EVE = Person("eve@example.org", "Eve", frozenset({"viewer"}))


def asked(store: JobStore, home: Path, name: str = "one", owner: Person = ADA, **more) -> str:
    return store.submit("toy-count", {"out": str(home / name)}, owner, **more)


def taken(store: JobStore) -> Job:
    job = store.claim(me())
    assert job is not None
    return job


def hold(job: Job) -> Hold:
    return Hold(job.id, job.attempt)


def test_a_job_waits_runs_and_is_done(store: JobStore, home: Path) -> None:
    job = store.get(asked(store, home))
    assert (job.state, job.owner, job.owner_title, job.attempt, job.title) == (
        "waiting",
        ADA.name,
        "Ada",
        0,
        "Count: one",
    )
    running = taken(store)
    assert running.id == job.id and running.state == "running" and running.attempt == 1
    assert store.claim(me()) is None
    assert store.progress(hold(running), 2, 3, "counting", 1.5)
    assert (store.get(job.id).done, store.get(job.id).total, store.get(job.id).seconds_left) == (2, 3, 1.5)
    (home / "one").mkdir(parents=True)
    (home / "one" / "x").write_bytes(b"12345")
    assert store.finish(hold(running), Made("one", home / "one"))
    over = store.get(job.id[:8])
    assert over.state == "done" and over.result == "one" and over.finished >= over.started >= over.submitted
    assert store.counts() == {"waiting": 0, "running": 0, "done": 1, "failed": 0, "cancelled": 0}
    assert not store.finish(hold(running), Made("twice")) and not store.fail(hold(running), "too late")
    assert not store.beat(hold(running)) and not store.progress(hold(running), 3, 3, "counting")


def test_the_more_urgent_is_taken_first_and_the_older_of_equals(store: JobStore, home: Path) -> None:
    names = [("slow", 0), ("urgent", 20), ("slow-too", 0), ("urgent-too", 20), ("middle", 10)]
    for name, priority in names:
        asked(store, home, name, priority=priority)
    order = [taken(store).subject for _ in names]
    assert order == ["urgent", "urgent-too", "middle", "slow", "slow-too"]


def test_one_gpu_is_given_to_one_at_a_time(store: JobStore, home: Path) -> None:
    asked(store, home, "first", needs_gpu=True)
    asked(store, home, "second", needs_gpu=True)
    asked(store, home, "other")
    first, other = store.claim("1-1", gpu=True), store.claim("1-1", gpu=True)
    assert (first.subject, other.subject) == ("first", "other") and store.claim("1-1", gpu=True) is None
    store.put_back(hold(first), "stopped")
    assert store.claim("1-1", gpu=True).subject == "first"
    assert store.claim("1-1", gpu=False).subject == "second", "a machine without a GPU has none to share"


def test_a_job_is_taken_by_one_of_many(store: JobStore, home: Path) -> None:
    ids, found = [asked(store, home, f"job-{i}") for i in range(12)], []

    def take() -> None:
        own = JobStore(store.address)
        while (job := own.claim(me())) is not None:
            found.append(job.id)
        own.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(ids)


def test_what_a_lost_worker_writes_counts_no_more(store: JobStore, home: Path) -> None:
    job = asked(store, home)
    first = store.claim("0-gone")
    assert ended("0-gone") and store.reap() == [job] and store.reap() == []
    second = taken(store)
    assert (first.attempt, second.attempt) == (1, 2) and store.reap() == []
    assert not store.finish(hold(first), Made("old")) and not store.put_back(hold(first), "old")
    assert store.asked_to_end(hold(first)) == "lost" and store.asked_to_end(hold(second)) is None
    assert store.finish(hold(second), Made("new")) and store.get(job).result == "new"


def test_what_a_worker_was_given_and_does_not_know_of_waits_again(store: JobStore, home: Path) -> None:
    """The database may take a claim down and cease before it says so; the worker lives, and nobody does the job."""
    job = asked(store, home)
    taken(store)
    assert store.reap() == [] and store.reap("another") == []
    assert store.reap(me()) == [job] and taken(store).attempt == 2


def test_a_worker_elsewhere_is_lost_when_its_lease_has_run_out(
    store: JobStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, job = JobStore(store.address, lease=0.4), asked(store, home)
    monkeypatch.setattr(module, "here", lambda: "another-machine")
    elsewhere = short.claim("1-1")
    monkeypatch.undo()
    monkeypatch.setenv("UNSKEW_HOME", str(home))
    assert short.reap() == []
    for _ in range(4):
        time.sleep(0.2)
        assert short.beat(hold(elsewhere), 0.2) and short.reap() == []
    assert short.get(job).worked == pytest.approx(0.8)
    time.sleep(0.6)
    assert short.reap() == [job] and not short.beat(hold(elsewhere))
    short.close()


def test_nobody_is_put_out_while_the_database_did_not_answer(store: JobStore, home: Path, monkeypatch) -> None:
    short = JobStore(store.address, lease=0.2)
    asked(store, home)
    monkeypatch.setattr(module, "here", lambda: "another-machine")
    short.claim("1-1")
    monkeypatch.setattr(module, "here", lambda: "this-machine")
    time.sleep(0.3)
    short._trouble = time.monotonic()
    assert short.reap() == []
    time.sleep(0.5)
    assert len(short.reap()) == 1
    short.close()


def test_only_its_owner_and_operators_cancel_a_job(store: JobStore, home: Path) -> None:
    waiting = asked(store, home, "waiting", BOB)
    with pytest.raises(Refused):
        store.cancel(waiting, EVE)
    assert store.get(waiting).state == "waiting"
    assert store.cancel(waiting, BOB) == "cancelled" and store.claim(me()) is None
    running = asked(store, home, "running", BOB)
    held = taken(store)
    assert store.cancel(running, ADA) == "running" and store.asked_to_end(hold(held)) == "cancel"
    assert store.put_back(hold(held), "its worker was stopped") and store.get(running).state == "cancelled"
    assert store.cancel(running, ADA) == "cancelled"


def test_a_nameless_person_owns_nothing_on_a_team_server(store: JobStore, home: Path, monkeypatch) -> None:
    job = store.submit("toy-count", {"out": str(home / "x")}, Person("", "", frozenset({"auditor"})))
    monkeypatch.setenv(CONFIG_VARIABLE, "somewhere.toml")
    with pytest.raises(Refused):
        store.cancel(job, Person("", "", frozenset({"viewer"})))


def test_who_asks_needs_the_action_of_the_kind(store: JobStore, home: Path) -> None:
    for name in KINDS:
        kind = KINDS.get(name)
        for role in access.ROLES:
            person = Person("p", "P", frozenset({role}))
            if role not in access.ACTIONS[kind.action].roles:
                with pytest.raises(Refused):
                    store.submit(name, {}, person)
                with acting_as(person), pytest.raises(Refused):
                    store.submit(name, {})
    assert store.counts()["waiting"] == 0


def test_people_see_what_they_may(store: JobStore, home: Path) -> None:
    mine, theirs = asked(store, home, "mine", BOB), asked(store, home, "theirs", ADA)
    with acting_as(EVE):
        assert [job.id for job in store.listed()] == [theirs, mine]
        assert [job.id for job in store.listed(owner=BOB.name)] == [mine]
        assert store.listed(states=OVER) == []
    with acting_as(Person(BOB.name, "", frozenset())):
        assert [job.id for job in store.listed()] == [mine]
    with acting_as(access.NOBODY):
        assert store.listed() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "lacks out"),
        ({"out": "x", "too": 1}, "takes no 'too'; it takes out, to"),
        ({"out": 3}, "out was 3; expected str"),
        ({"out": "x", "to": True}, "to was True; expected int"),
        ({"out": "x", "to": 0}, "to was 0; expected at least 1"),
    ],
)
def test_what_cannot_be_used_never_waits(store: JobStore, given: Mapping, words: str) -> None:
    with pytest.raises(InputError, match=words):
        store.submit("toy-count", given, ADA)
    with pytest.raises(InputError, match="unknown kind of job 'toy-cuont'; did you mean 'toy-count'"):
        store.submit("toy-cuont", given, ADA)
    assert sum(store.counts().values()) == 0


def test_the_same_work_is_not_done_twice_at_once(store: JobStore, home: Path) -> None:
    first = asked(store, home)
    assert asked(store, home, owner=BOB) == first and store.get(first).owner == ADA.name
    with pytest.raises(InputError, match="another job is making one; wait"):
        store.submit("toy-count", {"out": str(home / "one"), "to": 9}, BOB)
    store.cancel(first, ADA)
    assert asked(store, home) != first
    assert store.latest("toy-count", {"out": str(home / "one")}).state == "waiting"
    assert store.latest("toy-count", {"out": "other"}) is None


def test_limits_of_roles(store: JobStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"auditor": Limits(jobs=2, disk_gb=1e-6)}
    monkeypatch.setattr(asking, "current", lambda: Configuration(Path("x"), "open", limits=limits))
    asked(store, home, "a", BOB)
    asked(store, home, "b", BOB)
    with pytest.raises(InputError, match="2 of your jobs wait or run, and your roles allow 2"):
        asked(store, home, "c", BOB)
    asked(store, home, "d", ADA)
    running = taken(store)
    (home / "a").mkdir(parents=True)
    (home / "a" / "large").write_bytes(b"x" * 2000)
    store.finish(hold(running), Made("a", home / "a"))
    with pytest.raises(InputError, match=r"your jobs have made 0\.0 GB that is still there"):
        asked(store, home, "c", BOB)
    (home / "a" / "large").unlink()
    (home / "a").rmdir()
    asked(store, home, "c", BOB)


def test_no_path_of_the_disk_is_said(store: JobStore, home: Path) -> None:
    job = asked(store, home)
    running = taken(store)
    store.write(job, "reading /srv/team/faces/list.csv, and ~/private/notes.txt; see https://example.org/a/b")
    store.fail(hold(running), "/srv/team/faces/list.csv cannot be read\nTraceback")
    assert store.get(job).reason == "list.csv cannot be read Traceback"
    lines = [line for _, line in store.log(job)]
    assert lines[0] == "reading list.csv, and notes.txt; see https://example.org/a/b"


def test_logs_are_bounded(store: JobStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LINES", 20)
    job = asked(store, home)
    for number in range(30):
        store.write(job, f"line {number} " + "x" * 1000)
    lines = [line for _, line in store.log(job)]
    assert len(lines) == 20 and lines[-1].startswith("line 29 ") and max(map(len, lines)) <= 400


def test_uploads_wait_with_the_job_and_go_with_it(store: JobStore, home: Path) -> None:
    job = store.submit("toy-count", {"to": 2}, ADA, files={"out": ("../../etc/table.csv", b"a,b")})
    kept = Path(store.get(job).parameters["out"])
    assert kept.read_bytes() == b"a,b" and kept.name == "table.csv" and kept.is_relative_to(workplace(job))
    store.cancel(job, ADA)
    assert not workplace(job).exists()
    for name in ("..", "", "a\0b.csv", "x" * 300 + ".csv", "/"):
        odd = store.submit("toy-count", {"to": 2}, ADA, files={"out": (name, b"a,b")})
        kept = Path(store.get(odd).parameters["out"])
        assert kept.read_bytes() == b"a,b" and kept.is_relative_to(workplace(odd))
        assert kept.suffix == (".csv" if name.endswith(".csv") else "")
        store.cancel(odd, ADA)
    with pytest.raises(InputError):
        store.submit("toy-count", {"to": 0}, ADA, files={"out": ("table.csv", b"a,b")})
    assert not any((home / "jobs").iterdir())


def test_workplaces_of_what_is_over_are_swept(store: JobStore, home: Path) -> None:
    over, waits = asked(store, home, "over"), asked(store, home, "waits")
    store.fail(hold(taken(store)), "wrong")
    for job in (over, waits, "somebody-elses"):
        workplace(job).mkdir(parents=True)
    store.sweep()
    assert not workplace(over).exists() and workplace(waits).exists() and workplace("somebody-elses").exists()


def test_less_urgent_work_gives_way_once_more_urgent_work_has_waited(store: JobStore, home: Path, monkeypatch) -> None:
    now, later = module.now_of, [0.0]
    monkeypatch.setattr(module, "PATIENT_SECONDS", 3600)
    monkeypatch.setattr(module, "now_of", lambda connection: now(connection) + later[0])
    asked(store, home, "training", priority=0)
    asked(store, home, "encoding", priority=10)
    encoding, training = taken(store), taken(store)
    assert not store.should_give_way(training)
    asked(store, home, "equal", priority=0)
    later[0] = 4000
    assert not store.should_give_way(training)
    later[0] = 0
    asked(store, home, "audit", priority=20)
    assert not store.should_give_way(training)
    later[0] = 4000
    assert store.should_give_way(training) and not store.should_give_way(encoding)
    store.put_back(hold(training), "gave way")
    assert taken(store).subject == "audit"


def test_a_process_that_dies_at_the_same_place_fails_the_job_in_the_end(store: JobStore, home: Path) -> None:
    job = asked(store, home)
    for number in range(module.DEATHS - 1):
        store.put_back(hold(taken(store)), "died", module.DEATHS)
        assert store.get(job).state == "waiting", number
    moved = taken(store)
    store.progress(hold(moved), 1, 3, "counting")
    for _ in range(module.DEATHS - 1):
        store.put_back(Hold(job, store.get(job).attempt), "died", module.DEATHS)
        taken(store)
    assert store.get(job).deaths == module.DEATHS - 1
    store.put_back(Hold(job, store.get(job).attempt), "died", module.DEATHS)
    assert store.get(job).state == "failed" and "perhaps for want of memory" in store.get(job).reason
    killed = asked(store, home, "killed")
    for _ in range(3 * module.DEATHS):
        store.put_back(hold(taken(store)), "killed", module.KILLS)
    assert store.get(killed).state == "waiting"
    store.cancel(killed, ADA)
    stopped = asked(store, home, "stopped")
    for _ in range(3 * module.DEATHS):
        store.put_back(hold(taken(store)), "its worker was lost")
    assert store.get(stopped).state == "waiting"


def test_parameters_come_back_as_they_were_given(store: JobStore, home: Path) -> None:
    given = {"out": str(home / "ünï ⚡"), "to": 7, "seconds": 0.25}
    job = store.submit("toy-count", given, ADA)
    assert store.get(job).parameters == given and json.dumps(store.get(job).parameters)
    assert store.person_of(job) == ADA


def test_ids_that_are_none(store: JobStore, home: Path) -> None:
    asked(store, home)
    for wrong in ("", "%", "a", "______", "0" * 32, "x" * 500):
        with pytest.raises(InputError, match="there is no job"):
            store.get(wrong)


def test_redis_only_rings(home: Path) -> None:
    store = JobStore("redis://127.0.0.1:1/0")
    job = store.submit("toy-count", {"out": str(home / "one")}, ADA)
    assert store.get(job).state == "waiting" and (home / "jobs.sqlite").is_file()
    assert store.bell.wait(0.1) is False
    store.close()


def test_the_bell_wakes_one_worker_for_each_job(store: JobStore, home: Path) -> None:
    assert not store.bell.wait(0.3)
    asked(store, home, "a")
    asked(store, home, "b")
    other = JobStore(store.address)
    assert other.bell.wait(2.0) and store.bell.wait(2.0) and not other.bell.wait(0.3)
    other.close()


def test_jobs_that_are_over_for_long_are_forgotten_with_their_lines(
    store: JobStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def over(name: str, made: bool = False) -> str:
        asked(store, home, name)
        job = taken(store)
        if made:
            (home / name).mkdir(parents=True)
        store.finish(hold(job), Made(name, home / name))
        return job.id

    asked(store, home, "failed")
    failed, reached = hold(taken(store)), home / ".failed.partial"
    reached.mkdir(parents=True)
    assert store.fail(failed, "wrong")
    there, *gone = over("there", made=True), over("one"), over("two"), over("three")
    waits, now = asked(store, home, "waits"), module.now_of
    assert store.prune() == 0, "without a configuration nothing is forgotten"
    keeps = Configuration(Path("x"), "open", job_keep_days=1.0, job_keep=2)
    monkeypatch.setattr(module, "current", lambda: keeps)
    assert store.prune() == 2 and store.log(gone[0]) == [] and not reached.exists()
    assert (store.counts()["done"], store.counts()["failed"]) == (3, 0)
    monkeypatch.setattr(module, "now_of", lambda connection: now(connection) + 2 * 86400)
    assert store.prune() == 2 and store.prune() == 0
    assert [store.get(job).state for job in (there, waits)] == ["done", "waiting"] and store.log(there) != []


def test_the_groups_of_whoever_asks_are_kept_with_the_job(store: JobStore, home: Path) -> None:
    person = Person("cy@example.org", "Cy", frozenset({"auditor"}), frozenset({"Prüfer", "a:b"}))
    assert store.person_of(asked(store, home, owner=person)) == person
