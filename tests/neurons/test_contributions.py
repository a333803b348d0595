"""A score gap split over neurons: every mean, error and interval row by row."""

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.stats import t as student

from core.config import InputError
from core.neurons import attribute
from core.neurons.attribution import Attribution, mean_contributions

RNG = np.random.default_rng(0)
Z = np.where(RNG.random((30, 6)) < 0.5, RNG.random((30, 6)), 0.0)
Z[:, 4] = 0.0
ALONG, SCORES, SCALE = RNG.normal(size=6), RNG.normal(size=30), RNG.random(30) + 0.5
FIRST, SECOND = np.arange(11), np.arange(15, 30)


def standard_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))


@pytest.mark.parametrize("scale", [None, SCALE])
@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("made", [sparse.csr_matrix, sparse.csc_matrix])
def test_every_part_of_the_sum(scale: np.ndarray | None, masks: bool, made: type) -> None:
    sets = [np.isin(np.arange(30), rows) if masks else rows for rows in (FIRST, SECOND)]
    found = attribute(made(Z.astype(np.float32)), ALONG, SCORES, *sets, scale)
    weight = np.ones(30) if scale is None else scale
    parts = Z.astype(np.float32).astype(np.float64) * ALONG * weight[:, None]
    a, b = parts[FIRST], parts[SECOND]
    np.testing.assert_allclose(found.contributions, a.mean(axis=0) - b.mean(axis=0), atol=1e-12)
    errors = [standard_error(a[:, j], b[:, j]) for j in range(6)]
    np.testing.assert_allclose(found.errors, errors, atol=1e-9)
    assert found.gap == pytest.approx(SCORES[FIRST].mean() - SCORES[SECOND].mean())
    assert found.gap_error == pytest.approx(standard_error(SCORES[FIRST], SCORES[SECOND]))
    left = SCORES - parts.sum(axis=1)
    assert found.rest == pytest.approx(left[FIRST].mean() - left[SECOND].mean())
    assert found.rest_error == pytest.approx(standard_error(left[FIRST], left[SECOND]))
    assert found.n == (11, 15)


def test_intervals_are_students_of_the_smaller_set() -> None:
    found = attribute(sparse.csr_matrix(Z), ALONG, SCORES, FIRST, SECOND)
    half = student.ppf(0.975, 10)
    for one, value, error in (
        (found.estimate(2), found.contributions[2], found.errors[2]),
        (found.gap_estimate, found.gap, found.gap_error),
        (found.rest_estimate, found.rest, found.rest_error),
    ):
        assert (one.estimate, one.lo, one.hi) == pytest.approx((value, value - half * error, value + half * error))
        assert one.n == 26
    alone = attribute(sparse.csr_matrix(Z), ALONG, SCORES, FIRST[:1], SECOND)
    assert alone.gap_estimate.lo is None and alone.gap_estimate.n == 16
    assert alone.gap_error == pytest.approx(np.sqrt(SCORES[SECOND].var(ddof=1) / 15))
    two = attribute(sparse.csr_matrix(Z), ALONG, SCORES, FIRST[:2], SECOND)
    assert two.gap_estimate.lo == pytest.approx(two.gap - student.ppf(0.975, 1) * two.gap_error)


def of(contributions: list[float]) -> Attribution:
    return Attribution(1.0, np.array(contributions), np.zeros(len(contributions)), 0.0, 0.0, 0.0, (5, 5))


def test_the_order_of_neurons() -> None:
    found = of([0.1, -0.3, 0.0, 0.3, 0.1])
    assert found.order().tolist() == [1, 3, 0, 4, 2]
    assert found.towards().tolist() == [3, 0, 4] and found.towards(2).tolist() == [3, 0]
    assert not len(of([-0.1, 0.0]).towards())
    np.testing.assert_allclose(mean_contributions([found, of([0.3, 0.1, 0.0, 0.1, 0.0])]), [0.2, -0.1, 0.0, 0.2, 0.05])


@pytest.mark.parametrize("rows", [np.zeros(0, int), np.array([30]), np.array([-1, 3]), np.zeros(30, dtype=bool)])
def test_rows_that_are_not_there(rows: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected rows between 0 and 29"):
        attribute(sparse.csr_matrix(Z), ALONG, SCORES, rows, SECOND)
    assert attribute(sparse.csr_matrix(Z), ALONG, SCORES, np.array([0, 29]), SECOND).n == (2, 15)
