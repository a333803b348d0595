"""What is taken where nothing is said: one test, the seed 0, a thousand draws, 95 %."""

import importlib
import inspect
import math

import pytest
from scipy.special import ndtri

from core import statistics
from core.statistics import DRAWS, clusters, signs

FUNCTIONS = [one for name in statistics.__all__ if inspect.isfunction(one := getattr(statistics, name))]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_defaults(function) -> None:
    own = {DRAWS, clusters.DRAWS, signs.DRAWS}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ("tests", "seed") and parameter.default is not inspect.Parameter.empty:
            assert parameter.default == {"tests": 1, "seed": 0}[name]
        if name == "draws":
            assert parameter.default in own


CONSTANTS = {
    "areas": {"UNSEEN": 2.5, "UNSEEN_CHANGES": 1.0},
    "bands": {"EXACT_CELLS": 25_000, "P_DRAWS": {False: 20_000, True: 2_000}},
    "biased_draw": {"TAIL": pytest.approx(0.025), "STEEPEST": 1e3},
    "clusters": {"DRAWS": 19_999, "BLOCK": 20, "STRAY": 0.1, "MOST": 4_000_000, "FEWEST_DRAWS": 1_999, "SLACK": 1e-9},
    "effect": {"ALPHA": 0.05},
    "estimates": {"LEVEL": 0.95, "NORMAL": float(ndtri(0.975)), "DRAWS": 1000, "MINIMUM_N": 30},
    "exchange": {"JEFFREYS": 0.5},
    "gaps": {
        "TWO_TAILS": (0.025, 0.025),
        "GAP_TAILS": (0.03, 0.02),
        "SMALLEST_TAILS": (0.025, 0.013),
        "WITHOUT_UPPER": 2.0,
        "EVEN": 0.1,
        "STEPS": 10,
        "NORMAL_FROM": 400.0,
        "CONTRASTS": 60,
        "KNOWN_WORSE": 1.5,
    },
    "impact": {"SMALL_SHARE": 0.02, "FOUR_FIFTHS": 0.8},
    "inversion": {
        "PROPOSALS": (-3.0, -1.5, 0.0, 1.5, 3.0, 5.0),
        "BLOCK_PROPOSALS": (-1.5, 0.0, 2.0, 5.0, 9.0, 15.0),
        "FURTHER": 2.0,
        "BLOCK_GAIN": 7.5,
        "GRID": 61,
        "TREND": 0.45,
        "NEWTON": 6,
    },
    "leakages": {"FOLDS": 5},
    "lean": {"ALPHA": 0.05},
    "means": {"UNBOUNDED": (-math.inf, math.inf)},
    "omnibus": {"EXACT_CELLS": 200_000, "OMNIBUS_DRAWS": 19_999, "FAMILY_P": 1e-3, "EQUAL": 1e-9},
    "paired": {"FEWEST": 5},
    "signs": {"LISTED": 16, "DRAWS": 19_999, "FEWEST_DRAWS": 1_999, "MOST_SIGNS": 40_000_000, "BLOCK_SIGNS": 2**19},
}
"""Levels, borders, and what was chosen by simulation: coverage was measured with these and with no others."""


@pytest.mark.parametrize("module", CONSTANTS)
def test_constants_are_those_that_coverage_was_measured_with(module: str) -> None:
    found = importlib.import_module(f"core.statistics.{module}")
    assert {name: getattr(found, name) for name in CONSTANTS[module]} == CONSTANTS[module]
