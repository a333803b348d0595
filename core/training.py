"""Training an SAE: seeded, streaming from memory-mapped embeddings, resumable to the bit."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.config import Attach, Fingerprint, Half, InputError, SAEConfig, TrainingConfig, digest_of
from core.saes.base import SAE, LossParts, geometric_median, new_sae
from core.saes.checkpoint import SAEFile, load_sae, save_sae
from core.saes.quality import Progress, quality
from core.store import atomic_file, partial_folder, publish

if TYPE_CHECKING:
    from core.gallery import Gallery

STATE = "training.safetensors"
NORM_BATCHES = 100
"""First batches over which the mean squared length of the embeddings is taken, as in the published recipe."""
CURVE_POINTS = 200
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


OnStep = Callable[[CurvePoint], None]


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


class RowSampler:
    """Which rows each step sees: every epoch a fresh order of all rows, a function of seed and step alone."""

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.batch, self.seed = n, batch, seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def __call__(self, step: int) -> np.ndarray:
        """Row numbers (batch,) of a step, ascending within an epoch so that a memory map is read forwards."""
        parts, start = [], step * self.batch
        while start < (step + 1) * self.batch:
            epoch, offset = divmod(start, self.n)
            stop = min(offset + (step + 1) * self.batch - start, self.n)
            parts.append(np.sort(self._permutation(epoch)[offset:stop]))
            start += stop - offset
        return np.concatenate(parts)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.n)
        return self._order


class Batches:
    """The training batches of x (n, d), or of its `rows`: float32, divided by the norm factor."""

    def __init__(self, x: np.ndarray, rows: np.ndarray | None, training: TrainingConfig, device: str | torch.device):
        self.x, self.rows, self.device = x, rows, device
        self.n = len(x) if rows is None else len(rows)
        self.sample = RowSampler(self.n, training.batch, training.seed)
        self.norm = self._norm_factor()

    def __call__(self, step: int) -> Tensor:
        return (self._read(self.sample(step)) / self.norm).to(self.device)

    def _read(self, chosen: np.ndarray) -> Tensor:
        part = self.x[chosen if self.rows is None else self.rows[chosen]]
        return torch.from_numpy(np.array(part, dtype=np.float32))

    def _norm_factor(self) -> float:
        """sqrt(mean ||x||^2) over the rows of the first batches, or over all rows where there are fewer."""
        steps = -(-self.n // self.sample.batch)
        squares, seen = 0.0, 0
        for step in range(min(steps, NORM_BATCHES)):
            chosen = self.sample(step)
            squares += float(self._read(chosen).double().square().sum())
            seen += len(chosen)
        norm = float(np.sqrt(squares / seen))
        if not np.isfinite(norm) or norm == 0:
            raise InputError(f"the embeddings have a mean length of {norm}; expected finite rows that are not all zero")
        return norm


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
    half: Half = "all",
    gallery_digest: str | None = None,
    device: str | torch.device = "cpu",
    save_every: int = 200,
) -> tuple[SAE, list[CurvePoint]]:
    """An SAE trained on raw embeddings, frozen, and its learning curve.

    Parameters
    ----------
    x : (n, d) float16 or float32, may be a memory map; `rows` restricts it.
    out : folder that receives the finished SAE and its quality. The state is kept beside it every `save_every` steps,
        so that the same call with `resume` goes on after an interruption and ends with the identical SAE.
    on_step : called with about 200 points of the curve.
    half, gallery_digest : recorded in config.json.

    InputError where shapes do not fit, the embeddings are not finite, `out` exists, or the state to resume from
    belongs to another training.
    """
    training = (training or TrainingConfig()).resolved(config.d_sae)
    _check(x, rows, config, fingerprint)
    if out is not None and Path(out).exists() and not replace_out:
        raise InputError(f"{out} exists already; choose another folder or allow it to be replaced")
    batches = Batches(x, rows, training, device)
    sae = new_sae(config)
    sae.initialise(torch.Generator().manual_seed(training.seed))
    trainer = Trainer(sae.to(device), training)

    partial = partial_folder(Path(out)) if out is not None else None
    identity = digest_of(
        {"config": config.to_json(), "training": training.to_json(), "norm": batches.norm, "n": batches.n}
    )
    curve = _load_state(partial / STATE, trainer, identity) if partial is not None and resume else []
    for point in _steps(trainer, batches, progress):
        if point is not None:
            curve.append(point)
            if on_step is not None:
                on_step(point)
        if partial is not None and trainer.step % save_every == 0:
            _save_state(partial / STATE, trainer, curve, identity)

    sae.scale_inputs(batches.norm)
    sae.to("cpu").frozen()
    if partial is not None:
        said = {**training.to_json(), "half": half, "rows": batches.n, "norm_factor": batches.norm}
        measured = _measure(sae, x, rows, progress)
        save_sae(partial, sae, Path(out).name, fingerprint, said, measured, gallery_digest)
        (partial / STATE).unlink(missing_ok=True)
        publish(partial, Path(out), replace=replace_out)
    return sae, curve


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
    on_step: OnStep | None = None,
    replace_out: bool = False,
    device: str | torch.device = "cpu",
) -> SAEFile:
    """Train on one half (or all) of a gallery's embeddings and save to the folder `out`.

    The returned file's `training` also holds `samples_per_second` of this call, which is not saved: the same training
    always writes the same bytes.
    """
    times: list[tuple[int, float]] = []

    def watch(point: CurvePoint) -> None:
        times.append((point.step, time.monotonic()))
        if on_step is not None:
            on_step(point)

    training = training or TrainingConfig()
    train_sae(
        gallery.embeddings(attach),
        config,
        training,
        gallery.fingerprint(attach),
        out,
        progress,
        watch,
        rows=None if half == "all" else gallery.rows(half),
        resume=resume,
        replace_out=replace_out,
        half=half,
        gallery_digest=gallery.digest,
        device=device,
    )
    (first, began), (last, ended) = (times[0], times[-1]) if times else ((0, 0.0), (0, 0.0))
    speed = (last - first) * training.batch / (ended - began) if ended > began else None
    saved = load_sae(out)
    return replace(saved, training={**saved.training, "samples_per_second": speed})


def _check(x: np.ndarray, rows: np.ndarray | None, config: SAEConfig, fingerprint: Fingerprint | None) -> None:
    """InputError unless x can train an SAE of this shape."""
    if x.ndim != 2 or x.shape[1] != config.d_in:
        raise InputError(f"embeddings of shape {tuple(x.shape)} were given; expected (n, {config.d_in})")
    if len(x) == 0 or (rows is not None and len(rows) == 0):
        raise InputError("there are no rows to train on; choose another half or another gallery")
    if fingerprint is not None and fingerprint.d != config.d_in:
        raise InputError(f"the fingerprint says {fingerprint.d} columns, the SAE has d_in = {config.d_in}")


def _steps(trainer: Trainer, batches: Batches, progress: Progress | None) -> Iterator[CurvePoint | None]:
    """Update to the end; after each update a curve point, or None between the points."""
    steps = trainer.training.steps
    every = max(1, steps // CURVE_POINTS)
    while trainer.step < steps:
        step, batch = trainer.step, batches(trainer.step)
        parts = trainer.update(batch)
        if step % every and step != steps - 1:
            yield None
            continue
        if progress is not None:
            progress(trainer.step, steps, "training the SAE")
        yield _curve_point(step, parts, batch)


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


def _save_state(path: Path, trainer: Trainer, curve: list[CurvePoint], identity: str) -> None:
    """Keep everything that the next step depends on, in one file that is either the old or the new one."""
    state = trainer.state() | {"curve": torch.tensor(curve, dtype=torch.float64).reshape(-1, len(CurvePoint._fields))}
    with atomic_file(path) as partial:
        safetensors.torch.save_file(state, partial, metadata={"identity": identity, "step": str(trainer.step)})


def _load_state(path: Path, trainer: Trainer, identity: str) -> list[CurvePoint]:
    """Put `trainer` where the interrupted training stood and return its curve; nothing happens without a state."""
    if not path.exists():
        return []
    try:
        with safe_open(path, "pt") as file:
            said, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} cannot be read ({error}); remove it and train from the start") from error
    if said["identity"] != identity:
        raise InputError(
            f"{path.parent} holds an interrupted training with other settings or other embeddings; "
            f"give the same ones, or train without resuming"
        )
    points = state.pop("curve").tolist()
    trainer.load_state(state, int(said["step"]))
    return [CurvePoint(int(step), *rest) for step, *rest in points]
