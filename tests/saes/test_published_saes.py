"""Parity with the published trainers and their checkpoints: losses, gradients, updates, codes."""

import numpy as np
import pytest
import torch

from core.saes.base import SAE, new_sae, sae_config
from core.saes.checkpoint import load_sae
from core.training import Trainer
from core.training.config import TrainingConfig
from tests.recorded import ORACLES, oracle

TRAINERS = {"matryoshka": "matryoshka-batch-topk", "batchtopk": "batch-topk", "topk": "topk"}
OTHER_NAMES = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight", "b_dec": "b_dec"}


def published(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Our four arrays out of the names and the orientation of either trainer."""
    if f"{prefix}W_enc" in data:
        return {name: data[prefix + name] for name in OTHER_NAMES}
    return {ours: np.atleast_1d(data[prefix + theirs]).T for ours, theirs in OTHER_NAMES.items()}


def start(data: dict[str, np.ndarray], arch: str) -> SAE:
    arrays = published(data, "p0_")
    sae = new_sae(sae_config(arch, *arrays["W_enc"].shape, k=int(data["k"]))).double()
    return sae.load_arrays({**{name: value.detach() for name, value in sae.state_dict().items()}, **arrays})


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize("case", ["nodead", "dead_few", "dead_many"])
def test_loss_and_gradients(name, case):
    data = oracle(f"train_{name}.npz")
    sae, x = start(data, TRAINERS[name]), torch.from_numpy(data["x"])
    np.testing.assert_allclose(sae.training_codes(x).detach(), data["f"], atol=1e-12)
    before = torch.from_numpy(data[f"{case}_tokens_since_fired_before"])
    parts = sae.loss(x, before, aux_weight=float(data["auxk_alpha"]))
    parts.total.backward()
    np.testing.assert_allclose(parts.reconstruction, data[f"{case}_l2"], atol=1e-9)
    assert parts.aux.item() == pytest.approx(float(data[f"{case}_aux"]), abs=1e-9)
    assert parts.total.item() == pytest.approx(float(data[f"{case}_total"]), abs=1e-9)
    assert parts.n_dead == data[f"{case}_n_dead"]
    np.testing.assert_array_equal(parts.silent, data[f"{case}_tokens_since_fired_after"])
    for parameter, expected in published(data, f"{case}_grad_").items():
        np.testing.assert_allclose(getattr(sae, parameter).grad, expected, atol=1e-9, err_msg=parameter)


@pytest.mark.parametrize("name", TRAINERS)
def test_decoder_geometry(name):
    data = oracle(f"train_{name}.npz")
    sae = start(data, TRAINERS[name])
    before = torch.from_numpy(data["dead_few_tokens_since_fired_before"])
    sae.loss(torch.from_numpy(data["x"]), before, aux_weight=float(data["auxk_alpha"])).total.backward()
    sae.project_decoder_gradient()
    projected = data["dead_few_grad_dec_projected"]
    np.testing.assert_allclose(sae.W_dec.grad, projected if name == "matryoshka" else projected.T, atol=1e-9)
    sae.W_dec.data = torch.from_numpy(data["unitnorm_in"].T.copy())
    sae.normalise_decoder()
    np.testing.assert_allclose(sae.W_dec.detach(), data["unitnorm_out"].T, atol=1e-12)


@pytest.mark.parametrize("name", TRAINERS)
def test_six_updates(name):
    data = oracle(f"train_{name}.npz")
    lr, warmup, decay_start, steps, beta, threshold_start, dead_after = data["traj_settings"]
    training = TrainingConfig(
        steps=int(steps),
        batch=data["traj_batches"].shape[1],
        lr=lr,
        warmup_steps=int(warmup),
        decay_fraction=1 - decay_start / steps,
        aux_weight=float(data["auxk_alpha"]),
        dead_after=int(dead_after),
        threshold_start=int(threshold_start),
        threshold_beta=beta,
    )
    trainer = Trainer(start(data, TRAINERS[name]), training)
    for i, batch in enumerate(torch.from_numpy(data["traj_batches"])):
        parts = trainer.update(batch)
        assert parts.total.item() == pytest.approx(data["traj_loss"][i], abs=1e-9)
        np.testing.assert_allclose(trainer.sae.b_dec.detach(), data["traj_b_dec_all"][i], atol=1e-9)
        if name != "topk":
            assert trainer.sae.threshold.item() == pytest.approx(data["traj_threshold"][i], rel=1e-6)
    for parameter, expected in published(data, "traj_final_").items():
        np.testing.assert_allclose(getattr(trainer.sae, parameter).detach(), expected, atol=1e-9, err_msg=parameter)


@pytest.mark.parametrize("run", ["dl_matryoshka", "sap_matryoshka", "sap_topk"])
def test_checkpoints(run):
    data = oracle(f"ckpt/{run}/trainer_0/io.npz")
    file = load_sae(ORACLES / "ckpt" / run / "trainer_0")
    x = torch.from_numpy(data["x"])
    np.testing.assert_allclose(file.sae.encode(x), data["z"], atol=1e-5)
    np.testing.assert_allclose(file.sae(x), data["x_hat"], atol=1e-5)
    assert file.fingerprint is None and file.name == run


def test_attached_sae_of_debiaslens():
    data = oracle("debiaslens_attach.npz")
    sizes = data["sae_group_sizes"]
    d, n = data["sae_W_enc"].shape
    config = sae_config("matryoshka-batch-topk", d, n, int(data["sae_k"]), group_fractions=tuple(sizes / n))
    sae = new_sae(config)
    sae.load_arrays({name: data[f"sae_{name}"] for name in sae.state_dict()})
    assert sae.group_sizes == tuple(sizes)
    np.testing.assert_allclose(sae.encode(torch.from_numpy(data["h"])).detach(), data["z"], atol=1e-5)
