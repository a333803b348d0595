"""Rankings of shards, merged, are the ranking of all rows, ties included."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.retrieval import FlatIndex, Ranking, best_ranking
from core.retrieval.shards import ShardedIndex, merged


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), min_size=1, max_size=5), st.data())
def test_merged_is_the_ranking_of_all(shards, data):
    """Few different scores: most places are decided by the row."""
    scores = [np.array(shard, dtype=np.float32) for shard in shards]
    whole, starts = np.concatenate(scores), np.cumsum([0, *map(len, scores[:-1])])
    k = data.draw(st.integers(1, len(whole)))
    found = merged([best_ranking(one, min(k, len(one))) for one in scores], starts, k)
    expected = best_ranking(whole, k)
    assert found.rows.tolist() == expected.rows.tolist() and found.scores.tolist() == expected.scores.tolist()


def test_a_sharded_index_answers_as_one_over_all_rows():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(50, 6)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    sizes = [7, 20, 23]
    parts = [FlatIndex(rows) for rows in np.split(unit, np.cumsum(sizes)[:-1])]

    def ask(method: str, *given: object) -> list:
        if method == "search":
            return [part.search(given[0], min(given[1], part.n)) for part in parts]
        if method == "unit_at":
            return [part.unit_at(rows) for part, rows in zip(parts, given[0], strict=True)]
        return [getattr(part, method)(*given) for part in parts]

    index, whole, query = ShardedIndex(ask, sizes, 6), FlatIndex(unit), rng.normal(size=6)
    for k in (1, 8, 50):
        found: Ranking = index.search(query, k)
        assert found.rows.tolist() == whole.search(query, k).rows.tolist()
    np.testing.assert_allclose(index.scores(query), whole.scores(query), atol=1e-6)
    rows = np.array([49, 0, 6, 7, 27, 26, 0])
    np.testing.assert_array_equal(index.unit_at(rows), unit[rows])
    np.testing.assert_array_equal(index.unit, unit)
