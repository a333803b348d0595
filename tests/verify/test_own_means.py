"""Means over prompts, by the second author: resampled rows and prompts, permuted labels, bands and blind draws."""

import math
import sys

import numpy as np
import pytest

from core.metrics import RANKING_METRICS
from core.statistics import (
    depth_for,
    list_draws,
    mean_effect,
    mean_estimate,
    mean_lean,
    most_ahead,
    null_band,
    null_of_mean,
    with_null,
)
from core.statistics.estimates import Estimate
from core.statistics.mean_leans import permuted_means
from core.verify.own import bands, permuted
from core.verify.own.means import _most_ahead, mean_cosine, sizes
from core.verify.own.resamples import over_prompts, resampled_counts, rows_alone
from core.verify.own.searched import Searched

METRICS = ("max_skew", "min_skew", "ndkl", "kl")


@pytest.mark.parametrize("within", [(-math.inf, math.inf), (0.0, math.inf), (-0.3, 0.7)])
@pytest.mark.parametrize("prompts", [1, 2, 5])
def test_means_over_prompts(prompts: int, within: tuple[float, float]) -> None:
    rng = np.random.default_rng(prompts)
    shared = rng.normal(size=(300, 1))
    for own, common in ((0.02, 0.0), (0.02, 0.05), (0.0, 0.05), (0.0, 0.0)):
        seen = rng.uniform(0.0, 0.6, prompts)
        drawn = seen + common * shared + own * rng.normal(size=(300, prompts))
        if own:
            drawn[3, 0] = np.nan
        other = mean_estimate(seen, drawn, 7, within).to_json()
        assert over_prompts(seen, drawn, 7, *within) == pytest.approx(other, rel=1e-9, abs=1e-12)
    assert over_prompts(np.array([np.nan, 1.0]), np.zeros((9, 2)), 0)["estimate"] is None
    assert rows_alone(np.array([np.nan, 1.0]), np.zeros((9, 2)))["estimate"] is None


def test_rows_alone_by_hand() -> None:
    """Means of the draws .0, .1, .2 (two prompts each) around the seen mean, in [0, 1]; 2.5 % is .05 of a gap."""
    drawn = np.array([[0.0, 0.0], [0.0, 0.2], [0.4, 0.0]])
    one = rows_alone(np.array([0.3, 0.5]), drawn)
    assert one == pytest.approx({"estimate": 0.4, "lo": 0.305, "hi": 0.495, "n": 2})
    assert rows_alone(np.array([0.0, 0.1]), drawn)["lo"] == 0.0 and rows_alone(np.array([1.0, 0.9]), drawn)["hi"] == 1.0


