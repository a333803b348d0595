"""Resampling of prompts and images, corrections for many tests, p values against the null band, worst pairs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import statistics
from core.config import InputError
from core.metrics import RANKING_METRICS
from core.statistics import Estimate, corrected, depth_for, list_draws, null_p, over_prompts, share_estimate

SKEW, NDKL, KL = (RANKING_METRICS.get(name)() for name in ("max_skew", "ndkl", "kl"))
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def rankings(rng: np.random.Generator, prompts: int, n: int, k: int) -> np.ndarray:
    return np.argsort(-rng.normal(size=(2, prompts, n)), axis=-1)[..., : depth_for(k)]


# ---------------------------------------------------------------------------------------------- corrections


@given(probabilities)
def test_corrections_only_raise_p_and_keep_its_order(p):
    p = np.array(p)
    holm, bh = statistics.holm(p), statistics.benjamini_hochberg(p)
    assert (holm >= bh - 1e-12).all() and (bh >= p - 1e-12).all()
    assert ((holm <= 1) & (bh <= 1)).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(holm[order]) >= -1e-12).all() and (np.diff(bh[order]) >= -1e-12).all()


@given(probabilities, st.randoms())
def test_corrections_do_not_depend_on_the_order(p, random):
    places = list(range(len(p)))
    random.shuffle(places)
    p = np.array(p)
    for correct in (statistics.holm, statistics.benjamini_hochberg):
        np.testing.assert_allclose(correct(p[places]), correct(p)[places])


def test_corrections_by_hand():
    p = [0.01, np.nan, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(statistics.holm(p), [0.03, np.nan, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.benjamini_hochberg(p), [0.02, np.nan, 0.04, 0.04, 0.02])
    family = corrected(p)
    assert family.m == 4 and family.findings.tolist() == [True, False, False, False, True]
    with pytest.raises(InputError, match="expected one of holm"):
        corrected(p, "bonferroni")
    with pytest.raises(InputError, match="outside 0 to 1"):
        corrected([1.2])


def test_benjamini_hochberg_is_scipys():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).uniform(size=40) ** 3
    np.testing.assert_allclose(statistics.benjamini_hochberg(p), false_discovery_control(p))


# ------------------------------------------------------------------------------------------------- p values


def test_exact_p_is_the_sum_over_every_permutation():
    """Three groups, k = 4: every ordered choice of rows is equally likely without bias."""
    labels, target, k = np.array([0, 0, 0, 1, 1, 2]), np.array([0.5, 0.3, 0.2]), 4
    chosen = [rows for rows in product(range(6), repeat=k) if len(set(rows)) == k]
    values = np.array([float(SKEW(labels[list(rows)], target)) for rows in chosen])
    for value in np.unique(values):
        expected = float((values >= value - 1e-9).mean())
        assert null_p(SKEW, value, [3, 2, 1], k, target) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [SKEW, KL, NDKL], ids=lambda m: m.name)
def test_p_is_uniform_without_bias(metric):
    counts, k, target = [300, 300, 200, 200, 100, 100, 100], 40, np.full(7, 1 / 7)
    labels = np.repeat(np.arange(7), counts)
    rng = np.random.default_rng(3)
    p = [null_p(metric, float(metric(rng.permutation(labels)[:k], target)), counts, k, target) for _ in range(400)]
    # standard error of 400 p values near .05: 1.1 %
    assert np.mean(np.array(p) <= 0.05) <= 0.08 and np.mean(np.array(p) <= 0.5) >= 0.3


# ------------------------------------------------------------------------------------------ prompts and images


def test_counts_are_those_of_a_literal_bootstrap():
    """Mean and spread of resampled shares equal those of resampling rows and ranking them again."""
    rng = np.random.default_rng(0)
    n, k, groups = 400, 50, np.random.default_rng(1).integers(0, 3, size=400)
    scores = rng.normal(size=n) + 0.8 * (groups == 0)
    order = np.argsort(-scores)
    draws = list_draws(order[None, None, : depth_for(k)], groups, k, 3, draws=3000, seed=2)
    literal = []
    for _ in range(3000):
        rows = rng.integers(n, size=n)
        literal.append(np.bincount(groups[rows[np.argsort(-scores[rows])][:k]], minlength=3) / k)
    ours, literal = draws.shares[:, 0, 0], np.array(literal)
    np.testing.assert_allclose(ours.mean(axis=0), literal.mean(axis=0), atol=0.02)
    # the smooth edge leaves the labels of single rows at the edge out: a little less spread, never more
    ratio = ours.std(axis=0) / literal.std(axis=0)
    assert (ratio > 0.8).all() and (ratio < 1.05).all()


def test_a_prompts_draws_do_not_depend_on_the_order_of_prompts():
    rng = np.random.default_rng(0)
    groups, given = rng.integers(-1, 3, size=300), rankings(rng, 4, 300, 30)
    forth, back = (list_draws(r, groups, 30, 3, draws=50, seed=4) for r in (given, given[:, ::-1]))
    np.testing.assert_array_equal(forth.counts, back.counts[:, :, ::-1])
    for metric in (SKEW, NDKL):
        target = np.full(3, 1 / 3)
        np.testing.assert_array_equal(forth.values(metric, target), back.values(metric, target)[:, :, ::-1])


def test_equal_arms_have_no_difference():
    rng = np.random.default_rng(0)
    groups, given = rng.integers(0, 2, size=300), rankings(rng, 5, 300, 30)
    same = np.stack([given[0], given[0]])
    draws = list_draws(same, groups, 30, 2, draws=50)
    shares = draws.shares[..., 0]
    lo, hi = over_prompts(np.zeros(5), shares[:, 1] - shares[:, 0])
    assert (lo, hi) == (0.0, 0.0)


@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["own noise", "shared noise"])
def test_interval_of_a_mean_covers_whatever_the_noise_is_shared(shared):
    """Noise of single prompts is not counted twice; noise that all prompts share is not left out."""
    rng = np.random.default_rng(int(shared) + 5)
    hits, prompts = 0, 15
    for seed in range(300):
        truth = rng.normal(1.0, 0.3, size=prompts)

        def noise(draws):
            own, common = rng.normal(size=(draws, prompts)), rng.normal(size=(draws, 1))
            return 0.3 * (shared * common + (1 - shared) * own)

        observed = truth + noise(1)[0]
        lo, hi = over_prompts(observed, observed + noise(300), seed)
        hits += lo <= 1.0 <= hi
    assert 0.91 <= hits / 300 <= 0.985  # 95 % is meant; standard error 1.3 %


def test_a_list_without_a_known_group_has_no_mean():
    assert statistics.mean_estimate(np.array([0.1, np.nan]), np.zeros((10, 2))).estimate is None


def test_null_of_a_mean_is_narrower_than_of_one_prompt_unless_prompts_retrieve_the_same():
    rng = np.random.default_rng(0)
    groups, target = np.repeat([0, 1], 500), np.array([0.5, 0.5])
    apart = np.stack([rng.permutation(1000)[:50] for _ in range(10)])
    alike = np.repeat(apart[:1], 10, axis=0)
    (one, _), (many, _) = (statistics.null_of_mean(SKEW, tops, groups, target, 300) for tops in (alike, apart))
    single = statistics.null_band(SKEW, [500, 500], 50, target)
    assert one.hi == pytest.approx(single.hi, abs=0.06)
    assert many.hi - many.lo < 0.7 * (one.hi - one.lo)


# ---------------------------------------------------------------------------------------- groups in the open


def test_a_small_group_keeps_its_number_and_says_that_it_is_not_interpreted():
    share = share_estimate(3, 60)
    assert statistics.too_few(share, 30) is share
    noted = statistics.too_few(share, 7)
    assert noted.estimate == share.estimate and "only 7 searched rows" in noted.to_json()["note"]
    missing = Estimate.missing("because")
    assert statistics.too_few(missing, 1) is missing


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=60), st.integers(0, 3))
def test_intervals_hold_the_estimate_and_stay_in_range(ranked, seed):
    """Whatever the list: the metric's value is inside, and no end lies outside what the metric can be."""
    ranked, target = np.array(ranked), np.array([0.4, 0.3, 0.2, 0.1])
    for name in ("max_skew", "min_skew", "kl", "ndkl"):
        metric = RANKING_METRICS.get(name)()
        lo, hi = statistics.metric_interval(metric, ranked, target, draws=70, seed=seed)
        if (ranked < 0).all():
            assert np.isnan(lo) and np.isnan(hi)
            continue
        value = float(metric(ranked, target))
        assert lo - 1e-9 <= value <= hi + 1e-9
        if name != "max_skew":  # ours may be below 0 where no group reaches its target share plus the zero rule
            assert metric.range[0] - 1e-9 <= lo
        assert hi <= max(metric.range[1], value) + 1e-9


def test_a_target_may_have_groups_that_nobody_has():
    groups, target = np.array([0, 1, -1, 0, 1, 0, 1, 1]), np.array([0.4, 0.4, 0.2])
    band, values = statistics.null_of_mean(KL, np.array([[0, 1, 2], [3, 4, 5]]), groups, target, draws=20)
    assert values.shape == (20,) and band.lo <= band.mean <= band.hi
