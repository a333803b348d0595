"""The training loss shared by architectures that pay for active neurons instead of selecting them."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from core.config import InputError
from core.saes.base import NEVER, SAE, LossParts
from core.saes.config import SAEConfig, setting
from core.saes.shares import WHOLE, Share


@dataclass(frozen=True)
class PenaltyConfig(SAEConfig):
    """Shape and price."""

    sparsity: float | None = setting(None, "Price of activity (empty: its own)", float)
    """Weight of the price on active neurons; None: the architecture's own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sparsity is not None and not 0 <= self.sparsity < math.inf:
            raise InputError(f"sparsity was {self.sparsity}; expected a number of at least 0")


class PenaltySAE(SAE):
    """Trains with a price on activity; subclasses say which.

      L = mean_b ||x - x_hat||^2 + penalty(pre) + aux_weight * L_aux.
    A dead neuron's activation is 0 on every row, so reconstruction cannot move it. L_aux lifts its pre-activations
    until they reach the value at which the neuron starts to fire, onset_j:
      L_aux = mean over rows b and dead neurons j of max(0, onset_j - pre_bj),
    with gradient to the dead neurons' own W_enc and b_enc only; 0 where none is dead.
    """

    config: PenaltyConfig
    Config = PenaltyConfig
    default_sparsity: ClassVar[float]
    """Weight of the penalty where the settings give none, for inputs of mean squared length 1."""

    @property
    def sparsity(self) -> float:
        """Weight of the penalty."""
        return self.default_sparsity if self.config.sparsity is None else self.config.sparsity

    @abstractmethod
    def activate(self, pre: Tensor) -> Tensor:
        """Codes (..., F) of pre-activations: the rule, the same in training and in use."""

    @abstractmethod
    def penalty(self, pre: Tensor, codes: Tensor, share: Share = WHOLE) -> Tensor:
        """() price of the batch's activity, weight included."""

    def onset(self) -> Tensor | float:
        """(F,) or one number: pre-activation above which a neuron fires."""
        return 0.0

    def encode(self, x: Tensor) -> Tensor:
        return self.activate(self.pre_activations(x))

    def training_codes(self, x: Tensor) -> Tensor:
        return self.encode(x)

    def loss(
        self, x: Tensor, silent: Tensor, dead_after: int = NEVER, aux_weight: float = 0.03, share: Share = WHOLE
    ) -> LossParts:
        pre = self.pre_activations(x)
        codes = self.activate(pre)
        x_hat = self.decode(codes)
        missed = share.mean((x - x_hat).square().sum(dim=1))
        price = self.penalty(pre, codes, share)

        active = codes.detach() > 0
        silent = torch.where(share.any(active.any(dim=0)), 0, silent + share.rows(x))
        dead = silent >= dead_after
        aux = self._revival(x, dead, share) if aux_weight and dead.any() else torch.zeros_like(missed)
        return LossParts(
            total=missed + price + aux_weight * aux,
            reconstruction=missed.detach()[None],
            aux=aux.detach(),
            x_hat=x_hat.detach(),
            n_active=share.count(int(active.sum())),
            n_dead=int(dead.sum()),
            silent=silent,
            smallest=share.smallest(codes.detach()[active]),
            sparsity=price.detach(),
        )

    def _revival(self, x: Tensor, dead: Tensor, share: Share) -> Tensor:
        """L_aux of the class docstring."""
        pre = (x - self.b_dec.detach()) @ self.W_enc[:, dead] + self.b_enc[dead]
        onset = torch.as_tensor(self.onset(), dtype=pre.dtype, device=pre.device).detach()
        return share.mean((onset.expand(len(dead))[dead] - pre).relu().mean(dim=1))
