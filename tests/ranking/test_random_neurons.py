"""Chosen neurons beside random ones: which way the comparison goes, by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.audit.arms import Ranked
from core.audit.numbers import _random, lean_sizes
from core.ranking.controls import ControlArm, ControlsResult
from core.ranking.request import RankRequest
from core.ranking.rows import Part
from core.statistics import Estimate, mean_of


def arm(size: float, points: float) -> ControlArm:
    value = Estimate(points, points - 0.1, points + 0.1, 4)
    return ControlArm("arm", value, size, value, value, value, (0.1,), 0.9, 3, {})


def beside(chosen: float, random: list[float]) -> ControlsResult:
    arms = [arm(0.5, 0.5), arm(0.4, 0.4), arm(chosen, -chosen)]
    return ControlsResult(RankRequest("gender", "a cook"), ("a cook",), "Male", *arms, tuple(arm(x, x) for x in random))


@pytest.mark.parametrize(
    ("chosen", "p"), [(0.0, 1 / 5), (0.05, 1 / 5), (0.1, 2 / 5), (0.25, 3 / 5), (0.3, 4 / 5), (0.4, 1.0), (0.9, 1.0)]
)
def test_p_counts_the_draws_that_leave_as_small_a_lean(chosen: float, p: float) -> None:
    """Of four draws with .1, .2, .3 and .4: none leaves .05 or less, all leave .9 or less; equal ones count."""
    found = beside(chosen, [0.3, 0.1, 0.4, 0.2])
    assert found.p_value == pytest.approx(p)
    random = found.to_json()["random"]
    assert (random["p"], random["lo"], random["hi"], random["n"]) == (found.p_value, *found.band, 4)
    assert found.band == (0.1, 0.4) and random["mean"] == pytest.approx(0.25)


def searched() -> Part:
    labels = np.array([0] * 6 + [1] * 4 + [-1] * 2)
    return Part(np.arange(12), "x", ("Female", "Male"), labels, (6, 4), np.array([0.5, 0.5]))


def ranked(*tops: list[int]) -> Ranked:
    arms = ("original", "edited", *(f"random {i}" for i in range(1, len(tops) + 1)))
    rows = np.array([[0, 1, 2, 3, 9], [0, 6, 1, 7, 9], *tops])
    return Ranked(arms, rows, *[(0,) * len(arms)] * 4)


def asked(chosen: Estimate) -> dict[str, Any]:
    """k = 4 of two prompts that lead with different groups, three draws."""
    found = {
        "a cook": ranked([0, 1, 2, 3, 6], [0, 6, 7, 8, 1], [0, 1, 6, 7, 2]),
        "a nurse": ranked([6, 7, 8, 9, 0], [0, 6, 7, 8, 1], [0, 1, 10, 6, 2]),
    }
    return _random(SimpleNamespace(k=4), searched(), found, [0, 1], chosen)


def test_an_audit_counts_the_same_draws() -> None:
    """Sizes by hand: |1 - .6| and |1 - .4|; |.25 - .6| and |.75 - .4|; |.5 - .6| and |1/3 - .4|."""
    sizes = [(0.4, 0.6), (0.35, 0.35), (0.1, 0.4 - 1 / 3)]
    means = sorted(sum(pair) / 2 for pair in sizes)
    for chosen, as_small in ((0.05, 0), (means[0], 1), (0.2, 1), (0.36, 2), (0.51, 3), (0.9, 3)):
        found = asked(Estimate(chosen + 1e-12))
        assert found["p"] == pytest.approx((1 + as_small) / 4) and found["p_smallest"] == 1 / 4
    size = found["size"]
    assert (size["estimate"], size["lo"], size["hi"], size["n"]) == pytest.approx(
        (sum(means) / 3, means[0], means[2], 3)
    )
    for draw, pair in zip(found["draws"], sizes, strict=True):
        expected = mean_of(pair, (0.0, 1.0))
        assert (draw["estimate"], draw["lo"], draw["hi"]) == pytest.approx(
            (expected.estimate, expected.lo, expected.hi)
        )


def test_without_a_value_of_the_chosen_every_draw_counts() -> None:
    assert asked(Estimate.missing("because"))["p"] == 1.0


def test_sizes_are_of_the_group_that_each_prompt_leads_with() -> None:
    shares = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert lean_sizes(shares, searched(), [0, 1]).tolist() == pytest.approx([0.3, 0.4])
    assert lean_sizes(shares, searched(), [1, 0]).tolist() == pytest.approx([0.3, 0.4])
    stacked = lean_sizes(np.stack([shares, shares[::-1]]), searched(), [0, 0])
    np.testing.assert_allclose(stacked, [[0.3, 0.4], [0.4, 0.3]])
