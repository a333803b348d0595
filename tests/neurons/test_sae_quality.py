"""Similarity gaps against every pair, coverage of their intervals, and reports that say what stands out."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import InputError
from core.neurons import similarity_gap
from core.neurons.sae_quality import QualityReport, quality_of_codes, quality_report, rate_histogram
from core.saes.quality import Quality, quality
from core.statistics import NORMAL
from tests.tiny import IMAGES, dense_codes, sae_file


def spaces(n: int = 70, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings around a large mean, sparse codes of which some rows are silent, and groups with unknowns."""
    rng = np.random.default_rng(seed)
    groups = rng.choice([-1, 0, 1, 2], p=[0.1, 0.5, 0.3, 0.1], size=n)
    x = rng.normal(size=(n, 6)) + 2
    x[:, 0] += groups
    z = rng.exponential(size=(n, 15)) * (rng.random((n, 15)) < 0.3)
    z[:, 3] += groups == 1
    z[::9] = 0
    return x, z, groups


def pair_means(x: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    first, second = np.triu_indices(len(x), 1)
    cosine, alike = (unit[first] * unit[second]).sum(axis=1), groups[first] == groups[second]
    return float(cosine.mean()), float(cosine[alike].mean())


def test_gaps_are_the_means_over_every_pair_and_intervals_are_jackknifed(monkeypatch):
    import core.neurons.pair_cosines as module

    monkeypatch.setattr(module, "ROWS", 16)
    x, z, groups = spaces()
    rows = np.arange(3, 70)
    found = module.similarity_gap("gender", x, sparse.csr_matrix(z), groups, rows)
    kept = rows[(groups[rows] >= 0) & (z[rows].sum(axis=1) > 0)]
    assert found.n == len(kept) and found.silent == ((groups[rows] >= 0) & (z[rows].sum(axis=1) == 0)).sum() > 0
    assert found.pairs == len(kept) * (len(kept) - 1) // 2
    gaps = {}
    for name, space in (("before", x), ("after", z)):
        random, shared = pair_means(space[kept], groups[kept])
        cosines = getattr(found, name)
        assert cosines.random.estimate == pytest.approx(random) and cosines.shared.estimate == pytest.approx(shared)
        assert cosines.gap.estimate == pytest.approx(shared - random)
        without = [pair_means(*(np.delete(a[kept], i, axis=0) for a in (space, groups))) for i in range(len(kept))]
        gaps[name] = np.array([b - a for a, b in without])
        n = len(kept)
        half = NORMAL * np.sqrt((n - 1) / n * np.square(gaps[name] - gaps[name].mean()).sum())
        assert cosines.gap.hi - cosines.gap.lo == pytest.approx(2 * half)
    difference = gaps["after"] - gaps["before"]
    half = NORMAL * np.sqrt((n - 1) / n * np.square(difference - difference.mean()).sum())
    assert found.change.hi - found.change.lo == pytest.approx(2 * half)
    assert found.change.estimate == pytest.approx(found.after.gap.estimate - found.before.gap.estimate)


def test_intervals_cover_the_gap_of_the_world_they_were_drawn_from():
    rng = np.random.default_rng(4)

    def draw(n):
        groups = rng.integers(0, 2, size=n)
        x = rng.normal(size=(n, 5)) + 1
        x[:, 0] += 1.5 * groups
        return x, groups

    x, groups = draw(200_000)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    means = np.stack([unit[groups == g].mean(axis=0) for g in (0, 1)])
    truth = np.square(means).sum(axis=1).mean() - np.square(unit.mean(axis=0)).sum()
    hits = 0
    for _ in range(300):
        x, groups = draw(80)
        codes = sparse.csr_matrix(np.abs(x))
        gap = similarity_gap("g", x, codes, groups, np.arange(80)).before.gap
        hits += gap.lo <= truth <= gap.hi
    assert 0.90 <= hits / 300 <= 0.99, "observed .94"


def test_pairs_that_all_share_one_item_have_no_interval():
    x = np.random.default_rng(0).normal(size=(4, 6))
    gap = similarity_gap("gender", x, sparse.csr_matrix(np.abs(x)), np.array([0, 0, 1, 2]), np.arange(4))
    assert gap.before.gap.estimate is gap.after.gap.estimate is gap.change.estimate is None
    assert "share one item" in gap.change.reason and gap.before.random.estimate is not None


def test_no_shared_pair_is_said():
    x, z, _ = spaces()
    found = similarity_gap("id", x, sparse.csr_matrix(z), np.arange(70), np.arange(70))
    assert found.change.estimate is None and "two of one group" in found.change.reason
    assert found.to_json()["before"]["gap"]["estimate"] is None


@pytest.fixture(scope="module")
def file():
    return sae_file("image", "pooled")


@pytest.fixture(scope="module")
def gallery(file):
    from core.gallery import Codes

    csr = sparse.csr_matrix(dense_codes(IMAGES.embeddings(), file))
    return replace(IMAGES, stored={file.digest: Codes(csr, csr.tocsc())})


@pytest.mark.parametrize("half", ["all", "evaluation"])
def test_a_report_has_the_numbers_of_encoding_again(file, gallery, half):
    found = quality_report(gallery, file, half)
    rows = gallery.rows(half)
    again = quality(file.sae, gallery.embeddings(), rows)
    assert found.quality.fvu == pytest.approx(again.fvu, rel=1e-6)
    assert (found.quality.l0, found.quality.dead_fraction) == (again.l0, again.dead_fraction)
    np.testing.assert_array_equal(found.quality.firing_rate, again.firing_rate)
    assert [gap.attribute for gap in found.gaps] == ["gender", "size"] and found.quality.n == len(rows)
    assert not found.independent and "no independent encoder" in found.reference
    document = found.to_json()
    alive = int((again.firing_rate > 0).sum())
    assert document["firing_rate"]["counts"].sum() == alive and document["verdict"]
    assert len(document["monosemanticity"]["neurons"]) == file.sae.config.d_sae


class Elsewhere:
    """The same items in another order, embedded by another model."""

    name = "elsewhere"

    def __init__(self, gallery, order):
        self.order, self.n, self.x = order, len(order), gallery.embeddings()[order]

    def item_ids(self, rows):
        return [f"item-{self.order[row]}" for row in rows]

    def embeddings(self, attach="pooled"):
        return self.x

    def fingerprint(self, attach="pooled"):
        return replace(IMAGES.fingerprint(), weights="v" * 64, model="other")


def test_reference_embeddings_follow_the_items(file, gallery):
    order = np.random.default_rng(0).permutation(gallery.n)
    turned = quality_report(gallery, file, "all", Elsewhere(gallery, order))
    assert turned.independent and turned.reference == "elsewhere, embedded by other"
    np.testing.assert_allclose(turned.monosemanticity, quality_report(gallery, file).monosemanticity)
    with pytest.raises(InputError, match="has no item"):
        quality_report(gallery, file, "all", Elsewhere(gallery, order[:-1]))


def test_quality_of_codes_reads_in_parts(file, gallery, monkeypatch):
    import core.neurons.sae_quality as module

    csr, rows = gallery.codes(file.digest).csr, np.arange(5, 300)
    whole = quality_of_codes(file.sae, gallery.embeddings(), csr, rows)
    monkeypatch.setattr(module, "ROWS", 32)
    parts = quality_of_codes(file.sae, gallery.embeddings(), csr, rows)
    assert parts.fvu == pytest.approx(whole.fvu, rel=1e-9) and parts.l0 == whole.l0


def test_rates_are_counted_on_a_log_scale_from_one_item_to_all():
    edges, counts = rate_histogram(np.array([0, 1 / 500, 1, 0.5, 0.5]), 500)
    assert edges[0] == pytest.approx(1 / 500) and edges[-1] == 1 and counts.sum() == 4
    assert counts[0] == 1 and counts[-1] == 1
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(500) / 24, rtol=1e-6)


