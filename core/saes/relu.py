"""ReLU + L1: the classic sparse autoencoder, every positive activation counts."""

from torch import Tensor

from core.saes.base import SAES
from core.saes.penalty import PenaltySAE
from core.saes.rules import PLAIN
from core.saes.shares import WHOLE, Share


@SAES.register("relu")
class ReLUSAE(PenaltySAE):
    """z = relu(pre); training pays sparsity * mean_b sum_j z_bj, so that few neurons are active.

    Decoder rows have length 1, so that codes cannot shrink at the decoder's cost. `k` is not used: `sparsity` decides
    how many neurons are active. Source: Bricken et al. 2023.
    """

    default_sparsity = 0.02
    rule = PLAIN
    aims_at_k = False

    def activate(self, pre: Tensor) -> Tensor:
        return pre.relu()

    def penalty(self, pre: Tensor, codes: Tensor, share: Share = WHOLE) -> Tensor:
        return self.sparsity * share.mean(codes.sum(dim=1))
