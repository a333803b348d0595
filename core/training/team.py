"""A training done by the workers of a cluster, each with its share of every batch: the steps of one process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import torch.distributed as distributed
from torch import Tensor

from core.cluster import RETRIES, Cluster, Held, WorkerLost
from core.config import InputError, Progress
from core.saes.config import SAEConfig
from core.saes.shares import PartShare
from core.training.config import TrainingConfig
from core.training.rows import Batches
from core.training.steps import CurvePoint, Trainer, new_trainer, points_every, take_step
from core.training.workplace import TrainingStopped

Rows = Callable[[], tuple[np.ndarray, np.ndarray | None]]

PATIENCE = timedelta(minutes=5)
"""How long a worker waits for what the others have to say, before it takes them for lost."""


@dataclass(frozen=True)
class Team:
    """Who trains, and where each of them finds the rows."""

    cluster: Cluster
    rows: Rows
    """Followed by every worker: the embeddings (n, d) and the rows of them to train on, None for all."""
    gpu: bool = False
    """Each worker trains on a GPU of its own."""

    @property
    def size(self) -> int:
        return self.cluster.at_once(self.gpu)


class Member:
    """One worker of a team, between two questions."""

    def __init__(
        self, rows: Rows, config: SAEConfig, training: TrainingConfig, rank: int, size: int, gpu: bool
    ) -> None:
        self._rows, self._config, self._training, self._gpu = rows, config, training, gpu
        self._share = PartShare(rank, size, training.batch)
        self._store: distributed.TCPStore | None = None

    def open(self, host: str) -> int:
        """Be the one at whom the others meet; the port."""
        self._store = distributed.TCPStore(host, 0, self._share.size, True, PATIENCE, wait_for_workers=False)
        return self._store.port

    def begin(self, host: str, port: int, state: dict[str, Tensor], step: int) -> None:
        """Meet the others and stand at a step."""
        rank, size = self._share.rank, self._share.size
        store = self._store or distributed.TCPStore(host, port, size, False, PATIENCE)
        backend = "nccl" if self._gpu else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE, world_size=size, rank=rank, store=store)
        device = "cuda" if self._gpu else "cpu"
        x, rows = self._rows()
        self._batches = Batches(x, rows, self._training, device, self._share)
        self._trainer = new_trainer(self._config, self._training, device, self._share)
        self._trainer.load_state(state, step)

    def advance(self, step: int) -> list[CurvePoint]:
        """Go on to a step; the points of the curve on the way, the same for every member."""
        points = [take_step(self._trainer, self._batches) for _ in range(self._trainer.step, step)]
        return [point for point in points if point is not None]

    def state(self) -> dict[str, Tensor]:
        """Where the team stands, for the first member to tell."""
        return {} if self._share.rank else {name: value.cpu() for name, value in self._trainer.state().items()}


def team_steps(
    team: Team,
    trainer: Trainer,
    wanted: Callable[[int], bool],
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> Iterator[tuple[int, list[CurvePoint]]]:
    """Steps taken by the team, some at a time: how many there were by then, and the new points of the curve.

    `trainer` is where the team starts, and stands where the team does after every step that is `wanted` and after the
    last one. When a worker is lost, all begin again, on workers that Ray finds, from where `trainer` stands: the same
    steps, since they follow from seed and step alone. Points that were told are not told again.
    """
    training = trainer.training
    if training.batch < team.size:
        raise InputError(
            f"a batch of {training.batch} rows cannot be shared by {team.size} workers; "
            "give fewer --workers or a larger --batch"
        )
    told, losses = -1, 0
    while trainer.step < training.steps:
        begun = trainer.step
        try:
            with _met(team, trainer) as members:
                for step, points in _led(members, trainer, wanted, progress, stop):
                    new = [point for point in points if point.step > told]
                    told = max([told, *(point.step for point in new)])
                    yield step, new
        except WorkerLost:
            losses = losses + 1 if trainer.step == begun else 1
            if losses > RETRIES:
                raise


@contextmanager
def _met(team: Team, trainer: Trainer) -> Iterator[Held]:
    """The team's members, each standing where `trainer` does."""
    member = partial(Member, team.rows, trainer.sae.config, trainer.training)
    recipes = [partial(member, rank, team.size, team.gpu) for rank in range(team.size)]
    with team.cluster.holding(recipes, team.gpu, again=False) as members:
        host = members.address()
        port = members.ask_one(0, "open", host)
        members.ask("begin", host, port, trainer.state(), trainer.step)
        yield members


def _led(
    members: Held,
    trainer: Trainer,
    wanted: Callable[[int], bool],
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> Iterator[tuple[int, list[CurvePoint]]]:
    steps, every, latest = trainer.training.steps, points_every(trainer.training), ""
    at = trainer.step

    def fetch() -> None:
        trainer.load_state(members.ask_one(0, "state"), at)

    while at < steps:
        if stop is not None and stop():
            fetch()
            raise TrainingStopped(at, steps)
        at = next(step for step in range(at + 1, steps + 1) if step % every == 0 or wanted(step) or step == steps)
        points = members.ask("advance", at)[0]
        if wanted(at) or at == steps:
            fetch()
        if progress is not None:
            latest = f": {points[-1].describe()}" if points else latest
            progress(at, steps, f"training the SAE{latest}")
        yield at, points
