"""Maps: neighbours stay neighbours, the same seed gives the same places, and nothing is computed twice."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from core import projection
from core.config import InputError
from core.projection import N_NEIGHBORS, pca_places, place_among, read_map, trustworthiness, umap_places

STARTED_SECONDS = 240
"""Enough to load and compile umap on a busy machine; a quiet one needs ten."""


def clusters(n: int = 800, groups: int = 40, d: int = 40) -> np.ndarray:
    """Directions around more centres than two dimensions can keep apart linearly (trustworthiness of PCA .90)."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(groups, d))
    return (centres[np.arange(n) % groups] + 0.25 * rng.normal(size=(n, d))).astype(np.float32)


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


def test_a_finished_map_is_not_computed_again(made: tuple[Path, projection.Projection], monkeypatch) -> None:
    folder, _ = made
    monkeypatch.setattr(projection.subprocess, "Popen", lambda *a, **k: pytest.fail("computed again"))
    projection.start(folder, clusters())
    assert projection.stage(folder) == "done"
    assert not (folder / "input.npy").exists()


def test_a_computation_that_died_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    class Child:
        pid = 2**22 + 1  # beyond the largest process number

    monkeypatch.setattr(projection.subprocess, "Popen", lambda *a, **k: begun.append(a) or Child())
    projection.start(tmp_path / "m", clusters())
    assert not projection.running(tmp_path / "m")
    projection.start(tmp_path / "m", clusters())
    assert len(begun) == 2


def test_a_computation_that_runs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    class Child:
        pid = os.getpid()

    monkeypatch.setattr(projection.subprocess, "Popen", lambda *a, **k: begun.append(a) or Child())
    for _ in range(2):
        projection.start(tmp_path / "m", clusters())
    assert len(begun) == 1 and projection.running(tmp_path / "m")


def test_pca_is_that_of_the_singular_values_up_to_signs() -> None:
    x = clusters().astype(np.float64)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(np.abs(pca_places(x)), np.abs(u[:, :2] * s[:2]), atol=1e-9)
    assert np.array_equal(pca_places(x), pca_places(7 * x)) or np.allclose(pca_places(x), pca_places(7 * x))


def test_a_visitor_lands_among_its_own_kind() -> None:
    x = clusters()
    places = np.stack([np.arange(800) % 40 * 10.0, np.zeros(800)], axis=1)
    landed = place_among(x, places, x[[3, 44]] * 5)
    assert np.allclose(landed, [[30, 0], [40, 0]])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_points_has_a_map_too(n: int) -> None:
    places = umap_places(clusters(n))
    assert places.shape == (n, 2) and np.isfinite(places).all()
    assert np.isnan(trustworthiness(clusters(n), places))


def test_too_many_points_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MOST", 10)
    with pytest.raises(InputError, match="at most 10"):
        projection.start(tmp_path / "m", clusters())
