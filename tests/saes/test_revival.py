"""Dead neurons, levels and shares of a batch: losses of MSAE and of SAEs with a price, literally and by gradient."""

import pytest
import torch
from sae_helpers import cone, random_sae

from core.config import InputError
from core.saes.base import new_sae, sae_config

D, F = 12, 40
X = torch.from_numpy(cone(30, D)).double()


def sae_of(arch: str, **settings):
    return new_sae(sae_config(arch, D, F, 5, **settings)).double().load_arrays(random_sae(arch).arrays())


def literal_levels(sae, x: torch.Tensor) -> list[torch.Tensor]:
    """x_hat of each level, row by row."""
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    found = []
    for k in sae.levels:
        rows = []
        for one in pre:
            z = torch.zeros_like(one)
            for j in one.argsort(descending=True)[:k]:
                z[j] = max(one[j], 0.0)
            rows.append(z @ sae.W_dec + sae.b_dec)
        found.append(torch.stack(rows))
    return found


@pytest.mark.parametrize(("weighting", "weights"), [("reverse", (3, 2, 1)), ("uniform", (1, 1, 1))])
def test_levels_of_msae(weighting, weights):
    sae = sae_of("msae", levels=(2, 5, 20), weighting=weighting)
    assert sae.level_weights == weights
    nested = literal_levels(sae, X)
    errors = [((x_hat - X) ** 2).mean() for x_hat in nested]
    torch.testing.assert_close(sae.level_losses(X), torch.stack(errors))
    relative = [(((x_hat - X) ** 2).mean(dim=1) / (X**2).mean(dim=1)).mean() for x_hat in nested]
    torch.testing.assert_close(sae.level_losses(X, relative=True), torch.stack(relative))
    parts = sae.loss(X, torch.zeros(F, dtype=torch.int64), aux_weight=0)
    expected = torch.stack([w * e for w, e in zip(weights, errors, strict=True)])
    torch.testing.assert_close(parts.reconstruction, expected.detach())
    torch.testing.assert_close(parts.total, expected.sum())
    torch.testing.assert_close(parts.x_hat, nested[-1].detach())
    z = sae.training_codes(X)
    torch.testing.assert_close(z @ sae.W_dec + sae.b_dec, nested[-1])
    assert parts.n_active == int((z > 0).sum()) and parts.smallest.item() == pytest.approx(z[z > 0].min().item())


def test_default_levels_are_k_and_twice_k():
    assert sae_of("msae").levels == (5, 10)
    assert new_sae(sae_config("msae", D, 8, 5)).levels == (5, 8) and new_sae(sae_config("msae", D, 5, 5)).levels == (5,)
    for levels in ((0, 3), (3, 3), (5, 2), (3, F + 1)):
        with pytest.raises(InputError, match="levels were"):
            sae_config("msae", D, F, 5, levels=levels)
    assert sae_config("msae", D, F, 5, levels=(1, F)).levels == (1, F)


