"""Tests never touch what people keep on this machine, and two processes of them share its cores."""

import os
from collections.abc import Iterator
from pathlib import Path

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


SLOW = [
    "avatars/test_build",
    "backbones/test_open_clip_models",
    "benchmark/test_benchmark",
    "browser/test_compare_page",
    "browser/test_label_page",
    "browser/test_neurons_page",
    "cli/test_cli_default",
    "cli/test_cli_methods",
    "cli/test_doors_damaged",
    "gallery/test_embedding",
    "gallery/test_full_disk",
    "labelling/test_log",
    "lvlm/test_attaching",
    "lvlm/test_default_model",
    "lvlm/test_lvlm_choosing",
    "lvlm/test_lvlm_verbs",
    "projection/test_process",
    "ranking/test_costs",
    "ranking/test_rank_methods",
    "ranking/test_rounding",
    "report/test_interrupted",
    "report/test_known_answers",
    "report/test_verify",
    "saes/test_selection",
    "statistics/test_areas",
    "statistics/test_bands",
    "statistics/test_gaps",
    "statistics/test_leakage",
    "tables/test_writers",
    "test_cluster",
    "test_fairface",
    "test_toys",
    "training/test_training",
    "ui/ask/test_ask_page",
    "ui/compare/test_ui_compare",
    "ui/compare/test_ui_sweep",
    "ui/compare/test_ui_why",
    "ui/label/test_ui_label",
    "ui/neurons/test_neuron_pages",
    "ui/test_pages",
    "verify/test_forgeries",
    "verify/test_own_parity",
    "verify/test_second_author",
    "zeroshot/test_accuracy",
]
"""Files whose tests take more than three seconds together on a quiet machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).with_suffix("").as_posix() in SLOW:
            item.add_marker(pytest.mark.slow)
