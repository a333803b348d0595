"""What holds for every registered SAE architecture, and what makes each of them itself."""

import numpy as np
import pytest
import torch
from sae_helpers import cone, random_sae

from core.config import InputError
from core.saes.base import SAES, geometric_median, new_sae, sae_config
from core.saes.checkpoint import load_sae, sae_digest, save_sae
from core.saes.config import SAEConfig, own_settings
from core.saes.rules import RULES, Rule
from core.training import train_sae
from core.training.config import TrainingConfig

ALL = SAES.names()
QUICK = TrainingConfig(steps=40, batch=32)


@pytest.fixture(params=ALL)
def arch(request) -> str:
    return request.param


def test_shapes_zeros_and_forward(arch):
    sae, x = random_sae(arch), torch.from_numpy(cone(9, 12)).reshape(3, 3, 12)
    z = sae.encode(x)
    assert z.shape == (3, 3, 40) and (z >= 0).all() and (z == 0).any() and (z > 0).any()
    assert torch.equal(sae(x), sae.decode(z))
    assert sae.training_codes(x.reshape(9, 12)).shape == (9, 40)


def test_codes_of_a_row_do_not_depend_on_other_rows(arch):
    sae, x = random_sae(arch), torch.from_numpy(cone(9, 12))
    torch.testing.assert_close(sae.encode(x)[4:5], sae.encode(x[4:5]))


def test_sparse_codes_are_the_codes(arch):
    sae, x = random_sae(arch), torch.from_numpy(cone(30, 12))
    places, values = sae.encode_sparse(x)
    z = sae.encode(x)
    assert torch.equal(torch.stack(places[:2], dim=1), (z != 0).nonzero())
    torch.testing.assert_close(values, z[z != 0])


