"""A map's process: neighbours stay neighbours, the same seed gives the same places, and nothing is computed twice."""

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from core import projection
from core.config import InputError
from core.projection import N_NEIGHBORS, pca_places, read_map, trustworthiness, umap_places
from core.projection.places import load_umap
from core.projection.process import compute, prepare
from tests.projection.points import clusters

STARTED_SECONDS = 240
"""Enough to load and compile umap on a busy machine; a quiet one needs ten."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, projection.Projection]:
    """A map computed as the app does: in a process of its own."""
    folder = tmp_path_factory.mktemp("maps") / "one"
    projection.start(folder, clusters())
    end = time.monotonic() + STARTED_SECONDS
    while projection.running(folder) and time.monotonic() < end:
        time.sleep(0.2)
    found = read_map(folder)
    assert found is not None, (folder / "errors.txt").read_text()
    return folder, found


def test_the_map_keeps_neighbours_clearly_better_than_pca(made: tuple[Path, projection.Projection]) -> None:
    _, found = made
    x = clusters()
    assert found.places.shape == (len(x), 2)
    assert found.trustworthiness == pytest.approx(trustworthiness(x, found.places))
    assert found.pca_trustworthiness == pytest.approx(trustworthiness(x, pca_places(x)))
    assert found.trustworthiness > found.pca_trustworthiness + 0.05
    assert found.n_neighbors == N_NEIGHBORS
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = unit @ unit.T - 3 * np.eye(len(x))
    assert found.nearest_cosine == pytest.approx(np.median(cosines.max(axis=1)), abs=1e-6)


def test_the_same_seed_gives_the_same_map_in_another_process(made: tuple[Path, projection.Projection]) -> None:
    assert np.array_equal(umap_places(clusters(), seed=made[1].seed), made[1].places)


def test_what_was_compiled_for_a_map_is_kept_for_the_next_process(made: tuple[Path, projection.Projection]) -> None:
    umap = load_umap()
    for name in ("smooth_knn_dist", "compute_membership_strengths", "fast_knn_indices"):
        one = getattr(umap.umap_, name)
        assert list(Path(one.stats.cache_path).glob(f"*.{name}-*.nbi")), name


def test_a_finished_map_is_not_computed_again(made: tuple[Path, projection.Projection], monkeypatch) -> None:
    folder, _ = made
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("computed again"))
    projection.start(folder, clusters())
    assert projection.stage(folder) == "done"
    assert not (folder / "input.npy").exists()


def test_a_computation_that_died_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    class Child:
        pid = 2**22 + 1  # beyond the largest process number

    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(a) or Child())
    projection.start(tmp_path / "m", clusters())
    assert not projection.running(tmp_path / "m")
    projection.start(tmp_path / "m", clusters())
    assert len(begun) == 2


def test_a_computation_that_runs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    class Child:
        pid = os.getpid()

    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(a) or Child())
    for _ in range(2):
        projection.start(tmp_path / "m", clusters())
    assert len(begun) == 1 and projection.running(tmp_path / "m")


def test_too_many_points_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.projection.process.MOST", 10)
    with pytest.raises(InputError, match="at most 10"):
        projection.start(tmp_path / "m", clusters())


def test_a_map_of_few_points_has_no_trustworthiness(tmp_path: Path) -> None:
    """Fewer than two neighbourhoods of points: not computed, which is not 0."""
    assert prepare(tmp_path / "few", np.random.default_rng(0).normal(size=(17, 8)))
    compute(tmp_path / "few")
    few = read_map(tmp_path / "few")
    assert few is not None and few.trustworthiness is None
    assert '"trustworthiness": null' in (tmp_path / "few" / "map.json").read_text()
