"""Matryoshka BatchTopK: the largest activations of a batch, reconstructed by nested groups of neurons."""

from dataclasses import dataclass
from typing import Any

from core.config import InputError
from core.saes.base import SAES
from core.saes.batch_topk import BatchTopKSAE
from core.saes.config import SAEConfig, numbers, setting


@dataclass(frozen=True)
class GroupedConfig(SAEConfig):
    """Shape and nested groups."""

    group_fractions: tuple[float, ...] = setting(
        (0.0625, 0.125, 0.25, 0.5625), "Shares of the nested groups (empty: 1/16, 1/8, 1/4, 9/16)", numbers
    )
    """Share of the neurons in each nested group, first to last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "group_fractions", tuple(float(share) for share in self.group_fractions))
        if abs(sum(self.group_fractions) - 1.0) > 1e-6:
            raise InputError(f"group_fractions sum to {sum(self.group_fractions):g}; expected 1")

    def to_json(self) -> dict[str, Any]:
        """Everything: saved SAEs have always named their groups."""
        return {**super().to_json(), "group_fractions": list(self.group_fractions)}


@SAES.register("matryoshka-batch-topk")
class MatryoshkaBatchTopKSAE(BatchTopKSAE):
    """BatchTopK whose first group of neurons must reconstruct alone, the first two together, and so on.

    General directions therefore come first. Codes and threshold are those of BatchTopK. Source: Bussmann et al. 2025;
    used by DeBiasLens.
    """

    config: GroupedConfig
    Config = GroupedConfig

    @property
    def group_sizes(self) -> tuple[int, ...]:
        # 1e-9: sizes / d_sae, as foreign files give them, may come out a rounding error below the whole number
        sizes = [int(share * self.config.d_sae + 1e-9) for share in self.config.group_fractions]
        return (*sizes[:-1], self.config.d_sae - sum(sizes[:-1]))
