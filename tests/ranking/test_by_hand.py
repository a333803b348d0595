"""Numbers of rankings by hand: clustered leans, rates of a few people, what a cost says, what is left of a group."""

from types import SimpleNamespace

import numpy as np
import pytest

from core import ranking
from core.config import Edit
from core.ranking import RankRequest
from core.ranking.arms import EDITED, ORIGINAL
from core.ranking.controls import _AllPrompts as Controls
from core.ranking.cost import ZeroshotCost
from core.ranking.leakage import residual_leakage
from core.ranking.measures import list_numbers
from core.ranking.performance import performance_of
from core.ranking.robustness import _attaches
from core.ranking.rows import Part
from core.ranking.scenes import SceneGaps, pair_of, scene_arm, scene_change, scene_gaps
from core.scene import Scene
from core.statistics import cluster_p, design_effect, leakage, lean_of, lean_of_clusters, sign_flips, wilson
from core.zeroshot import PromptSet, difference, evaluate
from tests.tiny import IMAGES, QUERY, TinyBackbone, busy_neurons, sae_file


def part(labels: np.ndarray, clusters: np.ndarray | None = None) -> Part:
    groups = tuple("abc"[: labels.max() + 1])
    counts = tuple(np.bincount(labels[labels >= 0]).tolist())
    target = np.full(len(groups), 1 / len(groups))
    return Part(np.arange(len(labels)), "x", groups, labels, counts, target, clusters=clusters)


@pytest.mark.parametrize("groups", [2, 3])
def test_a_lean_of_clusters_is_tested_by_whole_clusters(groups: int) -> None:
    labels = np.repeat(np.arange(60) % groups, 3)
    clusters, top = np.repeat(np.arange(60), 3), np.r_[0:9, 18:27, 36:42]
    found = list_numbers(labels[top], part(labels, clusters), 5, 50, 12, top=top)
    p, own = cluster_p(labels, clusters, top, groups, 23_999, 5)
    effect = design_effect(clusters[top], labels[top], clusters, labels)
    plain = lean_of(part(labels).counts, np.bincount(labels[top], minlength=groups).tolist(), 12)
    smallest = (2 if groups == 2 else 1) / 24_000
    assert found.lean == lean_of_clusters(plain, p, own.tolist(), smallest, effect)
    assert list_numbers(labels[top], part(labels, clusters), 5, 50, 12).lean == plain


def test_sizes_are_over_the_known_rows() -> None:
    """Of four retrieved rows one is unknown, two women, one man; women are a half of the searched ones."""
    labels = np.array([0, 0, 1, -1, 1, 0, 1, -1])
    asked = SimpleNamespace(part=part(labels), request=SimpleNamespace(k=4), groups=[0, 1])
    rankings = np.array([[0, 1, 2, 3, 4], [2, 3, 7, 4, 0]])
    assert Controls._size(asked, rankings) == pytest.approx((abs(2 / 3 - 1 / 2) + abs(1.0 - 1 / 2)) / 2)


def test_rates_of_a_few_people_are_marked() -> None:
    labels = np.repeat([0, 1, 0], [60, 29, 1])
    relevant = np.ones(90, dtype=int)
    top = np.r_[0:30, 60:89]
    found = performance_of([top], labels, relevant, ("a", "b"))
    women, men = found.before["recall"].by_group
    assert women.note is None and men.note == "not interpreted: only 29 rows, fewer than 30"
    women, men = found.before["precision"].by_group
    assert women.note is None and men.note is not None and women.n == 30
    assert (found.relevant, found.n, found.unknown, found.k) == ((61, 29), 90, 0, 59)
    assert found.notes == [
        "fewer than 30 relevant rows, shown and not interpreted: b (29)",
        "90 rows are relevant and 59 are retrieved: recall cannot exceed 0.66",
    ]
    lost = performance_of([top, top[1:]], labels, np.where(np.arange(90) == 5, -1, 1), ("a", "b"))
    assert lost.unknown == 1 and lost.difference["recall"].by_group[0].change.estimate == pytest.approx(-1 / 60)


def test_what_a_cost_says() -> None:
    labels, one, two = ["a", "b", "b"], np.array([0, 1, 0]), np.array([0, 1, 1])
    before, after = (evaluate(given, labels, ["a", "b"], "x") for given in (one, two))
    said = ZeroshotCost(before, after, difference(before, after)).to_json()
    assert said["after"] == after.to_json() and said["difference"]["accuracy"]["estimate"] == pytest.approx(1 / 3)
    for lacking in (ZeroshotCost(reason="why"), ZeroshotCost(before, None, None, "why"), ZeroshotCost(before, after)):
        assert lacking.to_json() == {"estimate": None, "reason": lacking.reason}


