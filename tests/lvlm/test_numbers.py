"""Numbers of an audit of answers: what they are by hand, what they do where nothing is, and by the second author."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from core.lvlm.evidence import AnswerEvidence
from core.lvlm.numbers import blind_gap, gap_estimate, group_means, mean_gap, numbers_of
from core.report.answers_document import findings
from core.verify.compared import compared
from core.verify.own.answers import answers_document

WORDS, ANSWERS, KINDS = ("doctor", "nurse", "kind"), ("yes", "no", "unsure"), ("glasses", "hat")


def made(n: int = 40, seed: int = 0, groups: int = 2, per_word: int = 2, scenes: bool = False, gap: float = 0.3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, groups, n)
    labels[0], labels[1], labels[2] = -1, 0, 1
    arms = ("original", "reconstruction", "random-01", "random-02", "edit")
    prob = {}
    for i, arm in enumerate(arms):
        logit = rng.normal(size=(n, len(WORDS) * per_word, 3))
        logit[..., 0] += np.where(labels == 0, 1, -1)[:, None] * gap * (3 if arm != "edit" else 0.2)
        share = np.exp(logit) / np.exp(logit).sum(2, keepdims=True) * rng.uniform(0.3, 0.9, (n, 1, 1))
        share[3, 0] = 1e-9  # nothing of this question was answered
        share[4, 1, 2] = np.nan  # not offered
        prob[arm] = share + 0 * i
    right = {arm: rng.random((20, 2)) < 0.9 for arm in arms}
    names = tuple("abcdef"[:groups])
    return AnswerEvidence(
        WORDS,
        per_word,
        ANSWERS,
        {"gender": names},
        {"gender": labels},
        prob,
        right,
        KINDS,
        rng.integers(0, 12, n) if scenes else None,
        {"steering": "why not"},
    )


@pytest.mark.parametrize("scenes", [False, True])
@pytest.mark.parametrize(("groups", "per_word"), [(2, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("n", [40, 8, 6, 5])
def test_the_second_author_finds_the_same(n: int, groups: int, per_word: int, scenes: bool) -> None:
    if groups > 2 and scenes:
        pytest.skip("scenes are compared for two groups")
    evidence = made(n=n, groups=groups, per_word=per_word, scenes=scenes)
    said = json.loads(json.dumps(numbers_of(evidence, 3)))
    said["findings"] = findings(said)
    own = json.loads(json.dumps(answers_document(evidence.shape(), evidence.arrays(), 3)))
    lines = list(compared(said, own))
    assert [line for line in lines if line] == [] and len(lines) > 200


def test_evidence_survives_its_file(tmp_path) -> None:
    evidence = made(scenes=True)
    np.savez(tmp_path / "e.npz", **evidence.arrays())
    with np.load(tmp_path / "e.npz") as stored:
        again = AnswerEvidence.of(json.loads(json.dumps(evidence.shape())), {k: stored[k] for k in stored.files})
    assert json.dumps(numbers_of(again, 1)) == json.dumps(numbers_of(evidence, 1))


def test_shares_by_hand() -> None:
    prob = np.array([[[0.2, 0.1, 0.1], [0.06, 0.02, 0.02]], [[1e-4, 1e-4, 1e-4], [0.5, 0.25, 0.25]]])
    one = AnswerEvidence(("w",), 2, ANSWERS, {"g": ("a", "b")}, {"g": np.array([0, 1])}, {"original": prob}, {}, ())
    np.testing.assert_allclose(one.share("original")[:, 0], [[0.55, 0.225, 0.225], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(one.published("original")[:, 0], [0.13, 0.25005])
    assert one.unanswered("original") == 1


def test_a_gap_by_hand_and_for_more_groups() -> None:
    values = np.array([[0.9, 0.2], [0.7, 0.2], [0.1, 0.5], [0.3, 0.5], [0.5, np.nan]])
    labels = np.array([0, 0, 1, 1, 1])
    assert mean_gap(group_means(values, labels, 2)) == pytest.approx((0.8 - 0.3 + 0.3) / 2)
    three = np.array([0, 1, 2, 2, 2])
    assert mean_gap(group_means(values, three, 3)) == pytest.approx((0.9 - 0.3 + 0.3) / 2)


def test_the_interval_covers_and_the_blind_gap_is_the_size_of_nothing() -> None:
    truth, inside, sizes = 0.4, 0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 30)
        values = np.clip(0.5 + np.where(labels == 0, 0.2, -0.2)[:, None] + rng.normal(0, 0.1, (60, 5)), 0, 1)
        found = gap_estimate(values, labels, 2, seed)
        inside += found.lo <= truth <= found.hi
        nothing = 0.5 + rng.normal(0, 0.1, (60, 5))
        sizes.append((gap_estimate(nothing, labels, 2, seed).estimate, blind_gap(nothing, labels, 2, seed)))
    assert inside >= 52
    measured, blind = np.mean(sizes, axis=0)
    assert measured == pytest.approx(blind, rel=0.15)
    assert blind == pytest.approx(0.1 * math.sqrt(2 / 30) * math.sqrt(2 / math.pi), rel=0.1)


def test_what_cannot_be_computed_says_why() -> None:
    labels = np.array([0, 0, 1, 1])
    values = np.array([[np.nan], [np.nan], [0.2], [0.4]])
    assert "no answered question" in gap_estimate(values, labels, 2, 0).reason
    assert blind_gap(values, labels, 2, 0) == pytest.approx(0.2), "of the deals in which both groups have an answer"
    assert blind_gap(values[:2], labels[:2], 2, 0) is None, "and of none there is no mean"


@pytest.mark.parametrize("lacking", [False, True])
def test_one_picture_has_no_interval(lacking: bool) -> None:
    """Drawn again it is always itself: an interval without width would be a claim of certainty."""
    values, labels = np.array([[0.9, 0.8], [0.2, 0.1], [0.4, 0.3]]), np.array([0, 1, 1])
    if lacking:
        values, labels = np.vstack([values, [0.7, np.nan]]), np.array([0, 1, 1, 0])
    found = gap_estimate(values, labels, 2, 0)
    assert found.estimate == pytest.approx(mean_gap(group_means(values, labels, 2)))
    assert found.lo is found.hi is None and found.note == "no interval: a group has one answered picture for some word"
    assert gap_estimate(np.vstack([values, values]), np.tile(labels, 2), 2, 0).lo is not None


def test_flips_are_the_largest_moves_first() -> None:
    found = numbers_of(made(n=60), 0)["flips"]["edit"]
    moved = [abs(one["p_after"] - one["p_before"]) for one in found["shown"]]
    assert moved == sorted(moved, reverse=True) and 0 < len(moved) <= 12
    assert all(one["before"] != one["after"] for one in found["shown"])
    assert found["n"] <= found["of"] <= 180
