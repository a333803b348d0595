"""Areas, probes and accuracies of the second author, part by part."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from core.config import InputError
from core.statistics import auc_difference
from core.statistics import leakage as first_leakage
from core.statistics.areas import Area, bounded_limits, mean_area
from core.statistics.leakages import _inflation, _within_folds
from core.verify.own import cost
from core.verify.own.accuracy import Answers, _picked_change, _related, accuracy_document, answers_of, paired_shares
from core.verify.own.areas import (
    UNSEEN,
    UNSEEN_CHANGES,
    Read,
    _inside_folds,
    _known,
    _together,
    area_change,
    area_of,
    leakage_values,
    limits,
    placements,
)
from core.verify.own.cost import accuracies, class_rows, classified, explicit, leakage
from core.verify.own.searched import Searched, searched_rows

# ------------------------------------------------------------------------------------------------ areas


def test_placements_by_counting() -> None:
    scores, positive = np.array([1.0, 2.0, 2.0, 3.0, 0.5]), np.array([True, False, True, False, False])
    below, above = placements(scores, positive)
    negatives, positives = scores[~positive], scores[positive]
    for i, s in enumerate(scores):
        assert below[i] == ((negatives < s) + 0.5 * (negatives == s)).mean()
        assert above[i] == ((positives > s) + 0.5 * (positives == s)).mean()


@pytest.mark.parametrize("unseen", [UNSEEN, UNSEEN_CHANGES])
@pytest.mark.parametrize("times", [1.0, 1.7])
def test_limits_of_a_mean_on_a_scale(unseen: float, times: float) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 6, 50):
        for values in (rng.random(n), np.round(rng.random(n)), np.full(n, 0.4), np.r_[np.zeros(n), 1e-9, 1.0]):
            for mean in (float(values.mean()), 0.0, 0.02, 1.0):
                for scale in ((0.0, 1.0), (-1.0, 1.0), (-0.2, 1.1)):
                    own = limits(mean, values, *scale, unseen, times)
                    np.testing.assert_allclose(own, bounded_limits(mean, values, *scale, unseen, times), atol=1e-9)


def test_the_noise_of_a_probe_solves_its_equation() -> None:
    """q^2 tau = c q^2 + v (1 - tau)^2 at tau = 1 - u; and twice less u^2 is the first author's inflation."""
    for area, d, n_pos, n_neg in ((0.9, 20, 40, 60), (0.7, 5, 100, 30), (0.55, 300, 200, 200), (0.99, 3, 8, 9)):
        u = _known(area, d, n_pos, n_neg)
        q2 = max(2 * norm.ppf(area) ** 2 - 2 * (1 / n_pos + 1 / n_neg), 0)
        v, c = d * (1 / n_pos + 1 / n_neg) * 5 / 4, min(d / ((n_pos + n_neg) * 4 / 5), 0.5)
        if q2:
            assert q2 * (1 - u) == pytest.approx(c * q2 + v * u * u, rel=1e-9)
        assert 2 - u * u == pytest.approx(_inflation(area, d, n_pos, n_neg, 5), rel=1e-9)
    assert _known(0.5, 9, 20, 20) == _known(0.3, 9, 20, 20) == 0.0
    assert _known(1.0, 16, 20, 20) == pytest.approx(0.5) and _known(1.0, 8, 20, 20) == pytest.approx(0.75)


def test_several_areas_together() -> None:
    rng = np.random.default_rng(0)
    reads = [Read(0.6 + g / 10, 0.5 + g / 20, 0.9, rng.normal(size=9)) for g in range(3)]
    for each in (reads, reads[:1], [reads[0], Read(0.7, 0.2, 0.8, np.zeros(9))], [Read(0.9, 0.0, 1.0, np.ones(9))] * 2):
        own, first = _together(each), mean_area([Area(r.area, r.lo, r.hi, r.parts) for r in each])
        assert (own.area, own.lo, own.hi) == pytest.approx((first.value, first.lo, first.hi), rel=1e-9)
        np.testing.assert_allclose(own.parts, first.parts, atol=1e-12)


@pytest.mark.parametrize("d", [2, 90])
def test_areas_inside_folds(d: int) -> None:
    rng = np.random.default_rng(d)
    scores, positive = np.round(rng.normal(size=60), 1), rng.random(60) < 0.3
    tests = np.array_split(rng.permutation(60), 5)
    own, first = _inside_folds(scores, positive, tests, d), _within_folds(scores, positive, tests, d)
    assert (own.area, own.lo, own.hi) == pytest.approx((first.value, first.lo, first.hi), rel=1e-9)
    np.testing.assert_allclose(own.parts, first.parts, atol=1e-12)


