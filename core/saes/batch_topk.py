"""BatchTopK: the largest activations of a whole batch in training, one threshold in use."""

import torch
from torch import Tensor

from core.saes.base import SAES
from core.saes.config import SAEConfig
from core.saes.largest import all_above, largest_of_batch
from core.saes.rules import THRESHOLD
from core.saes.selection import SelectionSAE
from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept


@SAES.register("batch-topk")
class BatchTopKSAE(SelectionSAE):
    """Training keeps the k * B largest activations of a batch of B rows; use keeps what exceeds one threshold.

    z_j = pre_j where pre_j > max(threshold, 0), else 0. Rows may have more or fewer than k active neurons, k on
    average. The threshold is -1 (everything positive passes) until training has learned it as a moving average of
    the smallest kept activation. Source: Bussmann et al. 2024.
    """

    rule = THRESHOLD
    threshold: Tensor

    def __init__(self, config: SAEConfig) -> None:
        super().__init__(config)
        self.register_buffer("threshold", torch.tensor(-1.0))

    def encode(self, x: Tensor) -> Tensor:
        active = self.pre_activations(x).relu()
        return active * (active > self.threshold)

    def encode_sparse(self, x: Tensor) -> Kept:
        return all_above(x - self.b_dec, self.W_enc, self.b_enc, self.threshold)

    def keep(self, centred: Tensor, share: Share = WHOLE) -> Kept:
        return largest_of_batch(centred, self.W_enc, self.b_enc, self.config.k * share.rows(centred), share)

    @torch.no_grad()
    def update_threshold(self, smallest: Tensor, beta: float) -> None:
        """threshold <- beta * threshold + (1 - beta) * smallest; the first value is taken as it is."""
        old = self.threshold
        old.copy_(smallest if old < 0 else beta * old + (1 - beta) * smallest)

    @torch.no_grad()
    def scale_inputs(self, factor: float) -> None:
        super().scale_inputs(factor)
        if self.threshold > 0:
            self.threshold.mul_(factor)
