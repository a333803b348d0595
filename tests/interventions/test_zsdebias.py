"""ZSDebias: recorded values of its network and losses, what its training reaches, and what a seed draws."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional

from core.interventions import INTERVENTIONS, Material
from core.interventions.zsdebias import Drawn, field
from core.interventions.zsdebias_network import (
    PARTS,
    Code,
    Network,
    alignment,
    ensembles,
    kernel,
    kl_weight,
    terms,
    total,
    train,
)
from core.units import unit
from tests.interventions.test_contract import D, evidence, rows
from tests.recorded import case_of, oracle

DATA = oracle("zsdebias")
METHOD = INTERVENTIONS.get("zsdebias")()


def close(a: np.ndarray, b: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize(("case", "normalise"), [("raw", 0), ("norm", 1)])
def test_the_network_as_recorded(case, normalise):
    data = case_of(DATA, case)
    drawn = {"eps": data["eps_seed33"], "noise": data["noise_seed33"], "normalise": np.array(normalise)}
    found = METHOD.on_arrays(data | drawn)
    close(found["mu"], data["mu"], 2e-6)
    close(found["logvar"], data["logvar"], 2e-6)
    close(found["out"], data["out_seed33"], 1e-6)


@pytest.fixture(scope="module")
def losses():
    data = case_of(DATA, "loss")
    sides = ({part: data[f"{side}.{part}"] for part in PARTS} for side in ("encoder", "decoder"))
    mean, logvar = Network(*sides, bounded=False).encode(data["image"])
    weights = [torch.as_tensor(data[f"decoder.{part}"]) for part in PARTS]

    def decode(z: torch.Tensor) -> torch.Tensor:
        h = functional.layer_norm(functional.linear(z, *weights[:2]), (8,), *weights[2:4])
        return functional.linear(functional.leaky_relu(h, 0.3), *weights[4:])

    ensemble = ensembles(unit(data["image"]), data["bias_text"], int(data["topk"]))
    close(ensemble, data["ensemble"], 1e-12)
    z = mean + data["eps"] * np.exp(logvar / 2)
    close(z, data["z"], 1e-12)
    x, *code, ensemble, order = map(torch.as_tensor, (data["image"], mean, logvar, z, ensemble, data["perm"]))
    return data, lambda swapped: terms(x, Code(*code), ensemble, order, decode, swapped)


def test_losses_as_recorded(losses):
    data, found = losses[0], losses[1](True)
    for name, loss in found.items():
        assert loss.item() == pytest.approx(data[name], abs=1e-9), name
    assert kl_weight(7) == data["kl_weight_epoch7"] and kl_weight(51) == 0 == kl_weight(1)
    assert total(found, kl_weight(7)).item() == pytest.approx(data["total_epoch7"], abs=1e-9)


def test_the_contrast_decodes_as_everything_else_does(losses):
    """The published training decodes the halves in swapped order there; 71.1 is what the right order gives."""
    assert losses[1](False)["cont"].item() == pytest.approx(71.1, abs=0.05)
    same = {name: losses[1](False)[name].item() for name in ("recon", "kl", "cka_bias")}
    assert same == {name: losses[1](True)[name].item() for name in same}


def test_kernels_and_their_alignment():
    x = torch.as_tensor(DATA["rbf_in"])
    close(kernel(x).numpy(), DATA["rbf_out"], 1e-12)
    close(kernel(torch.ones(3, 2)).numpy(), np.ones((3, 3)), 0)
    K = kernel(torch.as_tensor(np.random.default_rng(0).normal(size=(40, 3))))
    assert alignment(K, 3 * K).item() == pytest.approx(1.0, abs=1e-6)
    L = kernel(torch.as_tensor(np.random.default_rng(1).normal(size=(40, 3))))
    assert 0 <= alignment(K, L).item() < 0.5


# ------------------------------------------------------------------------------------------ training


@pytest.fixture(scope="module")
def trained():
    """Rows with a large group direction that half of the prompts name."""
    rng, d = np.random.default_rng(0), 8
    y = rng.integers(0, 2, 240)
    x = unit(rng.normal(size=(240, d)) * 0.4 + np.where(y == 1, 1, -1)[:, None] * np.eye(d)[0])
    texts = unit(np.concatenate([s * np.eye(d)[0] + 0.2 * rng.normal(size=(20, d)) for s in (1, -1)]))
    return x, y, texts, train(x, texts, epochs=100, rate=1e-2)


def test_training_puts_the_group_into_its_half_and_decodes_without_it(trained):
    x, y, _, network = trained
    mean, _ = network.encode(x)
    kept, group = (_apart(half, y) for half in np.split(mean, 2, axis=1))
    assert group > 10 * kept, "the kept half says little of the group"
    decoded = np.mean([_apart(METHOD(Material("image", x), fitted=Drawn(network, seed)), y) for seed in range(3)])
    assert decoded < 0.2 * _apart(x, y)


def _apart(rows: np.ndarray, y: np.ndarray) -> float:
    """Distance of the groups' means."""
    return float(np.linalg.norm(rows[y == 1].mean(axis=0) - rows[y == 0].mean(axis=0)))


def test_equal_trainings_are_equal_and_the_callers_random_numbers_stay(trained):
    x, _, texts, _ = trained
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = train(x, texts, epochs=2), train(x, texts, epochs=2)
    assert torch.rand(1) == expected
    other = train(x, texts, seed=1, epochs=2)
    for side in ("encoder", "decoder"):
        for part in PARTS:
            np.testing.assert_array_equal(getattr(one, side)[part], getattr(two, side)[part])
    assert not np.array_equal(one.encoder["0.weight"], other.encoder["0.weight"])
    assert one.d == 8 and one.bounded


# ------------------------------------------------------------------------------------------ what is drawn


def test_noise_is_standard_normal_at_every_row_and_unrelated_between_rows_and_columns():
    u = unit(np.random.default_rng(0).normal(size=(2, D)))
    draws = np.stack([field(u, 4, seed) for seed in range(2000)])
    for row, column in ((0, 0), (1, 3)):
        assert stats.kstest(draws[:, row, column], "norm").pvalue > 1e-3
    pairs = [(draws[:, 0, 0], draws[:, 1, 0]), (draws[:, 0, 0], draws[:, 0, 1])]
    for a, b in pairs:
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(2000)


def test_what_rounding_moves_moves_its_noise_as_little():
    u = unit(np.random.default_rng(0).normal(size=(200, D)))
    moved = np.abs(field(unit(u * (1 + 1e-7)), 6, 0) - field(u + 1e-8, 6, 0))
    assert np.median(moved) < 1e-5 and np.quantile(moved, 0.99) < 1e-3


def test_a_seed_is_a_draw():
    fitted, m = METHOD.fit(evidence()), Material("image", rows(6, 1))
    again = METHOD.seeded(fitted, 0)
    np.testing.assert_array_equal(METHOD(m, fitted=fitted), METHOD(m, fitted=again))
    other = METHOD(m, fitted=METHOD.seeded(fitted, 1))
    cosine = (unit(other) * unit(METHOD(m, fitted=fitted))).sum(axis=1)
    assert METHOD.random and (cosine < 0.999).all()
    assert METHOD.seeded(fitted, 1) != fitted and replace(fitted, seed=0).nbytes == fitted.network.nbytes
    close(np.linalg.norm(other, axis=1), np.linalg.norm(m.pooled, axis=1), 1e-4)