@pytest.mark.parametrize("case", range(5))
def test_leakages(case: int) -> None:
    """Two and three groups, columns that an edit has set to a constant, groups of five rows and of four."""
    rng = np.random.default_rng(case)
    n, groups = (40, 60, 25, 30, 12)[case], (2, 3, 2, 2, 3)[case]
    labels = np.arange(n) % groups
    if case == 2:
        labels = np.r_[np.zeros(20, int), np.ones(5, int)]
    x = rng.normal(size=(n, 6)) + 0.8 * np.eye(groups, 6)[labels]
    y = x.copy()
    y[:, 0] = 3.0 + 1e-6 * rng.normal(size=n)
    for one, other in ((x, y), (x, x), (y, x + 0.2 * rng.normal(size=x.shape))):
        own = leakage_values(one, other, labels, case)
        first = [part.to_json() for part in first_leakage(one, other, labels, case)]
        for a, b in zip(own, first, strict=True):
            if "reason" in b:
                assert a == b
            else:
                assert a == pytest.approx(b, rel=1e-6, abs=1e-7)
    assert leakage_values(x, y, np.zeros(n, int), 0)[0]["reason"] == "a probe needs rows of at least two groups"


def test_one_kind_of_row_has_no_area() -> None:
    for kind in (np.zeros(4, bool), np.ones(4, bool)):
        assert area_of(np.arange(4.0), kind) == {"estimate": None, "reason": "rows of both kinds are needed"}
    found = area_of(np.zeros(6), np.arange(6) < 3)
    assert found["estimate"] == 0.5 and 0 < found["lo"] < 0.5 < found["hi"] < 1


def test_changes_end_at_one() -> None:
    """Everything in the wrong order before and in the right one after, of few rows: no interval reaches further."""
    for n in (2, 3, 6):
        positive, scores = np.arange(n) >= n // 2, np.arange(n, dtype=float)
        for before, after, ends in ((-scores, scores, (None, 1.0)), (scores, -scores, (-1.0, None))):
            own, first = area_change(before, after, positive), auc_difference(before, after, positive).to_json()
            assert own == pytest.approx(first, rel=1e-9) and abs(own["estimate"]) == 1.0
            assert own["hi" if ends[0] is None else "lo"] == (ends[1] if ends[0] is None else ends[0])


# ------------------------------------------------------------------------------------------------ accuracies


def test_paired_shares_by_hand() -> None:
    """Newcombe's method 10: 20 rows, 12 right before, 15 after, 11 both times; phi with a continuity correction."""
    before, after = np.arange(20) < 12, (np.arange(20) >= 1) & (np.arange(20) < 16)
    n, a, b, c, d = 20, 11, 4, 1, 4
    found = paired_shares(before, after)
    z = norm.ppf(0.975)

    def wilson(x: int) -> tuple[float, float]:
        half = z * math.sqrt(x / n * (1 - x / n) / n + z * z / (4 * n * n))
        lo, hi = ((x / n + z * z / (2 * n) + side * half) / (1 + z * z / n) for side in (-1, 1))
        return lo, hi

    (l2, u2), (l1, u1) = wilson(12), wilson(15)
    phi = max(a * d - b * c - n / 2, 0) / math.sqrt(12 * 8 * 15 * 5)
    p1, p2 = 15 / 20, 12 / 20
    lo = 0.15 - math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    hi = 0.15 + math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    assert found == pytest.approx({"estimate": 0.15, "lo": lo, "hi": hi, "n": 20})
    assert paired_shares(before, before)["estimate"] == 0.0 and paired_shares(before, ~before)["n"] == 20


def test_changes_of_picked_numbers() -> None:
    one = {"estimate": 0.5, "lo": 0.3, "hi": 0.8, "corrected": 0.55}
    two = {"estimate": 0.7, "lo": 0.6, "hi": 0.9, "corrected": 0.72}
    found = _picked_change(one, two, 0.5, 9)
    down, up = math.sqrt(0.12**2 - 0.12 * 0.25 + 0.25**2), math.sqrt(0.18**2 - 0.18 * 0.25 + 0.25**2)
    assert found == pytest.approx({"estimate": 0.2, "lo": 0.17 - down, "hi": 0.17 + up, "n": 9})
    far = _picked_change(one, two | {"estimate": 0.95}, 1.0, 9)
    assert far["hi"] == pytest.approx(0.45)
    assert _picked_change({"estimate": 0.0}, two, 0.0, 9) == {"estimate": 0.0, "lo": 0.0, "hi": 0.0, "n": 9}


