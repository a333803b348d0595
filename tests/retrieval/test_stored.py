"""Stored rows are searched as a flat index of their unit rows is, with nothing of the gallery copied."""

import numpy as np
import pytest

from core.config import InputError
from core.retrieval import PartIndex, StoredIndex, same_ranking, search
from core.retrieval.products import each, squared_lengths, times, widened
from core.units import unit_rows

N, D = 3000, 24


def rows_of(dtype: type, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(N, D)) * rng.uniform(0.1, 20, (N, 1)) + 0.3).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_same_ranking_as_a_flat_index(dtype, tmp_path):
    np.save(tmp_path / "x.npy", rows_of(dtype))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    index, unit, rng = StoredIndex(mapped), unit_rows(mapped), np.random.default_rng(1)
    for k in (1, 17, N):
        query = rng.normal(size=D)
        assert same_ranking(index.search(query, k), search(unit, query, k), 1e-6)
        exact = unit.astype(np.float64) @ (query / np.linalg.norm(query))
        np.testing.assert_allclose(index.scores(query), exact, atol=5e-7)
    some = np.array([7, 3, 2999])
    np.testing.assert_allclose(index.unit_at(some), unit[some], atol=1e-6)
    np.testing.assert_allclose(index.unit, unit, atol=1e-6)
    assert index.nbytes < StoredIndex(rows_of(dtype)).nbytes  # mapped rows take no memory


def test_a_part_is_the_index_of_its_rows():
    x, rng = rows_of(np.float32), np.random.default_rng(2)
    rows = np.flatnonzero(rng.random(N) < 0.4)
    part, own = PartIndex(StoredIndex(x), rows), StoredIndex(x[rows])
    query = rng.normal(size=D)
    assert same_ranking(part.search(query, 40), own.search(query, 40), 1e-6)
    np.testing.assert_allclose(part.unit_at(np.array([5, 0])), own.unit_at(np.array([5, 0])), atol=1e-7)
    np.testing.assert_allclose(part.unit, own.unit, atol=1e-7)
    assert (part.n, part.d) == (len(rows), D)


def test_equal_rows_come_in_rising_order():
    x = np.repeat(rows_of(np.float32)[:5], 8, axis=0)
    found = StoredIndex(x).search(x[16], 12)
    np.testing.assert_array_equal(found.rows[:8], np.arange(16, 24))
    assert (np.diff(found.rows[8:]) > 0).all()


def test_scores_are_remembered_and_cannot_be_written():
    index, query = StoredIndex(rows_of(np.float32)), np.ones(D)
    assert index.scores(query) is index.scores(query * 2)  # one direction, one query
    with pytest.raises(ValueError, match="read-only"):
        index.scores(query)[0] = 1.0


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_row_without_direction_is_named(value, dtype):
    x = rows_of(dtype)
    x[1234] = value
    with pytest.raises(InputError, match="row 1234 is zero or not finite"):
        StoredIndex(x).search(np.ones(D), 5)


def test_refused():
    with pytest.raises(InputError, match=r"shape \(0, 4\)"):
        StoredIndex(np.zeros((0, 4), np.float32))
    with pytest.raises(InputError, match="k was 3001; expected 1 to 3000"):
        StoredIndex(rows_of(np.float32)).search(np.ones(D), 3001)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_products_of_all_and_of_some_rows(dtype, monkeypatch):
    monkeypatch.setattr("core.retrieval.products.BLOCK_BYTES", 4096)  # many blocks, the last one short
    x, rng = rows_of(dtype), np.random.default_rng(3)
    vectors, some = rng.normal(size=(2, D)), np.sort(rng.choice(N, 1001, replace=False))
    exact = vectors @ x.astype(np.float64).T
    np.testing.assert_allclose(times(x, vectors), exact, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(times(x, vectors, some), exact[:, some], rtol=1e-5, atol=1e-3)
    assert times(x, vectors, some[:0]).shape == (2, 0)
    np.testing.assert_allclose(squared_lengths(x), (x.astype(np.float64) ** 2).sum(axis=1), rtol=1e-5)


def test_every_finite_float16_becomes_the_same_float32():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    np.testing.assert_array_equal(widened(finite).view(np.uint32), finite.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("at_once", [1, 3])
def test_every_part_is_done_once_and_a_failure_ends_the_rest(at_once):
    parts, done, told = [slice(i, i + 2) for i in range(0, 200, 2)], [], []
    each(parts, lambda at: done.append(at.start), lambda *one: told.append(one[0]), "rows", at_once)
    assert sorted(done) == [part.start for part in parts]
    assert told == sorted(told) and told[-1] == 200 and told.count(200) == 1

    def fail(at: slice) -> None:
        done.append(at.start)
        raise ValueError("part")

    done.clear()
    with pytest.raises(ValueError, match="part"):
        each(parts, fail, at_once=at_once)
    assert len(done) <= at_once
