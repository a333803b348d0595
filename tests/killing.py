"""Trains a small SAE in processes that are killed without warning; run by tests/training/test_training.py beside it."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from core.saes.base import sae_config
from core.training import STATE, train_sae
from core.training.config import TrainingConfig

KILLS = 10
CONFIG = sae_config("matryoshka-batch-topk", 8, 24, 3)
LONG = TrainingConfig(steps=300, batch=16)


def train(out: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    train_sae(x, CONFIG, LONG, out=out, resume=True, save_every=5)


def kill_once(out: Path, state: Path, wait: float) -> int:
    """Start training in a process of its own and kill it `wait` seconds after it wrote; returns its exit signal."""
    before = state.stat().st_mtime_ns if state.exists() else None
    child = os.fork()
    if child == 0:
        train(out)
        os._exit(0)
    while not state.exists() or state.stat().st_mtime_ns == before:
        time.sleep(0.002)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main() -> None:
    torch.set_num_threads(1)  # a process that is split in two must not have threads
    folder, rng = Path(sys.argv[1]), np.random.default_rng()
    train(folder / "whole")  # first, so that every process begins with all that torch loads on its way
    for _ in range(KILLS):
        ended = kill_once(folder / "cut", folder / ".cut.partial" / STATE, rng.uniform(0, 0.03))
        assert ended == signal.SIGKILL and not (folder / "cut").exists()
    train(folder / "cut")


if __name__ == "__main__":
    main()
