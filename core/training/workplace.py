"""Where a training keeps what it has reached: the folder beside `out`, its lock, its plan and its state."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core import access
from core.config import InputError
from core.store import atomic_file, locked, partial_folder, read_json, refuse_existing, room_for, write_json

STATE, PLAN = "training.safetensors", "plan.json"


class TrainingStopped(Exception):
    """Training was asked to stop before its end. What it had reached is kept where it has an `out`."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"training stopped after step {step:,} of {steps:,}")
        self.step, self.steps = step, steps


@contextmanager
def training_place(out: Path | None, replace: bool = False) -> Iterator[Path | None]:
    """The folder in which the SAE at `out` grows, held by one training at a time; None where nothing is to be kept.

    It stays where it holds a state to go on from, and vanishes otherwise: when the SAE is published, when training
    diverged, and when it ended before its first save.
    """
    if out is None:
        yield None
        return
    refuse_existing(out, replace)
    place = partial_folder(out)
    finished = False
    with locked(place, out):
        try:
            with room_for(out):
                yield place
            finished = True
        finally:
            if finished or not (place / STATE).exists():
                shutil.rmtree(place, ignore_errors=True)


def save_state(path: Path, state: Mapping[str, Tensor], words: Mapping[str, str]) -> None:
    """Keep everything that the next step depends on, in one file that is either the old or the new one."""
    with atomic_file(path) as partial:
        safetensors.torch.save_file(dict(state), partial, metadata=dict(words))


def load_state(path: Path, identity: str) -> tuple[dict[str, Tensor], int] | None:
    """What `save_state` wrote and the step it had reached; None where nothing was kept.

    InputError where it is damaged or belongs to a training of another `identity`.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            words, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} is damaged or cut; remove it and train from the start") from error
    if words["identity"] != identity:
        raise InputError(
            f"{path.parent} holds an interrupted training with other settings or other embeddings; "
            f"give the same ones, or train without resuming"
        )
    return state, int(words["step"])


# -- interrupted trainings ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interrupted:
    """A training that ended before its SAE was whole, and can go on."""

    out: Path
    """Where its SAE was to go."""
    plan: Mapping[str, Any]
    """What it was started with."""
    step: int


def save_plan(place: Path, plan: Mapping[str, Any]) -> None:
    """Keep what a training was started with, for the person who wants to go on with it."""
    write_json(place / PLAN, dict(plan))


def interrupted(folder: Path) -> list[Interrupted]:
    """The trainings under `folder` that can go on and that nobody is running, by name."""
    workplaces = []
    for path in sorted(folder.glob(f".*.partial/{PLAN}")):
        place, out = path.parent, folder / path.parent.name.removeprefix(".").removesuffix(".partial")
        try:
            with locked(place, out):
                plan, step = read_json(path), _step(place / STATE)
        except InputError:
            continue  # running, or damaged: not for going on with
        workplaces.append(Interrupted(out, plan, step))
    return workplaces


def forget(out: Path) -> None:
    """Remove what an interrupted training kept; InputError where it is running."""
    access.require("train")
    place = partial_folder(out)
    with locked(place, out):
        shutil.rmtree(place, ignore_errors=True)


def _step(path: Path) -> int:
    """The step a kept state had reached; 0 where there is none yet."""
    if not path.exists():
        return 0
    try:
        with safe_open(path, "pt") as file:
            return int(file.metadata()["step"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged or cut; remove it and train from the start") from error
