"""Planted against measured: right on hand-made words, and on the shipped world as far as it is shipped."""

import math

import numpy as np
import pytest

from core.config import InputError
from core.gallery import open_gallery
from core.scene import Scene
from core.statistics import share_estimate
from core.studies import STUDIES, StudyRequest
from core.studies import planted as study
from tests.tiny import IMAGES

N = 600


def hand_made(leans: list[float], noise: int = 0) -> study.Words:
    """Words whose scores lean by (p - .5) on a gallery of N pictures, half of them of men."""
    rng = np.random.default_rng(noise)
    male = np.arange(N) % 2
    scores = rng.normal(size=(N, len(leans))) + 3.0 * (np.array(leans) - 0.5) * (2 * male[:, None] - 1)
    table = [{"word": f"w{i}", "kind": "role", "p_male": p, "reference": False} for i, p in enumerate(leans)]
    return study.Words(table, scores, {"gender": male}, {"gender": ["Female", "Male"]})


AGES = ["older", "young", "middle-aged"]
EVEN = 1 / 3


def with_ages(leans: list[list[float]], strength: float = 4.0) -> study.Words:
    """Words whose scores lean by (P(group | word) - 1/3) on a gallery of N pictures of three ages."""
    rng, age = np.random.default_rng(1), np.arange(N) % 3
    planted = np.array(leans)
    scores = rng.normal(size=(N, len(leans))) + strength * (planted[:, age].T - EVEN)
    table = [{"word": f"w{i}", "kind": "role", "age": dict(zip(AGES, p, strict=True))} for i, p in enumerate(leans)]
    return study.Words(table, scores, {"age": age}, {"age": AGES})


PLANTED = [[0.8, 0.05, 0.15], [0.05, 0.85, 0.1], [0.1, 0.2, 0.7], *[[EVEN] * 3] * 4]


def test_a_chain_that_tells_the_truth():
    words = hand_made([0.05, 0.2, 0.35, 0.5, 0.5, 0.5, 0.65, 0.8, 0.95])
    own = study.measured(words, "gender", 300, 0)
    order = study.spearman_interval(own, True, 0)
    assert order["estimate"] > 0.9 and order["lo"] <= order["estimate"] <= order["hi"] <= 1.0 and order["n"] == 9
    said = study.directions(words, "gender", own)
    assert said["direction_right"]["estimate"] == 1.0 and said["wrong_direction"] == [] == said["loud_controls"]
    found = study.summary(words.leans("gender"), study.findings(words, "gender", 60))["holm"]
    assert found["planted_found"]["estimate"] == 1.0 and found["unplanted_flagged"]["estimate"] == 0.0
    assert found["flagged_words"] == []


def test_an_attribute_of_three_groups_has_the_same_numbers():
    words = with_ages(PLANTED)
    own = study.measured(words, "age", 200, 0)
    assert own.gaps.shape == (7, 3) and own.drawn.shape == (200, 7, 3) and own.leans.sum() == 3
    order = study.spearman_interval(own, False, 0)
    assert order["n"] == 9, "three planted words and three groups"
    assert order["estimate"] > 0.9 and order["lo"] <= order["estimate"] <= order["hi"]
    said = study.directions(words, "age", own)
    assert said["direction_right"]["n"] == 6, "the most and the least planted group of each planted word"
    assert said["wrong_direction"] == [] and said["quiet_controls"]["n"] == 4
    found = study.summary(words.leans("age"), study.findings(words, "age", 60))["holm"]
    assert found["planted_found"]["estimate"] == 1.0 and found["unplanted_flagged"]["n"] == 4


def test_a_chain_that_lies_is_told():
    words = hand_made([0.05, 0.2, 0.5, 0.8, 0.95])
    turned = study.Words(words.table, -words.scores, words.labels, words.groups)
    own = study.measured(turned, "gender", 100, 0)
    assert study.spearman_interval(own, True, 0)["estimate"] < -0.9
    assert study.directions(turned, "gender", own)["wrong_direction"] == ["w0", "w1", "w3", "w4"]
    of_ages = with_ages(PLANTED, strength=-4.0)
    wrong = study.directions(of_ages, "age", study.measured(of_ages, "age", 10, 0))["wrong_direction"]
    assert wrong[:2] == ["w0 (older)", "w0 (young)"] and len(wrong) == 6


def test_a_word_that_leans_unplanted_is_flagged_by_name():
    words = hand_made([0.5, 0.5, 0.9])
    words.scores[:, 1] += 2.0 * words.labels["gender"]
    found = study.summary(words.leans("gender"), study.findings(words, "gender", 60))["holm"]
    assert found["flagged_words"] == ["w1"] and found["unplanted_flagged"]["estimate"] == 0.5
    assert study.directions(words, "gender", study.measured(words, "gender", 10, 0))["loud_controls"] == ["w1"]


