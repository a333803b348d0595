"""The training loop: one SAE, updated step by step, watched, stopped and taken up again without a trace."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from core.config import Fingerprint, InputError, SAEConfig, TrainingConfig, digest_of
from core.saes.base import SAE, LossParts, geometric_median, new_sae
from core.saes.checkpoint import save_sae
from core.saes.quality import Progress, quality
from core.store import publish
from core.training.rows import Batches
from core.training.workplace import STATE, TrainingStopped, load_state, save_plan, save_state, training_place

CURVE_POINTS = 200
LOOKS = 12
"""How often in a training somebody who wants to see its neurons is shown them."""
MEASURED_ROWS = 100_000
"""Most rows on which the quality after training is measured; evenly spaced where there are more."""


class CurvePoint(NamedTuple):
    """How training stood at one step, measured on that step's batch (training rule, scaled embeddings)."""

    step: int
    loss: float
    """All of it. The part that revives dead neurons adds about 0.03 once there are any, so that it may rise."""
    fvu: float
    l0: float
    dead: float
    """Share of the neurons that count as dead."""

    def describe(self) -> str:
        """One short line for a progress bar."""
        return f"loss {self.loss:.3g}, fvu {self.fvu:.3f}, l0 {self.l0:.1f}, dead {self.dead:.0%}"


class Look(NamedTuple):
    """The SAE as it stands at one step: a frozen copy that works on raw embeddings, on the CPU."""

    step: int
    sae: SAE


OnStep = Callable[[CurvePoint], None]
OnLook = Callable[[Look], None]


