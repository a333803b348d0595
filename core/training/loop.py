"""The training loop: one SAE, updated step by step, watched, stopped and taken up again without a trace."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core import access
from core.config import Fingerprint, InputError, Progress, digest_of
from core.reading import require_memory
from core.saes.base import SAE, new_sae
from core.saes.checkpoint import save_sae
from core.saes.config import SAEConfig
from core.saes.quality import quality
from core.store import publish
from core.training.config import TrainingConfig
from core.training.rows import Batches
from core.training.steps import CurvePoint, Diverged, Trainer, new_trainer, take_step
from core.training.team import Team, team_steps
from core.training.workplace import STATE, TrainingStopped, load_state, save_plan, save_state, training_place

LOOKS = 12
"""How often in a training somebody who wants to see its neurons is shown them."""
MEASURED_ROWS = 100_000
"""Most rows on which the quality after training is measured; evenly spaced where there are more."""


class Look(NamedTuple):
    """The SAE as it stands at one step: a frozen copy that works on raw embeddings, on the CPU."""

    step: int
    sae: SAE


OnStep = Callable[[CurvePoint], None]
OnLook = Callable[[Look], None]


def train_sae(
    x: np.ndarray,
    config: SAEConfig,
    training: TrainingConfig | None = None,
    fingerprint: Fingerprint | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
    *,
    rows: np.ndarray | None = None,
    resume: bool = False,
    replace_out: bool = False,
    about: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
    gallery_digest: str | None = None,
    device: str | torch.device = "cpu",
    save_every: int = 200,
    on_look: OnLook | None = None,
    stop: Callable[[], bool] | None = None,
    team: Team | None = None,
) -> tuple[SAE, list[CurvePoint]]:
    """An SAE trained on raw embeddings, frozen, and its learning curve.

    Parameters
    ----------
    x : (n, d) float16 or float32, may be a memory map; `rows` restricts it. Read a batch at a time.
    out : folder that receives the finished SAE and its quality. The state is kept beside it every `save_every` steps,
        so that the same call with `resume` goes on after an interruption and ends with the identical SAE.
    on_step : called with about 200 points of the curve, after a resumption first with those that were there already.
    about, gallery_digest : recorded in config.json beside the training's settings.
    plan : kept beside the state, for the person who wants to go on (see `interrupted`).
    on_look : called about a dozen times with the SAE as it stands.
    stop : asked before every step; True keeps the state and raises TrainingStopped.
    team : takes the steps instead of this process, which keeps the state and measures what was made. The result is
        the same up to rounding, and a state may be taken up with a team or without.

    InputError where shapes do not fit, the embeddings are not finite, `out` exists or is being trained by somebody
    else, training diverges, or the state to resume from belongs to another training.

    Many parameters: what is trained, on which rows, where it is kept, and who watches.
    """
    access.require("train")
    training = (training or TrainingConfig()).resolved(config.d_sae)
    _check(x, rows, config, fingerprint)
    batches = Batches(x, rows, training, device)
    trainer = new_trainer(config, training, device if team is None else "cpu")
    sae = trainer.sae
    identity = digest_of(
        {"config": config.to_json(), "training": training.to_json(), "norm": batches.norm, "n": batches.n}
    )
    with training_place(None if out is None else Path(out), replace_out) as place:
        curve = [] if place is None else _begin(place, trainer, identity, plan or {}, resume)
        if on_step is not None:
            for point in curve:
                on_step(point)

        def kept_at(step: int) -> bool:
            return place is not None and step % save_every == 0

        def looked_at(step: int) -> bool:
            return on_look is not None and step % max(1, training.steps // LOOKS) == 0

        if team is None:
            steps = _steps(trainer, batches, progress, stop)
        else:
            steps = team_steps(team, trainer, lambda step: kept_at(step) or looked_at(step), progress, stop)
        try:
            for step, points in steps:
                for point in points:
                    curve.append(point)
                    if on_step is not None:
                        on_step(point)
                if place is not None and kept_at(step):
                    _keep(place, trainer, curve, identity)
                if on_look is not None and looked_at(step):
                    on_look(Look(step, _snapshot(sae, batches.norm)))
        except TrainingStopped:
            if place is not None:
                _keep(place, trainer, curve, identity)
            raise
        except Diverged:
            if place is not None:
                (place / STATE).unlink(missing_ok=True)
            raise
        sae.scale_inputs(batches.norm)
        sae.to("cpu").frozen()
        if place is not None and out is not None:
            settings = {**training.to_json(), **(about or {}), "rows": batches.n, "norm_factor": batches.norm}
            measured = _measure(sae, x, rows, progress)
            save_sae(place / "finished", sae, Path(out).name, fingerprint, settings, measured, gallery_digest)
            publish(place / "finished", Path(out), replace=replace_out)
    return sae, curve


def _begin(place: Path, trainer: Trainer, identity: str, plan: Mapping[str, Any], resume: bool) -> list[CurvePoint]:
    """Put `trainer` where an interrupted training stood, or at the start; returns the curve up to there."""
    if not resume:
        (place / STATE).unlink(missing_ok=True)
    saved = load_state(place / STATE, identity)
    save_plan(place, plan)
    if saved is None:
        return []
    state, step = saved
    points = state.pop("curve").tolist()
    trainer.load_state(state, step)
    return [CurvePoint(int(at), *rest) for at, *rest in points]


def _keep(place: Path, trainer: Trainer, curve: list[CurvePoint], identity: str) -> None:
    """Write down where `trainer` stands."""
    points = torch.tensor(curve, dtype=torch.float64).reshape(-1, len(CurvePoint._fields))
    state = trainer.state() | {"curve": points}
    save_state(place / STATE, state, {"identity": identity, "step": str(trainer.step)})


def _snapshot(sae: SAE, norm: float) -> SAE:
    """A frozen copy that works on raw embeddings."""
    copy = new_sae(sae.config)
    copy.load_state_dict(sae.state_dict())
    copy.scale_inputs(norm)
    return copy.frozen()


def training_bytes(config: SAEConfig) -> int:
    """Memory that a training takes at least: weights, gradients, two moments of Adam and one copy, in float32."""
    return 5 * 4 * (2 * config.d_in * config.d_sae + config.d_sae + config.d_in)


def _check(x: np.ndarray, rows: np.ndarray | None, config: SAEConfig, fingerprint: Fingerprint | None) -> None:
    """InputError unless x can train an SAE of this shape."""
    if x.ndim != 2 or x.shape[1] != config.d_in:
        raise InputError(f"embeddings of shape {tuple(x.shape)} were given; expected (n, {config.d_in})")
    if len(x) == 0 or (rows is not None and len(rows) == 0):
        raise InputError("there are no rows to train on; choose another half or another gallery")
    require_memory(training_bytes(config), f"training an SAE of {config.d_sae:,} neurons on {config.d_in:,} columns")
    if fingerprint is not None and fingerprint.d != config.d_in:
        raise InputError(f"the fingerprint says {fingerprint.d} columns, the SAE has d_in = {config.d_in}")


def _steps(
    trainer: Trainer, batches: Batches, progress: Progress | None, stop: Callable[[], bool] | None
) -> Iterator[tuple[int, list[CurvePoint]]]:
    """Update to the end; after each update how many there were, and a curve point where there is one."""
    steps, latest = trainer.training.steps, ""
    while trainer.step < steps:
        if stop is not None and stop():
            raise TrainingStopped(trainer.step, steps)
        point = take_step(trainer, batches)
        if progress is not None:
            latest = latest if point is None else f": {point.describe()}"
            progress(trainer.step, steps, f"training the SAE{latest}")
        yield trainer.step, [] if point is None else [point]


def _measure(sae: SAE, x: np.ndarray, rows: np.ndarray | None, progress: Progress | None) -> dict[str, Any]:
    """Quality on the rows trained on, thinned evenly where they are very many."""
    n = len(x) if rows is None else len(rows)
    if n > MEASURED_ROWS:
        thin = np.linspace(0, n - 1, MEASURED_ROWS).astype(np.int64)
        rows = thin if rows is None else rows[thin]
    return quality(sae, x, rows, progress=progress).to_json()
