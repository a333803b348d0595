"""Rows of one person are not independent: false findings stay at 5 %, and the permutations are the literal ones."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import f as fisher
from scipy.stats import hypergeom
from scipy.stats import t as student

from core.statistics import cluster_p, design_effect
from core.statistics.clusters import _counted as counted
from core.statistics.clusters import _labels_dealt as labels_dealt
from core.statistics.clusters import _stray as stray


def exact(k: int, n: int, total: int, retrieved: int) -> float:
    """Two-sided hypergeometric p of rows that are retrieved one by one."""
    tails = hypergeom.cdf(k, total, n, retrieved), hypergeom.sf(k - 1, total, n, retrieved)
    return min(1.0, 2 * min(tails))


def world(rng: np.random.Generator, kind: str, n: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups, clusters and scores that depend on the cluster and never on the group."""
    shares = [0.3, 0.7]
    if kind in ("5", "20"):
        clusters = np.arange(n) // int(kind)
        groups = rng.choice(2, n, p=shares)[clusters]
    elif kind == "unequal":  # persons of one group have more pictures
        label = rng.choice(2, 200, p=shares)
        sizes = np.where(label == 0, rng.geometric(1 / 10, 200), rng.geometric(1 / 4, 200))
        clusters, groups = np.repeat(np.arange(200), sizes), np.repeat(label, sizes)
    elif kind == "families":  # mixed labels, every size
        clusters = np.repeat(np.arange(150), rng.geometric(1 / 7, 150))
        groups = (rng.random(len(clusters)) > rng.beta(0.5, 1, 150)[clusters]).astype(int)
    else:  # scenes: two rows of each group in each
        clusters, groups = np.arange(n) // 4, np.arange(n) % 2
    return groups, clusters, rng.normal(size=clusters.max() + 1)[clusters] + 0.5 * rng.normal(size=len(clusters))


@pytest.mark.parametrize(
    ("kind", "naive"), [("5", 0.12), ("20", 0.4), ("unequal", 0.3), ("families", 0.12), ("scenes", 0.0)]
)
def test_false_findings(kind: str, naive: float) -> None:
    """The exact p of single rows finds leans that are none; by whole clusters at most the meant 5 % are found."""
    rng, ours, theirs = np.random.default_rng(11), [], []
    for seed in range(250):
        groups, clusters, scores = world(rng, kind)
        top = np.argsort(-scores)[:80]
        ours.append(cluster_p(groups, clusters, top, 2, draws=399, seed=seed)[0])
        counts = int((groups[top] == 0).sum()), int((groups == 0).sum()), len(groups), 80
        theirs.append(exact(*counts))
    assert np.mean(np.array(ours) <= 0.05) <= 0.08, "5 % and three standard deviations of 250 worlds"
    assert np.mean(np.array(theirs) <= 0.05) >= naive


def test_clusters_of_one_row_are_a_blind_draw() -> None:
    rng = np.random.default_rng(0)
    groups, top = rng.choice(2, 300, p=[0.4, 0.6]), np.arange(60)
    expected = exact(int((groups[:60] == 0).sum()), int((groups == 0).sum()), 300, 60)
    found, by_group = cluster_p(groups, np.arange(300), top, 2)
    assert found == pytest.approx(expected, abs=0.015) and by_group.tolist() == [found, found]


def test_equal_clusters_of_one_label_against_every_permutation() -> None:
    label, retrieved = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([3, 3, 1, 0, 1, 0, 0])
    clusters = np.repeat(np.arange(7), 3)
    top = np.concatenate([3 * c + np.arange(r) for c, r in enumerate(retrieved)])
    counts = np.array([retrieved[np.array(order) == 0].sum() for order in permutations(label)])
    observed = retrieved[label == 0].sum()
    expected = min(1.0, 2 * min((counts >= observed).mean(), (counts <= observed).mean()))
    found, _ = cluster_p(label[clusters], clusters, top, 2)
    assert found == pytest.approx(expected, abs=0.008)


