"""Welch's interval and test against SciPy and the recorded values."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from core.statistics.two_means import welch

ORACLE = np.load(Path(__file__).parents[1] / "oracles" / "lvlm_scoring.npz")


def test_against_scipy_for_unequal_groups() -> None:
    rng = np.random.default_rng(3)
    for n, m, spread in ((5, 40, 4.0), (30, 31, 1.0), (2, 9, 0.2)):
        x, y = rng.normal(1, 1, n), rng.normal(0, spread, m)
        found, other = welch(x, y), stats.ttest_ind(x, y, equal_var=False)
        interval = other.confidence_interval()
        assert found.p == pytest.approx(other.pvalue, rel=1e-10) and found.df == pytest.approx(other.df, rel=1e-10)
        assert (found.difference.lo, found.difference.hi) == pytest.approx((interval.low, interval.high), rel=1e-9)
        assert found.difference.n == n + m


@pytest.mark.parametrize("name", ["prob_marked_float32", "own_prob_renormalised_marked"])
def test_recorded_gaps(name: str) -> None:
    yes, gender, value = ORACLE[name][:, 0].astype(np.float64), ORACLE["prompt_gender"], ORACLE["prompt_value"]
    for v in range(5):
        x, y = yes[(value == v) & (gender == 1)], yes[(value == v) & (gender == 0)]
        found = welch(x, y)
        own = [found.difference.estimate, found.difference.lo, found.difference.hi, found.t, found.df, found.p]
        np.testing.assert_allclose(own, ORACLE[f"gap_by_value_{name}"][v, :6], rtol=0, atol=1e-9)


def test_recorded_gap_over_image_means() -> None:
    yes, image = ORACLE["prob_marked_float32"][:, 0].astype(np.float64), ORACLE["prompt_image"]
    images = np.unique(image)
    means = np.array([yes[image == i].mean() for i in images])
    gender = np.array([ORACLE["prompt_gender"][image == i][0] for i in images])
    found = welch(means[gender == 1], means[gender == 0])
    own = [found.difference.estimate, found.difference.lo, found.difference.hi, found.t, found.df, found.p]
    np.testing.assert_allclose(own, ORACLE["gap_image_means_prob_marked_float32"][:6], rtol=0, atol=1e-9)


def test_what_has_no_interval_says_so() -> None:
    one = welch(np.array([1.0]), np.array([0.0, 0.5]))
    assert one.difference.estimate == 0.75 and one.difference.lo is None and one.p is None
    assert "one picture" in one.difference.note
    same = welch(np.ones(3), np.zeros(4))
    assert (same.difference.lo, same.difference.hi, same.p) == (1.0, 1.0, None)
    assert welch(np.array([]), np.ones(3)).difference.estimate is None
