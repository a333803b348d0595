"""Corrections by hand and by their definition: the level at which each test is a finding."""

import numpy as np
import pytest

from core.config import InputError
from core.statistics import CORRECTIONS, benjamini_hochberg, corrected, holm


def findings(p: np.ndarray, level: float, method: str) -> np.ndarray:
    """The published procedures, step by step."""
    order, m, found = np.argsort(p), len(p), np.zeros(len(p), dtype=bool)
    if method == "holm":
        for i, place in enumerate(order):
            if p[place] > level / (m - i):
                break
            found[place] = True
        return found
    fits = [i for i, place in enumerate(order) if p[place] <= level * (i + 1) / m]
    found[order[: max(fits) + 1 if fits else 0]] = True
    return found


@pytest.mark.parametrize("method", list(CORRECTIONS))
def test_an_adjusted_p_is_the_level_at_which_a_test_is_a_finding(method: str) -> None:
    rng = np.random.default_rng(0)
    for m in (1, 2, 7, 20):
        p = rng.uniform(size=m) ** 3
        adjusted = CORRECTIONS[method](p)
        for level in (0.001, 0.01, 0.05, 0.2, 0.7):
            assert (adjusted <= level).tolist() == findings(p, level, method).tolist()


def test_by_hand() -> None:
    p = np.array([0.01, 0.02, 0.025, 0.9])
    assert holm(p) == pytest.approx([0.04, 0.06, 0.06, 0.9])
    assert benjamini_hochberg(p) == pytest.approx([0.025 * 4 / 3] * 3 + [0.9])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0] and holm([]).tolist() == []
    assert {"holm": holm, "benjamini-hochberg": benjamini_hochberg} == CORRECTIONS


def test_a_family() -> None:
    found = corrected([0.025, np.nan, 0.5])
    assert found.findings.tolist() == [True, False, False] and (found.m, found.method) == (2, "holm")
    assert found.adjusted[0] == 0.05 and np.isnan(found.adjusted[1]) and np.isnan(found.p[1])
    assert corrected([0.0, 1.0]).adjusted.tolist() == [0.0, 1.0]
    assert corrected([0.02, 0.03], "benjamini-hochberg").adjusted == pytest.approx([0.03, 0.03])
    for wrong in ([0.5, 1.2], [-0.1, 0.5]):
        with pytest.raises(InputError, match="outside 0 to 1"):
            corrected(wrong)
