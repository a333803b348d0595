"""A biased draw against scipy's distributions, and its exact coverage by listing every outcome."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import hypergeom, nchypergeom_fisher

from core.statistics import biased_means, blind_p, blind_shares
from core.verify.own.chance import blind_points

SIZES = [(50, 100, 10), (207, 1207, 100), (20, 1000, 100), (3, 30, 10), (90, 100, 95), (500, 2000, 1000), (1, 40, 5)]


def possible(group: int, searched: int, k: int) -> range:
    return range(max(0, k - searched + group), min(group, k) + 1)


@pytest.mark.parametrize(("group", "searched", "k"), SIZES)
def test_p_is_twice_the_smaller_tail(group: int, searched: int, k: int) -> None:
    blind = hypergeom(searched, group, k)
    for x in list(possible(group, searched, k))[:: max(1, k // 25)]:
        expected = min(1.0, 2 * min(blind.cdf(x), blind.sf(x - 1)))
        assert blind_p(x, group, searched, k) == pytest.approx(expected, rel=1e-9)


def test_p_by_hand() -> None:
    """Of 4 rows two are retrieved, both of the two of a group: one of six ways, and twice that."""
    assert blind_p(2, 2, 4, 2) == pytest.approx(2 / 6)
    assert blind_p(1, 2, 4, 2) == 1.0
    assert blind_p(0, 2, 4, 2) == pytest.approx(2 / 6)


@pytest.mark.parametrize(("group", "searched", "k"), SIZES)
def test_the_ends_are_where_scipys_tails_are_a_fortieth(group: int, searched: int, k: int) -> None:
    xs = list(possible(group, searched, k))
    for x in xs[:: max(1, len(xs) // 7)]:
        lo, hi = biased_means(x, group, searched, k)
        if x > xs[0]:
            root = brentq(lambda t, x=x: nchypergeom_fisher.sf(x - 1, searched, group, k, math.exp(t)) - 0.025, -25, 25)
            assert lo == pytest.approx(nchypergeom_fisher.mean(searched, group, k, math.exp(root)), rel=1e-6)
        if x < xs[-1]:
            root = brentq(lambda t, x=x: nchypergeom_fisher.cdf(x, searched, group, k, math.exp(t)) - 0.025, -25, 25)
            assert hi == pytest.approx(nchypergeom_fisher.mean(searched, group, k, math.exp(root)), rel=1e-6)
    assert biased_means(xs[0], group, searched, k)[0] == xs[0] and biased_means(xs[-1], group, searched, k)[1] == xs[-1]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 119), st.integers(0, 60))
def test_chance_lies_inside_exactly_where_p_exceeds_a_twentieth(group: int, other: int, k: int, x: int) -> None:
    searched = group + other
    k = 1 + k % searched
    xs = possible(group, searched, k)
    x = xs[x % len(xs)]
    lo, hi = biased_means(x, group, searched, k)
    assert xs[0] <= lo <= x + 1e-9 and x - 1e-9 <= hi <= xs[-1]
    chance = k * group / searched
    if len(xs) > 1:
        assert (lo < chance < hi or chance in (xs[0], xs[-1])) == (blind_p(x, group, searched, k) > 0.05)
    # the rest of the list is the other group's: the two intervals are one
    assert biased_means(k - x, other, searched, k) == pytest.approx((k - hi, k - lo), abs=1e-6)
    assert blind_p(k - x, other, searched, k) == pytest.approx(blind_p(x, group, searched, k), rel=1e-9)


@pytest.mark.parametrize(
    ("group", "searched", "k", "most"),
    [
        (500, 1000, 100, 0.98),
        (100, 1000, 100, 0.995),
        (500, 2000, 1000, 0.965),
        (5000, 10000, 1000, 0.962),
        (50, 100, 10, 1.0),
    ],
)
def test_it_covers_the_mean_of_every_biased_draw(group: int, searched: int, k: int, most: float) -> None:
    """Exact, by listing all outcomes: never below 95 %, and not far above where lists are long."""
    xs = np.array(possible(group, searched, k))
    ends = np.array([biased_means(int(x), group, searched, k) for x in xs])
    for log_odds in np.linspace(-2, 2, 21):
        chances = nchypergeom_fisher.pmf(xs, searched, group, k, math.exp(log_odds))
        mean = float(chances @ xs)
        inside = (ends[:, 0] - 1e-9 <= mean) & (mean <= ends[:, 1] + 1e-9)
        assert 0.95 <= float(chances[inside].sum()) <= most + 1e-9
        # a tenth narrower it would not: the test would see it
        if k >= 1000:
            narrow = xs + 0.9 * (ends - xs[:, None]).T
            inside = (narrow[0] <= mean) & (mean <= narrow[1])
            assert float(chances[inside].sum()) < 0.95


def test_it_never_leaves_what_the_gallery_can_give() -> None:
    """All 50 of a group in a list of 100 of 100; three of three in a list of ten of thirty."""
    assert biased_means(50, 50, 100, 100) == (50, 50)
    lo, hi = biased_means(3, 3, 30, 10)
    assert hi == 3 and 0.9 < lo < 1.0
    for x, (group, searched, k) in itertools.product(range(2), SIZES):
        lo, hi = biased_means(min(possible(group, searched, k)) + x, group, searched, k)
        assert min(possible(group, searched, k)) <= lo <= hi <= max(possible(group, searched, k))


@pytest.mark.parametrize(("group", "searched", "k"), SIZES)
def test_points_of_a_blind_draw_are_scipys(group: int, searched: int, k: int) -> None:
    _, lo, hi = blind_shares([group, searched - group], k)[0]
    assert (lo * k, hi * k) == pytest.approx(tuple(hypergeom.ppf((0.025, 0.975), searched, group, k)))


def test_both_authors_agree_on_points_that_are_exactly_a_fortieth() -> None:
    """One row of 40, 39 of them drawn: it stays behind in one draw of 40."""
    assert blind_shares([1, 39], 39)[0][1:] == (0.0, 1 / 39)
    for searched in range(2, 60):
        for group, k in itertools.product(range(searched + 1), range(1, searched + 1, 3)):
            _, lo, hi = blind_shares([group, searched - group], k)[0]
            assert (lo, hi) == tuple(x / k for x in blind_points(group, searched, k))