def test_active_codes_are_the_pre_activations_in_float64(arch):
    sae, x = random_sae(arch).double(), torch.from_numpy(cone(9, 12)).double()
    a = {name: value.astype(np.float64) for name, value in sae.arrays().items()}
    pre = (x.numpy() - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
    z = sae.encode(x).detach().numpy()
    np.testing.assert_allclose(z[z > 0], pre[z > 0], atol=1e-12)
    np.testing.assert_allclose(sae(x).detach().numpy(), z @ a["W_dec"] + a["b_dec"], atol=1e-12)


def test_gradient_of_the_loss_is_that_of_its_definition(arch):
    """Central differences over every parameter, in float64, with some neurons dead."""
    sae, x = random_sae(arch, d=6, n=16, k=3).double(), torch.from_numpy(cone(8, 6)).double()
    silent = torch.zeros(16, dtype=torch.int64)
    silent[::3] = 1000
    sae.loss(x, silent, dead_after=500).total.backward()
    residual_free = random_sae(arch, d=6, n=16, k=3).double()
    for name, parameter in sae.named_parameters():
        if name in sae.straight_through:
            continue
        direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        values = []
        for sign in (1, -1):
            residual_free.load_state_dict(sae.state_dict())
            with torch.no_grad():
                getattr(residual_free, name).add_(direction, alpha=sign * 1e-6)
            # without the aux part: no gradient runs through its residual, which differences cannot see
            values.append(residual_free.loss(x, silent, dead_after=500, aux_weight=0).total.item())
        sae.zero_grad()
        sae.loss(x, silent, dead_after=500, aux_weight=0).total.backward()
        exact = (parameter.grad * direction).sum().item()
        assert exact == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_revives_dead_neurons_only(arch):
    sae, x = random_sae(arch), torch.from_numpy(cone(30, 12))
    with torch.no_grad():
        sae.b_enc[:10] -= 1.5
    fired = (sae.training_codes(x) > 0).any(dim=0)
    silent = torch.where(fired, 0, 1000)
    without = sae.loss(x, silent, dead_after=2000)
    assert without.n_dead == 0 and without.aux == 0
    parts = sae.loss(x, silent, dead_after=500)
    assert parts.n_dead == int((~fired).sum()) > 0 and parts.aux > 0
    (parts.total - parts.total.detach()).backward()
    with_aux = sae.b_enc.grad.clone()
    sae.zero_grad()
    without = sae.loss(x, silent, dead_after=2000)
    without.total.backward()
    assert torch.allclose(with_aux[fired], sae.b_enc.grad[fired], atol=1e-7)
    assert (with_aux[~fired] != 0).any() and (sae.b_enc.grad[~fired] == 0).all()


def test_working_on_scaled_inputs_can_be_folded_into_the_weights(arch):
    sae, x = random_sae(arch).double(), torch.from_numpy(cone(20, 12)).double()
    z, x_hat = sae.encode(x), sae(x)
    sae.scale_inputs(7.5)
    torch.testing.assert_close(sae.encode(7.5 * x), 7.5 * z)
    torch.testing.assert_close(sae(7.5 * x), 7.5 * x_hat)


def test_trains_to_a_unit_decoder_and_better_than_the_mean(arch):
    x = cone(400, 12)
    sae, curve = train_sae(x, sae_config(arch, 12, 40, 4), TrainingConfig(steps=120, batch=64, lr=1e-2))
    np.testing.assert_allclose(sae.W_dec.norm(dim=1), 1, atol=1e-5)
    assert curve[-1].fvu < 0.5 * curve[0].fvu
    assert not sae.W_dec.requires_grad and not sae.training


def test_deterministic_for_a_seed(arch):
    x, config = cone(200, 12), sae_config(arch, 12, 40, 4)
    torch.manual_seed(1)
    first, _ = train_sae(x, config, QUICK)
    torch.manual_seed(2)
    second, _ = train_sae(x, config, QUICK)
    other, _ = train_sae(x, config, TrainingConfig(steps=40, batch=32, seed=1))
    assert sae_digest(first) == sae_digest(second) != sae_digest(other)


def test_saved_and_loaded_bit_equal(arch, tmp_path):
    sae = random_sae(arch).frozen()
    saved = save_sae(tmp_path / "a", sae, "a")
    loaded = load_sae(tmp_path / "a")
    for name, value in sae.arrays().items():
        assert np.array_equal(value, loaded.sae.arrays()[name])
    assert loaded.digest == saved.digest == sae_digest(sae)
    assert loaded.sae.config == sae.config


def test_wrong_weights_are_named(arch):
    sae = random_sae(arch)
    with pytest.raises(InputError, match="missing: b_dec"):
        sae.load_arrays({name: value for name, value in sae.arrays().items() if name != "b_dec"})
    with pytest.raises(InputError, match=r"W_dec have shape \(2, 2\)"):
        sae.load_arrays({**sae.arrays(), "W_dec": np.zeros((2, 2))})
    with pytest.raises(InputError, match="NaN"):
        sae.load_arrays({**sae.arrays(), "b_enc": np.full(40, np.nan)})


def test_topk_keeps_exactly_the_largest_of_each_row():
    sae, x = random_sae("topk"), torch.from_numpy(cone(50, 12))
    z, pre = sae.encode(x), sae.pre_activations(x)
    assert (z > 0).sum(dim=1).max() <= 5
    for row in range(50):
        expected = pre[row].sort(descending=True)
        torch.testing.assert_close(z[row].sort(descending=True).values[:5], expected.values[:5].relu())
    torch.testing.assert_close(sae.training_codes(x), z)


def test_batch_topk_by_hand():
    """Two rows, k = 1: both kept entries may come from one row; use compares with the threshold instead."""
    sae = new_sae(sae_config("matryoshka-batch-topk", 2, 2, 1, group_fractions=(0.5, 0.5))).load_arrays(
        {
            "W_enc": np.eye(2),
            "b_enc": np.array([0.0, 1.0]),
            "W_dec": np.eye(2),
            "b_dec": np.array([1.0, 0.0]),
            "threshold": np.array(2.0),
        }
    )
    x = torch.tensor([[4.0, 4.0], [2.0, 1.0]])
    assert torch.equal(sae.pre_activations(x), torch.tensor([[3.0, 5.0], [1.0, 2.0]]))
    assert torch.equal(sae.training_codes(x), torch.tensor([[3.0, 5.0], [0.0, 0.0]]))
    assert torch.equal(sae.encode(x), torch.tensor([[3.0, 5.0], [0.0, 0.0]])), "the threshold itself does not pass"
    # group 1 alone: (4, 0), (1, 0); both groups: (4, 5), (1, 0)
    parts = sae.loss(x, torch.zeros(2, dtype=torch.int64))
    assert parts.reconstruction.tolist() == [(16 + 2) / 2 / 2, (1 + 2) / 2 / 2]
    assert parts.total.item() == (9 / 2 + 3 / 4) / 2 and parts.smallest.item() == 3


def test_threshold_takes_its_first_value_then_averages():
    sae = new_sae(sae_config("matryoshka-batch-topk", 2, 4, 1))
    assert sae.threshold == -1
    sae.update_threshold(torch.tensor(4.0), 0.9)
    assert sae.threshold == 4
    sae.update_threshold(torch.tensor(2.0), 0.9)
    assert sae.threshold.item() == pytest.approx(3.8)


def test_groups_take_the_rounding_remainder_last():
    assert new_sae(sae_config("matryoshka-batch-topk", 2, 100, 1)).group_sizes == (6, 12, 25, 57)
    shares = tuple(size / 83 for size in (7, 11, 26, 39))
    assert new_sae(sae_config("matryoshka-batch-topk", 2, 83, 1, group_fractions=shares)).group_sizes == (7, 11, 26, 39)


def test_geometric_median_resists_an_outlier():
    square = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    torch.testing.assert_close(geometric_median(square), torch.tensor([1.0, 1.0]))
    far = torch.cat([square, torch.tensor([[1000.0, 1.0]])])
    assert (geometric_median(far) - 1).norm() < 1.1 < (far.mean(0) - 1).norm()


@pytest.mark.parametrize("arch", ALL)
def test_every_architecture_says_its_settings_and_its_rule(arch):
    kind = SAES.get(arch)
    config = sae_config(arch, 6, 20, 3)
    assert type(config) is kind.Config and issubclass(kind.Config, SAEConfig)
    assert kind.rule is None or (isinstance(kind.rule, Rule) and kind.rule.name)
    for one in own_settings(kind.Config):
        assert one.metadata["title"] and callable(one.metadata["read"])
        chosen = one.metadata["choices"]
        assert not chosen or one.default in chosen
        assert sae_config(arch, 6, 20, 3, **{one.name: getattr(config, one.name)}) == config
    assert sae_config(**config.to_json()) == config
    with pytest.raises(InputError, match=f"{arch} has no setting 'nosuch'"):
        sae_config(arch, 6, 20, 3, nosuch=1)


def test_every_rule_has_a_name_of_its_own():
    own = {kind.rule for kind in map(SAES.get, ALL) if kind.rule is not None}
    assert len({rule.name for rule in own}) == len(own) and set(RULES.values()) <= own
