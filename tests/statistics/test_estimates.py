"""An interval of a share against its defining equation, and what an estimate says of itself."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from core.statistics import Band, Estimate, share_estimate, too_few, wilson


@pytest.mark.parametrize(("x", "n"), [(0, 1), (1, 1), (0, 20), (3, 20), (10, 20), (19, 20), (20, 20), (7, 1000)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_the_score_interval(x: int, n: int, level: float) -> None:
    lo, hi = wilson(x, n, level)
    theirs = binomtest(x, n).proportion_ci(level, method="wilson")
    assert (float(lo), float(hi)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    for end in (float(lo), float(hi)):
        if 0 < end < 1:
            assert abs(x / n - end) / np.sqrt(end * (1 - end) / n) == pytest.approx(norm.ppf(0.5 + level / 2))


def test_wilson_at_the_edges_is_exact_and_of_nothing_says_nothing() -> None:
    lo, hi = wilson(np.array([0, 7, 0]), np.array([7, 7, 0]))
    assert lo[0] == 0.0 and hi[1] == 1.0 and (lo[2], hi[2]) == (0.0, 1.0)
    # expected numbers of rows may be broken ones: (.9683 - .9144) / 2.5366
    assert wilson(0.5, 2.5)[0] == pytest.approx(0.0212, abs=1e-4)


def test_a_share_of_rows() -> None:
    found = share_estimate(3, 12)
    lo, hi = wilson(3, 12)
    assert found == Estimate(0.25, float(lo), float(hi), 12)
    assert share_estimate(0, 0).reason == "no row with a known group" and share_estimate(1, 1).n == 1


@pytest.mark.parametrize(("n", "noted"), [(29, True), (30, False)])
def test_few_is_fewer_than_thirty(n: int, noted: bool) -> None:
    assert (too_few(Estimate(0.5), n).note is not None) is noted


def test_what_is_told_of_an_estimate() -> None:
    band = Band(0.1, 0.3, 0.2)
    assert band.to_json() == {"lo": 0.1, "hi": 0.3, "mean": 0.2, "draws": 1000, "seed": 0}
    plain = Estimate(0.4, 0.35, 0.45, 50)
    assert plain.distinguishable is None
    assert plain.to_json() == {"estimate": 0.4, "lo": 0.35, "hi": 0.45, "n": 50}
    beyond = Estimate(0.4, 0.35, 0.45, 50, null=band, null_side="beyond", note="because")
    assert beyond.distinguishable is True
    assert Estimate(0.2, null=band, null_side="inside").distinguishable is False
    assert beyond.to_json() == plain.to_json() | {
        "null": [0.1, 0.3],
        "null_mean": 0.2,
        "distinguishable": True,
        "null_side": "beyond",
        "note": "because",
    }
    assert Estimate.missing("why").to_json() == {"estimate": None, "reason": "why"}