@pytest.mark.parametrize("first", [0, 3, 10, 14, 20])
def test_the_p_of_two_groups_is_the_exact_one(first: int):
    """By the sum over all tables: twice the smaller tail, whatever the base share."""
    counts, k = np.array([30, 50]), 20
    chances = [math.comb(30, x) * math.comb(50, k - x) / math.comb(80, k) for x in range(k + 1)]
    expected = min(1.0, 2 * min(sum(chances[: first + 1]), sum(chances[first:])))
    top = np.array([0] * first + [1] * (k - first) + [-1] * 5)
    assert study.lean(top, counts).p == pytest.approx(expected, rel=1e-9)


def test_the_p_of_three_groups_asks_who_is_there():
    unequal = np.array([600, 200, 200])
    assert study.lean(np.repeat([0, 1, 2], [36, 12, 12]), unequal).p > 0.9
    assert study.lean(np.repeat([0, 1, 2], [20, 20, 20]), unequal).p < 0.05


def test_the_gaps_interval_is_that_of_a_literal_resample():
    words = hand_made([0.3, 0.5, 0.9])
    own = study.measured(words, "gender", 400, 0)
    gaps, drawn = own.gaps[:, 0], own.drawn[:, :, 0]
    rng, male, literal = np.random.default_rng(8), words.labels["gender"] == 1, []
    for _ in range(400):
        rows = rng.integers(N, size=N)
        x, m = words.scores[rows], male[rows]
        literal.append((x[m].mean(0) - x[~m].mean(0)) / x.std(0))
    np.testing.assert_allclose(drawn.mean(axis=0), gaps, atol=0.03)
    np.testing.assert_allclose(drawn.std(axis=0), np.std(literal, axis=0), rtol=0.15)


def test_intervals_of_shares_hold_the_truth():
    inside = study.interval_coverage(hand_made([0.2, 0.35, 0.5, 0.6, 0.7, 0.5]), 60, 0)["share_interval"]
    assert 0.92 <= inside["estimate"] <= 0.98 and inside["n"] == 6


def test_another_gallery_is_refused():
    with pytest.raises(InputError, match="--gallery default"):
        study.measured_words(StudyRequest(Scene(IMAGES)))


def test_the_shipped_world():
    """What the default's audit must find, on the first specific neurons as they are shipped."""
    gallery = open_gallery("default")
    result = STUDIES.get("planted")()(StudyRequest(Scene(gallery), draws=200))
    found = result.findings
    assert found["spearman"]["estimate"] >= 0.9 and found["spearman"]["lo"] >= 0.8
    assert found["wrong_direction"] == [] and found["loud_controls"] == []
    assert found["findings"]["gender"]["holm"]["planted_found"]["estimate"] == 1.0
    assert found["neurons"]["gender"]["missing"] == []
    arms = found["controls"]
    original = arms["original"]["max_skew"]["estimate"]
    assert arms["chosen"]["max_skew"]["hi"] < arms["random"]["lo"]
    for quiet in (arms["reconstruction_only"]["max_skew"]["estimate"], arms["random"]["lo"], arms["random"]["hi"]):
        assert abs(quiet - original) <= 0.05
    directions = {a: own["direction_right"] for a, own in found["attributes"].items()}
    assert directions == {a: share_estimate(n, n).to_json() for a, n in (("gender", 32), ("age", 10), ("skin", 4))}
    assert found["direction_right"] == directions["gender"]
    for attribute, planted in (("age", 5), ("skin", 2)):
        own = found["attributes"][attribute]
        assert own["spearman"]["estimate"] >= 0.85 and own["loud_controls"] == []
        assert found["findings"][attribute]["holm"]["planted_found"] == share_estimate(planted, planted).to_json()
        assert set(found["neurons"][attribute]["groups"]) == set(gallery.groups(attribute))
    table = result.table
    assert table.groupby("attribute").size().to_dict() == {"gender": 48, "age": 144, "skin": 144}
    assert {"gap_lo", "gap_hi", "n", "p_holm", "group"} <= set(table.columns)
    assert len(result.brief) == 32 + 3 * 5 + 3 * 2
    for attribute in ("gender", "age", "skin"):
        told = [note for note in result.notes if note.startswith(f"{attribute}, ")]
        assert len(told) == 5 and all("n = " in note for note in told)
    assert [series.name for series in result.picture.series] == ["gender", "age", "skin", "no lean planted"]
