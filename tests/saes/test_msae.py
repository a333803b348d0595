"""MSAE against the two published trainers: losses, gradients, the unit-norm step, four updates."""

import numpy as np
import pytest
import torch
from sae_helpers import cone, random_sae

from core.config import InputError
from core.saes.base import new_sae, sae_config
from tests.recorded import oracle

SEM = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight", "b_dec": "bpre"}
NESTED = {"W_enc": "encoder", "b_enc": "latent_bias", "W_dec": "decoder", "b_dec": "pre_bias"}


def published(data, names, prefix, turned=False):
    values = {ours: data[prefix + theirs] for ours, theirs in names.items()}
    return {name: value.T if turned else value for name, value in values.items()}


def start(arrays, levels, weighting):
    config = sae_config("msae", *arrays["W_enc"].shape, int(levels[0]), levels=tuple(levels), weighting=weighting)
    return new_sae(config).double().load_arrays(arrays)


@pytest.mark.parametrize("weighting", ["reverse", "uniform"])
def test_loss_and_gradients_of_sem(weighting):
    data = oracle("train_sem_msae.npz")
    sae = start(published(data, SEM, "p_", turned=True), data["topk_levels"], weighting)
    x = torch.from_numpy(data["x"])
    parts = sae.loss(x, torch.zeros(64, dtype=torch.int64), aux_weight=0)
    parts.total.backward()
    assert parts.total.item() == pytest.approx(float(data[f"{weighting}_loss"]), abs=1e-12)
    np.testing.assert_allclose(parts.reconstruction, data[f"{weighting}_weighted_level_losses"], atol=1e-12)
    for name, expected in published(data, SEM, f"{weighting}_grad_", turned=True).items():
        np.testing.assert_allclose(getattr(sae, name).grad, expected, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(sae(x).detach(), data["reconstruct"], atol=1e-12)


def nested_loss(sae, x, relative):
    """The other project's total: its levels' mean by weight."""
    weights = torch.tensor(sae.level_weights, dtype=x.dtype)
    return (weights * sae.level_losses(x, relative)).sum() / weights.sum()


@pytest.mark.parametrize("weights", ["RW", "UW"])
@pytest.mark.parametrize("kind", ["nmse", "mse"])
def test_four_updates_of_the_nested_trainer(weights, kind):
    data = oracle("train_wolodja_msae.npz")
    weighting = {"RW": "reverse", "UW": "uniform"}[weights]
    sae = start(published(data, NESTED, "p_"), data["nesting_list"], weighting)
    case, relative = f"{weights}_{kind}", kind == "nmse"
    optimiser = torch.optim.AdamW(sae.parameters(), lr=1e-3, eps=6.25e-10, weight_decay=0)
    for i, x in enumerate(torch.from_numpy(data["batches"])):
        loss = nested_loss(sae, x, relative)
        assert loss.item() == pytest.approx(data[f"{case}_losses"][i], abs=1e-9)
        optimiser.zero_grad()
        loss.backward()
        if i == 0:
            np.testing.assert_allclose(sae.level_losses(x, relative).detach(), data[f"{case}_level_losses"], atol=1e-12)
        if i == 0 and relative:
            for name, expected in published(data, NESTED, f"{case}_grad_").items():
                np.testing.assert_allclose(getattr(sae, name).grad, expected, atol=1e-12, err_msg=name)
        sae.move_decoder_norm()
        sae.project_decoder_gradient()
        if i == 0 and relative:
            for name in ("W_enc", "b_enc", "W_dec"):
                expected = data[f"{case}_scaled_{NESTED[name]}"]
                np.testing.assert_allclose(getattr(sae, name).detach(), expected, atol=1e-12)
            np.testing.assert_allclose(sae.W_dec.grad, data[f"{case}_grad_decoder_projected"], atol=1e-12)
        norm = torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
        if i == 0 and relative:
            assert norm.item() == pytest.approx(float(data[f"{case}_grad_total_norm"]), abs=1e-12)
        optimiser.step()
    if relative:
        for name, expected in published(data, NESTED, f"{case}_final_").items():
            np.testing.assert_allclose(getattr(sae, name).detach(), expected, atol=1e-9, err_msg=name)


def test_a_level_of_all_neurons_is_plain_relu():
    sae = new_sae(sae_config("msae", 12, 40, 5, levels=(5, 40))).load_arrays(random_sae("msae").arrays())
    x = torch.from_numpy(cone(9, 12))
    torch.testing.assert_close(sae.level_losses(x)[1], (sae(x) - x).square().mean())
    torch.testing.assert_close(sae.training_codes(x), sae.encode(x))


def test_moving_the_norm_changes_no_reconstruction():
    sae, x = random_sae("msae").double(), torch.from_numpy(cone(9, 12)).double()
    sae.W_dec.data *= torch.linspace(0.5, 2, 40)[:, None]
    before = sae(x)
    sae.move_decoder_norm()
    torch.testing.assert_close(sae(x), before)
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(40).double())


def test_levels_follow_k_and_are_checked():
    assert new_sae(sae_config("msae", 4, 40, 5)).levels == (5, 10)
    assert new_sae(sae_config("msae", 4, 8, 5)).levels == (5, 8)
    assert new_sae(sae_config("msae", 4, 40, 5, levels=(2, 4, 8))).level_weights == (3, 2, 1)
    for change in ({"levels": (8, 4)}, {"levels": (4, 41)}, {"levels": (0, 4)}, {"weighting": "reverse.pth"}):
        with pytest.raises(InputError):
            sae_config("msae", 4, 40, 5, **change)
    assert "levels" not in sae_config("topk", 4, 40, 5).to_json()
