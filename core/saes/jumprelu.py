"""JumpReLU: every neuron has a threshold of its own, learned with the rest."""

from typing import Any

import torch
from torch import Tensor

from core.saes.base import SAES
from core.saes.config import SAEConfig
from core.saes.penalty import PenaltySAE
from core.saes.rules import THRESHOLD
from core.saes.shares import WHOLE, Share

BANDWIDTH = 1e-3
"""Width eps of the window around a threshold whose activations move it; of the source, for inputs of length 1."""
START = 1e-3
"""Thresholds before training."""


def _near(pre: Tensor, threshold: Tensor) -> Tensor:
    """Rectangle kernel K((pre - threshold) / eps): 1 within half the bandwidth, else 0."""
    return ((pre - threshold).abs() < BANDWIDTH / 2).to(pre.dtype)


class _Jump(torch.autograd.Function):
    """relu(pre) where pre > threshold; d/d threshold = -(threshold / eps) K, d/d pre = 1 where it fires."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        return pre.relu() * (pre > threshold)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        pre, threshold = ctx.saved_tensors
        to_threshold = -(threshold / BANDWIDTH) * _near(pre, threshold) * grad
        return grad * ((pre > threshold) & (pre > 0)), to_threshold.sum_to_size(threshold.shape)


class _Step(torch.autograd.Function):
    """1 where pre > max(threshold, 0), else 0; d/d threshold = -(1 / eps) K, nothing for pre."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        return ((pre > threshold) & (pre > 0)).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        pre, threshold = ctx.saved_tensors
        return None, (-_near(pre, threshold) / BANDWIDTH * grad).sum_to_size(threshold.shape)


@SAES.register("jumprelu")
class JumpReLUSAE(PenaltySAE):
    """z_j = pre_j where pre_j > max(threshold_j, 0), else 0; training aims at k active neurons a row.

    penalty = sparsity * (l0 / k - 1)^2, l0 = mean_b sum_j [z_bj > 0]. Step and jump have no useful derivative in the
    threshold, so their gradient is that of their expectation, estimated in a window of width eps around the
    threshold: d z / d threshold = -(threshold / eps) K, d [z > 0] / d threshold = -(1 / eps) K, with K = 1 where
    |pre - threshold| < eps / 2. Source: Rajamanoharan et al. 2024, eq. 11 and 12; aim at k as in dictionary_learning.
    """

    default_sparsity = 1.0
    straight_through = ("threshold",)
    rule = THRESHOLD
    aims_at_k = False

    def __init__(self, config: SAEConfig) -> None:
        super().__init__(config)
        self.threshold = torch.nn.Parameter(torch.full((config.d_sae,), START))

    def activate(self, pre: Tensor) -> Tensor:
        return _Jump.apply(pre, self.threshold)

    def penalty(self, pre: Tensor, codes: Tensor, share: Share = WHOLE) -> Tensor:
        l0 = share.mean(_Step.apply(pre.detach(), self.threshold).sum(dim=1))
        return self.sparsity * (l0 / self.config.k - 1).square()

    def onset(self) -> Tensor:
        return self.threshold.clamp_min(0)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        super().initialise(generator)
        self.threshold.fill_(START)

    @torch.no_grad()
    def scale_inputs(self, factor: float) -> None:
        super().scale_inputs(factor)
        self.threshold.mul_(factor)