class Trainer:
    """One SAE being trained: the module, its optimiser, and how long each neuron has been silent.

    An update takes b_dec from the geometric median (first step only), the gradient of the loss without the decoder's
    radial part, clips it, takes an Adam step and gives the decoder rows length 1 again.
    """

    def __init__(self, sae: SAE, training: TrainingConfig) -> None:
        self.sae = sae
        self.training = training.resolved(sae.config.d_sae)
        self.step = 0
        device = sae.b_dec.device
        self.silent = torch.zeros(sae.config.d_sae, dtype=torch.int64, device=device)
        self.optimiser = torch.optim.Adam(sae.parameters(), lr=self.training.lr, betas=(0.9, 0.999), fused=True)

    def rate(self) -> float:
        """Learning rate of this step: linear rise, plateau, linear fall."""
        t, step = self.training, self.step
        decay_start = t.steps - int(t.decay_fraction * t.steps)
        factor = 1.0
        if step < t.warmup_steps:
            factor = step / t.warmup_steps
        if step >= decay_start:
            factor = min(factor, (t.steps - step) / (t.steps - decay_start))
        return t.lr * factor

    def update(self, x: Tensor) -> LossParts:
        """Train on one batch x (B, d), already divided by the norm factor; returns the loss before the update."""
        sae, t = self.sae, self.training
        if self.step == 0:
            sae.b_dec.data.copy_(geometric_median(x))
        self.optimiser.zero_grad(set_to_none=True)
        parts = sae.loss(x, self.silent, t.dead_after, t.aux_weight)
        parts.total.backward()
        sae.project_decoder_gradient()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), t.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        sae.normalise_decoder()
        if self.step > t.threshold_start and parts.smallest is not None:
            sae.update_threshold(parts.smallest, t.threshold_beta)
        self.silent = parts.silent
        self.step += 1
        return parts

    def state(self) -> dict[str, Tensor]:
        """Everything the next update depends on, by name."""
        state = {f"sae.{name}": value for name, value in self.sae.state_dict().items()}
        for i, slots in self.optimiser.state_dict()["state"].items():
            state |= {f"adam.{i}.{name}": value for name, value in slots.items()}
        return {name: value.detach().contiguous() for name, value in {**state, "silent": self.silent}.items()}

    @torch.no_grad()
    def load_state(self, state: dict[str, Tensor], step: int) -> None:
        """Go on from what `state` gave."""
        self.sae.load_state_dict({name[4:]: value for name, value in state.items() if name.startswith("sae.")})
        parameters = list(self.sae.parameters())
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("adam."):
                _, i, slot = name.split(".")
                like = parameters[int(i)]
                if value.shape == like.shape:  # the fused step runs over memory: averages must lie as parameters do
                    value = torch.empty_like(like).copy_(value)
                slots.setdefault(int(i), {})[slot] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": slots})
        self.silent = state["silent"].to(self.silent)
        self.step = step


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
    said: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
    gallery_digest: str | None = None,
    device: str | torch.device = "cpu",
    save_every: int = 200,
    on_look: OnLook | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[SAE, list[CurvePoint]]:
    """An SAE trained on raw embeddings, frozen, and its learning curve.

    Parameters
    ----------
    x : (n, d) float16 or float32, may be a memory map; `rows` restricts it. Read a batch at a time.
    out : folder that receives the finished SAE and its quality. The state is kept beside it every `save_every` steps,
        so that the same call with `resume` goes on after an interruption and ends with the identical SAE.
    on_step : called with about 200 points of the curve, after a resumption first with those that were there already.
    said, gallery_digest : recorded in config.json beside the training's settings.
    plan : kept beside the state, for the person who wants to go on (see `interrupted`).
    on_look : called about a dozen times with the SAE as it stands.
    stop : asked before every step; True keeps the state and raises TrainingStopped.

    InputError where shapes do not fit, the embeddings are not finite, `out` exists or is being trained by somebody
    else, training diverges, or the state to resume from belongs to another training.
    """
    training = (training or TrainingConfig()).resolved(config.d_sae)
    _check(x, rows, config, fingerprint)
    batches = Batches(x, rows, training, device)
    sae = new_sae(config)
    sae.initialise(torch.Generator().manual_seed(training.seed))
    trainer = Trainer(sae.to(device), training)
    identity = digest_of(
        {"config": config.to_json(), "training": training.to_json(), "norm": batches.norm, "n": batches.n}
    )
    with training_place(None if out is None else Path(out), replace_out) as place:
        curve = [] if place is None else _begin(place, trainer, identity, plan or {}, resume)
        if on_step is not None:
            for point in curve:
                on_step(point)
        try:
            for point in _steps(trainer, batches, progress, stop):
                if point is not None:
                    curve.append(point)
                    if on_step is not None:
                        on_step(point)
                if place is not None and trainer.step % save_every == 0:
                    _keep(place, trainer, curve, identity)
                if on_look is not None and trainer.step % max(1, training.steps // LOOKS) == 0:
                    on_look(Look(trainer.step, _snapshot(sae, batches.norm)))
        except TrainingStopped:
            if place is not None:
                _keep(place, trainer, curve, identity)
            raise
        except InputError:  # it diverged, and would diverge again from what was kept
            if place is not None:
                (place / STATE).unlink(missing_ok=True)
            raise
        sae.scale_inputs(batches.norm)
        sae.to("cpu").frozen()
        if place is not None and out is not None:
            settings = {**training.to_json(), **(said or {}), "rows": batches.n, "norm_factor": batches.norm}
            measured = _measure(sae, x, rows, progress)
            save_sae(place / "finished", sae, Path(out).name, fingerprint, settings, measured, gallery_digest)
            publish(place / "finished", Path(out), replace=replace_out)
    return sae, curve


def _begin(place: Path, trainer: Trainer, identity: str, plan: Mapping[str, Any], resume: bool) -> list[CurvePoint]:
    """Put `trainer` where an interrupted training stood, or at the start; returns the curve up to there."""
    if not resume:
        (place / STATE).unlink(missing_ok=True)
    found = load_state(place / STATE, identity)
    save_plan(place, plan)
    if found is None:
        return []
    state, step = found
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


def _check(x: np.ndarray, rows: np.ndarray | None, config: SAEConfig, fingerprint: Fingerprint | None) -> None:
    """InputError unless x can train an SAE of this shape."""
    if x.ndim != 2 or x.shape[1] != config.d_in:
        raise InputError(f"embeddings of shape {tuple(x.shape)} were given; expected (n, {config.d_in})")
    if len(x) == 0 or (rows is not None and len(rows) == 0):
        raise InputError("there are no rows to train on; choose another half or another gallery")
    if fingerprint is not None and fingerprint.d != config.d_in:
        raise InputError(f"the fingerprint says {fingerprint.d} columns, the SAE has d_in = {config.d_in}")


def _steps(
    trainer: Trainer, batches: Batches, progress: Progress | None, stop: Callable[[], bool] | None
) -> Iterator[CurvePoint | None]:
    """Update to the end; after each update a curve point, or None between the points."""
    steps, said = trainer.training.steps, ""
    every = max(1, steps // CURVE_POINTS)
    while trainer.step < steps:
        if stop is not None and stop():
            raise TrainingStopped(trainer.step, steps)
        step, batch = trainer.step, batches(trainer.step)
        with mixed_precision(trainer.training.precision, batch.device):
            parts = trainer.update(batch)
        measured = step % every == 0 or step == steps - 1
        point = _curve_point(step, parts, batch) if measured else None
        if progress is not None:
            said = said if point is None else f": {point.describe()}"
            progress(trainer.step, steps, f"training the SAE{said}")
        yield point


def mixed_precision(precision: str, device: torch.device) -> torch.autocast:
    """The context in which large products run in bfloat16 where `precision` and the device want it."""
    gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    mixed = precision == "bfloat16" or (precision == "auto" and gpu)
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def _curve_point(step: int, parts: LossParts, batch: Tensor) -> CurvePoint:
    """Python numbers of one step; InputError where training has diverged."""
    loss = parts.total.item()
    if not np.isfinite(loss):
        raise InputError(f"training diverged at step {step}: the loss is {loss}; choose a smaller learning rate")
    spread = (batch - batch.mean(dim=0)).square().sum()
    unexplained = (batch - parts.x_hat).square().sum() / spread if spread > 0 else torch.tensor(float("nan"))
    return CurvePoint(step, loss, float(unexplained), parts.n_active / len(batch), parts.n_dead / len(parts.silent))


def _measure(sae: SAE, x: np.ndarray, rows: np.ndarray | None, progress: Progress | None) -> dict[str, Any]:
    """Quality on the rows trained on, thinned evenly where they are very many."""
    n = len(x) if rows is None else len(rows)
    if n > MEASURED_ROWS:
        thin = np.linspace(0, n - 1, MEASURED_ROWS).astype(np.int64)
        rows = thin if rows is None else rows[thin]
    return quality(sae, x, rows, progress=progress).to_json()
