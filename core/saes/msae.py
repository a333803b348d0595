"""MSAE: nested numbers of active neurons in training, plain ReLU in use."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from core.config import InputError, one_of
from core.saes.base import SAES
from core.saes.config import SAEConfig, setting, whole_numbers
from core.saes.largest import largest_of_rows
from core.saes.rules import PLAIN
from core.saes.selection import SelectionSAE
from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept

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
class NestedTopKSAE(SelectionSAE):
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

    def keep(self, centred: Tensor, share: Share = WHOLE) -> Kept:
        return self.keep_in_parts(centred, share)[0]

    @property
    def n_parts(self) -> int:
        return len(self.levels)

    def keep_in_parts(self, centred: Tensor, share: Share = WHOLE) -> tuple[Kept, Tensor]:
        """A code's part is the level in which it is the first time."""
        return largest_of_rows(centred, self.W_enc, self.b_enc, self.levels)

    def part_losses(self, squares: Tensor) -> Tensor:
        """w_i mse_i."""
        return squares * torch.tensor(self.level_weights, device=squares.device) / self.config.d_in

    def told_of(self, losses: Tensor) -> Tensor:
        return losses

    def aux_scale(self, x: Tensor, share: Share) -> Tensor:
        return share.mean(x.square().mean(dim=1))

    def level_reconstructions(self, pre: Tensor) -> Tensor:
        """x_hat_i (B, levels, d)."""
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
        return parts.view(len(pre), len(self.levels), -1).cumsum(dim=1) + self.b_dec

    def level_losses(self, x: Tensor, relative: bool = False) -> Tensor:
        """mse_i (levels,), unweighted; `relative` divides each row's by the mean of its x^2, for centred x."""
        per_row = (self.level_reconstructions(self.pre_activations(x)) - x[:, None]).square().mean(dim=2)
        if relative:
            per_row = per_row / x.square().mean(dim=1, keepdim=True)
        return per_row.mean(dim=0)

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