def test_mixed_scenes_against_every_way_to_deal_their_labels() -> None:
    """Scenes of two rows with the labels (0, 0), (0, 1), (0, 1), (1, 1): exchanged, and turned inside."""
    scenes = [(0, 0), (0, 1), (0, 1), (1, 1)]
    hit = [2, 1, 1, 0]
    counts, weights = [], []
    for order in permutations(scenes):
        reachable = np.array([1.0])  # chances of each number of retrieved rows of group 0
        for labels, r in zip(order, hit, strict=True):
            zeros = labels.count(0)
            reachable = np.convolve(reachable, [hypergeom.pmf(x, 2, zeros, r) for x in range(3)])
        counts += range(len(reachable))
        weights += reachable.tolist()
    counts, weights = np.array(counts), np.array(weights) / 24
    groups, clusters = np.array(sum(scenes, ())), np.repeat(np.arange(4), 2)
    top = np.array([0, 1, 2, 4])
    observed = int((groups[top] == 0).sum())
    expected = min(1.0, 2 * min(weights[counts >= observed].sum(), weights[counts <= observed].sum()))
    # four scenes are too few for the public door, which divides by the design effect where sizes are rare
    drawn = labels_dealt(counted(groups, clusters, top, 2), 20_000, np.random.default_rng(0))[0][:, 0]
    found = min(1.0, 2 * min((drawn >= observed).mean(), (drawn <= observed).mean()))
    assert found == pytest.approx(expected, abs=0.01)


def test_a_lean_inside_scenes_is_found() -> None:
    groups, clusters, scores = world(np.random.default_rng(4), "scenes")
    top = np.argsort(-(scores + 0.6 * (groups == 0)))[:80]
    omnibus, by_group = cluster_p(groups, clusters, top, 2, draws=1999)
    assert omnibus <= 0.001 and (by_group <= 0.001).all()


def test_three_groups_have_an_omnibus_and_a_p_each() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(200), 5)
    groups = rng.choice(3, 200, p=[0.5, 0.3, 0.2])[clusters]
    scores = rng.normal(size=200)[clusters] + 0.4 * rng.normal(size=1000) + 1.2 * (groups == 2)
    omnibus, by_group = cluster_p(groups, clusters, np.argsort(-scores)[:100], 3)
    assert omnibus < 0.01 and by_group.argmin() == 2 and by_group.shape == (3,)
    turned, by_turned = cluster_p(2 - groups, clusters, np.argsort(-scores)[:100], 3)
    assert turned == pytest.approx(omnibus, abs=0.005) and by_turned[::-1] == pytest.approx(by_group, abs=0.02)


def test_unknown_rows_are_left_out_and_absent_groups_have_nothing_to_say() -> None:
    groups, clusters, scores = world(np.random.default_rng(1), "5")
    top = np.argsort(-scores)[:80]
    more = np.concatenate([groups, np.full(50, -1)])
    found = cluster_p(more, np.concatenate([clusters, np.full(50, 3)]), np.append(top, 1020), 3, seed=4)
    plain = cluster_p(groups, clusters, top, 2, seed=4)
    assert found[0] == pytest.approx(plain[0], abs=0.01) and found[1][2] == 1.0


