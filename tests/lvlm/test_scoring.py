"""Scores from logits: the recorded values, padded batches, and mass that tells a wrong token from a low answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from core.config import InputError
from core.lvlm.scoring import last_places, score, score_options

ORACLE = np.load(Path(__file__).parents[1] / "oracles" / "lvlm_scoring.npz")


@pytest.mark.parametrize("kind", ["marked", "plain"])
def test_recorded_probabilities(kind: str) -> None:
    found = score_options(ORACLE["logits"], ORACLE["prompt_options"], ORACLE[f"token_id_{kind}"])
    np.testing.assert_allclose(found.prob, ORACLE[f"prob_{kind}_float32"], rtol=0, atol=2e-7)
    np.testing.assert_allclose(found.renormalised, ORACLE[f"own_prob_renormalised_{kind}"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mass, ORACLE[f"own_letter_mass_{kind}"], rtol=0, atol=1e-12)


def test_a_wrong_token_shows_in_the_mass() -> None:
    right, wrong = (
        score_options(ORACLE["logits"], ORACLE["prompt_options"], ORACLE[f"token_id_{kind}"])
        for kind in ("marked", "plain")
    )
    assert np.median(right.mass) > 0.4 > 0.2 > np.median(wrong.mass)
    # row 1 puts its mass elsewhere: renormalised it would be a confident answer
    assert right.mass[1] < 1e-20 and right.renormalised[1].max() > 0.3
    assert not right.answered()[1] and right.answered()[0]


def test_the_last_real_place_of_a_padded_batch() -> None:
    logits, lengths = ORACLE["padded_logits"], ORACLE["padded_input_lengths"]
    places = last_places(lengths, int(ORACLE["padded_T_in"]), logits.shape[1])
    found = softmax(logits[np.arange(len(logits)), places].astype(np.float64), axis=1)
    np.testing.assert_allclose(found, ORACLE["padded_prob_all"], rtol=0, atol=2e-7)


def test_two_options_and_absent_answers() -> None:
    options = ORACLE["options_yesno_seed42"]
    logits = np.random.default_rng(0).normal(size=(len(options), 12))
    found = score_options(logits, options, [3, 5, 7])
    assert np.isnan(found.prob[:, 2]).all() and np.isfinite(found.prob[:, :2]).all()
    whole = softmax(logits, axis=1)
    for i, (yes, no, *_) in enumerate(options):
        assert found.prob[i, 0] == pytest.approx(whole[i, [3, 5, 7][yes]], abs=1e-12)
        assert found.mass[i] == pytest.approx(whole[i, [3, 5, 7][yes]] + whole[i, [3, 5, 7][no]], abs=1e-12)
    np.testing.assert_allclose(np.nansum(found.renormalised, 1), 1, atol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    found = score(np.array([[1e4, 0.0, -1e4]]), np.array([0, 1]))
    np.testing.assert_array_equal(found.prob, [[1.0, 0.0]])


@pytest.mark.parametrize(("tokens", "said"), [([0, 9], "0 to 3"), ([1, 1], "cannot be told apart")])
def test_tokens_that_cannot_be_read(tokens: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        score(np.zeros((2, 4)), np.array(tokens))
