"""Cells of random methods are means over draws."""

import pytest

from core.benchmark.base import Cell
from core.benchmark.draws import SEEDS, over_seeds
from core.statistics import Estimate


def cell(value: float | None, refused: str | None = None) -> Cell:
    skew = Estimate.missing("nothing is left") if value is None else Estimate(value, value - 0.1, value + 0.1, 40)
    return Cell("zsdebias", "small", {"skew": skew}, refused, ("a note",), {"a photo of a doctor": value or 0.0})


def test_means_and_the_widest_interval_with_every_draw_in_a_note():
    found = over_seeds([cell(0.1), cell(0.4), cell(0.25)], "skew")
    skew = found.values["skew"]
    assert (skew.estimate, skew.lo, skew.hi, skew.n) == pytest.approx((0.25, 0.0, 0.5, 40))
    assert found.by_prompt == {"a photo of a doctor": pytest.approx(0.25)}
    assert found.notes[0] == "a note" and "means over 3 seeds, whose skew is 0.100, 0.400, 0.250" in found.notes[1]
    assert SEEDS >= 3


def test_what_is_missing_once_is_missing():
    assert over_seeds([cell(0.1), cell(None)], "skew").values["skew"].reason == "nothing is left"
    assert over_seeds([cell(0.1), cell(0.2, "no prompts")], "skew").refused == "no prompts"
