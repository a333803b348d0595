"""Maps: PCA is that of the singular values, a visitor lands among its own kind, and a handful has a map too."""

import numpy as np
import pytest

from core.projection import pca_places, place_among, trustworthiness, umap_places
from tests.projection.points import clusters


def test_pca_is_that_of_the_singular_values_up_to_signs() -> None:
    x = clusters().astype(np.float64)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(np.abs(pca_places(x)), np.abs(u[:, :2] * s[:2]), atol=1e-9)
    assert np.array_equal(pca_places(x), pca_places(7 * x)) or np.allclose(pca_places(x), pca_places(7 * x))


def test_a_visitor_lands_among_its_own_kind() -> None:
    x = clusters()
    places = np.stack([np.arange(len(x)) % 25 * 10.0, np.zeros(len(x))], axis=1)
    landed = place_among(x, places, x[[3, 29]] * 5)
    assert np.allclose(landed, [[30, 0], [40, 0]])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_points_has_a_map_too(n: int) -> None:
    places = umap_places(clusters(n))
    assert places.shape == (n, 2) and np.isfinite(places).all()
    assert np.isnan(trustworthiness(clusters(n), places))
