"""Search is exact, and what it returns depends on the scores alone."""

import numpy as np
import pytest

from core.config import InputError
from core.retrieval import FlatIndex, Ranking, ranks_of, same_ranking, search


def unit(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d)) + 1.0
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("n", "d", "k"), [(1, 4, 1), (50, 8, 50), (3000, 32, 100), (3000, 17, 300)])
def test_equals_sorting_in_float64(n, d, k):
    rows, query = unit(n, d), np.random.default_rng(1).normal(size=d)
    found = search(rows, query, k)
    exact = rows.astype(np.float64) @ (query / np.linalg.norm(query))
    order = np.argsort(-exact, kind="stable")[:k]
    assert same_ranking(found, Ranking(order, exact[order].astype(np.float32)))
    np.testing.assert_array_equal(found.rows, order)
    assert found.rows.dtype == np.int64 and found.scores.dtype == np.float32


def test_length_of_the_query_does_not_matter():
    rows, query = unit(200, 16), np.random.default_rng(1).normal(size=16)
    a, b = search(rows, query, 20), search(rows, query * 1000.0, 20)
    np.testing.assert_array_equal(a.rows, b.rows)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)


def test_ties_come_in_row_order_also_across_the_last_place():
    rows = np.repeat(np.eye(4, dtype=np.float32), 16, axis=0)  # exactly representable: every tie is a true one
    found = search(rows, np.array([0.0, 1.0, 0.0, 0.0]), 20)
    np.testing.assert_array_equal(found.rows, [*range(16, 32), 0, 1, 2, 3])
    all_tied = search(np.ones((500, 1), dtype=np.float32), np.ones(1), 7)
    np.testing.assert_array_equal(all_tied.rows, range(7))


def test_index_keeps_one_copy_that_nobody_can_change():
    rows = unit(100, 8)
    index = FlatIndex(rows)
    np.testing.assert_array_equal(index.unit, rows)
    with pytest.raises(ValueError, match="read-only"):
        index.unit[0, 0] = 1.0


def test_ranks_of_every_row():
    scores = np.array([0.1, 0.5, 0.5, 0.9, 0.1], dtype=np.float32)
    np.testing.assert_array_equal(ranks_of(scores, np.arange(5)), [4, 2, 3, 1, 5])
    np.testing.assert_array_equal(ranks_of(scores, np.array([2, 0])), [3, 4])


def test_same_ranking_allows_ties_only():
    a = Ranking(np.array([3, 1, 2]), np.array([0.9, 0.5, 0.4], dtype=np.float32))
    swapped = Ranking(np.array([1, 3, 2]), a.scores)
    assert same_ranking(a, a) and not same_ranking(a, swapped) and not same_ranking(a, a.first(2))
    tied = Ranking(np.array([3, 1, 2]), np.array([0.5, 0.5, 0.5], dtype=np.float32))
    assert same_ranking(tied, Ranking(np.array([1, 3, 7]), tied.scores))  # 7 is tied with the last
    assert not same_ranking(a, Ranking(np.array([3, 7, 2]), a.scores))
    # every row of the first list ties with the last, but the second one has a better row, which the first lacks
    two = Ranking(np.array([1, 2]), np.array([0.5, 0.5], dtype=np.float32))
    assert not same_ranking(two, Ranking(np.array([3, 2]), np.array([0.9, 0.5], dtype=np.float32)))


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (np.ones(8), 0, "k was 0; expected 1 to 30"),
        (np.ones(8), 31, "k was 31; expected 1 to 30"),
        (np.ones(7), 3, "has 7 numbers"),
        (np.zeros(8), 3, "no direction"),
        (np.full(8, np.nan), 3, "no direction"),
    ],
)
def test_refused(query, k, message):
    with pytest.raises(InputError, match=message):
        search(unit(30, 8), query, k)
