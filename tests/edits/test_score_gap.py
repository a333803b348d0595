"""Candidates and their strengths, row by row and by trying everything."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import Edit
from core.edits import probe_set, score_gap
from core.edits import smallest as smallest_module
from core.edits.probe_set import ProbeSet, departures, unit_queries
from core.edits.score_gap import ScoreGap, _gain, _settle, _swapped, least_drift, score_gap_of
from core.edits.smallest import PathPoint, SmallestEdit, _choose, _price_of_the_gap, _unbeaten, edit_of, smallest_edit
from core.ranking import RankRequest
from core.scene import Scene
from core.statistics import Band
from tests.tiny import TinyBackbone, TinyGallery, sae_file

REQUEST = RankRequest("gender", "unused", k=40, target="uniform", half="evaluation")
QUERIES = unit_queries(TinyBackbone().encode_texts(["a photo of a nurse", "a photo of a pilot"])["pooled"], 12)


def probe(attach: str = "pooled") -> ProbeSet:
    return probe_set(Scene(TinyGallery(), {"image": sae_file("image", attach)}), REQUEST)


# ------------------------------------------------------------------------------------------ candidates


def literal(p: ProbeSet, queries: np.ndarray, groups: list[int], explicit: list, rows: list[int]) -> dict[int, tuple]:
    """Mean, gain, harm and move of each neuron, row by row; the move is across the row, in units of its length."""
    z = p.material.codes.toarray().astype(np.float64)[rows]
    x = np.asarray(p.material.pooled, np.float64)[rows]
    labels, length = p.part.labels[rows], np.linalg.norm(x, axis=1)
    scale = np.ones(len(rows)) if p.scale is None else p.scale[rows]
    found = {}
    for j in range(z.shape[1]):
        W, mean = p.directions[j], z[:, j].mean()
        # switched by e the row is x - e (z - mean) s W: the derivative of its cosine with q, and of its direction
        step = [-(z[i, j] - mean) * scale[i] * W for i in range(len(rows))]
        across = np.array([v / n - (u @ v) * u / n**3 for u, v, n in zip(x, step, length, strict=True)])

        def closed(query: np.ndarray, group: int, across: np.ndarray = across) -> float:
            first, rest = labels == group, (labels >= 0) & (labels != group)
            cosine, moved = x @ query / length, across @ query
            return -(moved[first].mean() - moved[rest].mean()) / (cosine[first].mean() - cosine[rest].mean())

        gain = np.mean([closed(q, g) for q, g in zip(queries, groups, strict=True)])
        harm = np.mean([closed(q, g) for q, g in explicit]) if explicit else 0.0
        found[j] = (mean, gain, harm, across)
    return found


@pytest.mark.parametrize("attach", ["pooled", "residual"])
@pytest.mark.parametrize(("most_rows", "explicit"), [(4000, 0), (60, 2)])
def test_candidates_row_by_row(attach, most_rows, explicit, monkeypatch):
    monkeypatch.setattr(score_gap, "MOST_ROWS", most_rows)
    p = probe(attach)
    groups = [p.leading_group(query) for query in QUERIES]
    asked = [(QUERIES[1], 1), (QUERIES[0], 0)][:explicit]
    rows = sorted({int(i * (p.part.n - 1) / (min(most_rows, p.part.n) - 1)) for i in range(min(most_rows, p.part.n))})
    found, own = score_gap_of(p, QUERIES, groups, asked, most=9), literal(p, QUERIES, groups, asked, rows)
    drift = {(i, j): np.einsum("ij,ij->", own[i][3], own[j][3]) / len(rows) for i, j in product(own, own)}
    fires = np.flatnonzero((p.material.codes.toarray() > 0).sum(axis=0) >= score_gap.LEAST_ROWS)
    worth = {j: own[j][1] / np.sqrt(drift[j, j]) for j in fires if own[j][1] > 0}
    best = sorted(worth, key=lambda j: -worth[j])[:9]
    assert found.neurons.tolist() == best
    for column, name in enumerate(("means", "gains", "harm")):
        np.testing.assert_allclose(getattr(found, name), [own[j][column] for j in best], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.drift, [[drift[i, j] for j in best] for i in best], rtol=1e-5, atol=1e-10)


def test_all_that_give_something_are_candidates_where_there_is_room():
    p = probe()
    groups = [p.leading_group(query) for query in QUERIES]
    own = literal(p, QUERIES, groups, [], list(range(p.part.n)))
    found = score_gap_of(p, QUERIES, groups)
    fires = np.flatnonzero((p.material.codes.toarray() > 0).sum(axis=0) >= score_gap.LEAST_ROWS)
    assert set(found.neurons.tolist()) == {j for j in fires if own[j][1] > 0} and (found.harm == 0).all()


def test_of_too_many_neurons_those_with_the_largest_contributions_are_looked_at(monkeypatch):
    p = probe()
    groups = [p.leading_group(query) for query in QUERIES]
    fired = (p.material.codes.toarray() > 0).sum(axis=0)
    alive = np.flatnonzero(fired >= score_gap.LEAST_ROWS)
    assert score_gap._worth_a_look(p, QUERIES, groups).tolist() == alive.tolist()
    monkeypatch.setattr(score_gap, "MOST_NEURONS", len(alive))
    assert len(score_gap._worth_a_look(p, QUERIES, groups)) == len(alive)
    monkeypatch.setattr(score_gap, "MOST_NEURONS", 7)
    size = sum(np.abs(p.attribution(q, g).contributions) for q, g in zip(QUERIES, groups, strict=True))
    best = sorted(alive, key=lambda j: -size[j])[:7]
    assert score_gap._worth_a_look(p, QUERIES, groups).tolist() == sorted(best)


def test_candidates_are_among_those_that_are_worth_a_look(monkeypatch):
    p = probe()
    groups = [p.leading_group(query) for query in QUERIES]
    monkeypatch.setattr(score_gap, "MOST_NEURONS", 7)
    looked_at = score_gap._worth_a_look(p, QUERIES, groups).tolist()
    found = score_gap_of(p, QUERIES, groups).neurons.tolist()
    assert found and set(found) <= set(looked_at)
    own = literal(p, QUERIES, groups, [], list(range(p.part.n)))
    assert sorted(found) == [j for j in looked_at if own[j][1] > 0]


def test_where_there_is_no_gap_nobody_is_a_candidate():
    p = probe()
    alike = replace(p, material=replace(p.material, pooled=np.tile(p.material.pooled[:1], (p.part.n, 1))))
    assert score_gap_of(alike, QUERIES[:1], [0]).neurons.tolist() == []


@pytest.mark.parametrize("explicit", [0, 1])
def test_a_search_is_for_sixteen_neurons_and_weighs_explicit_queries_where_there_are_some(explicit, monkeypatch):
    asked = []

    def nothing(gap, price, size, keep, start):
        asked.append((size, keep))
        return np.zeros(len(gap.neurons))

    monkeypatch.setattr(smallest_module, "least_drift", nothing)
    found = smallest_edit(probe(), QUERIES[:1], 0.1, explicit=[(QUERIES[1], 1)][:explicit])
    keeps = (0.0, 0.5, 1.0, 2.0, 4.0) if explicit else (0.0,)
    assert asked == [(16, keep) for keep in keeps for _ in range(20)]
    assert found.trials == 1 and [point.edit for point in found.points] == [Edit()]


def test_neurons_that_fire_on_too_few_rows_are_no_candidates():
    p = probe()
    z = np.zeros((p.part.n, 3), dtype=np.float32)
    for j, n in enumerate((score_gap.LEAST_ROWS - 1, score_gap.LEAST_ROWS, 0)):
        z[:n, j] = 1
    few = replace(p, material=replace(p.material, codes=sparse.csc_matrix(z)))
    assert score_gap._worth_a_look(few, QUERIES, [0, 0]).tolist() == [1]


def test_no_gap_is_closed_where_there_is_none():
    z, inner = np.ones((4, 2)), np.zeros((4, 2))
    first = np.array([True, True, False, False])
    z[:2] = 2.0
    for gap, share in ((0.0, 0.0), (5e-5, 0.0), (2e-4, 0.5 / 2e-4), (-0.5, 0.0)):
        cosine = np.where(first, gap, 0.0)
        found = score_gap._closed(z, inner, np.array([0.5, 0.5]), cosine, first, ~first)
        np.testing.assert_allclose(found, [share, share], rtol=1e-9)


# ------------------------------------------------------------------------------------------ strengths


def a_gap(size: int, seed: int) -> ScoreGap:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size, size))
    return ScoreGap(np.arange(size), np.ones(size), factor @ factor.T / size, rng.random(size), rng.random(size) / 2)


def objective(cost: np.ndarray, worth: np.ndarray, e: np.ndarray) -> float:
    return 0.5 * e @ cost @ e - worth @ e


@pytest.mark.parametrize("seed", range(4))
def test_gains_are_what_the_best_strength_of_one_more_neuron_lowers(seed):
    gap = a_gap(7, seed)
    e = np.zeros(7)
    e[[1, 4]] = 0.3, 0.8
    own = np.diag(gap.drift)
    found = _gain(gap.drift, gap.gains, own, e, [1, 4])
    steps = np.linspace(0, 1, 2001)
    for j in (0, 2, 3, 5, 6):
        tried = [objective(gap.drift, gap.gains, e + s * np.eye(7)[j]) for s in steps]
        assert found[j] == pytest.approx(objective(gap.drift, gap.gains, e) - min(tried), abs=1e-6)
    assert found[1] == found[4] == -1.0


@pytest.mark.parametrize("seed", range(6))
def test_strengths_of_the_chosen_settle_at_their_best(seed):
    """From above and from below: at the end no single strength can be changed for the better."""
    gap, chosen = a_gap(6, seed), [0, 2, 3, 5]
    own = np.diag(gap.drift)
    for start in (0.0, 1.0):
        e = np.zeros(6)
        e[chosen] = start
        kept = _settle(gap.drift, gap.gains, own, e, chosen)
        assert kept == [j for j in chosen if e[j] > 0] and (e[[1, 4]] == 0).all()
        for j in chosen:
            best = min(max(e[j] + (gap.gains[j] - gap.drift[j] @ e) / own[j], 0.0), 1.0)
            assert e[j] == pytest.approx(best, abs=3e-3)


def test_a_strength_of_a_thousandth_is_none():
    cost, own = np.eye(3), np.ones(3)
    e = np.zeros(3)
    assert _settle(cost, np.array([0.0009, 0.0012, 0.5]), own, e, [0, 1, 2]) == [1, 2]
    np.testing.assert_allclose(e, [0.0, 0.0012, 0.5])


@pytest.mark.parametrize("seed", range(30))
def test_a_swap_is_the_one_of_the_neuron_that_is_missed_least(seed):
    """By trying: which of the chosen costs least to leave out, which outside gains most, and whether it is better."""
    gap = a_gap(8, seed)
    cost, worth, own = gap.drift, gap.gains, np.diag(gap.drift)
    e, chosen = np.zeros(8), [0, 1, 2]
    chosen = _settle(cost, worth, own, e, chosen)
    if not chosen:
        return
    before, kept = e.copy(), list(chosen)
    without = {j: objective(cost, worth, np.where(np.arange(8) == j, 0, e)) for j in chosen}
    out = min(without, key=lambda j: without[j])
    rest = [j for j in chosen if j != out]
    trial = np.where(np.arange(8) == out, 0, e)
    gain = {
        j: max(without[out] - objective(cost, worth, trial + s * np.eye(8)[j]) for s in np.linspace(0, 1, 501))
        for j in range(8)
        if j not in chosen
    }
    best = max(gain, key=lambda j: gain[j])
    inside = _settle(cost, worth, own, trial, [*rest, best])
    better = objective(cost, worth, trial) < objective(cost, worth, e) - 1e-9
    assert _swapped(cost, worth, own, e, chosen) == better
    np.testing.assert_allclose(e, trial if better else before, atol=1e-12)
    assert chosen == (inside if better else kept)


def test_the_search_begins_where_it_is_told_and_leaves_that_alone():
    gap = a_gap(6, 2)
    start = np.array([0.0, 0.9, 0.0, 0.0, 0.4, 0.0])
    kept = start.copy()
    found = least_drift(gap, 0.8, 6, 0.0, start)
    np.testing.assert_array_equal(start, kept)
    np.testing.assert_allclose(found, least_drift(gap, 0.8, 6), atol=5e-3)


def test_strengths_to_begin_with_are_settled_before_anything_joins():
    """Neurons that do not disturb each other, and no room for another: e_j = gain_j / drift_jj, cut at 1."""
    gap = ScoreGap(
        neurons=np.arange(3), means=np.zeros(3), drift=np.diag([1.0, 4.0, 0.5]), gains=np.array([0.5, 1.0, 2.0]),
        harm=np.zeros(3),
    )  # fmt: skip
    found = least_drift(gap, 1.0, 3, start=np.array([0.2, 0.9, 0.1]))
    np.testing.assert_allclose(found, [0.5, 0.25, 1.0], atol=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_at_the_end_no_swap_helps(seed):
    gap, price = a_gap(9, seed), 0.7
    found = least_drift(gap, price, 3, 0.5)
    worth, own = price * (gap.gains - 0.5 * gap.harm), np.diag(gap.drift)
    inside = [int(j) for j in np.flatnonzero(found)]
    assert not inside or not _swapped(gap.drift, worth, own, found.copy(), inside)


# ------------------------------------------------------------------------------------------ the path


def point(expected: float, cosine: float, *explicit: float) -> PathPoint:
    return PathPoint(Edit(), 0.5, expected, cosine, explicit)


def test_points_that_others_beat_are_left_out():
    a, b, c = point(0.3, 1.0), point(0.2, 0.9), point(0.2, 0.8)
    assert _unbeaten([c, b, a]) == [a, b]
    assert _unbeaten([point(0.3, 1.0), point(0.3, 1.0)]) == [point(0.3, 1.0)]
    better = point(0.2, 0.8, 0.9, 0.9)
    assert _unbeaten([better, point(0.2, 0.9, 0.8, 0.8)]) == [point(0.2, 0.9, 0.8, 0.8), better]
    assert _unbeaten([point(0.2, 0.8, 0.9, 0.7), point(0.2, 0.9, 0.8, 0.8)]) == [point(0.2, 0.9, 0.8, 0.8)]


def test_chosen_is_the_cheapest_under_the_target():
    points = [point(0.4, 1.0), point(0.2, 0.9), point(0.1, 0.7)]
    for target, place, reached in ((0.3, 1, True), (0.2, 1, True), (0.1, 2, True), (0.05, 2, False), (0.4, 0, True)):
        assert _choose(points, target) == place
        path = SmallestEdit(tuple(points), 0, 0.4, 3, Band(0.0, 0.1, 0.05), 9, 99).under(target)
        assert path.chosen == place and path.reached is reached and path.target_skew == target
    named = [point(0.1, 0.9, 0.6, 0.8), point(0.1, 0.8, 0.9, 0.7), point(0.3, 1.0, 1.0, 1.0)]
    assert _choose(named, 0.2) == 1


def test_an_edit_of_strengths():
    gap = ScoreGap(np.array([7, 3, 9]), np.array([0.1234567, 2.0, 1.0]), np.eye(3), np.ones(3), np.zeros(3))
    found = edit_of(gap, np.array([0.50004, 0.0, 1.0]))
    assert found == Edit((7, 9), strengths=(0.5, 1.0), gammas=(0.123457, 1.0))


def test_the_price_of_the_gap():
    """Without limits e = price drift^-1 gains, which closes price gains' drift^-1 gains of the gap."""
    gap = a_gap(4, 0)
    gap = replace(gap, drift=gap.drift + 3 * np.eye(4))
    price = _price_of_the_gap(gap)
    assert gap.gains @ np.linalg.solve(gap.drift, price * gap.gains) == pytest.approx(1.0, rel=1e-4)
    none = ScoreGap(np.zeros(0, int), np.zeros(0), np.zeros((0, 0)), np.zeros(0), np.zeros(0))
    assert _price_of_the_gap(none) == 0.0 and _price_of_the_gap(replace(gap, gains=np.zeros(4))) == 0.0


