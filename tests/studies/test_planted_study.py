"""Planted against measured: right on hand-made words, and on the shipped world as far as it is shipped."""

import numpy as np
import pytest

from core.config import InputError
from core.gallery import open_gallery
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


def test_a_chain_that_tells_the_truth():
    words = hand_made([0.05, 0.2, 0.35, 0.5, 0.5, 0.5, 0.65, 0.8, 0.95])
    gaps, drawn = study.gap_draws(words, 300, 0)
    order = study.spearman_interval(words, gaps, drawn, 0)
    assert order["estimate"] > 0.9 and order["lo"] <= order["estimate"] <= order["hi"] <= 1.0
    said = study.directions(words, gaps)
    assert said["direction_right"]["estimate"] == 1.0 and said["wrong_direction"] == [] == said["loud_controls"]
    found = study.summary(words.leans("gender"), study.findings(words, "gender", 60, 0))["holm"]
    assert found["planted_found"]["estimate"] == 1.0 and found["unplanted_flagged"]["estimate"] == 0.0


def test_a_chain_that_lies_is_told():
    words = hand_made([0.05, 0.2, 0.5, 0.8, 0.95])
    turned = study.Words(words.table, -words.scores, words.labels, words.groups)
    gaps, drawn = study.gap_draws(turned, 100, 0)
    assert study.spearman_interval(turned, gaps, drawn, 0)["estimate"] < -0.9
    assert study.directions(turned, gaps)["wrong_direction"] == ["w0", "w1", "w3", "w4"]


def test_the_gaps_interval_is_that_of_a_literal_resample():
    words = hand_made([0.3, 0.5, 0.9])
    gaps, drawn = study.gap_draws(words, 400, 0)
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
        study.measured_words(StudyRequest(IMAGES))


def test_the_shipped_world():
    """What the default's audit must find, on the first specific neurons as they are shipped."""
    gallery = open_gallery("default")
    result = STUDIES.get("planted")()(StudyRequest(gallery, draws=200))
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
    assert len(result.table) == 48 and {"gap_lo", "gap_hi", "n", "p_holm"} <= set(result.table.columns)
    assert all("n = " in note for note in result.notes[:7])
    assert share_estimate(32, 32).to_json() == found["direction_right"]
