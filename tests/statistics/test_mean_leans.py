"""Means over prompts: labels permuted once for all prompts, exact where one prompt stands for all, and blind draws."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from core.statistics import blind_p, exchange_of, exchange_p, lean_of, list_draws, mean_effect, mean_lean
from core.statistics.mean_leans import permuted_means

SIZES = np.array([60, 90])
LABELS = np.repeat([0, 1], SIZES)


def shares(tops: np.ndarray, labels: np.ndarray, n_groups: int, draws: int = 100) -> np.ndarray:
    """Shares over resamples (draws, prompts, G) of one arm."""
    return list_draws(tops[None], labels, tops.shape[1], n_groups, draws).shares[:, 0]


def test_equal_prompts_have_the_p_of_one() -> None:
    """The same list asked three times says what it says once: no p shrinks by repeating a prompt."""
    rng = np.random.default_rng(0)
    top = rng.permutation(np.concatenate([np.arange(0, 18), np.arange(60, 72)]))
    tops = np.stack([top] * 3)
    found = mean_lean(tops, LABELS, shares(tops, LABELS, 2), SIZES)
    exact = blind_p(18, 60, 150, 30)
    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert found.points[0].estimate == pytest.approx(18 / 30 - 0.4) and found.points[0].n == 3
    assert found.p_group[0] == found.p_group[1] == found.p


def test_prompts_that_retrieve_different_people_are_one_longer_list() -> None:
    first = np.concatenate([np.arange(0, 8), np.arange(60, 67)])
    second = np.concatenate([np.arange(10, 18), np.arange(80, 87)])
    tops = np.stack([first, second])
    found = mean_lean(tops, LABELS, shares(tops, LABELS, 2), SIZES)
    exact = blind_p(16, 60, 150, 30)
    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))


def test_permuted_means_have_the_moments_of_a_draw_without_replacement() -> None:
    weights = np.array([0.5, 0.5, 0.25, 0.25, 0.25, 0.0, 1.0])
    sizes = np.array([4, 5, 3])
    drawn = permuted_means(weights, sizes, 3, 40_000, 1)
    base = sizes / sizes.sum()
    assert drawn.mean(axis=0) == pytest.approx(weights.sum() * base, abs=0.01)
    n = sizes.sum()
    spread = (weights @ weights - weights.sum() ** 2 / n) * n / (n - 1)
    assert drawn.var(axis=0) == pytest.approx(base * (1 - base) * spread, rel=0.03)
    assert drawn.sum(axis=1) == pytest.approx(weights.sum())


@pytest.mark.parametrize("seed", range(3))
def test_turns_are_as_good_as_draws_class_by_class(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways to give out labels: the same distribution, in the middle and in the tails."""
    rng = np.random.default_rng(seed)
    weights, sizes = np.sort(rng.integers(1, 9, 140)) / 100, np.array([90, 60, 50])
    turned = permuted_means(weights, sizes, 3, 60_000, seed)
    monkeypatch.setattr(sys.modules[permuted_means.__module__], "MOST_SHIFTED", 0)
    drawn = permuted_means(weights, sizes, 3, 60_000, seed)
    assert len(turned) == 60_000 and turned.sum(axis=1) == pytest.approx(weights.sum())
    for chance in (0.0005, 0.025, 0.5, 0.975, 0.9995):
        ends = np.quantile(drawn, chance, axis=0)
        shares = ((turned < ends - 1e-9).mean(axis=0) + (turned <= ends + 1e-9).mean(axis=0)) / 2
        exact = ((drawn < ends - 1e-9).mean(axis=0) + (drawn <= ends + 1e-9).mean(axis=0)) / 2
        assert np.abs(shares - exact).max() <= 6 * math.sqrt(chance * (1 - chance) / 60_000)


def test_unknown_rows_stay_unknown() -> None:
    labels = LABELS.copy()
    labels[:5] = -1
    tops = np.stack([np.arange(0, 20), np.arange(50, 70)])
    found = mean_lean(tops, labels, shares(tops, labels, 2), [55, 90])
    assert found.points[0].estimate == pytest.approx((1.0 + 0.5) / 2 - 55 / 145)


