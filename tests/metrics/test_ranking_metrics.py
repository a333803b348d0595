"""Every registered ranking metric: hand-checked values, defining properties, a literal second implementation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import InputError
from core.metrics import (
    MODES,
    RANKING_METRICS,
    ListFacts,
    ShareOf,
    formula_of,
    headline_metrics,
    meaning_of,
    target_distribution,
)
from core.metrics.able import able
from core.metrics.base import count_groups, top_rows

PARAMETERS = {"recall_at_k": {"n_relevant": 50}, "able": {"top1_percent": 68.1}}
"""Arguments of the metrics that cannot be made without."""

METRICS = [RANKING_METRICS.get(name)(**PARAMETERS.get(name, {})) for name in RANKING_METRICS]
by_name = {metric.name: metric for metric in METRICS}
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)

HALF = np.array([0.5, 0.5])
TEN = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 1])


@st.composite
def rankings(draw, unknown: bool = False):
    """A list of group numbers and target shares above 0 that sum to 1."""
    n_groups = draw(st.integers(2, 6))
    ranked = draw(st.lists(st.integers(-1 if unknown else 0, n_groups - 1), min_size=1, max_size=40))
    weights = np.array(draw(st.lists(st.integers(1, 20), min_size=n_groups, max_size=n_groups)), dtype=float)
    return np.array(ranked), weights / weights.sum()


# --------------------------------------------------------------------------------------- hand-checked values


def test_hand_checked_values():
    value = {name: lambda r, t, m="ours", metric=metric: float(metric(r, t, m)) for name, metric in by_name.items()}
    assert value["max_skew"](TEN[:4], HALF) == pytest.approx(0.405465, abs=1e-6)
    assert value["min_skew"](TEN[:4], HALF) == pytest.approx(-0.693147, abs=1e-6)
    assert value["ndkl"](TEN, HALF) == pytest.approx(0.297854, abs=1e-6)
    assert value["ndkl"](TEN[:4], HALF) == pytest.approx(0.474362, abs=1e-6)
    six = np.array([0, 0, 0, 0, 0])
    assert value["max_skew"](six, HALF) == pytest.approx(0.693147, abs=1e-6)
    assert value["min_skew"](six, HALF) == pytest.approx(-0.916291, abs=1e-6)
    assert value["max_skew"](six, np.array([0.8, 0.2])) == pytest.approx(0.223144, abs=1e-6)
    assert value["kl"](six, np.array([0.8, 0.2])) == pytest.approx(0.223144, abs=1e-6)
    assert float(able(0.219, 68.1)) == pytest.approx(0.737121, abs=1e-6)


def test_bias_precision_recall_by_hand():
    ranked = np.array([0, 0, 0, 1, -1])
    assert float(by_name["bias_at_k"](ranked, HALF)) == 0.5
    assert float(by_name["bias_at_k"](np.array([-1, -1]), HALF)) == 0.0
    assert float(by_name["precision_at_k"](ranked, HALF)) == 0.75
    assert float(by_name["recall_at_k"](ranked, HALF)) == 3 / 50
    with pytest.raises(InputError, match="relevant row"):
        RANKING_METRICS.get("recall_at_k")(n_relevant=0)
    with pytest.raises(InputError, match="per cent"):
        RANKING_METRICS.get("able")(top1_percent=0.0)


# -------------------------------------------------------------------------------------- a contract for all


@every_metric
def test_describes_itself(metric):
    assert metric.title and metric.zero_means and metric.better in ("lower", "higher", "nearer to 0")
    assert metric.range[0] < metric.range[1]
    assert RANKING_METRICS.get(metric.name) is type(metric)
    assert hash(metric) == hash(type(metric)(**PARAMETERS.get(metric.name, {})))


@every_metric
def test_says_what_its_interval_follows_from(metric):
    """By test inversion where bias has a side, else from something simpler, whose value it is."""
    ranked, target = np.array([0, 1, 0, 0, -1, 1, 0]), HALF
    simpler = metric.follows_from(ranked)
    assert (simpler is None) == (metric.bias_direction != 0)
    if isinstance(simpler, ShareOf):
        assert simpler.value(simpler.successes / simpler.of) == pytest.approx(float(metric(ranked, target)))
    elif simpler is not None:
        assert simpler.value(float(simpler.metric(ranked, target))) == pytest.approx(float(metric(ranked, target)))
    assert formula_of(type(metric)) and meaning_of(type(metric))


def test_headline_metrics_need_no_settings_and_stand_in_order():
    assert list(headline_metrics()) == ["max_skew", "min_skew", "ndkl", "kl"]
    for kind in headline_metrics().values():
        assert kind() == kind.for_list(ListFacts(("a", "b"))) and kind.about == "groups"
    assert [kind.name for kind in headline_metrics().values() if kind.extreme] == ["max_skew", "min_skew"]


@pytest.mark.parametrize("name", RANKING_METRICS.names())
def test_a_metric_is_made_for_a_list_or_says_why_not(name):
    kind = RANKING_METRICS.get(name)
    for facts in (ListFacts(("a", "b", "c")), ListFacts(("a", "b"), 5, 68.1)):
        made = kind.for_list(facts)
        assert isinstance(made, kind) or (isinstance(made, str) and made)
    assert isinstance(made, kind)
    assert set(made.named(("a", "b")).values()) <= {"a", "b"}


@every_metric
@pytest.mark.parametrize("mode", MODES)
def test_leading_axes_are_independent_lists(metric, mode):
    rng = np.random.default_rng(0)
    target = np.array([0.5, 0.3, 0.2])
    ranked = rng.integers(-1, 3, size=(2, 5, 30))
    together = metric(ranked, target, mode)
    assert together.shape == (2, 5)
    for i in np.ndindex(2, 5):
        assert together[i] == pytest.approx(float(metric(ranked[i], target, mode)), abs=1e-12)


@every_metric
@given(case=rankings(unknown=True))
@settings(max_examples=60, deadline=None)
def test_range(metric, case):
    ranked, target = case
    value = float(metric(ranked, target))
    if (ranked >= 0).any():
        # with fewer rows than 1 / q_g the 1/k rule may lift a group that is not there above its target share
        slack = math.log(1 / target.min()) if metric.name == "min_skew" else 1e-12
        assert metric.range[0] - 1e-12 <= value <= metric.range[1] + slack


@pytest.mark.parametrize("metric", [m for m in METRICS if m.bias_direction or m.name == "able"], ids=lambda m: m.name)
@given(case=rankings())
@settings(max_examples=60, deadline=None)
def test_numbers_of_groups_carry_no_meaning(metric, case):
    ranked, target = case
    order = np.random.default_rng(0).permutation(len(target))
    assert float(metric(order[ranked], target[np.argsort(order)])) == pytest.approx(
        float(metric(ranked, target)), abs=1e-12
    )


@pytest.mark.parametrize("metric", [m for m in METRICS if m.name != "bias_count_at_k"], ids=lambda m: m.name)
@given(case=rankings())
@settings(max_examples=40, deadline=None)
def test_unknown_rows_at_the_end_change_no_share(metric, case):
    """Of every metric but bias count, which is defined over all k rows."""
    ranked, target = case
    longer = np.concatenate([ranked, [-1, -1]])
    assert float(metric(longer, target)) == pytest.approx(float(metric(ranked, target)), abs=1e-12)


@pytest.mark.parametrize("name", ["max_skew", "min_skew", "kl"])
@pytest.mark.parametrize("target", [[0.5, 0.5], [0.2, 0.8], [0.1, 0.2, 0.3, 0.4]])
@pytest.mark.parametrize("mode", MODES)
def test_shares_at_the_target_are_zero(name, target, mode):
    ranked = np.repeat(np.arange(len(target)), np.round(np.array(target) * 10).astype(int))
    assert float(by_name[name](ranked, np.array(target), mode)) == pytest.approx(0.0, abs=1e-12)


@every_metric
@given(case=rankings(unknown=True), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_only_an_ordered_metric_sees_the_order(metric, case, seed):
    ranked, target = case
    shuffled = np.random.default_rng(seed).permutation(ranked)
    if not metric.ordered:
        np.testing.assert_allclose(metric(shuffled, target), metric(ranked, target), rtol=1e-14)
    twice = np.stack([ranked, ranked])
    np.testing.assert_allclose(metric(twice, target), [metric(ranked, target)] * 2, rtol=1e-14)


@pytest.mark.parametrize("name", ["max_skew", "min_skew", "kl"])
@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_the_whole_gallery_against_its_own_shares_is_zero(name, labels):
    groups, ranked = np.unique(labels, return_inverse=True)
    target = target_distribution("gallery", [str(g) for g in groups], np.bincount(ranked).tolist())
    assert float(by_name[name](ranked, target)) == pytest.approx(0.0, abs=1e-12)


def test_more_of_one_group_is_more_skew():
    lists = np.array([[0] * m + [1] * (20 - m) for m in range(10, 20)])
    for name, sign in (("max_skew", 1), ("min_skew", -1), ("kl", 1), ("ndkl", 1), ("bias_at_k", 1)):
        assert (np.diff(by_name[name](lists, HALF)) * sign > 0).all(), name


def test_early_imbalance_weighs_more_in_ndkl():
    early, late = [0, 0, 0, 0, 0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1, 0, 0, 0, 0]
    ndkl = by_name["ndkl"](np.array([early, late]), HALF)
    assert ndkl[0] > ndkl[1]


def test_no_known_row_is_nan():
    for name in ("max_skew", "min_skew", "kl", "ndkl", "precision_at_k"):
        assert np.isnan(by_name[name](np.array([-1, -1, -1]), HALF)), name
        assert np.isnan(by_name[name](np.zeros((2, 0), dtype=np.int64), HALF)).all(), name


def test_an_ordered_metric_refuses_counts():
    with pytest.raises(NotImplementedError, match="order"):
        by_name["ndkl"].from_counts(np.array([3, 2]), HALF)


# ------------------------------------------------------------------------- a literal second implementation


def literal(name: str, ranked: np.ndarray, target: np.ndarray) -> float:
    """The formulas of our mode, one step at a time."""
    known = [g for g in ranked if g >= 0]
    k = len(known)
    if name == "ndkl":
        total = weights = 0.0
        for i in range(1, k + 1):
            p = [known[:i].count(g) / i for g in range(len(target))]
            kl = sum(a * math.log(a / b) for a, b in zip(p, target, strict=True) if a > 0)
            total += kl / math.log2(i + 1)
            weights += 1 / math.log2(i + 1)
        return total / weights
    p = [known.count(g) / k for g in range(len(target))]
    if name == "kl":
        return sum(a * math.log(max(a / b, 1e-10)) for a, b in zip(p, target, strict=True) if a > 0)
    skews = [math.log((a or 1 / k) / b) for a, b in zip(p, target, strict=True)]
    return max(skews) if name == "max_skew" else min(skews)


@pytest.mark.parametrize("name", ["max_skew", "min_skew", "kl", "ndkl"])
@given(case=rankings(unknown=True))
@settings(max_examples=100, deadline=None)
def test_equals_the_literal_formula(name, case):
    ranked, target = case
    if (ranked >= 0).any():
        assert float(by_name[name](ranked, target)) == pytest.approx(literal(name, ranked, target), abs=1e-12)


# ------------------------------------------------------------------------------------- target distributions


def test_targets():
    groups, counts = ["a", "b", "c"], [10, 20, 70]
    assert target_distribution("uniform", groups, counts).tolist() == [1 / 3] * 3
    assert target_distribution("gallery", groups, counts).tolist() == [0.1, 0.2, 0.7]
    custom = target_distribution({"c": 0.5, "a": 0.25, "b": 0.25, "elsewhere": 0}, groups, counts)
    assert custom.tolist() == [0.25, 0.25, 0.5]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("equal", "expected uniform, gallery"),
        ({"a": 0.5, "b": 0.5}, "lacks c"),
        ({"a": 0.5, "b": 0.3, "c": 0.1}, "sum to 0.9"),
        ({"a": 0.5, "b": 0.5, "c": 0.0}, "share of c was 0.0"),
        ({"a": 0.5, "b": 0.6, "c": -0.1}, "share of c was -0.1"),
        ({"a": 0.5, "b": 0.25, "c": 0.25, "d": 0.1}, "to d"),
        ({"a": "half", "b": 0.25, "c": 0.25}, "share of a was 'half'"),
        ({"a": float("nan"), "b": 0.25, "c": 0.25}, "above 0"),
    ],
)
def test_target_refused(target, message):
    with pytest.raises(InputError, match=message):
        target_distribution(target, ["a", "b", "c"], [1, 1, 1])


def test_no_known_group_is_refused():
    with pytest.raises(InputError, match="no searched row"):
        target_distribution("uniform", [], [])


# ------------------------------------------------------------------------------------- what a metric says of itself

INF = math.inf
FACTS = {
    "able": ((0.0, 1.0), "higher", 0, False),
    "bias_at_k": ((-1.0, 1.0), "nearer to 0", 0, False),
    "bias_count_at_k": ((-1.0, 1.0), "nearer to 0", 0, False),
    "kl": ((0.0, INF), "lower", 1, False),
    "max_skew": ((0.0, INF), "lower", 1, False),
    "min_skew": ((-INF, 0.0), "higher", -1, False),
    "ndkl": ((0.0, INF), "lower", 1, True),
    "precision_at_k": ((0.0, 1.0), "higher", 0, False),
    "recall_at_k": ((0.0, 1.0), "higher", 0, False),
}
"""Possible values, what is better, on which side bias lies, whether the order matters."""


@every_metric
def test_range_and_direction_are_those_of_the_definition(metric):
    assert (metric.range, metric.better, metric.bias_direction, metric.ordered) == FACTS[metric.name]


def test_the_groups_that_count_are_the_first_two_unless_others_are_named():
    ranked = np.array([0, 0, 0, 1, 2, 2, -1, -1])
    for name, rows in (("bias_at_k", (4, 5)), ("bias_count_at_k", (8, 8))):
        metric = RANKING_METRICS.get(name)
        assert float(metric()(ranked, np.full(3, 1 / 3))) == pytest.approx(2 / rows[0])
        assert float(metric(first=2, second=0)(ranked, np.full(3, 1 / 3))) == pytest.approx(-1 / rows[1])
        assert float(metric().from_counts(np.array([3, 1, 2]), HALF)) == pytest.approx(2 / (4 if rows[0] == 4 else 6))
        assert float(metric()(np.array([2, -1]), np.full(3, 1 / 3))) == 0.0
    assert float(RANKING_METRICS.get("precision_at_k")(relevant=2)(ranked, np.full(3, 1 / 3))) == 2 / 6
    assert float(RANKING_METRICS.get("precision_at_k")()(ranked, np.full(3, 1 / 3))) == 3 / 6
    assert float(RANKING_METRICS.get("recall_at_k")(n_relevant=4, relevant=1)(ranked, np.full(3, 1 / 3))) == 1 / 4
    assert float(RANKING_METRICS.get("recall_at_k")(n_relevant=1)(np.array([0]), HALF)) == 1.0


def test_able_is_of_an_accuracy_in_per_cent():
    metric = RANKING_METRICS.get("able")
    assert float(metric(100.0)(np.array([0, 1]), HALF)) == 1.0 and float(metric(0.5)(np.array([0, 1]), HALF)) > 0
    assert float(metric(50.0)(np.array([0, 0]), HALF)) == pytest.approx(2 / (2 + 2))
    for wrong in (0.0, -1.0, 100.1):
        with pytest.raises(InputError, match="at most 100"):
            metric(wrong)


def test_a_group_that_is_not_asked_for_is_infinite_where_it_is_retrieved_and_nothing_where_not():
    target = np.array([1.0, 0.0])
    for name in ("kl", "ndkl"):
        assert float(by_name[name](np.array([0, 0]), target)) == float(by_name[name](np.array([0]), target)) == 0.0
        assert float(by_name[name](np.array([0, 1]), target)) == math.inf
    assert np.isnan(by_name["kl"](np.array([0, 0]), target, "sem"))
    assert float(by_name["kl"](np.array([-1]), target)) != 0.0
    # the published code has a floor of 1e-10 under the ratio of a group that is asked for and not there
    assert float(by_name["min_skew"](np.array([0, 0]), HALF, "sem")) == pytest.approx(math.log(1e-10))
    assert float(by_name["max_skew"](np.array([0, 1, 1]), target)) == math.inf


def test_numbers_beyond_the_groups_are_unknown():
    for name in ("max_skew", "min_skew", "kl", "ndkl"):
        value = float(by_name[name](np.array([0, 2, 0, 7, 1, -1]), HALF))
        assert value == pytest.approx(float(by_name[name](np.array([0, 0, 1]), HALF)), abs=1e-12)
    assert count_groups(np.array([[0, 2, 1], [1, 1, -1]]), 2).tolist() == [[1, 1], [0, 2]]
    assert count_groups(np.zeros((3, 4), dtype=int), 0).shape == (3, 0)
    assert count_groups(np.zeros((2, 3, 4), dtype=int), 0).shape == (2, 3, 0)


def test_the_denominator_of_berg_is_k_and_his_list_may_be_longer():
    """Five rows tie into a top 4; k = 4 stays below: ln(3/4 / .5), ln(2/4 / .5) and an absent group as 1/4."""
    ranked, third = np.array([0, 0, 0, 1, 1]), np.full(3, 1 / 3)
    assert float(by_name["max_skew"](ranked, third, "berg", 4)) == pytest.approx(math.log(3 / 4 * 3))
    assert float(by_name["min_skew"](ranked, third, "berg", 4)) == pytest.approx(math.log(1 / 4 * 3))
    assert float(by_name["max_skew"](ranked, third, "berg")) == pytest.approx(math.log(3 / 5 * 3))
    assert float(by_name["max_skew"](np.array([0, -1]), HALF, "berg")) == 0.0
    terms = [math.log(2), 1 / 2 * math.log(1) + 0.0]
    weights = [1 / math.log2(i + 1) for i in range(1, 5)]
    found = float(by_name["ndkl"](np.array([0, 1]), HALF, "berg", 4))
    assert found == pytest.approx(sum(t * w for t, w in zip(terms, weights, strict=False)) / sum(weights))
    counts = np.array([3, 1])
    for name in ("max_skew", "min_skew"):
        alone = [float(by_name[name].from_counts(counts, HALF, "berg", k)) for k in (None, 4)]
        assert alone[0] == pytest.approx(alone[1])


def test_top_rows_by_hand():
    scores = np.array([0.2, 0.9, 0.5, 0.5, 0.1, 0.5])
    assert top_rows(scores, 3).tolist() == [1, 2, 3] and top_rows(scores, 1).tolist() == [1]
    assert top_rows(scores, 3, keep_ties=True).tolist() == [1, 2, 3, 5]
    assert top_rows(scores, 5, keep_ties=True).tolist() == [1, 2, 3, 5, 0]
    assert top_rows(scores, 6, keep_ties=True).tolist() == top_rows(scores, 9, keep_ties=True).tolist()
    assert len(top_rows(scores, 6)) == 6


def test_targets_up_to_rounding_are_divided_by_their_sum():
    found = target_distribution({"a": 0.5, "b": 0.5000009}, ["a", "b"], [1, 1])
    assert found.sum() == pytest.approx(1.0, abs=1e-15) and found[1] > found[0]
    with pytest.raises(InputError, match="sum to 1"):
        target_distribution({"a": 0.5, "b": 0.500002}, ["a", "b"], [1, 1])
    with pytest.raises(InputError, match="no searched row"):
        target_distribution("uniform", ["a", "b"], [0, 0])
    assert target_distribution("gallery", ["a"], [1]).tolist() == [1.0]
    with pytest.raises(InputError, match="share of b was inf"):
        target_distribution({"a": 0.5, "b": math.inf}, ["a", "b"], [1, 1])
    with pytest.raises(InputError, match="share of b was -3"):
        target_distribution({"a": 0.0, "b": -3, "c": 4}, ["a", "b", "c"], [1, 1, 1])


@pytest.mark.parametrize("mode", MODES)
def test_able_is_of_the_skew_of_the_same_rules(mode):
    counts, target = np.array([[1, 1, 2], [5, 0, 0], [2, 1, 1]]), np.array([0.5, 0.25, 0.25])
    for k in (None, 4, 9):
        found = RANKING_METRICS.get("able")(80.0).from_counts(counts, target, mode, k)
        skew = by_name["max_skew"].from_counts(counts, target, mode, k)
        np.testing.assert_allclose(found, 2 / (np.exp(skew) + 100 / 80))
