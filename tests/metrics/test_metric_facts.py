"""What metrics say of themselves: which share their interval is of, which group counts positive, how they are told."""

import numpy as np
import pytest

from core.metrics.base import RANKING_METRICS, ListFacts, formula_of, headline_metrics
from core.metrics.bias_at_k import BiasAtK
from core.metrics.bias_count import BiasCountAtK
from core.metrics.precision_at_k import PrecisionAtK
from core.metrics.recall_at_k import RecallAtK

RANKED = np.array([0, 1, 0, -1, 2, 0])
"""Three rows of group 0, one of 1, one of 2, one unknown."""


@pytest.mark.parametrize(
    ("metric", "successes", "of", "n", "values"),
    [
        (BiasAtK(), 3, 4, 4, {0.0: -1.0, 0.75: 0.5, 1.0: 1.0}),
        (BiasAtK(1, 2), 1, 2, 2, {0.5: 0.0, 1.0: 1.0}),
        (BiasAtK(2, 0), 1, 4, 4, {0.25: -0.5}),
        (BiasCountAtK(), 3, 4, 4, {0.0: -4 / 6, 0.75: 2 / 6, 1.0: 4 / 6}),
        (BiasCountAtK(1, 0), 1, 4, 4, {0.25: -2 / 6}),
        (PrecisionAtK(), 3, 5, 5, {0.6: 0.6}),
        (PrecisionAtK(1), 1, 5, 5, {0.2: 0.2}),
        (RecallAtK(10), 3, 5, 10, {0.6: 0.3, 1.0: 0.5}),
        (RecallAtK(4, 1), 1, 5, 4, {0.2: 0.25, 0.8: 1.0, 1.0: 1.0}),
    ],
)
def test_the_share_that_a_metric_follows_from(metric, successes: int, of: int, n: int, values: dict) -> None:
    found = metric.follows_from(RANKED)
    assert (found.successes, found.of, found.n) == (successes, of, n)
    for share, value in values.items():
        assert found.value(share) == pytest.approx(value)
    assert found.value(found.successes / found.of) == pytest.approx(metric(RANKED, np.full(3, 1 / 3)))


@pytest.mark.parametrize(
    ("groups", "first"),
    [(("Female", "Male"), 1), (("Men", "women"), 0), (("a", "M"), 1), (("man", "woman"), 0), (("cat", "dog"), 0)],
)
@pytest.mark.parametrize("kind", [BiasAtK, BiasCountAtK])
def test_men_count_positive_and_else_the_first_group(kind, groups: tuple[str, str], first: int) -> None:
    found = kind.for_list(ListFacts(groups))
    assert (found.first, found.second) == (first, 1 - first)
    assert found.named(groups) == {"first": groups[first], "second": groups[1 - first]}


@pytest.mark.parametrize("groups", [("Male",), ("Female", "Male", "Other")])
def test_two_groups_are_needed(groups: tuple[str, ...]) -> None:
    assert BiasAtK.for_list(ListFacts(groups)) == f"it compares two groups, and there are {len(groups)}"


def test_a_formula_is_what_the_class_says_or_the_first_line_about_it() -> None:
    assert formula_of(BiasAtK).startswith("(M - W) / (M + W) with M and W")
    max_skew = RANKING_METRICS.get("max_skew")
    assert formula_of(max_skew) == max_skew.formula
    bare = type("Bare", (), {"formula": "", "title": "bare", "__doc__": None})
    assert formula_of(bare) == "bare"


def test_headline_metrics_are_shown_in_their_places() -> None:
    assert list(headline_metrics()) == ["max_skew", "min_skew", "ndkl", "kl"]
