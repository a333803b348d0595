"""What push, pull, cross and the forms promise each other, and when push follows from what is stored."""

import numpy as np
import pytest

from core.readout import ReadoutArrays
from core.retrieval.geometry import Geometry, Pooled, Residual

N, D_IN, D = 20, 9, 5


def readout() -> ReadoutArrays:
    rng = np.random.default_rng(0)
    return ReadoutArrays(rng.random(D_IN) + 0.5, rng.normal(size=D_IN), 1e-3, rng.normal(size=(D_IN, D)))


def rows(columns: int, dtype: type = np.float64, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(N, columns)) + 1.5).astype(dtype)


@pytest.mark.parametrize("geometry", [Pooled(D_IN), Residual(readout())], ids=["pooled", "residual"])
def test_lengths_and_scores_follow_from_the_forms(geometry: Geometry) -> None:
    """|x'| and q . x' of x' = readout(b), from push, scales and forms alone; crosses are half their derivatives."""
    b, w, q = rows(D_IN), rows(D_IN, seed=2)[:3], rows(D if isinstance(geometry, Residual) else D_IN, seed=3)[:2]
    embedded = readout()(b) if isinstance(geometry, Residual) else b
    pushed = geometry.push(b)
    squares = geometry.forms(b, b, pushed, pushed)
    scales = geometry.scales(squares)
    np.testing.assert_allclose(pushed / np.reshape(scales, (-1, 1)) + geometry.offset, embedded, rtol=1e-12)
    np.testing.assert_allclose(geometry.lengths(squares, pushed @ geometry.offset), np.linalg.norm(embedded, axis=1))
    np.testing.assert_allclose(geometry.pull(q) @ b.T, q @ pushed.T, rtol=1e-9)
    moved = geometry.push(w)
    for form, cross in enumerate(geometry.cross(w)):
        for one, pushed_one, direction in zip(w, moved, cross, strict=True):
            with_it = geometry.forms(b, np.tile(one, (N, 1)), pushed, np.tile(pushed_one, (N, 1)))[form]
            np.testing.assert_allclose(b @ direction, with_it, rtol=1e-9)
            both = geometry.forms(b + one, b + one, pushed + pushed_one, pushed + pushed_one)[form]
            own = geometry.forms(one[None], one[None], pushed_one[None], pushed_one[None])[form]
            np.testing.assert_allclose(both, squares[form] + 2 * b @ direction + own, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_push_follows_from_what_is_stored_where_that_is_the_readout(dtype: type) -> None:
    """And where one row is not, every row goes through the product."""
    geometry, x = Residual(readout()), rows(D_IN, dtype)
    stored = readout()(x)
    pushed, agree = geometry.pushed(x, stored)
    assert agree is True and pushed.dtype == dtype
    np.testing.assert_allclose(pushed, readout().linear(x), rtol=1e-4 if dtype == np.float32 else 1e-10)
    stored[7] *= dtype(1.01)
    pushed, agree = geometry.pushed(x, stored)
    assert agree is False
    np.testing.assert_array_equal(pushed, readout().linear(x))


def test_a_pooled_row_is_its_own_push() -> None:
    x = rows(D)
    pushed, agree = Pooled(D).pushed(x, x)
    assert pushed is x and agree is True