def test_correlations_of_resampled_accuracies() -> None:
    """The same answers twice are as related as is let; more of the rest is let where the worst group is large."""
    rng = np.random.default_rng(0)
    truth, right = rng.integers(0, 2, 80), rng.random(80) < 0.8
    answers = Answers(("a", "b"), truth, right, right)
    for p, n in ((0.7, 40), (0.99, 40), (1.0, 40), (0.7, 2)):
        most = max(1 - 1 / (2 * n * max(p * (1 - p), 1 / n)), 0.0)
        assert _related(answers, {"estimate": p, "n": n}, 0) == pytest.approx((most, most))
    other = Answers(("a", "b"), truth, right, rng.random(80) < 0.8)
    free = _related(other, {"estimate": 0.5, "n": 4000}, 0)
    assert all(abs(one) < 0.4 for one in free) and free[0] != free[1]
    certain = Answers(("a", "b"), truth, np.ones(80, bool), right)
    assert _related(certain, {"estimate": 0.5, "n": 400}, 0) == (0.0, 0.0)


def test_answers_count_what_has_no_class() -> None:
    numbers = np.array([0, 1, 1, -1, 2, 2, 2])
    found, unknown, outside = answers_of(numbers, ["x", "a", "b"], ["b", "a"], [np.array([0, 1, 0, 1, 0, 1, 0])] * 2)
    assert unknown == 1 and outside == {"x": 1} and found.classes == ("b", "a")
    assert found.truth.tolist() == [1, 1, 0, 0, 0] and found.before.tolist() == [True, False, True, False, True]
    nobody, unknown, outside = answers_of(np.array([0, -1]), ["x"], ["a"], [np.zeros(2)] * 2)
    assert nobody is None and (unknown, outside) == (1, {"x": 1})
    document = accuracy_document("z", found, 1, {"x": 1}, 0)
    assert document["before"]["worst_group"]["group"] == "a" and document["before"]["worst_group"]["estimate"] == 0.5
    assert document["before"]["n"] == 5 and document["before"]["outside"] == {"x": 1}
    assert document["before"]["accuracy"]["estimate"] == 0.6
    assert document["before"]["by_group"]["b"]["estimate"] == pytest.approx(2 / 3)


# ------------------------------------------------------------------------------------------------ what an edit costs


class Arm:
    """Three columns, turned by an angle in the first two; texts are columns and their opposites."""

    def __init__(self, angle: float, x: np.ndarray) -> None:
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        self.x = (x @ turn).astype(np.float32)

    def rows(self, at: np.ndarray | slice) -> np.ndarray:
        return self.x[at]

    def texts(self, texts: list[str]) -> np.ndarray:
        known = {"one": [1, 0, 0], "two": [0, 2, 0], "three": [0, 0, 3], "not one": [-1, 0, 0]}
        if any(text not in known for text in texts):
            raise InputError("no embedding")
        return np.array([known[text] for text in texts], dtype=np.float32)

    def scores(self, text: str) -> np.ndarray:
        return self.x @ self.texts([text])[0]


def arms(n: int = 60) -> tuple[tuple[Arm, Arm], Searched]:
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, n)
    x = rng.normal(size=(n, 3)) * 0.6 + np.eye(3)[np.where(labels < 0, 2, labels)]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    searched = Searched(np.arange(n) + 5, ("A", "B"), labels, (0.5, 0.5), "uniform")
    return (Arm(0.0, x), Arm(0.9, x)), searched


def test_class_rows_are_normalised_means_of_normalised_texts() -> None:
    (arm, _), _ = arms()
    found = class_rows(arm, {"a": ["one", "two"], "b": ["three"]})
    np.testing.assert_allclose(found, [[1 / np.sqrt(2), 1 / np.sqrt(2), 0], [0, 0, 1]], atol=1e-7)
    with pytest.raises(InputError, match="the class prompts of a point in opposite directions"):
        class_rows(arm, {"a": ["one", "not one"]})


def test_the_nearest_class_of_every_row_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    (arm, _), _ = arms()
    classes = np.eye(3, dtype=np.float32)
    whole = classified(arm, 60, classes)
    assert whole.tolist() == arm.x.argmax(axis=1).tolist()
    for block in (1, 7, 60):
        monkeypatch.setattr(cost, "BLOCK", block)
        assert classified(arm, 60, classes).tolist() == whole.tolist()


