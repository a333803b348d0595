"""Social neurons as published, statistics against scipy, examples that are honest and repeatable."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
import scipy.stats
import torch

from core.config import Fingerprint, InputError
from core.gallery import import_gallery
from core.neurons import (
    active_neurons,
    benjamini_hochberg,
    coactive_neurons,
    codes_of,
    encode_gallery,
    encode_rows,
    examples_of,
    firing_centres,
    firing_statistics,
    histogram,
    nearest_neurons,
    shared_neurons,
    social_neurons,
)
from core.saes.base import new_sae, sae_config
from core.saes.checkpoint import SAEFile, save_sae
from tests.recorded import oracle

CASES = ["two", "seven", "tiny", "gap_labels"]


def codes(n: int = 120, n_neurons: int = 15, seed: int = 0) -> np.ndarray:
    """Sparse, with exact ties, a dead neuron, an always-on one, and neurons that differ between the groups."""
    rng = np.random.default_rng(seed)
    z = rng.integers(1, 6, size=(n, n_neurons)) * (rng.random((n, n_neurons)) < 0.3) / 2
    z[:, 0], z[:, 1], z[:, 2] = 0, 1.5, rng.exponential(size=n)
    z[: n // 3, 3] += 2
    return z.astype(np.float32)


def groups(n: int = 120) -> np.ndarray:
    """Three unequal groups and some unknowns."""
    labels = np.array(["a"] * (n // 3) + ["b"] * (n // 2) + ["c"] * n, dtype=object)[:n]
    labels[5::11] = None
    return labels


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tau", [50, 90, 100])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_social_neurons_are_the_published_ones(case, tau, form):
    data = oracle("debiaslens_neurons")
    found = social_neurons(form(data[f"{case}_acts"]), data[f"{case}_labels"], tau / 100)
    assert list(found.groups) == [str(g) for g in data[f"{case}_groups"]] and found.unknown == 0
    for g, own in enumerate(found.groups.values()):
        np.testing.assert_array_equal(own.effective, np.flatnonzero(data[f"{case}_t{tau}_effective"][g]))
        assert sorted(own.specific) == np.flatnonzero(data[f"{case}_t{tau}_specific"][g]).tolist()
        ranking = data[f"{case}_t{tau}_ranking"][g]
        np.testing.assert_array_equal(own.specific, ranking[ranking >= 0])
        means = data[f"{case}_t{tau}_ranking_mean"][g][ranking >= 0]
        np.testing.assert_allclose(own.mean_activation, means, atol=1e-6)


def test_social_neurons_by_hand():
    z = np.array([[1, 0, 2, 0], [1, 0, 4, 0], [1, 3, 0, 0], [1, 3, 0, 1], [9, 9, 9, 9]])
    found = social_neurons(z, np.array(["F", "F", "M", "M", None], dtype=object), tau=0.9)
    assert found.unknown == 1 and found.groups["F"].least == 1
    assert found.groups["F"].effective == (0, 2) and found.groups["F"].specific == (2,)
    assert found.groups["M"].effective == (0, 1, 3) and found.groups["M"].specific == (1, 3)
    assert found.groups["M"].mean_activation == (3.0, 0.5)
    assert found.top() == {"F": [2], "M": [1]} and found.top(None)["M"] == [1, 3]
    everywhere = social_neurons(np.ones((4, 2)), np.array(["F", "F", "M", "M"]))
    assert everywhere.empty_groups == ["F", "M"] and everywhere.to_json()["groups"]["F"]["specific"] == []


def test_stored_zeros_and_rows_in_many_chunks_change_nothing(monkeypatch):
    z, labels = codes(), groups()
    stored = sparse.csr_matrix(z + 1)
    stored.data -= 1
    plain = social_neurons(z, labels, 0.3)
    assert social_neurons(stored, labels, 0.3) == plain
    monkeypatch.setattr("core.neurons.social.ROWS_AT_ONCE", 7)
    assert social_neurons(z, labels, 0.3) == plain


def test_bad_codes_and_labels_are_named():
    with pytest.raises(InputError, match="one label a row"):
        social_neurons(codes(), groups()[:-1])
    with pytest.raises(InputError, match="no row has a known label"):
        social_neurons(codes(), np.full(120, None))
    with pytest.raises(InputError, match="NaN"):
        social_neurons(np.full((2, 2), np.nan), np.array(["a", "b"]))
    with pytest.raises(InputError, match=r"tau was 1\.5"):
        social_neurons(codes(), groups(), 1.5)


def test_shared_neurons_serve_two_attributes():
    z = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])
    first = social_neurons(z, np.array(["F", "F", "M", "M"]))
    second = social_neurons(z[:, :2], np.array(["old", "old", "young", "young"]))
    assert shared_neurons(first, second) == [(0, "F", "old"), (1, "F", "old")]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("sign", [1, -1])
def test_firing_statistics_against_scipy(form, sign):
    z, labels = sign * codes(), groups()
    z[7, 4] *= -1
    table = firing_statistics(form(z), labels)
    known = labels != None  # noqa: E711
    assert len(table) == 15 * 3
    for line in table.itertuples():
        own, rest = (z[m, line.neuron].astype(float) for m in (labels == line.group, known & (labels != line.group)))
        assert (line.n, line.fired) == (len(own), (own != 0).sum())
        interval = scipy.stats.binomtest(line.fired, line.n).proportion_ci(method="wilson")
        assert (line.rate, line.lo, line.hi) == pytest.approx((np.mean(own != 0), *interval))
        assert line.mean == pytest.approx(own.mean())
        auc = np.mean((own[:, None] > rest) + (own[:, None] == rest) / 2)
        assert line.auc == pytest.approx(auc, abs=1e-12)
        if np.ptp(np.concatenate([own, rest])) == 0:
            assert np.isnan(line.p) and np.isnan(line.p_adjusted) and np.isnan(line.smd)
            continue
        assert line.smd == pytest.approx((own.mean() - rest.mean()) / np.sqrt((own.var() + rest.var()) / 2))
        test = scipy.stats.mannwhitneyu(own, rest, method="asymptotic", alternative="two-sided")
        assert line.p == pytest.approx(test.pvalue, rel=1e-9)
    for _, block in table.groupby("group"):
        tested = block.dropna()
        expected = scipy.stats.false_discovery_control(tested.p)
        np.testing.assert_allclose(tested.p_adjusted, expected, rtol=1e-12)


def test_firing_statistics_of_a_part_are_those_of_the_part_alone():
    z, labels, rows = codes(), groups(), np.arange(3, 120, 2)
    part = firing_statistics(sparse.csr_matrix(z), labels, rows)
    alone = firing_statistics(z[rows], labels[rows])
    pd.testing.assert_frame_equal(part, alone)


def test_what_only_rounding_tells_apart_has_no_standardised_difference():
    """0.1 + 0.2 beside 0.3: neither group varies, and their difference over a deviation of 1e-17 is no number."""
    codes = np.array([[0.1 + 0.2, 1.0], [0.3, 2.0], [0.3, 2.0 + 1e-9], [0.1 + 0.2, 1.0]])
    table = firing_statistics(codes, ["A", "B", "B", "A"])
    assert table["smd"].isna().all()


def test_a_single_group_separates_from_nothing():
    table = firing_statistics(codes(), np.full(120, "all"))
    assert table[["auc", "smd", "p"]].isna().all().all() and (table.n == 120).all()


def test_benjamini_hochberg_by_hand():
    np.testing.assert_allclose(
        benjamini_hochberg([0.01, np.nan, 0.04, 0.03, 0.9]), [0.04, np.nan, 0.16 / 3, 0.16 / 3, 0.9]
    )
    assert benjamini_hochberg(np.array([])).shape == (0,)


def test_evidence_shows_strong_ordinary_and_silent_items():
    z = np.zeros((50, 3), dtype=np.float32)
    z[10:31, 1] = np.arange(21) + 1
    z[11, 1] = 21
    shown = examples_of(sparse.csr_matrix(z), 1, n_top=3, n_mid=3, n_off=5, n_random=4)
    assert (shown.n, shown.n_firing) == (50, 21)
    assert shown.top.rows.tolist() == [11, 30, 29] and shown.top.values.tolist() == [21, 21, 20], "ties by lower row"
    assert shown.middle.values.tolist() == [13, 12, 11]
    assert (z[shown.firing.rows, 1] == shown.firing.values).all() and len(set(shown.firing.rows)) == 4
    assert (z[shown.silent.rows, 1] == 0).all() and len(set(shown.silent.rows)) == 5
    again = examples_of(z, 1, n_top=3, n_mid=3, n_off=5, n_random=4)
    other = examples_of(z, 1, n_top=3, n_mid=3, n_off=5, n_random=4, seed=1)
    assert np.array_equal(shown.silent.rows, again.silent.rows) and np.array_equal(shown.firing.rows, again.firing.rows)
    assert not np.array_equal(shown.silent.rows, other.silent.rows)


def test_evidence_of_a_part_of_a_dead_neuron_and_of_one_that_is_not_there():
    z, rows = codes(), np.arange(0, 120, 3)
    part = examples_of(z, 2, rows=rows)
    assert part.n == 40 and all(set(s.rows) <= set(rows) for s in (part.top, part.middle, part.firing, part.silent))
    dead = examples_of(z, 0)
    assert dead.n_firing == 0 and len(dead.top) == len(dead.firing) == len(dead.middle) == 0 and len(dead.silent) == 12
    with pytest.raises(InputError, match="neurons 0 to 14"):
        examples_of(z, 15)


def test_histogram_counts_every_known_item_once():
    z, labels = codes(), groups()
    counted = histogram(z, 4, labels, bins=6)
    for group in "abc":
        own = z[labels == group, 4]
        assert counted.sizes[group] == len(own) == counted.counts[group].sum() + counted.zeros[group]
        assert counted.zeros[group] == (own == 0).sum()
    assert histogram(z, 0).zeros == {"all": 120} and histogram(z, 0).counts["all"].sum() == 0
    assert histogram(z, 4, rows=np.arange(10)).sizes == {"all": 10}


def test_neighbours_by_direction_and_by_firing():
    W = np.array([[1, 0], [0, 2], [3, 3], [0, 0]])
    assert nearest_neurons(W, 0, 3) == [(2, pytest.approx(np.sqrt(0.5))), (1, 0.0)], "3 points nowhere"
    z = np.array([[1, 2, 0], [1, 1, 0], [0, 1, 1], [0, 1, 0]])
    assert coactive_neurons(z, 0, 2) == [(1, 0.5), (2, 0.0)]
    assert active_neurons(np.array([0, 3, 1, 3])) == [(1, 3.0), (3, 3.0), (2, 1.0)]
    assert active_neurons(sparse.csr_matrix([[0, 3, 1]]), 1) == [(1, 3.0)]


@pytest.fixture
def sae():
    sae = new_sae(sae_config("matryoshka-batch-topk", 6, 20, 3))
    sae.initialise(torch.Generator().manual_seed(0))
    sae.threshold.fill_(0.4)
    return sae.frozen()


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_encode_rows_is_the_dense_code(sae, batch):
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float16)
    z = sae.encode(torch.from_numpy(x.astype(np.float32))).numpy()
    csr = encode_rows(x, sae, batch)
    assert csr.dtype == np.float32 and csr.has_sorted_indices and csr.nnz == (z != 0).sum()
    np.testing.assert_allclose(csr.toarray(), z, atol=1e-6)
    np.testing.assert_allclose(encode_rows(x, sae, batch, rows=np.array([3, 9])).toarray(), z[[3, 9]], atol=1e-6)
    assert encode_rows(x[:0], sae).shape == (0, 20)
    with pytest.raises(InputError, match=r"\(n, 6\)"):
        encode_rows(x[:, :5], sae)


def test_a_gallery_is_encoded_once_and_refuses_a_foreign_sae(sae, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    pd.DataFrame({"id": [f"i{i}" for i in range(40)], "g": ["F", "M"] * 20}).to_csv(tmp_path / "t.csv", index=False)
    gallery = import_gallery(x, tmp_path / "t.csv", model_name="toy", out=tmp_path / "gallery")
    file = save_sae(tmp_path / "sae", sae, "s", gallery.fingerprint("pooled"))
    before, told = gallery.digest, []
    stored = encode_gallery(gallery, file, batch=16, progress=lambda *p: told.append(p))
    np.testing.assert_allclose(stored.csr.toarray(), encode_rows(x, sae).toarray(), atol=1e-6)
    assert (stored.csc != stored.csr.tocsc()).nnz == 0 and told[-1][:2] == (40, 40)
    assert gallery.digest == before, "codes are no part of a gallery's identity"
    told.clear()
    assert codes_of(gallery, file, lambda *p: told.append(p)) is not None and not told
    pd.testing.assert_frame_equal(
        firing_statistics(stored, gallery.labels("g")), firing_statistics(stored.csr, gallery.labels("g"))
    )
    other = Fingerprint("other", "0" * 64, "image", "pooled", 6)
    with pytest.raises(InputError, match="toy"):
        encode_gallery(gallery, SAEFile(sae, "s2", "9" * 64, Fingerprint(**{**other.to_json(), "side": "text"})))


def test_firing_centres_are_weighted_means_beside_the_mean_of_all(monkeypatch):
    z, rng = codes(), np.random.default_rng(1)
    x, rows, neurons = rng.normal(3, 1, size=(120, 6)), np.arange(10, 115), np.array([0, 2, 3, 14])
    monkeypatch.setattr("core.neurons.neighbours.BLOCK", 7)
    found = firing_centres(sparse.csr_matrix(z), x, rows, neurons)
    assert not found[0].any(), "a silent neuron has no centre"
    for own, j in zip(found[1:], neurons[1:], strict=True):
        expected = np.average(x[rows], axis=0, weights=z[rows, j]) - x[rows].mean(axis=0)
        np.testing.assert_allclose(own, expected, atol=1e-12)