def report(fvu=0.1, l0=8.0, dead=0.05, rate=0.02, scores=0.8, k=8) -> QualityReport:
    rates = np.full(100, rate)
    rates[: round(100 * dead)] = 0
    measured = Quality(1000, fvu, l0, dead, rates)
    score = np.full(100, scores)
    return QualityReport("s", "d", "batch-topk", 16, 100, k, "g", "d", "all", measured, score, 0.6, "itself", False, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "Nothing stands out: 90% of the variance is explained with 8.0 neurons an item"),
        ({"dead": 0.5}, "Half of the neurons never fire (50%): try fewer neurons or a larger k."),
        ({"dead": 0.9}, "Most of the neurons never fire (90%)"),
        ({"dead": 0.3}, "30% of the neurons never fire"),
        ({"fvu": 1.2}, "worse than the mean"),
        ({"fvu": 0.5}, "misses 50% of the variance: try a larger k"),
        ({"fvu": 0.2}, "misses 20% of the variance, which"),
        ({"fvu": float("nan")}, "All rows are equal"),
        ({"l0": 30.0}, "30.0 neurons are active an item, far more than k = 8"),
        ({"rate": 0.7}, "95 neurons fire on more than half of the items"),
        ({"scores": 0.605}, "hardly more alike than any two (median 0.605, random pairs 0.600)"),
    ],
)
def test_the_verdict_names_what_stands_out(change, said):
    lines = report(**change).verdict()
    assert said in lines[0] and len(lines) == 1
