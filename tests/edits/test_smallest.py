"""The smallest edit is the cheapest of its kind, says truly what it does, and never looks at an evaluation row."""

import numpy as np
import pytest
from scipy.optimize import minimize

from core.config import Edit
from core.edits import probe_set
from core.edits.probe_set import unit_queries
from core.edits.score_gap import ScoreGap, least_drift, score_gap_of
from core.edits.smallest import smallest_edit
from core.interventions import INTERVENTIONS
from core.metrics import RANKING_METRICS, top_rows
from core.ranking import RankRequest
from core.scene import Scene
from core.statistics import auc
from tests.tiny import TinyBackbone, TinyGallery, sae_file

REQUEST = RankRequest("gender", "unused", k=40, target="uniform", half="evaluation")
both = pytest.mark.parametrize("attach", ["pooled", "residual"])


def probe(attach: str = "pooled"):
    gallery = TinyGallery()
    return probe_set(Scene(gallery, {"image": sae_file("image", attach)}), REQUEST)


QUERIES = unit_queries(TinyBackbone().encode_texts(["a photo of a nurse", "a photo of a pilot"])["pooled"], 12)


def a_gap(size: int = 12, seed: int = 0) -> ScoreGap:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size, size))
    return ScoreGap(np.arange(size), np.ones(size), factor @ factor.T / size, rng.random(size), rng.random(size) / 2)


def objective(gap: ScoreGap, price: float, keep: float, e: np.ndarray) -> float:
    return 0.5 * e @ gap.drift @ e - price * (gap.gains - keep * gap.harm) @ e


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_without_a_limit_it_is_the_optimum(seed, keep):
    gap, price = a_gap(seed=seed), 0.8
    found = least_drift(gap, price, len(gap.neurons), keep)
    best = minimize(lambda e: objective(gap, price, keep, e), np.full(12, 0.2), bounds=[(0, 1)] * 12, tol=1e-12)
    assert objective(gap, price, keep, found) == pytest.approx(best.fun, abs=1e-3)
    assert (found >= 0).all() and (found <= 1).all()


def test_with_a_limit_it_beats_random_sets_and_keeps_the_limit():
    gap, rng = a_gap(20, 3), np.random.default_rng(0)
    found = least_drift(gap, 1.0, 4)
    assert 0 < np.count_nonzero(found) <= 4
    for _ in range(50):
        inside = rng.choice(20, 4, replace=False)
        part = ScoreGap(inside, np.ones(4), gap.drift[np.ix_(inside, inside)], gap.gains[inside], gap.harm[inside])
        other = least_drift(part, 1.0, 4)
        assert objective(gap, 1.0, 0.0, found) <= objective(part, 1.0, 0.0, other) + 1e-3
    assert not least_drift(gap, 0.0, 4).any()


def test_gains_and_drift_are_the_derivatives_of_what_an_edit_does():
    """A small step on each candidate, measured by editing every row and ranking again."""
    p, query = probe(), QUERIES[0]
    group = p.leading_group(query)
    candidates, known = score_gap_of(p, [query], [group]), p.part.labels >= 0

    def gap(edit: Edit) -> tuple[float, float]:
        x = INTERVENTIONS.get("neuron-edit")()(p.material, edit).astype(np.float64)
        cosine = x @ query / np.linalg.norm(x, axis=1)
        first = p.part.labels == group
        moved = np.einsum("ij,ij->i", x, p.material.pooled) / np.linalg.norm(x, axis=1) / p.lengths
        return cosine[first].mean() - cosine[known & ~first].mean(), 2 * (1 - moved.mean())

    before = gap(Edit())[0]
    for i, j in enumerate(candidates.neurons[:5]):
        after, drift = gap(Edit((int(j),), strengths=(0.02,), gammas=(float(candidates.means[i]),)))
        assert (before - after) / before / 0.02 == pytest.approx(candidates.gains[i], rel=0.05)
        assert drift == pytest.approx(0.02**2 * candidates.drift[i, i], rel=0.1)


@both
def test_the_path_says_what_its_edits_do(attach):
    p, explicit = probe(attach), [(QUERIES[1], 1)]
    found = smallest_edit(p, QUERIES[:1], 0.1, 6, explicit)
    assert found.points[0].edit == Edit() and found.points[0].cosine == 1.0
    cosines = [point.cosine for point in found.points]
    assert cosines == sorted(cosines, reverse=True) and found.trials > len(found.points)
    for point in found.points[:: max(1, len(found.points) // 4)]:
        assert len(point.edit.neurons) <= 6
        x = INTERVENTIONS.get("neuron-edit")()(p.material, point.edit).astype(np.float64)
        lengths = np.linalg.norm(x, axis=1)
        scores = x @ QUERIES[0] / lengths
        ranked = p.part.labels[top_rows(scores, p.k)]
        assert point.expected == pytest.approx(p.skews(p.engine.scores(QUERIES[0], point.edit))[1])
        assert point.skew == pytest.approx(float(RANKING_METRICS.get("max_skew")()(ranked, p.part.target)), abs=1e-9)
        assert point.cosine == pytest.approx(
            np.mean(np.einsum("ij,ij->i", x, p.material.pooled) / lengths / p.lengths), abs=1e-6
        )
        known = p.part.labels >= 0
        found_auc = auc((x @ QUERIES[1] / lengths)[known], p.part.labels[known] == 1)
        assert point.explicit[0] == pytest.approx(found_auc, abs=1e-3)


def test_it_lowers_the_lean_and_takes_the_cheapest_point_under_the_target():
    p = probe()
    found = smallest_edit(p, QUERIES[:1], 0.12, 8)
    start = found.points[0]
    assert found.points[-1].expected < start.expected
    target = (start.expected + found.points[-1].expected) / 2
    again = smallest_edit(p, QUERIES[:1], target, 8)
    assert again.reached and again.point.expected <= target
    cheaper = [point for point in again.points if point.cosine > again.point.cosine]
    assert cheaper and all(point.expected > target for point in cheaper)
    never = smallest_edit(p, QUERIES[:1], 0.0, 8)
    assert not never.reached and never.point.expected == min(point.expected for point in never.points)


def test_resampled_skew_does_not_believe_a_lucky_row():
    """Equal scores of everybody but a few: the plain number may be 0, the expected one stays near the null."""
    p = probe()
    scores = np.random.default_rng(0).normal(size=p.part.n)
    plain, expected = p.skews(scores)
    assert plain >= 0 and 0.02 < expected < 0.4
    ordered = np.where(p.part.labels == 1, 1.0, 0.0) + scores / 100
    assert p.skews(ordered) == pytest.approx((np.log(2), np.log(2)), abs=1e-9)


def test_same_answer_whatever_was_asked_before():
    warm = probe()
    for query in QUERIES:
        smallest_edit(warm, query[None], 0.1, 4)
    for query in QUERIES[::-1]:
        assert smallest_edit(warm, query[None], 0.1, 4) == smallest_edit(probe(), query[None], 0.1, 4)


def test_a_neuron_that_is_settled_to_nothing_at_once_does_not_hold_the_search_up():
    """Its best strength alone lies under what counts as on: it gains a little and leaves, again and again."""
    gap = ScoreGap(
        neurons=np.arange(2), means=np.zeros(2), drift=np.diag([1.0, 1e6]), gains=np.array([1.0, 500.0]),
        harm=np.zeros(2),
    )  # fmt: skip
    np.testing.assert_allclose(least_drift(gap, 1.0, 2), [1.0, 0.0])
