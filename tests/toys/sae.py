"""A ReLU SAE whose neurons fire above a fixed margin."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from core.config import InputError
from core.saes.base import SAES
from core.saes.config import SAEConfig, setting
from core.saes.penalty import PenaltyConfig, PenaltySAE
from core.saes.rules import Rule, Weights
from core.saes.shares import WHOLE, Share


@dataclass(frozen=True)
class MarginConfig(PenaltyConfig):
    margin: float = setting(0.0, "Toy margin", float)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.margin >= 0:
            raise InputError(f"margin was {self.margin}; expected a number of at least 0")


class AboveMargin(Rule):
    name = "toy-margin"

    def codes(self, pre: np.ndarray, weights: Weights, config: SAEConfig) -> np.ndarray:
        return np.where(pre > config.margin, pre, 0)


@SAES.register("toy-margin")
class MarginSAE(PenaltySAE):
    """z = pre where pre > margin, else 0."""

    Config = MarginConfig
    rule = AboveMargin()
    default_sparsity = 0.01
    aims_at_k = False

    def activate(self, pre: Tensor) -> Tensor:
        return pre * (pre > self.config.margin)

    def penalty(self, pre: Tensor, codes: Tensor, share: Share = WHOLE) -> Tensor:
        return self.sparsity * share.mean(codes.sum(dim=1))
