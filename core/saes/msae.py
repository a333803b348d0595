"""MSAE: nested numbers of active neurons in training, plain ReLU in use."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from core.config import InputError, one_of
from core.saes.base import NEVER, SAE, SAES, LossParts
from core.saes.config import SAEConfig, setting, whole_numbers
from core.saes.rules import PLAIN
from core.saes.shares import WHOLE, Share

WEIGHTINGS = ("reverse", "uniform")


@dataclass(frozen=True)
class NestedConfig(SAEConfig):
    """Shape and levels."""

    levels: tuple[int, ...] = setting((), "Active neurons a level (empty: k, 2 k)", whole_numbers)
    """Active neurons at each nested level, ascending; empty: k and 2 k."""
    weighting: str = setting("reverse", "Weights of the levels", str, WEIGHTINGS)
    """Weights of the levels: "reverse", the sparsest weighs most, or "uniform"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "levels", tuple(int(level) for level in self.levels))
        ascending = all(a < b for a, b in pairwise(self.levels))
        if self.levels and not (ascending and self.levels[0] >= 1 and self.levels[-1] <= self.d_sae):
            raise InputError(f"levels were {list(self.levels)}; expected rising numbers from 1 to {self.d_sae}")
        one_of(self.weighting, WEIGHTINGS, "weighting")


@SAES.register("msae")
class NestedTopKSAE(SAE):
    """z = relu(pre) in use. Training reconstructs from the k_1 < k_2 < ... largest pre-activations of each row.

    With x_hat_i the reconstruction from relu of the k_i largest,
      L = sum_i w_i mse_i,   mse_i = mean over rows and columns of (x_hat_i - x)^2,
      w = (n, ..., 2, 1) for "reverse" (the sparsest level weighs most), 1 for "uniform".
    Levels default to k and 2 k. The revival of dead neurons is AuxK at the last level, times the mean of x^2, which
    is how the other term is measured. Source: Zaigrajew et al. 2025; SEM; the revival is not theirs.
    """

    config: NestedConfig
    Config = NestedConfig
    rule = PLAIN
    aims_at_k = False

    @property
    def levels(self) -> tuple[int, ...]:
        """Active neurons per row at each level, ascending."""
        k = self.config.k
        return self.config.levels or tuple(sorted({k, min(2 * k, self.config.d_sae)}))

    @property
    def level_weights(self) -> tuple[int, ...]:
        """w_i, one for each level."""
        n = len(self.levels)
        return tuple(range(n, 0, -1)) if self.config.weighting == "reverse" else (1,) * n

    def encode(self, x: Tensor) -> Tensor:
        return self.pre_activations(x).relu()

    def training_codes(self, x: Tensor) -> Tensor:
        pre = self.pre_activations(x)
        largest = pre.topk(self.levels[-1], dim=1, sorted=False)
        return torch.zeros_like(pre).scatter(1, largest.indices, largest.values.relu())

    def level_reconstructions(self, pre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x_hat_i (B, levels, d), and codes and neurons (B, k_last) of the last level, largest first."""
        most = self.levels[-1]
        largest = pre.topk(most, dim=1, sorted=True)
        codes = largest.values.relu().to(self.W_dec.dtype)  # products may have run in half precision
        starts = torch.tensor((0, *self.levels[:-1]), device=pre.device)
        offsets = torch.arange(len(pre), device=pre.device)[:, None] * most + starts
        parts = torch.nn.functional.embedding_bag(
            largest.indices.flatten(),
            self.W_dec,
            offsets.flatten(),
            mode="sum",
            per_sample_weights=codes.flatten(),
        )
        nested = parts.view(len(pre), len(self.levels), -1).cumsum(dim=1) + self.b_dec
        return nested, codes, largest.indices

    def level_losses(self, x: Tensor, relative: bool = False) -> Tensor:
        """mse_i (levels,), unweighted; `relative` divides each row's by the mean of its x^2, for centred x."""
        nested, _, _ = self.level_reconstructions(self.pre_activations(x))
        return self._errors(x, nested, relative)

    def loss(
        self, x: Tensor, silent: Tensor, dead_after: int = NEVER, aux_weight: float = 0.03, share: Share = WHOLE
    ) -> LossParts:
        pre = self._training_pre(x)
        nested, codes, neurons = self.level_reconstructions(pre)
        weighted = self._errors(x, nested, share=share) * torch.tensor(self.level_weights, device=x.device)
        x_hat = nested[:, -1].detach()

        positive = codes.detach() > 0
        fired = share.any(torch.bincount(neurons[positive], minlength=self.config.d_sae) > 0)
        silent = torch.where(fired, 0, silent + share.rows(x))
        dead = (silent >= dead_after).nonzero().flatten()
        aux = self._aux(pre, x - x_hat, dead, share) if aux_weight else torch.zeros_like(weighted[0])
        return LossParts(
            total=weighted.sum() + aux_weight * share.mean(x.square().mean(dim=1)) * aux,
            reconstruction=weighted.detach(),
            aux=aux.detach(),
            x_hat=x_hat,
            n_active=share.count(int(positive.sum())),
            n_dead=len(dead),
            silent=silent,
            smallest=share.smallest(codes.detach()[positive]),
        )

    @torch.no_grad()
    def move_decoder_norm(self) -> None:
        """Give every decoder row length 1 and the encoder its old length: codes change, reconstructions do not."""
        norm = self.W_dec.norm(dim=1)
        self.W_dec.div_(norm[:, None])
        self.W_enc.mul_(norm)
        self.b_enc.mul_(norm)

    @torch.no_grad()
    def project_decoder_gradient(self) -> None:
        if self.W_dec.grad is None:
            return
        squared = self.W_dec.square().sum(dim=1, keepdim=True).clamp_min(torch.finfo(self.W_dec.dtype).tiny)
        along = (self.W_dec.grad * self.W_dec).sum(dim=1, keepdim=True) / squared
        self.W_dec.grad.sub_(along * self.W_dec)

    def _training_pre(self, x: Tensor) -> Tensor:
        """`pre_activations`, with the gradient of b_dec by a (F,) x (F, d) product instead of a (B, F) x (F, d) one."""
        fixed = self.b_dec.detach()
        through_b_dec = (self.b_dec - fixed) @ self.W_enc.detach()  # is 0, has the gradient
        return torch.addmm(self.b_enc - through_b_dec, x - fixed, self.W_enc)

    def _aux(self, pre: Tensor, residual: Tensor, dead: Tensor, share: Share) -> Tensor:
        """L_aux of `SelectionSAE`; 0 where no neuron is dead or the residual has no variance."""
        most = min(self.config.d_in // 2, len(dead))
        if most == 0:
            return pre.new_zeros(())
        active = pre[:, dead].relu()
        if int((active > 0).sum(dim=1).max()) > most:
            strongest = active.detach().topk(most, dim=1, sorted=False).indices
            active = active * torch.zeros_like(active).scatter(1, strongest, 1.0)
        missed = share.mean((residual - active @ self.W_dec[dead]).square().sum(dim=1))
        spread = share.mean((residual - share.mean(residual)).square().sum(dim=1))
        return (missed / spread).nan_to_num(0.0)

    def _errors(self, x: Tensor, nested: Tensor, relative: bool = False, share: Share = WHOLE) -> Tensor:
        per_row = (nested - x[:, None]).square().mean(dim=2)
        if relative:
            per_row = per_row / x.square().mean(dim=1, keepdim=True)
        return share.mean(per_row)
