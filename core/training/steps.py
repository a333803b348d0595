"""One step of training: an SAE, its optimiser, how long its neurons have been silent, and the curve's point."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from core.config import InputError
from core.saes.base import SAE, LossParts, geometric_median, new_sae
from core.saes.config import SAEConfig
from core.saes.shares import WHOLE, Share
from core.training.config import ResolvedTraining, TrainingConfig
from core.training.rows import Batches

CURVE_POINTS = 200


class Diverged(InputError):
    """The loss is no number any more, and would not be one again from what was kept."""


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


class Trainer:
    """One SAE being trained: the module, its optimiser, and how long each neuron has been silent.

    An update takes b_dec from the geometric median (first step only), the gradient of the loss without the decoder's
    radial part, clips it, takes an Adam step and gives the decoder rows length 1 again. Trainers that each see a share
    of every batch take the same steps.
    """

    def __init__(self, sae: SAE, training: TrainingConfig, share: Share = WHOLE) -> None:
        self.sae, self.share = sae, share
        self.training: ResolvedTraining = training.resolved(sae.config.d_sae)
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
        """Train on one batch x (B, d), or the share of it that is here, already divided by the norm factor.

        Returns the loss before the update.
        """
        sae, t = self.sae, self.training
        if self.step == 0:
            sae.b_dec.data.copy_(geometric_median(x, share=self.share))
        self.optimiser.zero_grad(set_to_none=True)
        parts = sae.loss(x, self.silent, t.dead_after, t.aux_weight, self.share)
        parts.total.backward()
        self.share.add_up(p.grad for p in sae.parameters() if p.grad is not None)
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


def new_trainer(
    config: SAEConfig, training: TrainingConfig, device: str | torch.device, share: Share = WHOLE
) -> Trainer:
    """A training before its first step; the seed decides where it starts."""
    sae = new_sae(config)
    sae.initialise(torch.Generator().manual_seed(training.seed))
    return Trainer(sae.to(device), training, share)


def points_every(training: TrainingConfig) -> int:
    """Steps from one point of the curve to the next."""
    return max(1, training.steps // CURVE_POINTS)


def take_step(trainer: Trainer, batches: Batches) -> CurvePoint | None:
    """One update; the point of the curve where there is one at this step."""
    step, batch = trainer.step, batches(trainer.step)
    with mixed_precision(trainer.training.precision, batch.device):
        parts = trainer.update(batch)
    measured = step % points_every(trainer.training) == 0 or step == trainer.training.steps - 1
    return _curve_point(step, parts, batch, trainer.share) if measured else None


def mixed_precision(precision: str, device: torch.device) -> torch.autocast:
    """The context in which large products run in bfloat16 where `precision` and the device want it."""
    gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    mixed = precision == "bfloat16" or (precision == "auto" and gpu)
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def _curve_point(step: int, parts: LossParts, batch: Tensor, share: Share) -> CurvePoint:
    """Python numbers of one step; Diverged where training has."""
    loss = parts.total.item()
    if not np.isfinite(loss):
        raise Diverged(f"training diverged at step {step}: the loss is {loss}; choose a smaller learning rate")
    spread = share.total((batch - share.mean(batch)).square().sum())
    missed = share.total((batch - parts.x_hat).square().sum())
    unexplained = float(missed / spread) if spread > 0 else float("nan")
    return CurvePoint(step, loss, unexplained, parts.n_active / share.rows(batch), parts.n_dead / len(parts.silent))
