"""An inverted file scores exactly what it looks at, and knows what it misses."""

import numpy as np
import pytest

from core.config import InputError
from core.retrieval import InvertedLists, IvfIndex, Recall, StoredIndex, best_rows, same_ranking
from core.retrieval.nearest import Centres, k_means
from core.units import unit_rows

N, D, LISTS = 900, 12, 16


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(8, D))[rng.integers(0, 8, N)] + 0.4 * rng.normal(size=(N, D)) + 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def inverted(x: np.ndarray) -> InvertedLists:
    unit = unit_rows(x)
    centres = k_means(unit, LISTS, 0)
    return InvertedLists.of(centres, Centres(centres).nearest(unit))


def ivf(x: np.ndarray, inverted: InvertedLists, probes: int, part: np.ndarray | None = None) -> IvfIndex:
    listed = x[inverted.members]
    lengths = np.linalg.norm(listed.astype(np.float32), axis=1)
    return IvfIndex(listed, lengths, inverted, probes, part)


def queries(count: int = 20) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, D)).astype(np.float32)


def test_every_row_is_in_the_list_of_its_nearest_centre(x, inverted):
    np.testing.assert_array_equal(np.sort(inverted.members), np.arange(N))
    unit = unit_rows(x).astype(np.float64)
    distance = ((unit[:, None] - inverted.centres.astype(np.float64)) ** 2).sum(axis=2)
    for j in range(LISTS):
        rows = inverted.members[inverted.starts[j] : inverted.starts[j + 1]]
        assert (np.diff(rows) > 0).all()
        np.testing.assert_allclose(distance[rows, j], distance[rows].min(axis=1), atol=1e-6)


@pytest.mark.parametrize("store", [np.float32, np.float16])
@pytest.mark.parametrize("half", [False, True])
def test_all_lists_together_are_the_exact_index(x, inverted, store, half):
    rows = np.flatnonzero(np.random.default_rng(2).random(N) < 0.5) if half else None
    stored = x.astype(store)
    exact = StoredIndex(stored if rows is None else stored[rows])
    index = ivf(stored, inverted, LISTS, rows)
    for query in queries(5):
        assert same_ranking(index.search(query, 50), exact.search(query, 50), 1e-6)
        assert index.looked_at(query) == exact.n


def test_some_lists_give_the_best_of_their_rows_with_exact_scores(x, inverted):
    exact = StoredIndex(x)
    for query in queries():
        found, scores = ivf(x, inverted, 4).search(query, 30), exact.scores(query)
        allowed = np.sort(np.concatenate([inverted.members[part] for part in inverted.slices(query, 4)]))
        assert same_ranking(found, type(found)(allowed[best_rows(scores[allowed], 30)], found.scores), 1e-6)
        np.testing.assert_allclose(found.scores, scores[found.rows], atol=1e-6)
        means = inverted.centres @ query
        assert set(inverted.order(query)[:4]) == set(np.argsort(-means)[:4])


def test_recall_is_what_searches_find(x, inverted):
    """From the lists of exact rankings alone, against searching."""
    exact, asked, depth = StoredIndex(x), queries(), 60
    nearest = np.empty(N, dtype=np.int32)
    for j in range(LISTS):
        nearest[inverted.members[inverted.starts[j] : inverted.starts[j + 1]]] = j
    rankings = [exact.search(query, depth).rows for query in asked]
    recall = Recall(asked, np.stack([nearest[rows] for rows in rankings]))
    for k in (10, depth):
        means = []
        for probes in range(1, LISTS + 1):
            said = recall.at(inverted, probes, k)
            index, found = ivf(x, inverted, probes), []
            for query, rows in zip(asked, rankings, strict=True):
                own = index.search(query, min(k, index.looked_at(query))).rows
                found.append(len(set(own) & set(rows[:k])) / k)
            np.testing.assert_allclose(said, found)
            means.append(said.mean())
        assert means == sorted(means) and means[-1] == 1.0 and means[0] < 0.9
        for wanted in (0.5, 0.9, 1.0):
            probes = recall.probes_for(inverted, k, wanted)
            assert means[probes - 1] >= wanted - 1e-9 and (probes == 1 or means[probes - 2] < wanted)


def test_too_few_rows_are_said(x, inverted):
    with pytest.raises(InputError, match=r"1 of 16 lists hold .* look at more lists"):
        ivf(x, inverted, 1).search(queries()[0], N - 1)
    for probes in (0, LISTS + 1):
        with pytest.raises(InputError, match=f"probes was {probes}; expected 1 to 16"):
            ivf(x, inverted, probes)
