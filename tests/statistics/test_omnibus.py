"""One p for all groups against sums by hand, a permutation of labels, and itself in another way of computing."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import fisher_exact, multivariate_hypergeom

from core.statistics import blind_p, omnibus, omnibus_p
from core.statistics.omnibus import possible_draws


def by_listing(sizes: list[int], drawn: list[int], both: bool = False) -> float:
    """Every draw in a loop, its chance by scipy, its G by the formula."""
    k, total = sum(drawn), sum(sizes)

    def g(cell: tuple[int, ...]) -> float:
        value = 0.0
        for x, n in zip(cell, sizes, strict=True):
            value += 2 * x * math.log(x * total / (k * n)) if x else 0.0
            if both and n > x:
                value += 2 * (n - x) * math.log((n - x) * total / ((total - k) * n))
        return value

    cells = [c for c in itertools.product(*(range(n + 1) for n in sizes)) if sum(c) == k]
    seen = g(tuple(drawn))
    return sum(float(multivariate_hypergeom.pmf(c, sizes, k)) for c in cells if g(c) >= seen - 1e-9)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    ("sizes", "drawn"),
    [([5, 4, 3], [3, 1, 0]), ([5, 4, 3], [2, 1, 1]), ([2, 6, 4, 3], [2, 0, 1, 2]), ([9, 3, 3], [0, 3, 2])],
)
def test_exact_p_is_the_sum_over_all_draws(sizes: list[int], drawn: list[int], both: bool) -> None:
    p, smallest = omnibus_p(sizes, drawn, both=both)
    assert p == pytest.approx(by_listing(sizes, drawn, both), rel=1e-9)
    every = [omnibus_p(sizes, cell, both=both)[0] for cell in possible_draws(sizes, sum(drawn)).tolist()]
    assert smallest == pytest.approx(min(every), rel=1e-9)


def test_two_groups_have_the_p_of_either() -> None:
    for x in range(11):
        p, smallest = omnibus_p([30, 70], [x, 10 - x])
        assert p == blind_p(x, 30, 100, 10) == pytest.approx(blind_p(10 - x, 70, 100, 10))
    assert smallest == pytest.approx(min(blind_p(0, 30, 100, 10), blind_p(10, 30, 100, 10)))
    table = [[7, 3], [23, 67]]
    one_sided = fisher_exact(table, alternative="greater").pvalue
    assert omnibus_p([30, 70], [7, 3])[0] == pytest.approx(2 * one_sided)


def test_drawn_p_is_near_the_exact_one_and_names_its_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, drawn = [40, 30, 20], [12, 3, 5]
    exact, _ = omnibus_p(sizes, drawn)
    monkeypatch.setattr(omnibus, "EXACT_CELLS", 1)
    omnibus._distribution.cache_clear()
    p, smallest = omnibus_p(sizes, drawn)
    omnibus._distribution.cache_clear()
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000)) and p != exact
    assert smallest == 1 / 20_000
    assert round(p * 20_000) == p * 20_000  # (1 + b) / (1 + B)


def test_a_family_gets_the_draws_that_its_correction_needs() -> None:
    counts = [200, 300, 150, 120, 90, 60, 80], [40, 30, 10, 5, 5, 5, 5]
    assert omnibus_p(*counts)[1] == 1 / 20_000
    assert omnibus_p(*counts, tests=66)[1] * 66 <= 0.001
    assert omnibus_p(*counts, tests=66) == omnibus_p(*counts, tests=66)


def test_blind_draws_are_rejected_one_time_in_twenty() -> None:
    rng = np.random.default_rng(3)
    sizes = np.array([200, 100, 60, 40])
    p = np.array([omnibus_p(sizes, x)[0] for x in rng.multivariate_hypergeometric(sizes, 40, size=4000)])
    for level in (0.01, 0.05, 0.2):
        assert abs(float((p <= level).mean()) - level) < 4 * math.sqrt(level * (1 - level) / 4000) + 0.002


def test_nothing_can_be_told_of_nothing() -> None:
    for sizes, drawn in (([5], [3]), ([5, 5], [0, 0]), ([5, 5], [5, 5]), ([5, 0], [2, 0])):
        assert omnibus_p(sizes, drawn) == (1.0, 1.0)


@pytest.mark.parametrize(("sizes", "k"), [([30, 70], 10), ([70, 30], 10), ([1, 9], 3), ([3, 4], 5), ([6, 2], 5)])
def test_the_smallest_p_of_two_groups_is_that_of_the_least_likely_draw(sizes: list[int], k: int) -> None:
    every = [blind_p(x, sizes[0], sum(sizes), k) for x in range(max(0, k - sizes[1]), min(sizes[0], k) + 1)]
    for x in range(max(0, k - sizes[1]), min(sizes[0], k) + 1):
        assert omnibus_p(sizes, [x, k - x])[1] == pytest.approx(min(every))


def test_a_group_of_one_row_takes_part_and_one_of_none_does_not() -> None:
    """One of ten rows is among three drawn ones in 3 of 10."""
    assert omnibus_p([1, 9], [1, 2])[0] == pytest.approx(0.6)
    assert omnibus_p([5, 4, 1], [1, 2, 1])[0] == pytest.approx(by_listing([5, 4, 1], [1, 2, 1]))
    assert omnibus_p([5, 0, 4], [3, 0, 1]) == omnibus_p([5, 4], [3, 1])
    assert omnibus_p([5, 0, 4, 3], [3, 0, 1, 0]) == omnibus_p([5, 4, 3], [3, 1, 0])
