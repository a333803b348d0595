"""ReLU + L1 and JumpReLU: what their losses are, by hand and by definition."""

import numpy as np
import pytest
import torch
from sae_helpers import cone, random_sae

from core.config import InputError
from core.saes import jumprelu
from core.saes.base import new_sae, sae_config
from core.training import train_sae
from core.training.config import TrainingConfig

HAND = {"W_enc": np.eye(2), "b_enc": np.zeros(2), "W_dec": np.eye(2), "b_dec": np.array([1.0, 0.0])}
NOBODY = torch.zeros(2, dtype=torch.int64)


def test_relu_by_hand():
    sae = new_sae(sae_config("relu", 2, 2, 1, sparsity=0.5)).load_arrays(HAND)
    x = torch.tensor([[4.0, -2.0], [2.0, 1.0]])
    assert torch.equal(sae.encode(x), torch.tensor([[3.0, 0.0], [1.0, 1.0]]))
    parts = sae.loss(x, NOBODY)
    assert parts.reconstruction.tolist() == [2.0] and parts.sparsity.item() == 0.5 * 2.5
    assert parts.total.item() == 3.25 and parts.n_active == 3 and parts.smallest.item() == 1


def test_jumprelu_by_hand():
    sae = new_sae(sae_config("jumprelu", 2, 2, 1, sparsity=2.0)).load_arrays({**HAND, "threshold": [1.0, 0.5]})
    x = torch.tensor([[4.0, -2.0], [2.0, 1.0]])
    assert torch.equal(sae.encode(x), torch.tensor([[3.0, 0.0], [0.0, 1.0]])), "the threshold itself does not pass"
    parts = sae.loss(x, NOBODY)
    assert parts.reconstruction.tolist() == [2.5] and parts.sparsity.item() == 0
    few = new_sae(sae_config("jumprelu", 2, 2, 2, sparsity=2.0)).load_arrays({**HAND, "threshold": [1.0, 0.5]})
    assert few.loss(x, NOBODY).sparsity.item() == 0.5


def test_jumprelu_with_thresholds_at_zero_is_relu():
    sae, x = random_sae("jumprelu"), torch.from_numpy(cone(9, 12))
    sae.threshold.data.fill_(-1.0)
    assert torch.equal(sae.encode(x), sae.pre_activations(x).relu())


def test_threshold_gradient_is_that_of_the_expectation(monkeypatch):
    """For pre-activations spread evenly, E[l0] = share above the threshold, E[z] = its integral: derivatives known."""
    monkeypatch.setattr(jumprelu, "BANDWIDTH", 0.05)
    pre = torch.linspace(0, 2, 200_001, dtype=torch.float64)[:, None]  # density 1/2
    threshold = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    jumprelu._Step.apply(pre, threshold).mean().backward()
    assert threshold.grad.item() == pytest.approx(-0.5, rel=1e-3)
    threshold.grad = None
    jumprelu._Jump.apply(pre, threshold).mean().backward()
    assert threshold.grad.item() == pytest.approx(-0.5 * 0.7, rel=1e-3)


def test_more_price_fewer_active_neurons():
    x, training = cone(400, 12), TrainingConfig(steps=150, batch=64, lr=1e-2)
    active = []
    for sparsity in (0.0, 0.05, 0.5):
        sae, _ = train_sae(x, sae_config("relu", 12, 40, 4, sparsity=sparsity), training)
        active.append((sae.encode(torch.from_numpy(x)) > 0).sum(dim=1).double().mean().item())
    assert active[0] > active[1] > active[2]


def test_price_is_checked():
    with pytest.raises(InputError, match="sparsity was -1"):
        sae_config("relu", 2, 2, 1, sparsity=-1)