def prompts_of(seed: int, groups: int, k: int, n: int, arms: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Rankings (arms, prompts, depth) and labels; the second arm turned away from group 0."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.arange(-1, groups), p=[0.1] + [0.9 / groups] * groups, size=n)
    scores = rng.normal(size=(1, 3, n)) + 0.8 * (labels == 0)
    later = 0.3 * rng.normal(size=(arms, 3, n)) - np.arange(arms)[:, None, None] * 0.7 * (labels == 0)
    return np.argsort(-(scores + later), axis=-1)[..., : min(depth_for(k), n)], labels


CASES = [(0, 2, 20, 200), (1, 3, 20, 200), (2, 3, 5, 30), (3, 2, 40, 41), (4, 4, 60, 300)]
case = pytest.mark.parametrize(("seed", "groups", "k", "n"), CASES)


@case
def test_resampled_counts(seed: int, groups: int, k: int, n: int) -> None:
    rankings, labels = prompts_of(seed, groups, k, n)
    own = resampled_counts(rankings, labels, k, groups, seed)
    np.testing.assert_allclose(own, list_draws(rankings, labels, k, groups, seed=seed).counts, rtol=1e-5, atol=1e-5)


@case
@pytest.mark.parametrize("effect", [1.0, 1.7])
def test_mean_lean_and_effect(
    seed: int, groups: int, k: int, n: int, effect: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rankings, labels = prompts_of(seed, groups, k, n)
    counts = [int((labels == g).sum()) for g in range(groups)]
    names = tuple(f"g{g}" for g in range(groups))
    target = tuple(1 / groups for _ in names)
    clusters = np.arange(n) if effect > 1 else None
    searched = Searched(np.arange(n), names, labels, target, "uniform", clusters=clusters)
    monkeypatch.setattr(permuted, "effect_of", lambda *_: effect)
    drawn = list_draws(rankings, labels, k, groups, seed=seed).shares.astype(np.float64)
    tops = rankings[..., :k]
    shares = np.stack([(labels[tops] == g).sum(axis=-1) for g in range(groups)], axis=-1).astype(float)
    shares /= shares.sum(axis=-1, keepdims=True)
    first = [mean_lean(tops[i], labels, drawn[:, i], counts, 3, seed, effect) for i in range(2)]
    second = [permuted.mean_lean(tops[i], shares[i], drawn[:, i], searched, 3, seed) for i in range(2)]
    for one, (block, means) in zip(first, second, strict=True):
        assert block["p"] == pytest.approx(one.p, rel=1e-9)
        assert block["p_smallest"] == one.smallest_p and block["beyond_chance"] == one.beyond_chance
        assert block["leading_group"] == (None if one.leading is None else names[one.leading])
        assert list(block["p_group"].values()) == pytest.approx(list(one.p_group), rel=1e-9)
        assert list(block["p_adjusted"].values()) == pytest.approx(list(one.p_adjusted), rel=1e-9)
        for g, name in enumerate(names):
            points = {key: block["points"][name][key] for key in ("estimate", "lo", "hi", "n")}
            assert points == pytest.approx(one.points[g].to_json(), rel=1e-9, abs=1e-9)
            assert means[g] == pytest.approx(one.shares[g].to_json(), rel=1e-9, abs=1e-9)
    moved = drawn[:, 1] - drawn[:, 0]
    other = mean_effect(*first, (tops[0], tops[1]), labels, moved, target, 3, seed)
    own = permuted.mean_effect((tops[0], tops[1]), moved, (shares[0], shares[1]), tuple(second), searched, 3, seed)
    assert own["p"] == pytest.approx(other.p, rel=1e-9) and own["p_smallest"] == other.smallest_p
    assert list(own["p_group"].values()) == pytest.approx(list(other.p_group), rel=1e-9)
    assert own["group"] == names[other.group]
    assert (own["direction"], own["lean_direction"]) == (other.direction, other.lean_direction)
    for key, place in (("leading_before", other.leading_before), ("leading_after", other.leading_after)):
        assert own[key] == (None if place is None else names[place])
    for g, name in enumerate(names):
        change = {key: own["changes"][name][key] for key in ("estimate", "lo", "hi", "n")}
        assert change == pytest.approx(other.changes[g].to_json(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_group_that_nobody_exchanged(empty: int) -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice([-1, 1], 40) * rng.integers(1, 4, 40) / 300
    sizes_of = np.insert([19, 21], empty, 0)
    labels = np.repeat(range(3), sizes_of)
    seen = np.array([weights[labels == g].sum() for g in range(3)])
    p, own, departure, _ = permuted.against(seen, permuted.permuted(weights.tolist(), sizes_of.tolist(), 1, 0))
    other = sys.modules[permuted_means.__module__]._tested(seen, permuted_means(weights, sizes_of, 3, 19_999, 0))
    assert (p, own) == (other[0], list(other[1])) and departure == pytest.approx(list(other[2]), rel=1e-9)
    assert departure[empty] == 0.0


def test_lists_of_one_group_take_their_own_ends() -> None:
    """Resampling gives lists of one group alone no width; their own intervals give it one."""
    labels = np.repeat([0, 1], 50)
    tops = np.stack([np.arange(10), np.arange(10, 20)])
    drawn, shares = np.tile([1.0, 0.0], (40, 2, 1)), np.tile([1.0, 0.0], (2, 1))
    searched = Searched(np.arange(100), ("a", "b"), labels, (0.5, 0.5), "uniform")
    block, means = permuted.mean_lean(tops, shares, drawn, searched, 1, 0)
    first = mean_lean(tops, labels, drawn, (50, 50), 1, 0)
    for g, name in enumerate("ab"):
        assert means[g] == pytest.approx(first.shares[g].to_json(), rel=1e-8)
        own = {key: block["points"][name][key] for key in ("lo", "hi")}
        assert own == pytest.approx({"lo": first.points[g].lo, "hi": first.points[g].hi}, rel=1e-8)
    assert means[0]["lo"] < 0.9 and means[1]["hi"] > 0.1
    assert permuted.opened({"estimate": None}, np.zeros(2)) == permuted.further({"estimate": None}, 2.0)
    wide = permuted.further({"estimate": 0.5, "lo": 0.25, "hi": 0.75}, 4.0)
    assert (wide["lo"], wide["hi"]) == (-0.5, 1.0)


def test_everything_retrieved_and_nothing_known() -> None:
    labels = np.array([0, 1, 1, 0])
    searched = Searched(np.arange(4), ("a", "b"), labels, (0.5, 0.5), "uniform")
    tops, half = np.arange(4)[None].repeat(2, 0), np.full((2, 2), 0.5)
    block, _ = permuted.mean_lean(tops, half, np.full((9, 2, 2), 0.5), searched, 1, 0)
    assert block["p"] is None and block["p_smallest"] == 1.0 and block["beyond_chance"] is None
    assert block["leading_group"] is None and block["group"] == "a"
    nobody = np.full((2, 2), np.nan)
    leans = (({"leading_group": None}, []), ({"leading_group": None}, []))
    assert set(permuted.mean_effect((tops, tops), half[None], (half, nobody), leans, searched, 1, 0)) == {"reason"}


def test_permuted_labels() -> None:
    """Equal weights: hypergeometric counts; a weight of nothing draws nothing; the first author's draws again."""
    weights = [0.5, 0.25, 0.25, 0.0, 0.5, -0.25]
    own = permuted.permuted(weights, [3, 2, 4], 1, 5)
    np.testing.assert_allclose(own, permuted_means(np.array(weights), np.array([3, 2, 4]), 3, 19_999, 5), atol=1e-12)
    assert len(own) == 2223 * 9 and own.sum(axis=1) == pytest.approx(1.25)
    assert len(permuted.permuted([1.0], [3, 2], 11, 0)) == 22_000
    np.testing.assert_allclose(own.mean(axis=0), [1.25 * 3 / 9, 1.25 * 2 / 9, 1.25 * 4 / 9], atol=0.01)


def test_p_against_permuted_means_by_hand() -> None:
    null = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    p, own, departure, smallest = permuted.against(np.array([1.0, 0.0]), null)
    assert p == 0.8 and own == [0.8, 0.8] and smallest == 0.4
    assert departure == pytest.approx([math.sqrt(2), -math.sqrt(2)])
    three = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    p, own, departure, smallest = permuted.against(np.array([1.0, 0.0, 0.0]), three)
    assert p == 1.0 and own == [1.0, 1.0, 1.0] and departure == [1.0, -1.0, 0.0] and smallest == 0.2
    p, own, _, _ = permuted.against(np.array([2.0, 0.0, 0.0]), three)
    assert p == 0.2 and own == pytest.approx([0.4, 1.0, 1.0])


def test_row_weights() -> None:
    labels = np.array([0, 1, -1, 1])
    tops = np.array([[3, 0, 2], [2, 1, 0]])
    assert permuted.row_weights([(tops, 1.0)], labels) == {0: 0.5, 1: 0.25, 3: 0.25}
    later = np.array([[3, 1, 0], [0, 2, 2]])
    weights = permuted.row_weights([(tops, 1.0), (later, -1.0)], labels)
    assert list(weights) == [0, 1, 3] and weights == pytest.approx({0: 0.5 - 1 / 6 - 0.5, 1: 0.25 - 1 / 6, 3: 1 / 12})


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("sizes_of", "k"), [((30, 50), 10), ((30, 20, 9), 40), ((6, 3, 1), 10), ((1, 2) * 70, 9)])
def test_null_bands(name: str, sizes_of: tuple[int, ...], k: int) -> None:
    metric, target = RANKING_METRICS.get(name)(), np.array(sizes_of) / sum(sizes_of)
    band = null_band(metric, sizes_of, k, target, seed=3)
    own = bands.null_band(name, sizes_of, k, target.tolist(), 3)
    np.testing.assert_allclose(own, (band.lo, band.hi, band.mean), rtol=1e-9, atol=1e-12)
    for at in (band.lo - 1e-6, band.lo, band.mean, band.hi, band.hi + 1e-6, band.hi + 1, band.lo - 1):
        found = bands.beside_band(name, {"estimate": at}, own)
        first = with_null(metric, Estimate(at, at, at, k), band)
        assert (found["null_side"], found["distinguishable"]) == (first.null_side, first.distinguishable)
        assert found["null"] == [own[0], own[1]] and found["null_mean"] == own[2]


def test_the_band_of_a_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    rankings, labels = prompts_of(1, 3, 8, 40, 1)
    target = np.array([0.3, 0.3, 0.4])
    monkeypatch.setattr(bands, "DRAWS", 60)
    for name in ("max_skew", "ndkl"):
        band, _ = null_of_mean(RANKING_METRICS.get(name)(), rankings[0, :, :8], labels, target, 60, 2)
        own = bands.band_of_mean(name, rankings[0, :, :8], labels, target, 2)
        np.testing.assert_allclose(own, (band.lo, band.hi, band.mean), rtol=1e-9)


def test_who_leads_and_how_far() -> None:
    for counts, seen in (
        ((100, 50, 29), (5, 9, 8)),
        ((10, 20), (3, 1)),
        ((100, 31, 29), (1, 3, 9)),
        ((30, 30), (2, 8)),
    ):
        labels = np.repeat(np.arange(len(counts)), counts)
        names = tuple("abc"[: len(counts)])
        searched = Searched(np.arange(sum(counts)), names, labels, (0.5,) * len(counts), "x")
        assert _most_ahead(searched, seen) == most_ahead(counts, seen)
        shares = np.array([[0.5, 0.2, 0.3][: len(counts)], [0.1, 0.9, 0.0][: len(counts)]])
        own = sizes(shares, searched, [1, 0])
        base = np.array(counts) / sum(counts)
        np.testing.assert_allclose(own, [abs(shares[0, 1] - base[1]), abs(shares[1, 0] - base[0])])


class Arms:
    arms = ("original", "edited")

    def __init__(self, cosine: float, spread: float) -> None:
        self.cosine, self.spread = (1.0, cosine), (0.0, spread)


def test_a_mean_cosine_by_hand() -> None:
    found = mean_cosine([Arms(0.9, 0.2), Arms(0.7, 0.4)], "edited", 4)
    own = {key: found[key] for key in ("estimate", "lo", "hi", "n")}
    assert own == pytest.approx({"estimate": 0.8, "lo": 0.8 - 1.959963984540054 * 0.15, "hi": 1.0, "n": 4})
    assert mean_cosine([Arms(-0.9, 2.0)], "edited", 4)["lo"] == -1.0
