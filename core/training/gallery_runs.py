"""Training on a gallery: the rows of a half, or random tokens of its items, with all that is recorded about them."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core import access
from core.config import Attach, Half, InputError, Progress
from core.saes.checkpoint import SAEFile, load_sae
from core.saes.config import SAEConfig
from core.training.config import TrainingConfig
from core.training.loop import OnLook, OnStep, train_sae
from core.training.steps import CurvePoint
from core.training.team import Team

if TYPE_CHECKING:
    from core.cluster import Cluster
    from core.gallery import Gallery


def train_on_gallery(
    gallery: "Gallery",
    attach: Attach,
    half: Half,
    config: SAEConfig,
    training: TrainingConfig | None,
    out: str | Path,
    progress: Progress | None = None,
    resume: bool = False,
    *,
    tokens: bool = False,
    on_step: OnStep | None = None,
    on_look: OnLook | None = None,
    stop: Callable[[], bool] | None = None,
    replace_out: bool = False,
    device: str | torch.device = "cpu",
    cluster: "Cluster | None" = None,
) -> SAEFile:
    """Train on one half (or all) of a gallery's embeddings and save to the folder `out`.

    `tokens` trains on the random tokens that the gallery keeps of each item instead of the pooled one: the same place
    in the model, so that the SAE reads the gallery's residual embeddings afterwards.

    The workers of a `cluster` each train on their share of every batch. They read the gallery themselves, whose folder
    must be there for all of them, under the same path; the state and the result are written by this process alone.

    The returned file's `training` also holds `samples_per_second` of this call, which is not saved: the same training
    always writes the same bytes.

    Many parameters: what is trained, on which rows, where it is kept, and who watches.
    """
    access.require("train")
    times: list[tuple[int, float]] = []

    def watch(point: CurvePoint) -> None:
        times.append((point.step, time.monotonic()))
        if on_step is not None:
            on_step(point)

    training = training or TrainingConfig()
    x, rows, settings = training_rows(gallery, attach, half, tokens)
    plan = {"gallery": str(gallery.path), "name": gallery.name, "attach": attach, "half": half, "tokens": tokens}
    train_sae(
        x,
        config,
        training,
        gallery.fingerprint(attach),
        out,
        progress,
        watch,
        rows=rows,
        resume=resume,
        replace_out=replace_out,
        about={"half": half, **settings},
        plan={**plan, "config": config.to_json(), "training": asdict(training)},
        gallery_digest=gallery.digest,
        device=device,
        on_look=on_look,
        stop=stop,
        team=None if cluster is None else _team(cluster, gallery, attach, half, tokens, device),
    )
    saved = load_sae(out)
    return replace(saved, training={**saved.training, "samples_per_second": _speed(times, training.batch)})


def training_rows(
    gallery: "Gallery", attach: Attach, half: Half, tokens: bool = False
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Array, row numbers (None: all) and what is recorded, for training on a half of a gallery.

    InputError where tokens are asked for and the gallery keeps none, or of a place that has none.
    """
    rows = None if half == "all" else gallery.rows(half)
    if not tokens:
        return gallery.embeddings(attach), rows, {}
    if attach != "residual":
        raise InputError("tokens are of the residual attach point; train on tokens with the attach point residual")
    x, settings = gallery.tokens(), gallery.token_settings()
    each = settings["per_item"]
    if rows is not None:
        rows = (rows[:, None] * each + np.arange(each)).ravel()
    return x, rows, {"tokens": settings}


def _team(
    cluster: "Cluster", gallery: "Gallery", attach: Attach, half: Half, tokens: bool, device: str | torch.device
) -> Team:
    rows = partial(_rows_there, gallery.path.absolute(), gallery.digest, attach, half, tokens)
    return Team(cluster, rows, gpu=torch.device(device).type == "cuda")


def _rows_there(
    path: Path, digest: str, attach: Attach, half: Half, tokens: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows to train on as a worker sees them."""
    from core.gallery.spreading import gallery_there

    return training_rows(gallery_there(path, digest), attach, half, tokens)[:2]


def _speed(times: list[tuple[int, float]], batch: int) -> float | None:
    """Samples per second between the first and the last point of the curve; None where there is no time between."""
    if len(times) < 2 or times[-1][1] <= times[0][1]:
        return None
    (first, began), (last, ended) = times[0], times[-1]
    return (last - first) * batch / (ended - began)
