"""A training that dies by kill -9, at whatever moment, ends after resuming with the weights of one that did not."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from core.saes.checkpoint import load_sae

ROOT = Path(__file__).resolve().parents[1]
STEPS = 60
KILLS = 2

TRAINING = f"""
import sys
import numpy as np, torch
from core.config import SAEConfig, TrainingConfig
from core.saes import largest
from core.training import train_sae

torch.set_num_threads(1)
largest.WORTHWHILE = 1
training = TrainingConfig(steps={STEPS}, batch=64, dead_after=200, threshold_start=5)
config = SAEConfig("matryoshka-batch-topk", 16, 512, 8)
train_sae(np.load(sys.argv[1], mmap_mode="r"), config, training, out=sys.argv[2], resume=True, save_every=3,
          on_step=lambda point: print(point.step, flush=True))
"""


def train(x: Path, out: Path, kill_after: int | None = None, wait: float = 0.0) -> int:
    """Run the training as a process of its own; with `kill_after` shoot it some time after that many steps."""
    command = [sys.executable, "-c", TRAINING, str(x), str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for done, _ in enumerate(process.stdout, start=1):
            if done == kill_after:
                time.sleep(wait)
                process.kill()
    return process.returncode


def test_kill_9_at_random_moments_leaves_no_trace(tmp_path):
    rng, moments = np.random.default_rng(0), random.Random()
    np.save(tmp_path / "x.npy", rng.normal(size=(1000, 16)).astype(np.float32) + 3)
    assert train(tmp_path / "x.npy", tmp_path / "whole") == 0
    chosen = [(moments.randint(1, STEPS // (KILLS + 1)), moments.uniform(0, 0.02)) for _ in range(KILLS)]
    died = [train(tmp_path / "x.npy", tmp_path / "cut", *moment) for moment in chosen]
    assert any(code == -9 for code in died), chosen
    assert train(tmp_path / "x.npy", tmp_path / "cut") == 0
    whole, cut = load_sae(tmp_path / "whole"), load_sae(tmp_path / "cut")
    assert whole.digest == cut.digest and whole.quality == cut.quality, f"killed at (steps, seconds after) {chosen}"
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["config.json", "weights.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole", "x.npy"], "nothing is left beside"
