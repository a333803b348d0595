"""Rows that belong together, by the second author: persons, films with everybody, and sizes too mixed to permute."""

import numpy as np
import pytest
from scipy.stats import norm

from core.statistics import cluster_p as first_p
from core.statistics import design_effect, lean_of, lean_of_clusters
from core.verify.own.lists import lean_document
from core.verify.own.together import (
    by_clusters,
    cluster_p,
    dealt,
    effect_of,
    exchanged,
    normal_p,
    sets_of_sizes,
    tables,
    taken_from,
    widened,
)

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, int]


def persons(groups: int, seed: int, sizes: tuple[int, ...] = (1, 2, 3), n: int = 140, unknown: float = 0.1) -> Rows:
    """Clusters of one label each."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n) * 3 + 5, rng.choice(sizes, n))
    label = rng.integers(0, groups, n)
    labels = label[(clusters - 5) // 3]
    order = rng.permutation(len(labels))
    labels, clusters = labels[order], clusters[order]
    labels = np.where(rng.random(len(labels)) < unknown, -1, labels)
    return labels, clusters, chosen(labels, clusters, rng), groups


def films(groups: int, seed: int, sizes: tuple[int, ...] = (4,), n: int = 60) -> Rows:
    """Clusters of several labels; rows of one cluster are retrieved together."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n), rng.choice(sizes, n))
    labels = rng.choice(groups, p=rng.dirichlet(np.full(groups, 4.0)), size=len(clusters))
    return labels, clusters, chosen(labels, clusters, rng), groups


