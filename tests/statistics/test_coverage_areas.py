"""The coverage tables of areas and probes: their truths are true, and a row says when it is out of range."""

import math

import numpy as np
import pytest

from core.statistics import Estimate, auc
from tests.benchmarks import coverage_areas


def test_the_truth_of_codes_is_that_of_very_many_rows():
    rng, positive = np.random.default_rng(0), np.arange(400_000) < 100_000
    for real in (False, True):
        for rates in ((0.3, 0.02), (0.02, 0.3)):
            scores = coverage_areas._codes(rng, positive, rates, real)
            assert auc(scores, positive) == pytest.approx(0.5 + (rates[0] - rates[1]) / 2, abs=0.005)


def test_every_kind_of_case_gives_a_row():
    size = (30, 60)
    rows = [
        coverage_areas.normal_scores(0.9, size, 40),
        coverage_areas.codes((0.3, 0.02), size, True, 40),
        coverage_areas.moved(size, 40),
        coverage_areas.switched_off(size, 40),
        coverage_areas.probes(60, 3, (0.5, 0.5), 0.0, 5),
    ]
    assert [row["quantity"] for row in rows] == ["auc", "auc", "auc difference", "auc difference", "leakage"]
    assert all(row["share"] > 0.7 and 0 < row["width"] < 1 for row in rows) and rows[0]["n"] == 40


def test_coverage_below_the_range_is_said_and_above_it_only_where_rows_are_many():
    inside, outside = Estimate(0.5, 0.4, 0.6, 10), Estimate(0.5, 0.45, 0.6, 10)
    missed = coverage_areas._row("regime", "auc", [inside] * 900 + [outside] * 100, 0.42, True)
    assert missed["share"] == 0.9 and not missed["ok"]
    assert missed["error"] == pytest.approx(math.sqrt(0.09 / 1000))
    always = [inside] * 1000
    assert coverage_areas._row("regime", "auc", always, 0.5, True)["ok"]
    assert not coverage_areas._row("regime", "auc", always, 0.5, False)["ok"]
