"""The rule says what it does, and a specific neuron says how much more often it fires on its group than elsewhere."""

import math
from fractions import Fraction

import numpy as np
import pytest

from core.config import InputError
from core.neurons import lifts, social_neurons
from core.neurons.social import least_rows
from core.statistics import rate_difference, rate_ratio

LABELS = np.array(["F"] * 5 + ["M"] * 5)


def codes(*fires: tuple[int, int]) -> np.ndarray:
    """Neurons that fire on so many of the women and so many of the men."""
    z = np.zeros((10, len(fires)))
    for j, (women, men) in enumerate(fires):
        z[:women, j], z[5 : 5 + men, j] = 1, 1
    return z


def test_at_least_half_of_five_is_three_and_the_published_rule_takes_two():
    z = codes((2, 0), (3, 0))
    assert social_neurons(z, LABELS, 0.5, "at-least").groups["F"].specific == (1,)
    published = social_neurons(z, LABELS, 0.5, "published")
    assert published.groups["F"].specific == (1, 0) and published.groups["F"].least == 2
    assert published == social_neurons(z, LABELS, 0.5), "bare arrays follow the rule as published"
    assert social_neurons(z, LABELS, 0.5, "at-least").to_json()["rule"] == "at-least"
    with pytest.raises(InputError, match="rule was 'roughly'"):
        social_neurons(z, LABELS, 0.5, "roughly")


def test_at_least_is_the_share_whatever_floating_point_says():
    for n in range(1, 400):
        for hundredths in range(101):
            least = math.ceil(Fraction(hundredths, 100) * n)
            assert least_rows(hundredths / 100, n, "at-least") == least
            assert least_rows(hundredths / 100, n, "published") in (least, least - 1)


def test_a_group_of_one_needs_its_one_row():
    z, labels = codes((0, 5), (5, 0))[4:], LABELS[4:]
    assert social_neurons(z, labels, 0.5, "at-least").groups["F"].effective == (1,)
    assert social_neurons(z, labels, 0.5).groups["F"].effective == (0, 1), "as published: 0 rows are asked for"


def test_lift_of_two_groups_is_the_interval_of_two_rates():
    (lift,) = lifts([7], np.array([[60], [30]]), np.array([100, 120]), ["F", "M"], 0)
    assert (lift.neuron, lift.rate, lift.other_rate, lift.other_group) == (7, 0.6, 0.25, "M")
    assert (lift.difference.lo, lift.difference.hi) == rate_difference(60, 100, 30, 120)
    assert (lift.ratio.lo, lift.ratio.hi) == rate_ratio(60, 100, 30, 120)
    assert lift.difference.estimate == pytest.approx(0.35) and lift.ratio.estimate == pytest.approx(2.4)
    assert lift.sure and lift.to_json()["verdict"] == "specific" and lift.difference.n == 220


def test_more_groups_are_compared_together():
    fired, sizes = np.array([[60], [30], [9], [0]]), np.array([100, 120, 30, 50])
    (lift,) = lifts([0], fired, sizes, ["a", "b", "c", "d"], 0)
    ends = [rate_difference(60, 100, x, n, 1 - 0.05 / 3) for x, n in ((30, 120), (9, 30), (0, 50))]
    assert lift.other_group == "c", "the highest rate of the others"
    assert lift.difference.lo == min(lo for lo, _ in ends) and lift.difference.hi == min(hi for _, hi in ends)
    assert lift.difference.lo < rate_difference(60, 100, 9, 30)[0]
    assert lift.ratio.lo <= lift.ratio.estimate <= lift.ratio.hi


def test_the_lift_over_the_group_that_comes_next_is_covered_though_it_was_picked():
    rng, truth = np.random.default_rng(3), np.array([0.6, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])
    sizes = np.array([80, 60, 100, 40, 60, 60, 200])
    fired = rng.binomial(sizes[:, None], truth[:, None], size=(7, 4000))
    found = lifts(np.arange(4000), fired, sizes, list("abcdefg"), 0)
    inside = np.mean([one.difference.lo <= 0.2 <= one.difference.hi for one in found])
    ratio = np.mean([one.ratio.lo <= 1.5 <= one.ratio.hi for one in found])
    assert inside >= 0.94 and ratio >= 0.94


def test_nobody_fires_elsewhere():
    (lift,) = lifts([0], np.array([[30], [0]]), np.array([40, 500]), ["F", "M"], 0)
    said = lift.to_json()
    assert said["ratio"]["estimate"] is None and said["ratio"]["hi"] is None and said["ratio"]["lo"] > 50
    assert said["difference"]["estimate"] == 0.75 and said["verdict"] == "specific"


def test_a_neuron_that_may_fire_as_often_elsewhere_is_unsure():
    found = social_neurons(codes((3, 2)), LABELS, 0.5, "at-least").groups["F"]
    assert found.specific == (0,) and found.unsure == (0,)
    lift = found.to_json()["lift"][0]
    assert lift["verdict"] == "unsure" and lift["difference"]["lo"] < 0 < lift["difference"]["hi"]
    alone = social_neurons(codes((3, 2)), np.array(["F"] * 10), 0.5).groups["F"]
    assert alone.lift == (), "no other group, no lift"
