"""TopK: exactly the k largest activations of every row."""

import torch
from torch import Tensor

from core.saes.base import SAES
from core.saes.largest import largest_of_rows
from core.saes.rules import LARGEST
from core.saes.selection import SelectionSAE
from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept


@SAES.register("topk")
class TopKSAE(SelectionSAE):
    """z = relu(pre) on the k largest pre-activations of the row, 0 elsewhere; the same rule in training and use.

    Every row has at most k active neurons, whatever else is in the batch. Source: Gao et al. 2024.
    """

    rule = LARGEST

    def encode(self, x: Tensor) -> Tensor:
        pre = self.pre_activations(x)
        largest = pre.topk(self.config.k, dim=-1, sorted=False)
        return torch.zeros_like(pre).scatter(-1, largest.indices, largest.values.relu())

    def encode_sparse(self, x: Tensor) -> Kept:
        return self.keep(x - self.b_dec)

    def keep(self, centred: Tensor, share: Share = WHOLE) -> Kept:
        return largest_of_rows(centred, self.W_enc, self.b_enc, (self.config.k,))[0]
