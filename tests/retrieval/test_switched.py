"""Sums over a set of switched neurons, and sets of rows, against dense arrays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.retrieval.row_set import RowSet
from core.retrieval.switched import Column, Switched


@pytest.mark.parametrize(("S", "most"), [(4, 0), (4, 1 << 18), (1, 0)])
def test_sums_over_a_set_of_neurons(monkeypatch, S, most):
    """Against dense arrays: rows where one, several or none of the neurons fire."""
    monkeypatch.setattr("core.retrieval.switched.DENSE", most)
    monkeypatch.setattr("core.retrieval.switched.STEP", 7)
    rng, n = np.random.default_rng(4), 200
    z = np.where(rng.random((n, S)) < 0.3, rng.random((n, S)), 0.0)
    inner, weights = rng.normal(size=(2, n, S)), rng.normal(size=S)
    places = [np.flatnonzero(column) for column in z.T]
    columns = [Column(p, z[p, s], (z * inner)[:, p, s]) for s, p in enumerate(places)]
    columns[0] = replace(columns[0], row_set=RowSet.of(places[0], n))
    found = Switched(columns, n)
    rows = found.rows
    np.testing.assert_array_equal(rows[found.rising], np.flatnonzero(z.any(axis=1)))
    some = np.arange(0, found.count, 3)
    np.testing.assert_array_equal(found.rows_at(some), rows[some])
    np.testing.assert_array_equal(found.fires(np.arange(n)), z.any(axis=1))
    gram = (half := rng.normal(size=(S, 2))) @ half.T  # of rank 2: neurons whose directions depend on each other
    pairs = np.einsum("ij,jl,il->i", z, gram, z)[rows]
    before = rng.normal(size=n)
    for start in (lambda: None, lambda: before[rows], lambda: [before[p] for p in places]):
        least = 0.0 if start() is None else before[rows]
        np.testing.assert_allclose(found.sums(weights, start()), least + z[rows] @ weights)
        for form in range(2):
            exact = least + (z * inner[form])[rows] @ weights
            np.testing.assert_allclose(found.along(form, weights, start()), exact)
        own = [inner[0][p, s] for s, p in enumerate(places)]
        exact = least + (z * inner[0])[rows] @ weights
        np.testing.assert_allclose(found.weighted(own, weights, start()), exact)
        exact = least + (z * inner[1])[rows] @ weights + pairs
        np.testing.assert_allclose(found.squares(1, weights, gram, start()), exact, atol=1e-12)
    numbers = before[rows]
    assert found.sums(weights, numbers) is numbers  # in place
    np.testing.assert_array_equal(found.codes_of(np.arange(n)), z)


def test_sums_over_no_neuron():
    nothing = Switched([], 10)
    assert nothing.count == 0 and not nothing.fires(np.arange(10)).any()
    for start in (None, np.zeros(0), []):
        assert len(nothing.sums(np.zeros(0), start)) == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_a_set_of_rows_is_that_of_their_numbers(n, share, other_share, seed):
    rng = np.random.default_rng(seed)
    a, b = np.flatnonzero(rng.random(n) < share), np.flatnonzero(rng.random(n) < other_share)
    first, second = RowSet.of(a, n), RowSet.of(b, n)
    np.testing.assert_array_equal((first | second).rows, np.union1d(a, b))
    np.testing.assert_array_equal((first & second).rows, np.intersect1d(a, b))
    np.testing.assert_array_equal(first.place(np.arange(n)), np.searchsorted(a, np.arange(n)))
    for asked in (np.arange(n), np.arange(n)[:: n // 16 + 1], np.zeros(0, dtype=np.int64)):
        np.testing.assert_array_equal(first.has(asked), np.isin(asked, a))
    assert not len(RowSet.none(n).rows)
