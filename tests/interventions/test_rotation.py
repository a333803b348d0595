"""WRING's claims, and what projecting out the differences alone does in its place."""

import numpy as np
import pytest

from core.interventions import INTERVENTIONS, Material
from core.interventions.subspaces import unit_means
from core.interventions.wring import rotated, shared_direction, turned
from core.units import unit
from tests.interventions.test_contract import D, evidence, rows

WRING, DIFFERENCES = (INTERVENTIONS.get(name)() for name in ("wring", "difference-projection"))


def close(a: np.ndarray, b: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("m", [2, 3, 7])
def test_the_claims_of_wring(m):
    """Lengths stay, all groups are equally near, what is outside the span stays, and twice is once."""
    rng = np.random.default_rng(m)
    c = unit(rng.normal(size=(m, D)) + 2)
    v = rng.normal(size=(40, D))
    shared = shared_direction(c)
    found = rotated(v, shared)
    close(np.linalg.norm(found, axis=1), np.linalg.norm(v, axis=1), 1e-12)
    near = found @ c.T
    close(near, near[:, :1].repeat(m, axis=1), 1e-12)
    P = c.T @ np.linalg.inv(c @ c.T) @ c
    close(found - found @ P, v - v @ P, 1e-12)
    close(rotated(found, shared), found, 1e-12)
    w = unit(c.T @ np.linalg.inv(c @ c.T) @ np.ones(m))
    close(shared.w, w, 1e-12)
    close(found, v - v @ P + np.linalg.norm(v @ P, axis=1, keepdims=True) * w, 1e-12)
    np.testing.assert_array_equal(turned(v, shared), v @ w < 0)


def test_other_attributes_keep_their_strength():
    """Why it is there: after a projection and division by length, cosines orthogonal to the span grow."""
    rng = np.random.default_rng(0)
    c = unit(rng.normal(size=(2, D)) + 2)
    shared = shared_direction(c)
    v, other = unit(rng.normal(size=(20, D)) + 1), rng.normal(size=D)
    other = unit(other - shared.V @ (shared.V.T @ other))
    before = v @ other
    close(unit(rotated(v, shared)) @ other, before, 1e-12)
    projected = unit(v - (v @ shared.V) @ shared.V.T) @ other
    assert (np.abs(projected) > np.abs(before) + 1e-3).all()


def test_dependent_directions_are_cut():
    c = unit(rows(2, 3))
    twice = shared_direction(np.concatenate([c, c[:1] * (1 + 1e-9)]))
    close(twice.w, shared_direction(c).w, 1e-6)
    assert twice.V.shape[1] == 2


def test_rows_that_turn_are_counted():
    fitted = WRING.fit(evidence())
    m = rows(6, 1)
    m[[1, 4]] *= -1
    there = int(turned(m, fitted).sum())
    assert 0 < there < 6
    (line,) = WRING.remarks(Material("image", m), fitted)
    assert line.endswith(f"in {there} of 6 pictures")
    towards = np.abs(fitted.w)[None].astype(np.float32) * np.sign(fitted.w)
    assert WRING.remarks(Material("text", towards), fitted) == ()


@pytest.mark.parametrize("method", [WRING, DIFFERENCES])
def test_every_group_is_equally_near(method):
    given, m = evidence(), Material("image", rows(9, 7))
    texts = given.texts["bias"]
    c = unit_means(texts.pooled, texts.labels)
    near = method(m, fitted=method.fit(given)) @ c.T
    close(near, near[:, :1].repeat(3, axis=1), 2e-6)
    assert np.ptp(m.pooled @ c.T, axis=1).min() > 0.05


def test_the_differences_alone_leave_what_is_shared():
    given, m = evidence(), Material("image", rows(9, 7))
    shared, V = WRING.fit(given), DIFFERENCES.fit(given)
    assert V.shape[1] == shared.V.shape[1] - 1
    close(V.T @ shared.w, 0.0, 1e-7)
    found = DIFFERENCES(m, fitted=V)
    close(found @ shared.w, m.pooled @ shared.w, 1e-5)
    close(found, m.pooled - (m.pooled @ V) @ V.T, 1e-5)