@pytest.mark.parametrize(("retrieved", "of"), [(0, 2), (40, 2), (10, 1)])
def test_where_nothing_can_be_found(retrieved: int, of: int) -> None:
    groups = np.arange(40) % of
    omnibus, by_group = cluster_p(groups, np.arange(40) // 4, np.arange(retrieved), 2)
    assert omnibus == 1.0 and by_group.tolist() == [1.0, 1.0]


def test_equal_questions_have_equal_answers() -> None:
    groups, clusters, scores = world(np.random.default_rng(1), "unequal")
    top = np.argsort(-scores)[:80]
    first, again = (cluster_p(groups, clusters, top, 2, seed=3) for _ in range(2))
    assert first[0] == again[0] and (first[1] == again[1]).all()


# -- the design effect ------------------------------------------------------------------------------------------------


def effect(groups: np.ndarray, clusters: np.ndarray, top: np.ndarray) -> float:
    return design_effect(clusters[top], groups[top], clusters, groups)


def test_whole_clusters_of_one_label_count_once() -> None:
    clusters = np.repeat(np.arange(400), 5)
    groups = np.random.default_rng(0).choice(2, 400)[clusters]
    assert effect(groups, clusters, np.arange(100)) == pytest.approx(5, abs=0.6)


def test_single_rows_and_clusters_like_the_whole_count_in_full() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(1200) % 3
    assert effect(groups, np.arange(1200), rng.permutation(1200)[:100]) == pytest.approx(1, abs=0.05)
    assert effect(groups, np.arange(1200) // 3, np.arange(99)) == 1.0, "every cluster has one row of each group"


@pytest.mark.parametrize("kind", ["5", "20", "families"])
def test_the_design_effect_is_the_variance_between_worlds(kind: str) -> None:
    """Counts of a group over many worlds vary by as much more than in a blind draw as the effect says."""
    rng, departures, effects = np.random.default_rng(7), [], []
    for _ in range(400):
        groups, clusters, scores = world(rng, kind)
        top = np.argsort(-scores)[:80]
        n, p = len(groups), (groups == 0).mean()
        departures.append(((groups[top] == 0).sum() - 80 * p) / np.sqrt(80 * p * (1 - p) * (n - 80) / (n - 1)))
        effects.append(effect(groups, clusters, top))
    assert np.var(departures) == pytest.approx(np.mean(effects), rel=0.2)


@pytest.mark.parametrize(
    ("shares", "n_groups"), [((0.5, 0.5), 2), ((0.5, 0.3, 0.2), 3), ((0.6, 0.393, 0.007), 3), ((0.985, 0.015), 2)]
)
@pytest.mark.parametrize("absent", [0, 1])
def test_without_a_permutation_p_is_students_and_fishers_by_the_formula(shares: tuple, n_groups: int, absent: int):
    """Films of many lengths with mixed casts: every step in a loop. A group that nobody has takes no part."""
    rng = np.random.default_rng(n_groups + absent)
    sizes = rng.integers(2, 60, 40)
    clusters = np.repeat(np.arange(40), sizes)
    cast = rng.choice(n_groups, p=shares, size=40).repeat(sizes)
    groups = np.where(rng.random(len(clusters)) < 0.7, cast, rng.choice(n_groups, p=shares, size=len(clusters)))
    score = rng.normal(size=40).repeat(sizes) + rng.normal(size=len(clusters)) + 0.3 * (groups == 0)
    top = np.argsort(-score)[:90]
    n, k = len(clusters), 90
    squares, variances, departures = 0.0, [], []
    for g in range(n_groups):
        p = np.mean(groups == g)
        departures.append(np.sum(groups[top] == g) - k * p)
        variances.append(k * p * (1 - p) * (n - k) / (n - 1))
        for c in range(40):
            mine = top[clusters[top] == c]
            u = np.sum(groups[mine] == g) - len(mine) * p
            u -= k / n * (np.sum(groups[clusters == c] == g) - sizes[c] * p)
            squares += u**2
    effect = max(1.0, squares / sum(variances))
    assert effect > 1 or min(shares) < 0.1
    z = np.array(departures) / np.sqrt(np.array(variances) * effect)
    own = 2 * student.sf(np.abs(z), k / effect - 1)
    chi = sum(d**2 / v * (1 - np.mean(groups == g)) for g, (d, v) in enumerate(zip(departures, variances, strict=True)))
    found, by_group = cluster_p(groups, clusters, top, n_groups + absent)
    assert by_group == pytest.approx([*own, *[1.0] * absent], rel=1e-9)
    expected = own[0] if n_groups == 2 else fisher.sf(chi / effect / (n_groups - 1), n_groups - 1, k / effect - 1)
    assert found == pytest.approx(expected, rel=1e-9)
    assert design_effect(clusters[top], groups[top], clusters, groups) == pytest.approx(effect)


@pytest.mark.parametrize("films", [(0,), (0, 2)])
def test_few_clusters_have_one_degree_of_freedom_and_not_fewer(films: tuple) -> None:
    """One or two films of one cast each fill the list: the design effect is nearly all of it, or half."""
    sizes = np.arange(20, 30)
    clusters = np.repeat(np.arange(10), sizes)
    groups = np.repeat(np.arange(10) % 2, sizes)
    groups[np.searchsorted(clusters, np.arange(10))] ^= 1
    top = np.flatnonzero(np.isin(clusters, films))
    effect = design_effect(clusters[top], groups[top], clusters, groups)
    k, n, p = len(top), len(clusters), groups.mean()
    assert k / effect - 1 < 1 or films == (0, 2)
    z = (groups[top].sum() - k * p) / np.sqrt(k * p * (1 - p) * (n - k) / (n - 1) * effect)
    assert cluster_p(groups, clusters, top, 2)[0] == pytest.approx(2 * student.sf(abs(z), max(k / effect - 1, 1)))


def test_a_stray_row_is_one_of_the_retrieved_ones() -> None:
    """Twenty clusters of two rows and one of five: of 21 retrieved rows one lies in the rare size."""
    groups = np.tile([0, 1], 23)[:45]
    clusters = np.concatenate([np.repeat(np.arange(20), 2), np.full(5, 20)])
    top = np.append(np.arange(20) * 2, 40)
    assert stray(counted(groups, clusters, top, 2)) == pytest.approx(1 / 21)
    assert stray(counted(groups[2:], clusters[2:], top[:19], 2)) == 1.0, "nineteen are too few"


def test_where_everything_is_retrieved_clusters_do_not_matter() -> None:
    groups, clusters = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1])
    assert design_effect(clusters, groups, clusters, groups) == 1.0
