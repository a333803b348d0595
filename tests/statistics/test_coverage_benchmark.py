"""The simulation's truths are true: exact shares against brute force, and a row says when it is out of range."""

import numpy as np
import pytest

from tests.benchmarks import coverage


@pytest.mark.parametrize("regime", [coverage.SINGLE[1], coverage.SINGLE[3], coverage.SINGLE[6]], ids=lambda r: r.name)
def test_true_shares_are_those_of_a_very_large_gallery(regime):
    rng, n, lean = np.random.default_rng(0), 400_000, regime.lean[1]
    groups = rng.choice(len(regime.q), p=regime.q, size=n)
    scores = rng.standard_normal(n) + lean * np.array(regime.towards)[groups]
    top = groups[np.argpartition(-scores, n * regime.k // coverage.N)[: n * regime.k // coverage.N]]
    exact = coverage.true_shares(regime.q, lean * np.array(regime.towards, dtype=float), regime.k)
    np.testing.assert_allclose(np.bincount(top, minlength=len(exact)) / len(top), exact, atol=0.012)
    assert exact.sum() == pytest.approx(1.0)


def test_no_lean_is_the_superpopulation():
    np.testing.assert_allclose(coverage.true_shares(np.array([0.2, 0.8]), np.zeros(2), 100), [0.2, 0.8], atol=1e-9)


def test_a_quantity_that_does_not_cover_is_said():
    hits = [True] * 900 + [False] * 100
    row = coverage._row("regime", "share", hits)
    assert row["share"] == 0.9 and not row["ok"]
    assert coverage._row("regime", "share", [True] * 950 + [False] * 50)["ok"]
    pooled = coverage._pooled([row, {**row, "share": 1.0}])
    assert pooled[0]["share"] == pytest.approx(0.95) and pooled[0]["n"] == 2000 and pooled[0]["ok"]
