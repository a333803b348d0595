"""The benchmark of a training step compares the same start, the same batches and the same number of steps."""

from types import SimpleNamespace

import pytest
import torch

from core.saes.base import new_sae, sae_config
from core.training import Trainer
from core.training.config import TrainingConfig
from tests.benchmarks import train


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in {"D": 16, "NEURONS": 64, "K": 4, "BATCH": 32, "DEAD": 8, "DEAD_BIAS": -5.0, "CORES": 1}.items():
        monkeypatch.setattr(train, name, value)


class Rival:
    """Our own trainer behind the published one's names, from a start of its own."""

    dead_feature_threshold, dead_features = 10_000_000, 0

    def __init__(self) -> None:
        self.ae = new_sae(sae_config("matryoshka-batch-topk", 16, 64, 4))
        self.ae.initialise(torch.Generator().manual_seed(7))
        settings = {"warmup_steps": train.WARMUP, "dead_after": 10_000_000, "threshold_start": 1000}
        self.trainer = Trainer(self.ae, TrainingConfig(steps=train.STEPS, batch=32, **settings))
        self.num_tokens_since_fired = self.trainer.silent

    def update(self, step: int, x: torch.Tensor) -> float:
        parts = self.trainer.update(x)
        self.dead_features = parts.n_dead
        return parts.total.item()


def test_equal_trainers_have_equal_losses(monkeypatch):
    monkeypatch.setattr(train, "_peer", lambda device: Rival())
    threads = torch.get_num_threads()
    found = train.run(runs=3)
    assert found["loss_difference"] == 0 and len(set(found["losses"]["ours"])) == 4, "four steps on four batches"
    assert found["with_dead_neurons"]["loss_difference"] == 0 and found["with_dead_neurons"]["n_dead"][0] > 0
    assert found["ratio"] > 0 and found["over_encoder_product"] > 0 and found["runs"] == 3
    assert found["profile"] and found["threads"] == 1 and torch.get_num_threads() == threads


def test_without_the_other_trainer_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(train, "importlib", SimpleNamespace(import_module=missing, util=train.importlib.util))
    found = train.run(runs=1)
    assert "pip install" in found["skipped"] and "\n" not in found["skipped"] and found["ratio"] is None
    assert found["ours"]["median_ms"] > 0


def missing(name: str) -> None:
    raise ImportError(name)
