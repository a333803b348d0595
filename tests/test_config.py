"""What an edit and a question are given that is no number, or none that fits, is one line that repeats it."""

import math

import numpy as np
import pytest

from core.config import Edit, InputError, finite
from core.labelling import LabelEvent
from core.ranking import RankRequest

HUGE = 10**400
"""A whole number that no float holds."""
STRANGE = ["x", None, [], HUGE, math.nan, math.inf]


@pytest.mark.parametrize(("given", "number"), [(1, 1.0), ("0.5", 0.5), (np.float32(2), 2.0), (True, 1.0)])
def test_numbers_of_any_kind(given: object, number: float) -> None:
    assert finite(given) == number and type(finite(given)) is float


@pytest.mark.parametrize("given", STRANGE, ids=lambda value: str(value)[:5])
def test_what_is_no_number(given: object) -> None:
    assert math.isnan(finite(given))


@pytest.mark.parametrize("given", STRANGE, ids=lambda value: str(value)[:5])
@pytest.mark.parametrize("name", ["strength", "gamma", "alpha", "strengths", "gammas", "neurons"])
def test_an_edit_says_what_it_was_given(name: str, given: object) -> None:
    with pytest.raises(InputError, match=r"(was|were) .*expected") as error:
        Edit(**({"neurons": (1,)} | {name: (given,) if name.endswith("s") else given}))  # type: ignore[arg-type]
    assert str(given)[:5] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("given", STRANGE, ids=lambda value: str(value)[:5])
def test_so_does_a_question(given: object) -> None:
    for own in ({"target": {"Female": given}}, {"k": given}, {"seed": given}):
        with pytest.raises(InputError, match=r"was .*; expected"):
            RankRequest("gender", query="a doctor", **own)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="query embedding"):
        RankRequest("gender", query_embedding=(given,))  # type: ignore[arg-type]


@pytest.mark.parametrize("given", STRANGE, ids=lambda value: str(value)[:5])
def test_so_does_a_label(given: object) -> None:
    with pytest.raises(InputError, match=r"neuron was"):
        LabelEvent(neuron=given, rater="ada", sae="a" * 64, type="social", attribute="gender")  # type: ignore[arg-type]
    if given is not None:  # no confidence is none that is wrong
        with pytest.raises(InputError, match=r"confidence was"):
            LabelEvent(neuron=1, rater="ada", sae="a" * 64, type="social", attribute="gender", confidence=given)  # type: ignore[arg-type]