def test_one_exchange_has_the_exact_p_of_the_exchange() -> None:
    before = np.concatenate([np.arange(0, 20), np.arange(60, 70)])
    after = np.concatenate([np.arange(0, 12), np.arange(60, 78)])
    tops = np.stack([before] * 2), np.stack([after] * 2)
    leans = [mean_lean(top, LABELS, shares(top, LABELS, 2), SIZES) for top in tops]
    drawn = shares(tops[1], LABELS, 2) - shares(tops[0], LABELS, 2)
    found = mean_effect(*leans, tops, LABELS, drawn, (0.4, 0.6))
    exact = exchange_p(exchange_of(before, after, LABELS, 2))[0]
    assert found.p == pytest.approx(exact, abs=5 * math.sqrt(exact / 20_000) + 1e-4)
    assert found.changes[0].estimate == pytest.approx(-8 / 30) and found.direction == found.lean_direction == "towards"


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_group_that_nobody_exchanged_has_no_part_in_p(empty: int) -> None:
    """Groups are tested by the largest departure, and one without any exchanged row has none, wherever it stands."""
    present = [g for g in range(3) if g != empty]
    labels = np.append(np.array(present)[LABELS], [empty] * 20)
    rng = np.random.default_rng(4)
    before = np.stack([rng.permutation(150)[:30] for _ in range(3)])
    after = np.stack([rng.permutation(150)[:30] for _ in range(3)])
    counts = np.bincount(labels, minlength=3)
    leans = [mean_lean(top, labels, shares(top, labels, 3), counts) for top in (before, after)]
    drawn = shares(after, labels, 3) - shares(before, labels, 3)
    found = mean_effect(*leans, (before, after), labels, drawn, (0.4, 0.4, 0.2))
    assert found.p_group[empty] == 1.0 and found.group != empty
    ends = [found.p_group[g] for g in present]
    assert ends[0] == ends[1] and found.p == pytest.approx(ends[0], abs=0.02)


def test_weights_that_are_all_alike_depart_from_nothing() -> None:
    null = permuted_means(np.full(40, 1 / 300), np.array([20, 15, 5]), 3, 9_999, 0)
    p, alone, departure = sys.modules[permuted_means.__module__]._tested(np.array([20, 15, 5]) / 300, null)
    assert (p, alone, departure) == (1.0, (1.0,) * 3, (0.0,) * 3)


def test_nothing_exchanged_is_no_effect() -> None:
    tops = np.stack([np.arange(0, 20), np.arange(40, 60)])
    lean = mean_lean(tops, LABELS, shares(tops, LABELS, 2), SIZES)
    found = mean_effect(lean, lean, (tops, tops), LABELS, np.zeros((50, 2, 2)), (0.4, 0.6))
    assert found.p == 1.0 and found.direction == "no change beyond chance" and found.changes[0].estimate == 0.0


