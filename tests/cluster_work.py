"""What workers of a cluster do in tests: work that can be told from its results, and workers that are killed once."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as distributed

from core.config import InputError
from core.saes.base import SAES, sae_config
from core.saes.config import SAEConfig
from core.saes.shares import WHOLE, PartShare, Share
from core.saes.topk import TopKSAE
from core.training.config import TrainingConfig
from core.training.rows import Batches
from core.training.steps import CurvePoint, new_trainer, take_step

SHORT = TrainingConfig(steps=80, batch=65, dead_after=300, threshold_start=5)
"""65 rows cannot be shared evenly."""
HASTY = replace(SHORT, steps=40, dead_after=65)
"""Neurons that were silent over one batch count as dead and are revived: many are, in any architecture."""
SMOOTH = [arch for arch in SAES.names() if not SAES.get(arch).straight_through]
"""Elsewhere thresholds jump with the rounding of float32: one process differs from itself when rows change places."""


def config(arch: str) -> SAEConfig:
    return sae_config(arch, 8, 24, 3)


def embeddings(n: int = 1000, d: int = 8, seed: int = 0) -> np.ndarray:
    """Sparse positive combinations of 10 directions around a mean that is longer than they are."""
    rng = np.random.default_rng(seed)
    codes = rng.exponential(size=(n, 10)) * (rng.random((n, 10)) < 0.2)
    return (20 + codes @ rng.normal(size=(10, d))).astype(np.float32)


def die_once(mark: Path) -> None:
    """Kill this process, as the system does it, unless the mark says that one was killed already."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def squares(mark: Path | None = None) -> Callable[[int], tuple[int, int]]:
    """The square of a number, and who worked it out; the first to be given 5 is killed over it."""

    def work(number: int) -> tuple[int, int]:
        if number == 5 and mark is not None:
            die_once(mark)
        return number**2, os.getpid()

    return work


class Unreadable:
    """A recipe that no worker can load."""

    def __reduce__(self) -> tuple[Any, tuple]:
        return _not_loaded, ()

    def __call__(self) -> Callable[[int], int]:
        raise AssertionError("it was loaded")


def _not_loaded() -> None:
    raise SystemError("bad call flags")


def refusing() -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 3:
            raise InputError("3 was given; expected another number")
        return number

    return work


def fragile_backbone(load: Callable[[], object], mark: Path) -> object:
    """A model under which one worker is killed at its second batch."""
    backbone, seen = load(), []
    encode = backbone.encode_pixels

    def encode_pixels(*given, **options):
        seen.append(1)
        if len(seen) == 2:
            die_once(mark)
        return encode(*given, **options)

    backbone.encode_pixels = encode_pixels
    return backbone


class FragileTopK(TopKSAE):
    """An SAE under which one worker is killed over a block of rows."""

    mark: Path

    def encode_sparse(self, x):
        if self.training is False and len(x) == 16:
            die_once(self.mark)
        return super().encode_sparse(x)


class FragileRows:
    """Embeddings under which one worker is killed when it reads for the `fatal`-th time."""

    def __init__(self, x: np.ndarray, mark: Path, fatal: int) -> None:
        self.x, self.mark, self.fatal, self.reads = x, mark, fatal, 0

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        self.reads += 1
        if self.reads == self.fatal:
            die_once(self.mark)
        return self.x[chosen]


def rows() -> tuple[np.ndarray, None]:
    return embeddings(), None


def fragile_rows(mark: Path, fatal: int) -> tuple[FragileRows, None]:
    return FragileRows(embeddings(), mark, fatal), None


class Curves:
    """The losses of trainings of every architecture, each batch shared by the members of a group."""

    def __init__(self, rank: int, size: int) -> None:
        self.share = PartShare(rank, size, SHORT.batch)

    def open(self, host: str) -> int:
        self.store = distributed.TCPStore(host, 0, self.share.size, True, wait_for_workers=False)
        return self.store.port

    def begin(self, host: str, port: int) -> None:
        rank, size = self.share.rank, self.share.size
        store = self.store if rank == 0 else distributed.TCPStore(host, port, size, False)
        distributed.init_process_group("gloo", world_size=size, rank=rank, store=store)

    def curves(self, exact: bool) -> dict[str, list[tuple]]:
        return {arch: curve(arch, exact, self.share) for arch in SAES.names() if exact or arch in SMOOTH}


def curve(arch: str, exact: bool, share: Share = WHOLE) -> list[CurvePoint]:
    """Every point of a training; in float64 where it is to be exact."""
    training = HASTY if exact else SHORT
    trainer = new_trainer(config(arch), training, "cpu", share)
    batches = Batches(embeddings(), None, training, "cpu", share)
    if exact:
        trainer.sae.double()
    return [
        take_step(trainer, (lambda step: batches(step).double()) if exact else batches) for _ in range(training.steps)
    ]


class Here:
    """A cluster whose workers are this process."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def at_once(self, gpu: bool = False) -> int:
        return self.workers

    def map(self, recipe: Callable, parts: Iterable, gpu: bool = False) -> Iterator:
        yield from map(recipe(), parts)

    @contextmanager
    def holding(self, recipes: Sequence[Callable], gpu: bool = False, again: bool = True) -> Iterator["HeldHere"]:
        yield HeldHere([recipe() for recipe in recipes])
        if distributed.is_initialized():
            distributed.destroy_process_group()


class HeldHere:
    """The objects of such a cluster."""

    def __init__(self, held: Sequence[object]) -> None:
        self.held = held

    def ask(self, method: str, *arguments: object) -> list:
        return [getattr(one, method)(*arguments) for one in self.held]

    def ask_one(self, which: int, method: str, *arguments: object) -> object:
        return getattr(self.held[which], method)(*arguments)

    def address(self) -> str:
        return "127.0.0.1"
