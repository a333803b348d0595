"""A job store of the test's own, and a worker that knows the toy kind."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.config import HOME_VARIABLE
from core.jobs.opening import JOBS_VARIABLE
from core.jobs.store import JobStore
from tests.jobs import toy_worker
from tests.team.conftest import database_server, own_database  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def toy_kind() -> Iterator[None]:
    with toy_worker.toys():
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The own folder of this test."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(JOBS_VARIABLE, raising=False)
    return tmp_path / "home"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    """A store of each kind; workers that this test starts find it too. Skips where no PostgreSQL is here."""
    if request.param == "postgresql":
        monkeypatch.setenv(JOBS_VARIABLE, request.getfixturevalue("own_database"))
    opened = JobStore()
    yield opened
    opened.close()


@pytest.fixture
def worker(store: JobStore) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts workers in processes of their own; what still runs at the end is ended.

    Their jobs have the priority of everybody else, so that other tests do not make the wait long; `lowest` leaves them
    the one that they have in life.
    """
    started: list[subprocess.Popen] = []

    def start(*arguments: str, lowest: bool = False) -> subprocess.Popen:
        told = dict(os.environ) if lowest else {**os.environ, "TOY_NICENESS": "0"}
        started.append(subprocess.Popen([*toy_worker.SCRIPT, *arguments], env=told))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def until(true: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False
