"""The sparse sums of the training step are the gradient of the loss as it is written down."""

import pytest
import torch
from sae_helpers import cone, random_sae

from core.saes import largest
from core.saes.base import SAE, LossParts, new_sae, sae_config
from core.training import Trainer
from core.training.config import TrainingConfig

ARCHS = ("topk", "batch-topk", "matryoshka-batch-topk")


def literal_loss(sae: SAE, x: torch.Tensor, dead: torch.Tensor, aux_weight: float) -> torch.Tensor:
    """The definition, dense and by automatic differentiation: what the published trainers compute."""
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    active = pre.relu()
    if sae.config.arch == "topk":
        kept = torch.zeros_like(active).scatter(1, active.topk(sae.config.k, dim=1).indices, 1.0)
    else:
        flat = torch.zeros(active.numel(), dtype=x.dtype)
        kept = flat.scatter(0, active.flatten().topk(sae.config.k * len(x)).indices, 1.0).view_as(active)
    codes, x_hat, losses, start = active * kept, sae.b_dec, [], 0
    for size in sae.group_sizes:
        x_hat = x_hat + codes[:, start : start + size] @ sae.W_dec[start : start + size]
        losses.append((x - x_hat).square().sum(dim=1).mean() / len(sae.group_sizes))
        start += size
    total = torch.stack(losses).mean()
    if dead.any():
        residual = (x - x_hat).detach()
        revived = active * dead
        most = min(sae.config.d_in // 2, int(dead.sum()))
        strongest = torch.where(dead, active, -torch.inf).topk(most, dim=1).indices
        revived = revived * torch.zeros_like(active).scatter(1, strongest, 1.0)
        missed = (residual - revived @ sae.W_dec).square().sum(dim=1).mean()
        total = total + aux_weight * missed / (residual - residual.mean(dim=0)).square().sum(dim=1).mean()
    return total


def compare(sae: SAE, reference: SAE, x: torch.Tensor, silent: torch.Tensor, **tolerance: float) -> LossParts:
    parts = sae.loss(x, silent, dead_after=500, aux_weight=0.5)
    parts.total.backward()
    total = literal_loss(reference, x.to(reference.b_dec.dtype), parts.silent >= 500, 0.5)
    total.backward()
    torch.testing.assert_close(parts.total.to(total.dtype), total, **tolerance)
    for name, parameter in reference.named_parameters():
        found = getattr(sae, name).grad.to(parameter.dtype)
        torch.testing.assert_close(found, parameter.grad, **tolerance, msg=lambda text, name=name: f"{name}: {text}")
    return parts


def shy(arch: str, x: torch.Tensor, most: int, **shape: int) -> tuple[SAE, SAE, torch.Tensor]:
    """An SAE as precise as x, its double, and `silent`: up to `most` neurons are dead, though active at times."""
    sae, reference = random_sae(arch, **shape).to(x.dtype), random_sae(arch, **shape).double()
    half = sae.config.d_sae // 2
    spread = sae.pre_activations(x).std().item()
    for each in (sae, reference):
        with torch.no_grad():
            each.b_enc[:half] -= 1.5 * spread
    unfired = ~(sae.training_codes(x) > 0).any(dim=0) & (sae.pre_activations(x) > 0).any(dim=0)
    dead = unfired.nonzero().flatten()[:most]
    silent = torch.zeros(sae.config.d_sae, dtype=torch.int64)
    silent[dead] = 1000
    return sae, reference, silent


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("dead", [0, 3, 30])
def test_gradients_are_those_of_the_definition(arch, dead):
    x = torch.from_numpy(cone(50, 12)).double()
    sae, reference, silent = shy(arch, x, dead)
    parts = compare(sae, reference, x, silent, rtol=1e-9, atol=1e-11)
    assert bool(parts.n_dead) == bool(dead) == bool(parts.aux > 0)


@pytest.mark.parametrize("arch", ARCHS)
def test_rough_products_leave_the_gradients_in_single_precision(arch, monkeypatch):
    monkeypatch.setattr(largest, "WORTHWHILE", 1)
    x = torch.from_numpy(cone(300, 64))
    sae, reference, silent = shy(arch, x, 256, d=64, n=256, k=8)
    parts = compare(sae, reference, x, silent, rtol=1e-3, atol=1e-4)
    assert parts.n_dead and parts.total.dtype == torch.float32


@pytest.mark.parametrize("arch", ARCHS)
def test_a_batch_that_excites_nobody_moves_b_dec_alone(arch):
    sae, x = random_sae(arch), torch.from_numpy(cone(20, 12))
    with torch.no_grad():
        sae.b_enc.fill_(-1000)
    parts = sae.loss(x, torch.zeros(40, dtype=torch.int64))
    parts.total.backward()
    assert parts.n_active == 0 and parts.smallest is None and (parts.silent == 20).all()
    torch.testing.assert_close(parts.x_hat, sae.b_dec.detach().expand(20, 12))
    assert not sae.W_enc.grad.any() and not sae.W_dec.grad.any() and not sae.b_enc.grad.any()
    assert sae.b_dec.grad.norm() > 0


@pytest.mark.parametrize("arch", [*ARCHS, "msae"])
def test_two_threads_give_the_same_bits_every_time(arch):
    """Sums that several threads share would depend on who comes first."""
    before, x = torch.get_num_threads(), torch.from_numpy(cone(512, 64))
    torch.set_num_threads(2)
    try:
        states = []
        for _ in range(2):
            sae = new_sae(sae_config(arch, 64, 4096, 8))
            sae.initialise(torch.Generator().manual_seed(0))
            trainer = Trainer(sae, TrainingConfig(steps=4, batch=512, lr=1e-3, dead_after=512))
            for _ in range(4):
                trainer.update(x)
            states.append(trainer.state())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*(state.values() for state in states), strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("arch", [*ARCHS, "msae"])
def test_a_gpu_computes_the_same_loss_and_gradients(arch):
    sae, reference = random_sae(arch, d=64, n=4096, k=8).cuda(), random_sae(arch, d=64, n=4096, k=8)
    x, silent = torch.from_numpy(cone(1024, 64)), torch.zeros(4096, dtype=torch.int64)
    silent[:500] = 1000
    parts, expected = sae.loss(x.cuda(), silent.cuda(), 500), reference.loss(x, silent, 500)
    parts.total.backward()
    expected.total.backward()
    assert parts.total.item() == pytest.approx(expected.total.item(), rel=1e-4)
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(getattr(sae, name).grad.cpu(), parameter.grad, rtol=1e-3, atol=1e-5)
