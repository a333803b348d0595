"""Impact ratios equal the recorded tables of the rules and of other packages, and have intervals that cover."""

import math

import numpy as np
import pytest
from scipy.stats import nchypergeom_fisher, norm

from core.statistics import above_median, biased_means, impact_of
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
    exactly = impact_of([98, 2], [9, 2]).rows[1]
    assert not exactly.under_2_percent and exactly.benchmark


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


def test_where_no_known_category_is_large_enough_nothing_is_compared() -> None:
    found = impact_of([1, 0], [1, 0], (99, 10))
    assert math.isnan(found.benchmark_rate) and len(found.rows) == 3
    for row in found.rows:
        assert (row.z, row.p, row.needed_for_four_fifths, row.benchmark) == (0.0, 1.0, 0, False)
        assert row.ratio.reason and not row.below_four_fifths
    assert [row.share for row in found.rows] == [0.01, 0.0, 0.99]
    (nobody,) = impact_of([0], [0]).rows
    assert nobody.share == 0.0 and math.isnan(nobody.rate) and nobody.under_2_percent


@pytest.mark.parametrize(("n", "count", "best"), [(40, 5, (60, 30)), (200, 10, (50, 20)), (30, 0, (30, 10))])
def test_a_ratio_its_interval_and_its_test_by_hand(n: int, count: int, best: tuple[int, int]) -> None:
    row = impact_of([n, best[0]], [count, best[1]]).rows[0]
    rate, top = count / n, best[1] / best[0]
    assert row.ratio.estimate == pytest.approx(rate / top) and row.below_four_fifths == (rate / top < 0.8)
    pooled = (count + best[1]) / (n + best[0])
    assert row.z == pytest.approx((rate - top) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / best[0])))
    assert row.p == pytest.approx(2 * norm.sf(abs(row.z))) and row.n == row.ratio.n == n
    selected = count + best[1]
    for end, mean in zip((row.ratio.lo, row.ratio.hi), biased_means(count, n, n + best[0], selected), strict=True):
        assert end == pytest.approx((mean / n) / ((selected - mean) / best[0]))
    fewest = row.needed_for_four_fifths
    assert (count + fewest) / n >= 0.8 * top - 1e-9 > (count + fewest - 1) / n - 1e-9


def test_a_ratio_ends_where_the_whole_category_is_selected() -> None:
    row = impact_of([3, 300], [3, 1]).rows[0]
    assert row.ratio.hi == row.ratio.estimate == 300.0 and row.under_2_percent and not row.benchmark
    assert impact_of([10, 10], [5, 5]).rows[1].z == 0.0 == impact_of([10, 10], [10, 10]).rows[1].z


def test_the_fewest_further_rows_are_not_one_more_by_rounding() -> None:
    """.8 x .2 x 25 is 4, and 4.000000000000001 in floating point."""
    assert impact_of([25, 5], [0, 1]).rows[0].needed_for_four_fifths == 4
