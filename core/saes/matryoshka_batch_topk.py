"""Matryoshka BatchTopK: the largest activations of a batch, reconstructed by nested groups of neurons."""

from core.saes.base import SAES
from core.saes.batch_topk import BatchTopKSAE


@SAES.register("matryoshka-batch-topk")
class MatryoshkaBatchTopKSAE(BatchTopKSAE):
    """BatchTopK whose first group of neurons must reconstruct alone, the first two together, and so on.

    General directions therefore come first. Codes and threshold are those of BatchTopK. Source: Bussmann et al. 2025;
    used by DeBiasLens.
    """

    @property
    def group_sizes(self) -> tuple[int, ...]:
        # 1e-9: sizes / d_sae, as foreign files give them, may come out a rounding error below the whole number
        sizes = [int(share * self.config.d_sae + 1e-9) for share in self.config.group_fractions]
        return (*sizes[:-1], self.config.d_sae - sum(sizes[:-1]))