def test_a_search_says_how_far_it_is_and_what_it_compares_with(monkeypatch):
    monkeypatch.setattr(smallest_module, "PRICES", smallest_module.PRICES[::8])
    p, said = probe(), []
    prices, search = [], smallest_module.least_drift
    monkeypatch.setattr(smallest_module, "least_drift", lambda *given: prices.append(given[1]) or search(*given))
    found = smallest_edit(p, QUERIES[:1], 0.1, 3, [(QUERIES[1], 1)], lambda done, of, what: said.append((done, of)))
    of = len(smallest_module.KEEPS) * len(smallest_module.PRICES)
    assert said == [(i, of) for i in range(of + 1)] and 1 < found.trials <= of + 1
    gap = score_gap_of(p, QUERIES[:1], [p.leading_group(QUERIES[0])], [(QUERIES[1], 1)])
    each = _price_of_the_gap(gap) * smallest_module.PRICES
    np.testing.assert_allclose(prices, np.tile(each, len(smallest_module.KEEPS)))
    assert (found.k, found.n) == (p.k, p.part.n) and found.null.lo <= found.null.mean <= found.null.hi


# ------------------------------------------------------------------------------------------ the probe rows


def test_departures_where_all_is_asked_of_one_group():
    assert departures(np.array([0, 20]), np.array([0.0, 1.0])).tolist() == [-np.inf, 0.0]
    assert departures(np.array([3, 1]), np.array([0.25, 0.75])).tolist() == pytest.approx(
        [2 / np.sqrt(0.75), -2 / np.sqrt(0.75)]
    )


def test_each_row_keeps_the_scale_of_its_own_normalisation():
    p = probe("residual")
    x = np.asarray(p.material.x, np.float64)
    np.testing.assert_allclose(p.scale, 1 / np.sqrt(x.var(axis=1) + 1e-5), rtol=1e-6)
    assert probe().scale is None
    moved = p.readout(x + 1e-6 * sae_file("image", "residual").sae.arrays()["W_dec"][3]) - p.readout(x)
    centred = p.directions[3][None] * p.scale[:, None]
    assert np.abs(moved / 1e-6 - centred).max() < 5 * np.abs(centred).max()


def test_resamples_without_a_known_row_are_left_out():
    p = probe()
    labels = np.full(p.part.n, -1)
    labels[0] = 1
    one = replace(p, part=replace(p.part, labels=labels), k=3)
    scores = np.where(np.arange(p.part.n) == 0, 0.5, -np.arange(p.part.n))
    shown, expected = one.skews(scores)
    assert shown == pytest.approx(np.log(2)) and expected == pytest.approx(np.log(2))
