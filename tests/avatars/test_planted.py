"""Planted against measured: known answers on hand-made data."""

import numpy as np
import pytest

from core.avatars import planted

RNG = np.random.default_rng(0)


def test_gaps_are_in_standard_deviations_and_signed():
    male = np.array([True, True, False, False])
    scores = np.array([[3.0, 0.0, 5.0], [1.0, 0.0, 7.0], [1.0, 1.0, 6.0], [-1.0, 1.0, 6.0]])
    gaps = planted.standardised_gaps(scores, male)
    np.testing.assert_allclose(gaps, [2 / np.sqrt(2), -1 / 0.5, 0.0])
    np.testing.assert_allclose(planted.standardised_gaps(scores * 7 + 3, male), gaps)
    np.testing.assert_allclose(planted.standardised_gaps(scores, ~male), -gaps)


def test_ranks_and_spearman_agree_with_scipy_on_ties():
    stats = pytest.importorskip("scipy.stats")
    for _ in range(5):
        x, y = RNG.integers(0, 6, 40), RNG.normal(size=40).round(1)
        np.testing.assert_allclose(planted.ranks(x), stats.rankdata(x))
        assert planted.spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0])


def test_max_skew_by_hand():
    """Ranked labels [0,0,1,0,...], k = 4, uniform target: ln(.75 / .5) = .405465."""
    is_first = np.array([True, True, False, True, True, False, True, False, False, False])
    scores = np.stack([-np.arange(10.0), np.arange(10.0)], 1)
    np.testing.assert_allclose(planted.max_skew_at(scores, is_first, 4), [0.405465, np.log(2 * 0.75)], atol=1e-6)
    only_first = np.where(is_first, 1.0, 0.0)[:, None]
    np.testing.assert_allclose(planted.max_skew_at(only_first, is_first, 5), [np.log(2)])


def test_zero_shot_accuracy_ignores_lengths():
    classes = np.eye(3)
    image = np.array([[5.0, 0.1, 0.0], [0.0, 0.2, 0.1], [0.0, 9.0, 1.0], [0.1, 0.0, 0.3]])
    assert planted.zero_shot_accuracy(image, classes, np.array([0, 1, 2, 2])) == 0.75