def test_a_cost_counts_its_steps_and_its_rows() -> None:
    file, said = sae_file("image", "pooled"), []
    classes = PromptSet.from_json(
        {
            "schema": 1,
            "templates": ["a photo of {}"],
            "attributes": {
                "gender": {"Male": ["a man"], "Female": ["a woman"]},
                "size": {"big": ["a big one"], "small": ["a small one"]},
            },
        },
        "test",
    )
    request = RankRequest("gender", QUERY, k=50, null_draws=50, edits={"image": Edit(busy_neurons(IMAGES, file, 2))})
    given = {"progress": lambda done, of, what: said.append((done, of, what))}
    scene = Scene(IMAGES, {"image": file}, TinyBackbone())
    found = ranking.utility_cost(scene, request, classes, **given)
    own = [one for one in said if one[1] == 4]
    assert own == [
        (0, 4, "classifying size"),
        (1, 4, "a photo of a man"),
        (2, 4, "a photo of a woman"),
        (3, 4, "probes for gender"),
        (4, 4, "cost"),
    ]
    document = found.to_json()
    assert document["share_changed"] == found.rows_changed / IMAGES.n and document["cosine"]["n"] == IMAGES.n
    assert document["cosine"]["min"] == found.cosine_min <= document["cosine"]["mean"] == found.cosine_mean


def test_where_changed_pictures_are_embedded() -> None:
    def asked(intervenes: bool, method: str, attach: str, side: str = "image") -> tuple[str, ...]:
        request = SimpleNamespace(intervenes=intervenes, method=method)
        return _attaches(Scene(IMAGES, {side: sae_file(side, attach)}), request)

    assert asked(True, "neuron-edit", "residual") == ("pooled", "residual")
    assert asked(False, "neuron-edit", "residual") == asked(True, "mean-difference", "residual") == ("pooled",)
    assert asked(True, "neuron-edit", "residual", "text") == asked(True, "neuron-edit", "pooled") == ("pooled",)


class Halves:
    def __init__(self, held: np.ndarray) -> None:
        self.held = held

    def rows(self, half: str) -> np.ndarray:
        return self.held


def test_leakage_reads_the_evaluation_half_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, 120)
    x, y = rng.normal(size=(2, 120, 4))
    x[:, 0] += labels
    items = {
        n: SimpleNamespace(index=SimpleNamespace(unit_at=rows.__getitem__)) for n, rows in ((ORIGINAL, x), (EDITED, y))
    }
    searched = part(labels)
    known = np.flatnonzero(labels >= 0)
    for held, rows, words in (
        (np.arange(0, 120, 2), known[known % 2 == 0], "searched rows of the evaluation half"),
        (np.array([500]), known, "all searched rows"),
    ):
        found = residual_leakage(Halves(held), searched, items, "gender", 3)
        assert found.rows == words
        assert (found.before, found.after, found.difference) == leakage(x[rows], y[rows], labels[rows], 3)
    monkeypatch.setattr("core.ranking.leakage.MOST", 40)
    few = residual_leakage(Halves(np.arange(120)), searched, items, "gender", 3)
    assert few.rows == "40 random searched rows of the evaluation half" and few.before.n == 40


def test_scenes_by_hand() -> None:
    labels = np.array([0, 1, 0, 1, 2, -1, 0, 2])
    scenes = np.array([5, 5, 7, 7, 7, 7, 9, 9])
    scores = np.array([0.9, 0.1, 0.3, 0.5, 0.2, 0.95, 0.5, 0.4])
    assert pair_of(labels, scenes, 3) == (0, 1) and pair_of(labels[:1], scenes[:1], 3) is None
    assert pair_of(np.array([0, 2, 2, 0, 1]), np.array([1, 1, 2, 2, 2]), 3) == (0, 2)
    found = scene_gaps(scores, labels, scenes, (0, 1))
    assert found.scenes.tolist() == [5, 7]
    np.testing.assert_allclose(found.scores, [0.8, -0.2])
    assert found.ranks.tolist() == [2 - 8, 6 - 3] and found.ahead.tolist() == [1.0, 0.0]
    assert found.nbytes == found.scenes.nbytes + found.scores.nbytes + found.ranks.nbytes
    many = SceneGaps(np.arange(9), np.r_[np.arange(1.0, 7), 0.0, -1, -2], np.arange(9.0))
    later = SceneGaps(many.scenes, many.scores - 1.5, many.ranks + 1)
    arm, change = scene_arm(many, 2), scene_change(many, later, 2)
    assert arm.ahead.estimate == pytest.approx(6.5 / 9) and arm.ahead.n == 9
    assert (arm.ahead.lo, arm.ahead.hi) == pytest.approx(tuple(float(end) for end in wilson(6.5, 9)))
    assert (arm.score_gap, arm.p) == sign_flips(many.scores, seed=2) and arm.rank_gap.estimate == 4.0
    assert (change.score_gap, change.p) == sign_flips(later.scores - many.scores, seed=2)
    assert change.score_gap.estimate == -1.5 and change.rank_gap.estimate == 1.0
    assert change.ahead.estimate == pytest.approx((later.ahead - many.ahead).mean())
