"""Tests never touch what people keep on this machine, and two processes of them share its cores."""

import os
from collections.abc import Iterator

if "PYTEST_XDIST_WORKER" in os.environ:  # before numpy and torch count the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from core.config import HOME_VARIABLE


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