def chosen(labels: np.ndarray, clusters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    of_cluster = rng.normal(size=clusters.max() + 1)[clusters]
    score = of_cluster + 0.7 * rng.normal(size=len(labels)) + 0.5 * (labels == 0)
    return np.argsort(-score)[: len(labels) // 5]


MANY: dict[str, Rows] = {
    "persons of two groups": persons(2, 0),
    "persons of three groups": persons(3, 1),
    "few sizes stand alone": persons(3, 2, (1, 2, 5, 6, 9), n=70),
    "fewer persons than a set needs": persons(2, 3, (1, 2, 3), n=15),
    "single rows": persons(3, 4, (1,)),
    "films of two groups": films(2, 5),
    "films of four groups": films(4, 6),
    "films of two sizes": films(3, 7, (2, 4), n=100),
    "films of any size": films(3, 8, (2, 3, 4, 5, 6, 7, 8, 9, 11, 13), n=40),
    "two groups of any size": films(2, 9, (2, 3, 4, 5, 6, 7, 8, 9, 11, 13), n=40),
}
FEW = films(3, 11, (4,), n=80)
MANY["few films of a rare size"] = (
    np.r_[FEW[0], [0, 1, 2, 0, 1, 1]],
    np.r_[FEW[1], [500] * 6],
    np.r_[FEW[2], len(FEW[0]), len(FEW[0]) + 1],
    3,
)
"""Two of some sixty retrieved rows lie in a film of another size: so few stray rows are let."""
every = pytest.mark.parametrize("name", MANY)


@every
def test_p_and_design_effect_are_the_first_authors(name: str) -> None:
    labels, clusters, top, groups = MANY[name]
    held, taken = tables(labels, clusters, top, groups)
    p, own = cluster_p(held, taken, 999, 3)
    other, others = first_p(labels, clusters, top, groups, 999, 3)
    assert p == pytest.approx(other, rel=1e-9) and own == pytest.approx(others.tolist(), rel=1e-9)
    effect = design_effect(clusters[top], labels[top], clusters, labels)
    assert effect_of(held, taken) == pytest.approx(effect, rel=1e-9)


@every
def test_the_block_of_a_lean(name: str) -> None:
    labels, clusters, top, groups = MANY[name]
    names = [f"g{g}" for g in range(groups)]
    sizes, seen = ([int((part == g).sum()) for g in range(groups)] for part in (labels, labels[top]))
    block = by_clusters(lean_document(names, sizes, seen, 4), labels, clusters, top, 4, 3)
    draws = 19_999
    p, own = first_p(labels, clusters, top, groups, draws, 3)
    effect = design_effect(clusters[top], labels[top], clusters, labels)
    smallest = (2 if groups == 2 else 1) / (1 + draws)
    lean = lean_of_clusters(lean_of(sizes, seen, 4), p, own.tolist(), smallest, effect)
    assert block["lean_p"] == pytest.approx(lean.p, rel=1e-9) and block["lean_p_smallest"] == smallest
    assert block["design_effect"] == pytest.approx(effect, rel=1e-9)
    assert block["leading_group"] == (None if lean.leading is None else names[lean.leading])
    assert block["lean_beyond_chance"] == lean.beyond_chance
    for name_, group in zip(names, lean.groups, strict=True):
        one = block["lean"][name_]
        for key in ("share", "ratio", "points"):
            own, other = dict(one[key]), getattr(group, key).to_json()
            assert own.pop("note", None) == other.pop("note", None)
            assert own == pytest.approx(other, rel=1e-9, abs=1e-12)
        for key in ("p", "p_adjusted", "departure"):
            assert one[key] == pytest.approx(getattr(group, key), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("x", "p"), [(18, 0.04), (7, 0.04), (18, 0.06), (7, 0.06)])
def test_the_interval_holds_the_base_share_where_it_is_no_finding(x: int, p: float) -> None:
    one = lean_document(["a", "b"], [70, 30], [x, 20 - x])["lean"]["a"]
    wide = widened(one, 100, 20, p, 9.0)
    inside = wide["share"]["lo"] <= one["base_share"] <= wide["share"]["hi"]
    assert inside is (p > 0.05) and wide["share"]["lo"] <= x / 20 <= wide["share"]["hi"]
    assert wide["ratio"]["hi"] == pytest.approx(wide["share"]["hi"] / 0.7)
    assert wide["points"]["lo"] == pytest.approx(wide["share"]["lo"] - 0.7)


def test_draws_grow_with_the_family() -> None:
    labels, clusters, top, groups = MANY["single rows"]
    sizes, seen = ([int((part == g).sum()) for g in range(groups)] for part in (labels, labels[top]))
    block = by_clusters(lean_document(["a", "b", "c"], sizes, seen, 12), labels, clusters, top, 12, 0)
    assert block["lean_p_smallest"] == 1 / 24_000
    untested = lean_document(["a", "b", "c"], sizes, sizes)
    assert by_clusters(untested, labels, clusters, np.arange(len(labels)), 12, 0) is untested


def test_nothing_to_test() -> None:
    held = np.array([[2, 0], [0, 3], [4, 0]])
    for taken in (np.zeros_like(held), held):
        assert cluster_p(held, taken, 99, 0) == (1.0, [1.0, 1.0]) and effect_of(held, taken) == 1.0
    alone = np.array([[2, 0], [3, 0]])
    assert cluster_p(alone, np.array([[1, 0], [0, 0]]), 99, 0) == (1.0, [1.0, 1.0])


def test_a_p_by_every_order_of_the_labels() -> None:
    """Four persons with two rows each, both rows of two retrieved: of six ways to give out labels one is as seen."""
    held = np.array([[2, 0], [2, 0], [0, 2], [0, 2]])
    taken = np.array([[2, 0], [2, 0], [0, 0], [0, 0]])
    p, own = cluster_p(held, taken, 60_000, 0)
    assert p == min(own) and own == pytest.approx([2 / 6, 2 / 6], abs=0.01)
    assert effect_of(held, taken) == pytest.approx(2 / (2 * 4 * 0.25 * 4 / 7), rel=1e-12)


def test_sets_of_sizes_wait_until_there_are_enough() -> None:
    sizes = [1] * 20 + [2] * 12 + [3] * 8 + [7] * 3 + [9]
    assert [sorted({sizes[c] for c in part}) for part in sets_of_sizes(sizes)] == [[1], [2, 3, 7, 9]]
    assert [len(part) for part in sets_of_sizes([1] * 19 + [2])] == [20]
    assert [len(part) for part in sets_of_sizes([1] * 19)] == [19] and sets_of_sizes([]) == []


def test_tables_count_known_rows_by_cluster() -> None:
    labels, clusters = np.array([0, 1, -1, 1, 0]), np.array([7, 7, 7, 2, 9])
    held, taken = tables(labels, clusters, np.array([1, 2, 4]), 2)
    assert held.tolist() == [[0, 1], [1, 1], [1, 0]] and taken.tolist() == [[0, 0], [0, 1], [1, 0]]


def test_drawn_labels_keep_their_numbers() -> None:
    rng = np.random.default_rng(0)
    left = np.tile([3, 0, 5, 2], (4000, 1))
    given = taken_from(left, 4, rng)
    assert (given.sum(axis=1) == 4).all() and (given <= left).all() and (given >= 0).all()
    np.testing.assert_allclose(given.mean(axis=0), [1.2, 0.0, 2.0, 0.8], atol=0.05)
    held = np.array([[2, 0]] * 12 + [[0, 2]] * 12 + [[0, 1]] * 20)
    taken = np.zeros_like(held)
    taken[[0, 1, 30], [0, 0, 1]] = 2, 1, 1
    k, n = exchanged(held, taken, 500, rng)
    assert (k.sum(axis=1) == 4).all() and (n.sum(axis=1) == held.sum()).all() and n.std() > 0
    mixed = np.array([[1, 2]] * 10 + [[3, 0]] * 10)
    part = np.zeros_like(mixed)
    part[0], part[10] = (1, 1), (3, 0)
    k, n = dealt(mixed, part, 500, rng)
    assert len(k) == 500 and (k.sum(axis=1) == 5).all() and (n == [40, 20]).all()
    np.testing.assert_allclose(k.mean(axis=0), [5 * 2 / 3, 5 / 3], atol=0.1)


def test_fewer_draws_of_many_mixed_clusters_but_never_too_few() -> None:
    held = np.array([[1, 1]] * 2040)
    taken = np.array([[1, 0]] * 2030 + [[0, 0]] * 10)
    k, _ = dealt(held, taken, 2500, np.random.default_rng(0))
    assert len(k) == 1999
    few = np.array([[1, 0]] * 10 + [[0, 0]] * 2030)
    assert len(dealt(held, few, 300, np.random.default_rng(0))[0]) == 300


def test_a_normal_p() -> None:
    for d in (0.0, 0.5, -1.96, 3.0):
        assert normal_p(d) == pytest.approx(2 * norm.sf(abs(d)), rel=1e-12)
