"""The prediction test: unseen items only, both kinds, not telling how many, and a score equal to scikit-learn's AUC."""

import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from core.config import InputError
from core.neurons import prediction_score, prediction_test


def codes(n: int = 200, share: float = 0.3) -> sparse.csc_matrix:
    rng = np.random.default_rng(0)
    return sparse.csc_matrix(np.where(rng.random((n, 3)) < share, rng.random((n, 3)), 0.0))


def test_items_are_unseen_and_of_both_kinds() -> None:
    z, seen = codes(), np.arange(0, 200, 3)
    dense, counts = z.toarray(), set()
    for seed in range(30):
        drawn = prediction_test(z, 1, seen, seed=seed)
        assert len(drawn.rows) == len(set(drawn.rows)) == 12 and not set(drawn.rows) & set(seen)
        assert [bool(dense[row, 1]) for row in drawn.rows] == list(drawn.fires)
        counts.add(sum(drawn.fires))
    assert counts <= set(range(4, 9)) and len(counts) > 2, "how many fire is not known beforehand"
    assert prediction_test(z, 1, seen, seed=3) == prediction_test(z, 1, seen, seed=3)


def test_rows_restrict_it_and_too_few_items_are_no_test() -> None:
    z = codes()
    inside = prediction_test(z, 0, [], rows=np.arange(100))
    assert max(inside.rows) < 100
    firing = np.flatnonzero(z.toarray()[:, 0])
    assert prediction_test(z, 0, firing[1:]) is None
    few = prediction_test(z, 0, firing[3:])
    assert sum(few.fires) == 3 and len(few.rows) == 12


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=2, max_size=20))
def test_the_score_is_the_area_under_the_curve(pairs: list[tuple[bool, int]]) -> None:
    fires, grades = map(list, zip(*pairs, strict=True))
    if all(fires) or not any(fires):
        with pytest.raises(InputError, match="do not"):
            prediction_score(fires, grades)
        return
    score = prediction_score(fires, grades)
    assert score["auc"] == pytest.approx(roc_auc_score(fires, grades))
    assert score["accuracy"] == np.mean([(g >= 3) == f for f, g in pairs])
