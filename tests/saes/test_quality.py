"""fvu by its three properties, on several dimensions with a large mean; l0, dead and rates by counting."""

import numpy as np
import pytest
import torch
from sae_helpers import cone, random_sae

from core.saes.quality import ReconstructionSums, fvu, quality


def embeddings(dtype=np.float64) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (50 + rng.normal(size=(300, 7)) * np.arange(1, 8)).astype(dtype)


def test_perfect_reconstruction_is_0():
    assert fvu(embeddings(), embeddings()) == 0


def test_the_mean_is_exactly_1():
    x = embeddings()
    assert fvu(x, np.broadcast_to(x.mean(axis=0), x.shape)) == pytest.approx(1, abs=1e-12)


def test_the_mean_plus_an_offset_is_above_1():
    x = embeddings()
    for offset in (0.5, -0.5):
        expected = 1 + len(x) * 7 * offset**2 / np.square(x - x.mean(axis=0)).sum()
        assert fvu(x, x.mean(axis=0) + offset) == pytest.approx(expected)


def test_batches_add_up_even_with_a_mean_a_million_times_the_spread():
    x = embeddings() * 1e-3 + 1e4
    x_hat = x + 1e-4 * np.random.default_rng(0).normal(size=x.shape)
    sums = ReconstructionSums()
    for part in np.split(np.arange(300), [1, 40, 41, 200]):
        sums.add(x[part], x_hat[part])
    exact = np.square(x - x_hat).sum() / np.square(x - x.mean(axis=0)).sum()
    assert sums.fvu == pytest.approx(exact, rel=1e-9)


def test_constant_rows_have_no_fvu():
    assert np.isnan(fvu(np.ones((5, 3)), np.ones((5, 3)))) and np.isnan(ReconstructionSums().fvu)


@pytest.mark.parametrize("rows", [None, np.arange(5, 90, 2)])
def test_quality_counts_what_the_codes_show(rows):
    sae, x = random_sae("matryoshka-batch-topk").frozen(), cone(100, 12).astype(np.float16)
    some = x if rows is None else x[rows]
    measured = quality(sae, x, rows, batch=17)
    z = sae.encode(torch.from_numpy(some.astype(np.float32)))
    assert measured.n == len(some)
    assert measured.l0 == pytest.approx((z > 0).sum(dim=1).double().mean().item())
    np.testing.assert_allclose(measured.firing_rate, (z > 0).double().mean(dim=0))
    assert measured.dead_fraction == (measured.firing_rate == 0).mean()
    assert measured.fvu == pytest.approx(fvu(some, sae.decode(z).numpy()), rel=1e-5)
