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


SLOW = (
    "avatars/test_build",
    "avatars/test_captions",
    "avatars/test_drawing",
    "backbones/test_open_clip_models",
    "benchmark/test_benchmark",
    "browser/test_compare_page",
    "browser/test_label_page",
    "browser/test_neurons_page",
    "cli/test_attribute_verb",
    "cli/test_cli",
    "cli/test_cli_benchmarks",
    "cli/test_cli_default",
    "cli/test_cli_methods",
    "cli/test_doors",
    "cli/test_doors_damaged",
    "cli/test_sae_train",
    "edits/test_choosing",
    "edits/test_default_smallest",
    "edits/test_recorded_edits",
    "engines/test_engine_audit",
    "gallery/test_building",
    "gallery/test_embedding",
    "gallery/test_full_disk",
    "gallery/test_gallery",
    "home/test_guide",
    "home/test_wrapped_models",
    "home/test_taken_home",
    "interventions/test_contract",
    "interventions/test_recorded_methods",
    "interventions/test_trained",
    "jobs/test_job_store",
    "jobs/test_job_worker",
    "jobs/test_kinds",
    "labelling/test_agreement",
    "labelling/test_log",
    "lvlm/test_answering",
    "lvlm/test_attaching",
    "lvlm/test_default_model",
    "lvlm/test_default_training",
    "lvlm/test_lvlm_choosing",
    "lvlm/test_lvlm_verbs",
    "lvlm/test_numbers",
    "metrics/test_ranking_metrics",
    "portable/test_onnx",
    "portable/test_portable",
    "projection/test_process",
    "ranking/test_controls",
    "ranking/test_costs",
    "ranking/test_large_galleries",
    "ranking/test_rank",
    "ranking/test_rank_methods",
    "ranking/test_recorded_lists",
    "ranking/test_recorded_rankings",
    "ranking/test_rounding",
    "report/test_interrupted",
    "report/test_known_answers",
    "report/test_report",
    "report/test_verify",
    "report/test_edits_taken_home",
    "saes/test_architectures",
    "saes/test_hostile_files",
    "saes/test_selection",
    "statistics/test_areas",
    "statistics/test_bands",
    "statistics/test_biased_draw",
    "statistics/test_clusters",
    "statistics/test_exchange",
    "statistics/test_gaps",
    "statistics/test_inversion",
    "statistics/test_leakages",
    "statistics/test_lists",
    "statistics/test_mean_leans",
    "statistics/test_recorded",
    "statistics/test_recorded_draws",
    "statistics/test_recorded_tests",
    "stores/test_stores",
    "studies/test_planted_study",
    "studies/test_studies",
    "tables/test_writers",
    "team/test_backup",
    "team/test_behind_a_proxy",
    "team/test_behind_nginx",
    "team/test_co_viewing",
    "team/test_killed",
    "team/test_matrix",
    "team/test_record",
    "team/test_replicas",
    "team/test_serving",
    "team/test_signing_in",
    "test_boundaries",
    "test_cluster",
    "test_fairface",
    "test_toys",
    "training/test_training",
    "ui/ask/test_ask_page",
    "ui/compare/test_engine_view",
    "ui/compare/test_own_targets",
    "ui/compare/test_ui_compare",
    "ui/compare/test_ui_methods",
    "ui/compare/test_ui_sweep",
    "ui/compare/test_ui_why",
    "ui/jobs/test_jobs_page",
    "ui/label/test_ui_label",
    "ui/models/test_models_page",
    "ui/neurons/test_neuron_pages",
    "ui/parts/test_wording",
    "ui/report/test_report_page",
    "ui/session/test_roles",
    "ui/start/test_first_screen",
    "ui/test_pages",
    "verify/test_forgeries",
    "verify/test_own_lists",
    "verify/test_own_means",
    "verify/test_own_parity",
    "verify/test_own_picked",
    "verify/test_own_together",
    "verify/test_second_author",
    "zeroshot/test_accuracy",
    "zeroshot/test_parity",
)
"""Files whose tests take more than a second together on a quiet machine."""
REAL_SERVERS = ("browser", "jobs", "team", "test_cluster.py", "test_disk_full.py")
"""Where tests wait for other processes: a busy machine may hinder one of them once, and that is said."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here)
        if path.with_suffix("").as_posix() in SLOW:
            item.add_marker(pytest.mark.slow)
        if path.parts[0] in REAL_SERVERS:
            item.add_marker(pytest.mark.flaky(reruns=1))
