"""The split of a score gap over neurons adds up, at both attach points, and points at neurons that really make it."""

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import InputError
from core.edits import probe_set
from core.neurons import attribute, mean_contributions
from core.neurons.attribution import Rows
from core.ranking import RankRequest
from core.scene import Scene
from tests.tiny import TinyBackbone, TinyGallery, dense_codes, sae_file

QUERY = "a photo of a pilot"
REQUEST = RankRequest("gender", QUERY, k=40, half="evaluation")
both = pytest.mark.parametrize("attach", ["pooled", "residual"])


def unit_query() -> np.ndarray:
    q = TinyBackbone().encode_texts([QUERY])["pooled"][0].astype(np.float64)
    return q / np.linalg.norm(q)


@both
def test_contributions_and_rest_are_the_gap(attach):
    gallery, file = TinyGallery(), sae_file("image", attach)
    probe, q = probe_set(Scene(gallery, {"image": file}), REQUEST), unit_query()
    found = probe.attribution(q, 1)
    scores = gallery.embeddings("pooled")[probe.part.rows].astype(np.float64) @ q
    labels = gallery.group_numbers("gender")[probe.part.rows]
    gap = scores[labels == 1].mean() - scores[labels == 0].mean()
    assert found.gap == pytest.approx(gap, rel=1e-12)
    assert found.contributions.sum() + found.rest == pytest.approx(gap, abs=1e-15)
    assert found.n == ((labels == 1).sum(), (labels == 0).sum())


@both
def test_the_rest_is_the_gap_of_the_reconstruction_error(attach):
    """The rest computed the other way round, from what the SAE leaves over."""
    gallery, file = TinyGallery(), sae_file("image", attach)
    probe, q = probe_set(Scene(gallery, {"image": file}), REQUEST), unit_query()
    x = gallery.embeddings(attach)[probe.part.rows].astype(np.float64)
    z, W = dense_codes(x.astype(np.float32), file).astype(np.float64), file.sae.W_dec.numpy().astype(np.float64)
    left = x - z @ W
    if attach == "residual":
        readout = gallery.readout()
        left = readout.linear(left) / readout.sigma(x)[:, None] + readout.offset
    labels = gallery.group_numbers("gender")[probe.part.rows]
    rest = (left[labels == 0] @ q).mean() - (left[labels == 1] @ q).mean()
    # the codes are float32, and their last bit depends on how many rows are encoded together
    assert probe.attribution(q, 0).rest == pytest.approx(rest, abs=1e-6)


def test_swapping_the_sets_swaps_the_sign():
    gallery = TinyGallery()
    probe = probe_set(Scene(gallery, {"image": sae_file("image", "pooled")}), REQUEST)
    one, other = probe.attribution(unit_query(), 1, 0), probe.attribution(unit_query(), 0, 1)
    np.testing.assert_array_equal(one.contributions, -other.contributions)
    assert one.rest == pytest.approx(-other.rest, abs=1e-15) and one.gap == -other.gap
    assert set(one.towards()) & set(other.towards()) == set()


def test_by_hand():
    """Two neurons, four rows: 2 q.W_0 = 1 for the first set's mean code difference 1/2, and so on."""
    codes = sparse.csc_matrix(np.array([[1.0, 0.0], [0.0, 4.0], [0.0, 2.0], [0.0, 0.0]]))
    found = attribute(codes, [2.0, -0.5], [3.0, -1.0, 0.0, 1.0], [0, 1], [2, 3])
    np.testing.assert_allclose(found.contributions, [1.0, -0.5])
    assert found.gap == 0.5 and found.rest == 0.0
    np.testing.assert_array_equal(found.order(), [0, 1])
    np.testing.assert_array_equal(found.towards(), [0])
    np.testing.assert_allclose(found.errors[0], 2 * np.sqrt(0.25 / 1))
    assert found.estimate(0).lo < 0 < found.estimate(0).hi and found.estimate(0).n == 4


def test_intervals_cover_the_true_contribution():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        z = rng.exponential(size=(60, 1)) * (rng.random((60, 1)) < 0.6)
        found = attribute(sparse.csc_matrix(z), [3.0], z[:, 0] * 3.0, np.arange(20), np.arange(20, 60))
        hits += found.estimate(0).lo <= 0 <= found.estimate(0).hi
    assert hits / 400 >= 0.93


def test_contributions_are_averaged_over_queries_and_order_does_not_matter():
    gallery = TinyGallery()
    probe = probe_set(Scene(gallery, {"image": sae_file("image", "pooled")}), REQUEST)
    found = [
        probe.attribution(q / np.linalg.norm(q), g) for g, q in enumerate(np.random.default_rng(1).normal(size=(2, 12)))
    ]
    np.testing.assert_allclose(mean_contributions(found), mean_contributions(found[::-1]), atol=1e-15)


def test_an_empty_group_is_refused():
    with pytest.raises(InputError, match="a group of 0 rows"):
        attribute(sparse.csc_matrix((3, 2)), [1.0, 1.0], np.zeros(3), np.zeros(3, dtype=bool), [0])


def test_a_set_that_is_kept_gives_what_its_rows_give():
    rng = np.random.default_rng(2)
    codes = sparse.csc_matrix(rng.exponential(size=(30, 6)) * (rng.random((30, 6)) < 0.4))
    first, second, scale = np.arange(30) < 12, np.arange(12, 30), rng.uniform(0.5, 2.0, 30)
    sets = Rows(codes, first, scale), Rows(codes, second, scale)
    for _ in range(2):
        along, scores = rng.normal(size=6), rng.normal(size=30)
        one, other = attribute(codes, along, scores, first, second, scale), attribute(codes, along, scores, *sets)
        assert vars(one).keys() == vars(other).keys()
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))
