"""Impact ratios equal the recorded tables of the rules and of other packages, and have intervals that cover."""

import math

import numpy as np
import pytest
from scipy.stats import nchypergeom_fisher

from core.statistics import above_median, impact_of
from tests.recorded import oracle

COLUMNS = {
    "selection_rate": lambda row: row.rate,
    "impact_ratio": lambda row: math.nan if row.ratio.estimate is None else row.ratio.estimate,
    "share": lambda row: row.share,
    "under_2_percent": lambda row: row.under_2_percent,
    "z": lambda row: row.z,
    "p": lambda row: row.p,
    "needed_for_four_fifths": lambda row: row.needed_for_four_fifths,
    "below_four_fifths": lambda row: row.below_four_fifths,
}


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    return oracle("impact_ratio")


def table(categories: np.ndarray, labels: np.ndarray, chosen: np.ndarray):
    """The impact of chosen rows, categories as they stand in the recorded table."""
    of = [np.all(labels == category, axis=1) for category in categories]
    known = [i for i, category in enumerate(categories) if (category >= 0).all()]
    n, count = ([int(x) for x in column] for column in zip(*((m.sum(), chosen[m].sum()) for m in of), strict=True))
    rest = next(((n[i], count[i]) for i in range(len(n)) if i not in known), None)
    return impact_of([n[i] for i in known], [count[i] for i in known], rest)


@pytest.mark.parametrize("kind", ["selection", "scoring"])
@pytest.mark.parametrize(
    "case",
    ["sex", "race", "none", "everyone", "equal_scores", "one_selected", "one_not_selected", "rare_top"],
)
def test_tables_equal_the_recorded_ones(recorded: dict, case: str, kind: str) -> None:
    labels = recorded[case if case in ("sex", "race") else f"{case}_group"][:, None]
    score = recorded["score"] if case in ("sex", "race") else recorded.get(f"{case}_score", np.arange(len(labels)))
    selected = recorded["selected"] if case in ("sex", "race") else recorded[f"{case}_selected_in"]
    if kind == "selection" and case == "equal_scores":
        pytest.skip("its selection is by stable order and recorded as counts only")
    chosen = selected if kind == "selection" else above_median(score)
    found = table(recorded[f"{case}_{kind}_category"], labels, chosen)
    for name, of in COLUMNS.items():
        column = "rate" if name == "selection_rate" else name
        expected = recorded[f"{case}_{kind}_{column}"].astype(float)
        np.testing.assert_allclose([float(of(row)) for row in found.rows], expected, rtol=0, atol=1e-12, equal_nan=True)
    benchmark = float(recorded[f"{case}_{kind}_benchmark_rate"])
    assert found.benchmark_rate == pytest.approx(benchmark, abs=1e-12)


def test_the_rules_own_example(recorded: dict) -> None:
    for name in ("sex", "race"):
        given, printed = recorded[f"rule_b_{name}_n_selected"], recorded[f"rule_b_{name}_printed"]
        ratios = [row.ratio.estimate for row in impact_of(given[:, 0], given[:, 1]).rows]
        assert np.abs(np.array(ratios) - printed[:, 1]).max() < 0.006


def test_the_benchmark_is_a_known_category_of_two_per_cent_or_more() -> None:
    found = impact_of([80, 40, 1], [20, 8, 1], (30, 29))
    assert [row.benchmark for row in found.rows] == [True, False, False, False]
    assert found.rows[2].under_2_percent and found.rows[2].ratio.estimate == 4.0
    assert found.rows[0].ratio.estimate == 1.0 and found.rows[0].ratio.lo is None
    assert not impact_of([98, 2], [9, 2]).rows[1].under_2_percent


def test_where_nobody_is_selected_there_is_no_ratio() -> None:
    assert all(row.ratio.estimate is None and row.ratio.reason for row in impact_of([5, 5], [0, 0]).rows)
    assert impact_of([5, 0], [1, 0]).rows[1].ratio.reason


def test_the_interval_covers_every_ratio_given_the_selected_rows() -> None:
    """Exact: given how many of both are selected, the category's number is noncentral hypergeometric."""
    n, best, selected = 60, 90, 50
    xs = np.arange(0, 51)
    ends = []
    for x in xs:
        rows = impact_of([n, best], [int(x), int(selected - x)]).rows
        ends.append((rows[0].ratio.lo, rows[0].ratio.hi) if not rows[0].benchmark else (None, None))
    for log_odds in np.linspace(-2.5, -0.3, 9):
        chances = nchypergeom_fisher.pmf(xs, n + best, n, selected, math.exp(log_odds))
        mean = float(chances @ xs)
        truth = (mean / n) / ((selected - mean) / best)
        missed = sum(
            chance
            for chance, (lo, hi) in zip(chances, ends, strict=True)
            if lo is not None and not (lo <= truth <= (hi if hi is not None else math.inf))
        )
        assert missed <= 0.05


def test_scoring_is_strictly_above_the_median_of_all() -> None:
    assert above_median(np.array([1.0, 2.0, 3.0])).tolist() == [False, False, True]
    assert not above_median(np.ones(4)).any()
