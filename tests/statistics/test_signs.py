"""A mean tested by turning signs: the p of every listed pattern, and the interval that belongs to it."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from core.statistics import mean_of, sign_flips


def literal(x: np.ndarray) -> float:
    """Share of all sign patterns whose sum is at least as far from 0 as the observed one."""
    sums = [abs(sum(s * v for s, v in zip(signs, x, strict=True))) for signs in product((-1, 1), repeat=len(x))]
    return float(np.mean(np.array(sums) >= abs(x.sum()) - 1e-12))


@pytest.mark.parametrize("n", [1, 2, 5, 6, 9, 11])
def test_few_differences_are_listed(n: int) -> None:
    x = np.random.default_rng(n).normal(0.6, 1, n)
    found, p = sign_flips(x)
    assert p == pytest.approx(literal(x), abs=1e-12) and found.estimate == pytest.approx(x.mean()) and found.n == n
    if n > 1:
        theirs = permutation_test((x,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
        assert p == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("n", [6, 10, 14, 40])
def test_the_interval_is_the_means_that_the_test_does_not_refuse(n: int) -> None:
    x = np.random.default_rng(n).exponential(size=n)
    found, _ = sign_flips(x)
    room = 1e-6 * (found.hi - found.lo)
    for end, outwards in ((found.lo, -1), (found.hi, 1)):
        assert sign_flips(x - end - outwards * room)[1] <= 0.05 < sign_flips(x - end + outwards * room)[1]


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5, 1.0])
def test_interval_and_p_never_disagree(shift: float) -> None:
    for seed in range(20):
        found, p = sign_flips(np.random.default_rng(seed).normal(shift, 1, 12))
        assert (found.lo <= 0 <= found.hi) == (p > 0.05)


def test_many_differences_are_drawn_and_agree_with_student() -> None:
    x = np.random.default_rng(3).normal(0.2, 1, 400)
    found, p = sign_flips(x, seed=1)
    students = mean_of(x)
    assert (found.lo, found.hi) == pytest.approx((students.lo, students.hi), abs=0.01)
    assert sign_flips(x[::-1], seed=1) == (found, p) and sign_flips(x, seed=2)[1] == pytest.approx(p, abs=0.01)
    assert sign_flips(x + 9)[1] == 1 / 20_000, "the smallest p that the draws can give"


def test_nothing_moved_and_nothing_there() -> None:
    found, p = sign_flips(np.zeros(20))
    assert (found.estimate, found.lo, found.hi, p) == (0.0, 0.0, 0.0, 1.0)
    few, p = sign_flips([1.0, 2.0, 3.0, 4.0, 5.0])
    assert few.lo is None and "6 are needed" in str(few.note) and p == 2 / 32
    assert sign_flips([])[0].reason == "there is nothing to average"
    assert sign_flips([1.0, np.nan])[0].estimate is None


def test_intervals_cover() -> None:
    rng, inside = np.random.default_rng(0), []
    for _ in range(400):
        found, _ = sign_flips(rng.normal(1, 2, 12))
        inside.append(found.lo <= 1 <= found.hi)
    assert 0.92 <= np.mean(inside) <= 0.985


@pytest.mark.parametrize(("n", "smallest"), [(6, 2 / 2**6), (16, 2 / 2**16), (17, 1 / 20_000), (30, 1 / 20_000)])
def test_up_to_sixteen_differences_are_listed_and_more_are_drawn(n: int, smallest: float) -> None:
    """All on one side: two of 2^n patterns, or of 20,000 draws the observed one and those that happen to be it."""
    p = sign_flips(np.arange(1.0, n + 1))[1]
    assert p == smallest if n != 17 else p in (1 / 20_000, 2 / 20_000)


def test_six_differences_are_enough() -> None:
    assert sign_flips([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])[0].lo > 0
    assert sign_flips([0.5])[0].estimate == 0.5
