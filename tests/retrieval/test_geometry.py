"""What push, pull, cross and the forms promise each other, and when push follows from what is stored."""

from collections.abc import Callable
from dataclasses import replace

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


@pytest.mark.parametrize("geometry", [Pooled(D_IN), Residual(readout())], ids=["pooled", "residual"])
def test_a_form_is_a_number_times_the_square_of_its_root(geometry: Geometry) -> None:
    b = rows(D_IN)
    pushed = geometry.push(b)
    forms = geometry.forms(b, b, pushed, pushed)
    for form, (c, root) in zip(forms, geometry.roots(b), strict=True):
        np.testing.assert_allclose(c * np.square(root).sum(axis=1), form, rtol=1e-12)


def as_they_are(x: np.ndarray) -> np.ndarray:
    return x


def nearly_equal_numbers(x: np.ndarray) -> np.ndarray:
    x[3] = 40 + 1e-2 * x[3]
    return x


def nearly_the_offset(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=1, keepdims=True) + 1e-9 * np.arange(D_IN)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("made", [as_they_are, nearly_equal_numbers, nearly_the_offset])
def test_sums_over_stored_rows_are_those_of_their_vectors(made: Callable, dtype: type) -> None:
    """Also of rows of which the difference of two squares would say too little."""
    given = readout()
    if made is nearly_the_offset:
        given = replace(given, ln_weight=1e-4 * given.ln_weight)
    geometry, x = Residual(given), made(rows(D_IN, dtype)).astype(dtype)
    stored = given(x)
    found, exact = geometry.sums(x, stored), x.astype(np.float64)
    pushed = geometry.push(exact)
    close = 2e-5 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(found.squares[0], geometry.forms(exact, exact, pushed, pushed)[0], rtol=close)
    if made is nearly_the_offset:
        return
    np.testing.assert_allclose(found.squares[1], np.square(pushed).sum(axis=1), rtol=1e2 * close)
    lengths = np.linalg.norm(pushed, axis=1) * np.linalg.norm(stored.astype(np.float64), axis=1)
    np.testing.assert_allclose(found.along_offset / lengths, pushed @ geometry.offset / lengths, atol=10 * close)
    np.testing.assert_allclose(found.along_stored / lengths, (pushed * stored).sum(axis=1) / lengths, atol=10 * close)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_say_where_a_stored_embedding_is_no_readout(dtype: type) -> None:
    geometry, x = Residual(readout()), rows(D_IN, dtype)
    stored = readout()(x)
    assert geometry.sums(x, stored).agree
    stored[7] *= dtype(1.01)
    assert not geometry.sums(x, stored).agree


def test_a_pooled_row_is_its_own_push() -> None:
    x = rows(D)
    pushed, agree = Pooled(D).pushed(x, x)
    assert pushed is x and agree is True
