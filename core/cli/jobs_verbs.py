"""`jobs list`, `jobs show`, `jobs cancel`, `jobs work`: the long work of a team server, as its operator sees it."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import Json, emit
from core.config import one_of

if TYPE_CHECKING:
    from core.access import Person
    from core.jobs.rows import Job
    from core.jobs.store import JobStore

SCHEMA = 1
SHOWN = (
    *("id", "kind", "subject", "owner", "state", "priority", "needs_gpu", "submitted", "started", "finished"),
    *("attempt", "worked", "done", "total", "stage", "seconds_left", "result", "reason"),
)

verbs = typer.Typer(help="Jobs of a team server: see, cancel and do them.", no_args_is_help=True)
app.add_typer(verbs, name="jobs")

Store = Annotated[str | None, typer.Option("--store", help="Address of the job store; the configuration's own.")]
Id = Annotated[str, typer.Argument(help="Id of a job, or its first 6 or more characters.")]


def _operator() -> "Person":
    """Whoever works in a terminal of the server holds its files: an operator."""
    from core.access import ROLES, Person

    return Person("", "the command line", frozenset(ROLES))


def _open(address: str | None) -> "JobStore":
    from core.jobs.store import JobStore

    return JobStore(address)


def _said(job: "Job") -> dict[str, Any]:
    known = asdict(job)
    return {name: known[name] for name in SHOWN} | {"title": job.title}


@verbs.command("list")
def list_(
    state: Annotated[str | None, typer.Option("--state", help="waiting, running, done, failed or cancelled.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who asked for them.")] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Jobs of everyone, the newest first, and how many there are in each state."""
    from core.access import acting_as
    from core.jobs.rows import STATES

    states = None if state is None else [one_of(state, STATES, "--state")]
    opened = _open(store)
    with acting_as(_operator()):
        found = opened.listed(states, owner)
    document = {"schema": SCHEMA, "counts": opened.counts(), "jobs": [_said(job) for job in found]}
    emit(document, as_json, lambda: _listed(document))


def _listed(document: dict[str, Any]) -> Iterator[str]:
    yield ", ".join(f"{number:,} {state}" for state, number in document["counts"].items())
    yield from (_line(job) for job in document["jobs"])


def _line(job: dict[str, Any]) -> str:
    far = f", {job['done']:,} of {job['total']:,}" if job["state"] == "running" and job["total"] else ""
    who = f" ({job['owner']})" if job["owner"] else ""
    why = f": {job['reason']}" if job["reason"] else ""
    return f"{job['id'][:8]} {job['state']}{far} {job['title']}{who}{why}"


@verbs.command("show")
def show(job: Id, store: Store = None, as_json: Json = False) -> None:
    """One job with its log."""
    opened = _open(store)
    found = opened.get(job)
    log = [{"at": at, "line": line} for at, line in opened.log(found.id)]
    document = {"schema": SCHEMA, "job": _said(found), "log": log}
    emit(document, as_json, lambda: _shown(document))


def _shown(document: dict[str, Any]) -> Iterator[str]:
    yield _line(document["job"])
    for said in document["log"]:
        yield f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(said['at']))} {said['line']}"


@verbs.command("cancel")
def cancel(job: Id, store: Store = None, as_json: Json = False) -> None:
    """End a job for good: at once where it waits, within a second where it runs."""
    opened = _open(store)
    found = opened.get(job)
    opened.cancel(found.id, _operator())
    now = opened.get(found.id)
    said = _said(now)
    document = {"schema": SCHEMA, "job": said, "cancelling": now.cancelling}
    emit(document, as_json, lambda: iter([_line(said) + (" (being cancelled)" if now.open else "")]))


@verbs.command("work")
def work(
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Stop once nothing waits any more.")] = False,
    store: Store = None,
) -> None:
    """Be a worker: do the jobs that wait, one after the other, at low priority, until Ctrl-C."""
    import logging
    import signal

    from core.jobs.worker import Worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    worker = Worker(_open(store))
    before = {number: signal.signal(number, worker.stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        worker.run(until_empty)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
