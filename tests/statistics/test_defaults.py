"""What is taken where nothing is said: one test, the seed 0, a thousand draws, 95 %."""

import inspect

import pytest

from core import statistics
from core.statistics import ALPHA, DRAWS, LEVEL, MINIMUM_N, clusters, effect, impact, lean, omnibus, signs

FUNCTIONS = [one for name in statistics.__all__ if inspect.isfunction(one := getattr(statistics, name))]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_defaults(function) -> None:
    own = {DRAWS, clusters.DRAWS, signs.DRAWS}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ("tests", "seed") and parameter.default is not inspect.Parameter.empty:
            assert parameter.default == {"tests": 1, "seed": 0}[name]
        if name == "draws":
            assert parameter.default in own


def test_levels_and_borders_are_the_written_ones() -> None:
    """A twentieth, 95 %, thirty rows, two per cent, four fifths, 1 in 20,000 and a thousandth after correction."""
    assert (ALPHA, LEVEL, DRAWS, MINIMUM_N) == (0.05, 0.95, 1000, 30)
    assert (lean.ALPHA, effect.ALPHA) == (0.05, 0.05)
    assert (impact.SMALL_SHARE, impact.FOUR_FIFTHS) == (0.02, 0.8)
    assert (omnibus.OMNIBUS_DRAWS, omnibus.FAMILY_P) == (19_999, 1e-3)