class Labels:
    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = numbers

    def group_numbers(self, attribute: str) -> np.ndarray:
        return np.r_[np.full(5, 9), self.numbers]

    def groups(self, attribute: str) -> list[str]:
        return ["A", "B"]


def test_accuracies_of_another_attribute() -> None:
    both, searched = arms()
    found = accuracies(Labels(searched.labels), "z", searched, both, {"A": ["one"], "B": ["two"]}, 0)
    right = both[0].x[:, :2].argmax(axis=1) == searched.labels
    known = searched.labels >= 0
    assert found["before"]["accuracy"]["estimate"] == pytest.approx(right[known].mean())
    assert found["before"]["unknown"] == (~known).sum()
    nobody = accuracies(Labels(searched.labels), "z", searched, both, {"C": ["one"], "D": ["two"]}, 0)
    assert nobody["reason"] == "no row has a known group of z among C, D"
    assert accuracies(Labels(searched.labels), "z", searched, both, {"A": ["?"]}, 0)["reason"] == "no embedding"


def test_queries_that_name_a_group() -> None:
    both, searched = arms()
    found, known = explicit("two", "B", searched, both), searched.labels >= 0
    for name, arm in zip(("before", "after"), both, strict=True):
        own = area_of(arm.scores("two")[known], searched.labels[known] == 1)
        assert found[name] == own | {"target": "not applicable"}
    assert found["group"] == "B"
    change = found["after"]["estimate"] - found["before"]["estimate"]
    assert found["difference"]["estimate"] == pytest.approx(change) and change != 0
    assert "no searched row is C" in explicit("two", "C", searched, both)["after"]["reason"]
    assert explicit("?", "B", searched, both)["before"]["reason"] == "no embedding"


def test_probes_read_so_many_rows_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    both, searched = arms()
    known = np.flatnonzero(searched.labels >= 0)
    whole = leakage(searched, both, 3)
    own = leakage_values(both[0].rows(known), both[1].rows(known), searched.labels[known], 3)
    assert whole["rows"] == "searched rows of the evaluation half"
    assert whole["before"] == own[0] | {"target": "not applicable"} and whole["difference"]["n"] == len(known)
    monkeypatch.setattr(cost, "MOST_ROWS", len(known))
    assert leakage(searched, both, 3)["before"] == whole["before"]
    monkeypatch.setattr(cost, "MOST_ROWS", 30)
    some = leakage(searched, both, 3)
    assert some["rows"] == "30 random searched rows of the evaluation half" and some["before"]["n"] == 30
    assert cost.MOST_ROWS == 30


# ------------------------------------------------------------------------------------------------ searched rows


class Gallery(Labels):
    def rows(self, half: str, where: dict) -> np.ndarray:
        return np.array([1, 2, 4, 5, 6, 7])

    def group_numbers(self, attribute: str) -> np.ndarray:
        return np.array([0, 2, 2, 0, -1, 0, 2, 2])

    def groups(self, attribute: str) -> list[str]:
        return ["x", "y", "z"]

    def empty_cells(self, attribute: str) -> list[str]:
        return ["never"]

    def clusters(self) -> np.ndarray:
        return np.arange(8) // 2


def test_searched_rows_are_those_of_the_evaluation_half() -> None:
    found = searched_rows(Gallery(np.zeros(0)), "a", {}, {"x": 3.0, "z": 1.0})
    assert found.groups == ("x", "z") and found.labels.tolist() == [1, 1, -1, 0, 1, 1]
    assert found.target == (0.75, 0.25) and found.absent == ("y", "never")
    assert found.clusters.tolist() == [0, 1, 2, 2, 3, 3]
    assert (found.n, found.counts, found.unknown, found.base.tolist()) == (6, (1, 4), 1, [0.2, 0.8])
    assert not found.asks_own_shares and searched_rows(Gallery(np.zeros(0)), "a", {}, "gallery").asks_own_shares
    assert searched_rows(Gallery(np.zeros(0)), "a", {}, "uniform").target == (0.5, 0.5)
    said = found.to_json()
    assert said["groups"]["z"] == {"n": 4, "target": 0.25, "small": True} and said["n"] == 6 and said["unknown"] == 1
    large = Searched(np.arange(60), ("a", "b"), np.repeat([0, 1], [30, 29]), (0.5, 0.5), "x")
    assert [one["small"] for one in large.to_json()["groups"].values()] == [False, True]
