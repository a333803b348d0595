"""Tests never touch what people keep on this machine, and two processes of them share its cores."""

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before numpy and torch count the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from core.config import HOME_VARIABLE
from tests.slow import SECONDS

HERE = Path(__file__).parent

# Rewriting and compiling 450 files of tests takes longer than importing them, and whatever a test starts would compile
# the app anew: what is compiled is kept, also where the environment says otherwise.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def own_folder_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Labels and computed maps go to a folder of this run, in this process and in those that it starts."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(tmp_path_factory.mktemp("unskew-home"))
    yield
    os.environ.pop(HOME_VARIABLE)
    if before is not None:
        os.environ[HOME_VARIABLE] = before


@pytest.fixture(scope="session", autouse=True)
def short_trainings() -> Iterator[None]:
    """Methods that train for a minute are trained for a moment; their own tests say for how long."""
    from core.interventions import zsdebias_network

    patch = pytest.MonkeyPatch()
    patch.setattr(zsdebias_network, "EPOCHS", 3)
    yield
    patch.undo()


REAL_SERVERS = ("browser", "jobs", "team", "test_cluster", "test_disk_full")
"""Where tests wait for other processes: a busy machine may hinder one of them once, and that is said."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The fast part does not even import what it leaves out."""
    return True if config.option.markexpr == "not slow" and named(collection_path) in SECONDS else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        # files go whole to one process or the other; a long one at the end would leave one of them without work
        items.sort(key=lambda item: -SECONDS.get(named(item.path), 0))
    for item in items:
        if named(item.path) in SECONDS:
            item.add_marker(pytest.mark.slow)
        if item.path.name.startswith("test_recorded"):  # other processors round otherwise, and turn bases
            item.add_marker(pytest.mark.shipped)
        if named(item.path).split("/")[0] in REAL_SERVERS:
            item.add_marker(pytest.mark.flaky(reruns=1))


@cache
def named(path: Path) -> str:
    """A file of tests as `tests/slow.py` calls it."""
    return path.relative_to(HERE).as_posix().removesuffix(".py")
