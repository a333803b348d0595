"""Trainings that the server owns: one at a time, in a thread of its own, seen and steered from every visit."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from core import access
from core.config import Attach, Half, InputError, Side
from core.heavy import wants_memory
from core.ui.session import cache

if TYPE_CHECKING:
    from core.neurons import EarlyNeuron
    from core.saes.config import SAEConfig
    from core.training import CurvePoint
    from core.training.config import TrainingConfig

log = logging.getLogger("unskew")

Status = Literal["running", "pausing", "stopping", "paused", "stopped", "failed", "done"]
ACTIVE: tuple[Status, ...] = ("running", "pausing", "stopping")
JOIN_SECONDS = 120
"""Longest wait for a training to come to a step at which it can end."""


@dataclass(frozen=True)
class Order:
    """A training as it was ordered."""

    gallery: str
    """Shipped name or folder."""
    attach: Attach
    half: Half
    config: "SAEConfig"
    training: "TrainingConfig"
    out: Path
    tokens: bool = False
    device: str | None = None


@dataclass
class Job:
    """One training and how it stands. Written by its thread, read by any number of visits."""

    order: Order
    status: Status = "running"
    stage: str = "getting ready"
    step: int = 0
    curve: list["CurvePoint"] = field(default_factory=list)
    look: list["EarlyNeuron"] = field(default_factory=list)
    look_step: int = 0
    reason: str = ""
    """Why it failed, or what could not be done after it, in one line."""
    began: float = field(default_factory=time.monotonic)
    began_step: int | None = None
    side: Side = "image"

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def steps(self) -> int:
        return self.order.training.steps

    def seconds_left(self) -> float | None:
        """Time to the last step at the speed since this run began; None before there is one."""
        done = self.step - (self.began_step or 0)
        if not self.active or self.began_step is None or done <= 0:
            return None
        return (time.monotonic() - self.began) / done * (self.steps - self.step)


class Trainings:
    """The one training of this server that is running, or the last that was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.job: Job | None = None

    def start(self, order: Order, resume: bool = False) -> Job:
        """Begin a training; InputError where one is running or the SAE's folder exists."""
        access.require("train")
        gallery = cache.gallery(order.gallery)
        with self._lock:
            if self.job is not None and self.job.active:
                raise InputError(
                    f"{self.job.order.out.name} is being trained on this server; wait for it, or pause or stop it"
                )
            if order.out.exists():
                raise InputError(f"an SAE {order.out.name} exists already; choose another name")
            # what was reached stays in sight while a paused training gets ready to go on
            reached = self.job.step if resume and self.job is not None and self.job.order == order else 0
            job = Job(order, side=gallery.side, step=reached)
            work = access.as_now(_run)
            self.job, self._thread = job, threading.Thread(target=work, args=(job, gallery, resume), daemon=True)
            self._thread.start()
        return job

    def ask(self, what: Literal["pausing", "stopping"]) -> None:
        """Ask the running training to pause, keeping what it reached, or to stop and forget it."""
        access.require("train")
        with self._lock:
            if self.job is not None and self.job.status == "running":
                self.job.status = what

    def wait(self, seconds: float = JOIN_SECONDS) -> None:
        """Wait until the training has ended, whichever way."""
        if self._thread is not None:
            self._thread.join(seconds)

    def dismiss(self) -> None:
        """Forget a training that has ended; what it kept on disk stays."""
        with self._lock:
            if self.job is not None and not self.job.active:
                self.job = None


@st.cache_resource(show_spinner=False)
def trainings() -> Trainings:
    """This server's trainings, the same for all sessions."""
    return Trainings()


def _run(job: Job, gallery: Any, resume: bool) -> None:
    """The thread: train, then encode the gallery, so that the SAE can be used at once."""
    from core.training import TrainingStopped, forget

    try:
        _train(job, gallery, resume)
        job.status = "done"
    except TrainingStopped:
        if job.status == "stopping":
            _quietly(lambda: forget(job.order.out))
        job.status = "stopped" if job.status == "stopping" else "paused"
    except InputError as error:
        job.reason, job.status = str(error), "failed"
    except Exception as error:
        reference = secrets.token_hex(3)
        log.exception("a training failed, reference %s", reference)
        job.reason = f"something went wrong that should not; details are in the server log under {reference}"
        if wants_memory(error):
            job.reason = "it needs more memory than the machine has: choose fewer neurons or smaller batches"
        job.status = "failed"


def _train(job: Job, gallery: Any, resume: bool) -> None:
    from core.backbones.base import default_device
    from core.neurons import codes_of
    from core.neurons.early_look import early_look
    from core.training import train_on_gallery

    order = job.order

    def on_step(point: "CurvePoint") -> None:
        job.curve.append(point)
        job.step = max(job.step, point.step + 1)

    def on_look(look: Any) -> None:
        rows = gallery.rows(order.half)
        job.look, job.look_step = early_look(look.sae, gallery.embeddings(order.attach), rows), look.step

    def report(done: int, total: int, what: str) -> None:
        job.stage = what.split(":")[0]
        if job.stage == "training the SAE":
            if job.began_step is None:
                job.began, job.began_step = time.monotonic(), done
            job.step = done

    made = train_on_gallery(
        gallery,
        order.attach,
        order.half,
        order.config,
        order.training,
        order.out,
        report,
        resume,
        tokens=order.tokens,
        on_step=on_step,
        on_look=on_look,
        stop=lambda: job.status in ("pausing", "stopping"),
        device=order.device or default_device(),
    )
    try:
        codes_of(gallery, made, report)
    except InputError as error:  # the SAE is there, and the codes follow when it is first used
        job.reason = f"The SAE is kept; the gallery could not be encoded yet: {error}"


def _quietly(remove: Callable[[], None]) -> None:
    """Remove what may be gone already."""
    try:
        remove()
    except InputError:
        log.info("nothing was left to remove of a stopped training")
