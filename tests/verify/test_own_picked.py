"""The second author's smallest accuracy and its gap: against the first author wherever the rules meet a border."""

import numpy as np
import pytest

from core.statistics import gap_to_smallest, gaps, smallest_accuracy
from core.verify.own import picked
from core.verify.own.picked import LOWEST, Pick, _binomial, gap_below_all, lowest_accuracy

CASES = {
    "one group": ([3], [7]),
    "two": ([9, 5], [10, 10]),
    "two alike": ([5, 5], [10, 10]),
    "two all right": ([4, 10], [4, 10]),
    "two all wrong": ([0, 0], [4, 10]),
    "three": ([9, 5, 30], [10, 10, 40]),
    "three alike": ([5, 10, 20], [10, 20, 40]),
    "nobody wrong": ([10, 20, 40], [10, 20, 40]),
    "one group wrong": ([10, 20, 0], [10, 20, 40]),
    "large": ([800, 1500, 2000], [1000, 2000, 3000]),
    "huge": ([8000, 15000, 29000], [10000, 20000, 40000]),
    "a small worst group": ([0, 900, 950, 940], [2, 1000, 1000, 1000]),
    "a small best group": ([2, 500, 550, 540], [2, 1000, 1000, 1000]),
    "single rows": ([1, 0, 1, 1, 0], [1, 1, 1, 1, 1]),
    "nearly even": ([50, 51, 49, 50], [100, 100, 100, 100]),
    "lucky": ([500, 499, 501, 502], [1000, 1000, 1000, 1000]),
    "sizes differ": ([3, 40, 700], [4, 60, 1000]),
    "rates near one": ([99, 199, 995], [100, 200, 1000]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_author_says_the_same(name: str) -> None:
    right, n = (np.array(part) for part in CASES[name])
    for order in (np.arange(len(n)), np.arange(len(n))[::-1]):
        own = lowest_accuracy(right[order].tolist(), n[order].tolist())
        assert own == pytest.approx(smallest_accuracy(right, n).to_json(), rel=1e-9, abs=1e-9)
        if len(n) > 1:
            own = gap_below_all(right[order].tolist(), n[order].tolist())
            assert own == pytest.approx(gap_to_smallest(right, n).to_json(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_drawn_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([2, 3, 5, 9]))
    n = np.maximum((10 ** rng.uniform(0, 3.5, groups)).astype(int), 1)
    right = rng.binomial(n, np.clip(rng.uniform(0, 1) + rng.normal(size=groups) * rng.choice([0, 0.1, 0.4]), 0, 1))
    own = lowest_accuracy(right.tolist(), n.tolist()), gap_below_all(right.tolist(), n.tolist())
    for one, other in zip(own, (smallest_accuracy(right, n), gap_to_smallest(right, n)), strict=True):
        assert one == pytest.approx(other.to_json(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("groups", [5, 6, 8])
def test_more_groups_than_contrasts_that_are_looked_at(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picked, "MOST_CONTRASTS", 6)
    monkeypatch.setattr(gaps, "CONTRASTS", 6)
    rng = np.random.default_rng(5)
    n = rng.integers(3, 60, groups)
    right = rng.binomial(n, 0.7)
    own = lowest_accuracy(right.tolist(), n.tolist()), gap_below_all(right.tolist(), n.tolist())
    for one, other in zip(own, (smallest_accuracy(right, n), gap_to_smallest(right, n)), strict=True):
        assert one == pytest.approx(other.to_json(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_groups_of_which_most_have_every_answer_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 90, int(rng.choice([2, 3, 5])))
    right = np.where(rng.random(len(n)) < 0.7, n, rng.binomial(n, rng.uniform(0.3, 1.0)))
    if seed % 2:
        right = n - right
    own = lowest_accuracy(right.tolist(), n.tolist()), gap_below_all(right.tolist(), n.tolist())
    for one, other in zip(own, (smallest_accuracy(right, n), gap_to_smallest(right, n)), strict=True):
        assert one == pytest.approx(other.to_json(), rel=1e-9, abs=1e-9)


def test_one_group_has_no_gap() -> None:
    assert gap_below_all([3], [7]) == {"estimate": 0.0, "lo": 0.0, "hi": 0.0, "n": 7}


@pytest.mark.parametrize(("p", "n"), [(0.3, 7), (0.02, 60), (0.5, 1500), (0.5, 5000), (0.97, 90_000), (0.0, 9)])
def test_drawn_rates_have_the_moments_of_a_binomial(p: float, n: int) -> None:
    """Mean, variance and skewness over stratified uniforms; also the normal way with its correction of skew."""
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    rates = _binomial(p, float(n), uniforms)
    assert rates.mean() == pytest.approx(p, abs=2e-5)
    assert rates.var() == pytest.approx(p * (1 - p) / n, rel=2e-3, abs=1e-12)
    if p:
        skew = ((rates - rates.mean()) ** 3).mean() / rates.std() ** 3
        assert skew == pytest.approx((1 - 2 * p) / np.sqrt(n * p * (1 - p)), abs=0.02 * abs(1 - 2 * p) + 2e-3)


def test_errors_and_seen_by_hand() -> None:
    pick = Pick(LOWEST, np.array([0.5, 0.25]), np.array([10.0, 40.0]))
    p = np.array([6 / 12, 11 / 42])
    np.testing.assert_allclose(pick.errors(pick.rates), np.sqrt(p * (1 - p) / pick.n))
    assert pick.seen == -0.25 and pick.mean == pytest.approx(0.3) and pick.largest == 1
