"""Monosemanticity against the published numbers, and against every pair written out."""

import numpy as np
import pytest
import scipy.sparse as sparse

from core.saes import monosemanticity as module
from core.saes.monosemanticity import mean_cosine, monosemanticity
from tests.recorded import oracle


def by_all_pairs(codes: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """The definition, pair by pair, in float64."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(codes), 1)
    cosine, scores = (unit[first] * unit[second]).sum(axis=1), []
    for values in codes.T.astype(np.float64):
        spread = values.max() - values.min()
        a = (values - values.min()) / spread if spread else np.zeros(len(values))
        weights = a[first] * a[second]
        scores.append((weights @ cosine) / weights.sum() if (a > 0).sum() > 1 else np.nan)
    return np.array(scores)


def data(n: int = 90, f: int = 30, d: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.exponential(size=(n, f)) * (rng.random((n, f)) < rng.uniform(0.1, 1, size=f))
    codes[:, 0], codes[:, 1] = 0, 3
    codes[:, 2] = 0
    codes[5, 2] = 1
    codes[:, 3] -= 0.7
    return codes, rng.normal(size=(n, d)) + 3


def test_the_published_scores():
    recorded = oracle("monosemanticity.npz")
    scores = monosemanticity(recorded["activations"], recorded["embeddings"])
    np.testing.assert_allclose(scores, recorded["ms"], atol=2e-6)
    assert np.isnan(scores).sum() == recorded["n_nan"]
    assert np.nanmean(scores) == pytest.approx(float(recorded["mean"]), abs=2e-6)


def test_sums_are_all_pairs_dense_sparse_in_parts_and_on_some_rows(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 16)
    codes, embeddings = data()
    expected = by_all_pairs(codes, embeddings)
    assert np.isnan(expected).tolist() == [True] * 3 + [False] * 27
    np.testing.assert_allclose(monosemanticity(codes, embeddings), expected, rtol=1e-10)
    np.testing.assert_allclose(monosemanticity(sparse.csr_matrix(codes), embeddings), expected, rtol=1e-10)
    rows = np.arange(1, 90, 3)
    np.testing.assert_allclose(
        monosemanticity(sparse.csr_matrix(codes), embeddings, rows), by_all_pairs(codes[rows], embeddings[rows])
    )


def test_scale_of_codes_and_length_of_embeddings_play_no_part():
    codes, embeddings = data()
    other = monosemanticity(codes * np.arange(1, 31), embeddings * np.arange(1, 91)[:, None])
    np.testing.assert_allclose(other, monosemanticity(codes, embeddings), rtol=1e-9)


def test_a_neuron_that_fires_alike_on_all_but_one_scores_as_random_pairs():
    codes, embeddings = data()
    codes[:, 9], codes[0, 9] = 1, 0
    assert monosemanticity(codes, embeddings)[9] == pytest.approx(mean_cosine(embeddings[1:]))
    assert mean_cosine(embeddings, np.arange(1, 90)) == pytest.approx(mean_cosine(embeddings[1:]))
    assert np.isnan(mean_cosine(embeddings[:1]))
