"""Ranks with ties, against SciPy's."""

import numpy as np
import pytest
from scipy.stats import rankdata

from core.statistics.mid_ranks import mid_ranks


@pytest.mark.parametrize("seed", range(20))
def test_ranks_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 200))
    for values in (rng.normal(size=n), rng.integers(0, 5, n), np.round(rng.normal(size=n), 1).astype(np.float32)):
        assert np.array_equal(mid_ranks(values), rankdata(values))


def test_nothing_and_no_numbers() -> None:
    assert mid_ranks(np.zeros(0)).shape == (0,)
    assert np.isnan(mid_ranks(np.array([1.0, np.nan, 2.0]))).all()
    assert mid_ranks(np.array([np.inf, -np.inf, np.inf])).tolist() == [2.5, 1.0, 2.5]