@pytest.mark.parametrize("sizes", [(60, 90), (50, 40, 30, 30)])
def test_blind_prompts_are_found_one_time_in_twenty(sizes: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts that share their people, labels blind to them: whatever they share, the p of the mean is honest."""
    module = sys.modules[permuted_means.__module__]
    monkeypatch.setattr(module, "OMNIBUS_DRAWS", 399)
    monkeypatch.setattr(module, "FAMILY_P", 0.01)
    rng = np.random.default_rng(2)
    n, repeats = sum(sizes), 600
    tops = np.argsort(rng.normal(size=n) + 0.5 * rng.normal(size=(6, n)), axis=1)[:, :25]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    drawn = np.zeros((2, 6, len(sizes)))
    p = [mean_lean(tops, rng.permutation(labels), drawn, sizes).p for _ in range(repeats)]
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 3 * math.sqrt(0.05 * 0.95 / repeats)


def test_a_family_gets_the_draws_that_its_correction_needs() -> None:
    tops = np.stack([np.arange(0, 40), np.arange(10, 50)])
    drawn = shares(tops, LABELS, 2)
    found = mean_lean(tops, LABELS, drawn, SIZES, tests=66)
    assert found.p == found.smallest_p and found.p * 66 <= 0.001


def test_everything_retrieved_by_every_prompt_is_not_computed() -> None:
    tops = np.stack([np.arange(150), np.arange(150)[::-1]])
    found = mean_lean(tops, LABELS, shares(tops, LABELS, 2), SIZES)
    assert found.p is None and found.beyond_chance is None and found.leading is None


def test_rows_that_belong_together_make_a_mean_less_sure() -> None:
    tops = np.stack([np.r_[np.arange(0, 30), np.arange(60, 70)], np.r_[np.arange(5, 33), np.arange(75, 87)]])
    drawn = shares(tops, LABELS, 2)
    plain, wide = (mean_lean(tops, LABELS, drawn, SIZES, design_effect=effect) for effect in (1.0, 4.0))
    assert wide.departure[0] == pytest.approx(plain.departure[0] / 2) and wide.p > plain.p
    assert wide.p == pytest.approx(math.erfc(abs(wide.departure[0]) / math.sqrt(2)))
    one, other = plain.points[0], wide.points[0]
    assert other.estimate == one.estimate
    assert other.estimate - other.lo == pytest.approx(min(2 * (one.estimate - one.lo), other.estimate + 1))


def test_lists_of_one_group_alone_still_leave_other_people_possible() -> None:
    tops = np.stack([np.arange(0, 30), np.arange(20, 50)])
    found = mean_lean(tops, LABELS, shares(tops, LABELS, 2), SIZES)
    own = [lean_of(SIZES.tolist(), (30, 0)).groups[g].points for g in range(2)]
    assert found.points[0].estimate == pytest.approx(0.6) == found.points[0].hi
    assert found.points[0].lo <= own[0].lo + 1e-12 < 0.6 and found.points[1].hi >= own[1].hi - 1e-12 > -0.6
    assert found.shares[0].lo < 1.0 == found.shares[0].hi


def test_the_group_of_an_effect_is_the_one_whose_exchange_departs_most() -> None:
    """Nobody leads, group 3 is not exchanged at all, and in points group 1 changes more than the rare group 2."""
    labels = np.repeat([0, 1, 2, 3], [200, 200, 12, 200])
    before = np.concatenate([np.arange(0, 10), np.arange(200, 210), [400, 401, 402], np.arange(412, 420)])
    after = np.concatenate([np.arange(50, 59), np.arange(250, 264), np.arange(412, 420)])
    tops = np.stack([before] * 2), np.stack([after] * 2)
    sizes = [200, 200, 12, 200]
    leans = [mean_lean(top, labels, shares(top, labels, 4), sizes) for top in tops]
    drawn = shares(tops[1], labels, 4) - shares(tops[0], labels, 4)
    leans[0] = replace(leans[0], p=1.0)
    found = mean_effect(*leans, tops, labels, drawn, (0.25,) * 4)
    assert found.leading_before is None and found.group == 2
    # where nothing was exchanged it is the one whose share changed most
    same = mean_effect(*leans, (tops[0], tops[0]), labels, drawn * 0, (0.25,) * 4)
    assert same.group == 0 and same.p == same.smallest_p == 1.0


def test_who_leads_a_mean_has_a_departure_upwards_and_a_p_of_its_own() -> None:
    tops = np.stack([np.arange(0, 40), np.arange(10, 50)])
    found = mean_lean(tops, LABELS, shares(tops, LABELS, 2), SIZES)
    assert found.leading == 0 and found.beyond_chance
    assert replace(found, p=0.05).beyond_chance and not replace(found, p=0.0501).beyond_chance
    assert replace(found, p=0.0501).leading is None
    assert replace(found, departure=(0.5, 0.7)).leading == 1 and replace(found, departure=(0.0, -1.0)).leading is None
    assert (
        replace(found, p_adjusted=(0.05, 0.05)).leading == 0 and replace(found, p_adjusted=(0.06,) * 2).leading is None
    )
    assert replace(found, small=(True, False)).leading is None
    few = mean_lean(tops[:, :20], np.repeat([0, 1], [29, 30]), np.zeros((5, 2, 2)), [29, 30])
    assert few.small == (True, False)


def test_two_sided_p_of_a_family_have_twice_the_draws_and_one_is_the_observed() -> None:
    draws = sys.modules[permuted_means.__module__]._draws
    assert [draws(tests) for tests in (1, 10, 11, 66)] == [19_999, 19_999, 21_999, 131_999]