@pytest.mark.parametrize("dead", [(3,), tuple(range(10, 40))])
def test_revival_of_msae(dead):
    """The dead neurons' own reconstruction of what the last level missed, over its spread, times the mean square."""
    sae = sae_of("msae", levels=(5, 10))
    with torch.no_grad():
        sae.b_enc[list(dead)] = -50.0 * sae.W_enc[:, list(dead)].norm(dim=0)
        sae.b_enc[dead[0]] = 0.01 - 0.2
    silent = torch.full((F,), 7)
    silent[[j for j in range(F) if j not in dead]] = 0
    parts = sae.loss(X, silent, dead_after=20, aux_weight=0.25)
    pre = (X - sae.b_dec) @ sae.W_enc + sae.b_enc
    nested = literal_levels(sae, X)
    fired = (sae.training_codes(X) > 0).any(dim=0)
    expected_silent = torch.where(fired, 0, silent + len(X))
    assert torch.equal(parts.silent, expected_silent)
    gone = (expected_silent >= 20).nonzero().flatten()
    assert parts.n_dead == len(gone) > 0
    residual = X - nested[-1].detach()
    active = pre[:, gone].relu()
    keep = torch.zeros_like(active)
    for i, row in enumerate(active):
        keep[i, row.argsort(descending=True)[: D // 2]] = 1
    missed = ((residual - (active * keep) @ sae.W_dec[gone]) ** 2).sum(dim=1).mean()
    spread = ((residual - residual.mean(dim=0)) ** 2).sum(dim=1).mean()
    torch.testing.assert_close(parts.aux, (missed / spread).detach())
    weighted = [w * ((x_hat - X) ** 2).mean() for w, x_hat in zip((2, 1), nested, strict=True)]
    torch.testing.assert_close(parts.total, sum(weighted) + 0.25 * (X**2).mean() * missed / spread)
    assert sae.loss(X, silent, dead_after=20, aux_weight=0).aux.item() == 0
    assert sae.loss(X, silent).aux.item() == 0 and sae.loss(X, silent).n_dead == 0
    border = sae.loss(X, silent, dead_after=int(expected_silent.max()), aux_weight=0.25)
    assert border.n_dead > 0 and sae.loss(X, silent, dead_after=int(expected_silent.max()) + 1).n_dead == 0


def test_the_shortcut_of_b_dec_has_the_same_gradients():
    sae, other = sae_of("msae", levels=(3, 9)), sae_of("msae", levels=(3, 9))
    sae.loss(X, torch.zeros(F, dtype=torch.int64), aux_weight=0).total.backward()
    total = sum(w * ((x_hat - X) ** 2).mean() for w, x_hat in zip((2, 1), literal_levels(other, X), strict=True))
    total.backward()
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        torch.testing.assert_close(getattr(sae, name).grad, getattr(other, name).grad)


def test_unit_decoder_rows_keep_reconstructions_and_lose_the_gradient_along_them():
    sae = sae_of("msae", levels=(3, 9))
    with torch.no_grad():
        sae.W_dec.mul_(torch.linspace(0.5, 3, F)[:, None])
    before = sae(X).detach()
    sae.move_decoder_norm()
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(F, dtype=torch.float64))
    torch.testing.assert_close(sae(X).detach(), before)
    sae.project_decoder_gradient()
    assert sae.W_dec.grad is None
    with torch.no_grad():
        sae.W_dec.mul_(2.0)
    grad = torch.randn(F, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sae.W_dec.grad = grad.clone()
    sae.project_decoder_gradient()
    unit = sae.W_dec.detach() / sae.W_dec.detach().norm(dim=1, keepdim=True)
    torch.testing.assert_close(sae.W_dec.grad, grad - (grad * unit).sum(dim=1, keepdim=True) * unit)


@pytest.mark.parametrize("arch", ["relu", "jumprelu"])
def test_revival_of_saes_with_a_price(arch):
    """max(0, onset - pre) of the dead neurons, to whose own encoder alone it has a gradient."""
    sae = sae_of(arch)
    dead = [4, 9, 30]
    with torch.no_grad():
        sae.b_enc[dead] = torch.tensor([-40.0, -30.0, -20.0], dtype=torch.float64)
        if arch == "jumprelu":
            sae.threshold.copy_(torch.linspace(0.01, 0.4, F))
    silent = torch.zeros(F, dtype=torch.int64)
    silent[dead] = 100
    parts = sae.loss(X, silent, dead_after=100, aux_weight=0.5)
    codes = sae.encode(X)
    assert parts.n_dead == 3 and parts.n_active == int((codes > 0).sum())
    assert parts.smallest.item() == pytest.approx(codes[codes > 0].min().item())
    fired = (codes > 0).any(dim=0)
    assert torch.equal(parts.silent, torch.where(fired, 0, silent + len(X)))
    pre = (X - sae.b_dec) @ sae.W_enc + sae.b_enc
    onset = sae.threshold[dead] if arch == "jumprelu" else torch.zeros(3, dtype=torch.float64)
    aux = (onset - pre[:, dead]).clamp_min(0).mean()
    torch.testing.assert_close(parts.aux, aux.detach())
    missed = ((X - codes @ sae.W_dec - sae.b_dec) ** 2).sum(dim=1).mean()
    torch.testing.assert_close(parts.reconstruction, missed.detach()[None])
    torch.testing.assert_close(parts.total, missed + parts.sparsity + 0.5 * aux)
    without = sae.loss(X, silent, dead_after=100, aux_weight=0)
    assert without.aux.item() == 0 and sae.loss(X, silent, dead_after=10_000).n_dead == 0
    grads = []
    for one in (parts, without):
        sae.zero_grad()
        one.total.backward()
        grads.append({name: p.grad.clone() for name, p in sae.named_parameters() if p.grad is not None})
    for name, grad in grads[0].items():
        moved = (grad - grads[1][name]).abs()
        own = moved[:, dead] if name == "W_enc" else moved[dead] if name == "b_enc" else moved[:0]
        assert (own > 0).any() == (name in ("W_enc", "b_enc"))
        assert moved.sum().item() == pytest.approx(own.sum().item(), abs=1e-12)


def test_the_price_of_activity():
    free, own, dear = (sae_of("relu", **({} if s is None else {"sparsity": s})) for s in (0.0, None, 3.0))
    activity = free.encode(X).sum(dim=1).mean()
    assert free.loss(X, torch.zeros(F, dtype=torch.int64)).sparsity.item() == 0.0
    assert dear.loss(X, torch.zeros(F, dtype=torch.int64)).sparsity.item() == pytest.approx(3 * activity.item())
    price = own.loss(X, torch.zeros(F, dtype=torch.int64)).sparsity.item()
    assert price == pytest.approx(own.default_sparsity * activity.item()) and own.sparsity == own.default_sparsity
    assert sae_config("relu", D, F, 5, sparsity=0).sparsity == 0
    for wrong in (-0.1, float("inf"), float("nan")):
        with pytest.raises(InputError, match="sparsity was"):
            sae_config("relu", D, F, 5, sparsity=wrong)
