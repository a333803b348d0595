"""The training loss shared by architectures that keep only the largest activations of a row or of a batch."""

from abc import abstractmethod

import torch
from torch import Tensor

from core.saes.base import NEVER, SAE, LossParts


class SelectionSAE(SAE):
    """Trains on a selection of the activations; subclasses say which are kept.

    With nested groups of neurons 1..G and x_hat_g the reconstruction from the groups up to g,
      l_g = (1/G) mean_b ||x - x_hat_g||^2,    L = mean_g l_g + aux_weight * L_aux;
    one group that holds all neurons gives the plain mean_b ||x - x_hat||^2. L_aux (AuxK): the d/2 most active dead
    neurons of each row reconstruct the residual r = x - x_hat, no gradient through r:
      L_aux = mean_b ||r - r_hat||^2 / mean_b ||r - mean(r)||^2.

    Source: Bussmann et al. 2025 (Matryoshka), Gao et al. 2024 (AuxK), as in saprmarks/dictionary_learning.
    """

    @abstractmethod
    def select(self, pre: Tensor) -> Tensor:
        """Ascending positions in the flattened pre-activations (B, F) of the entries that training keeps."""

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Neurons in each nested group, first to last."""
        return (self.config.d_sae,)

    def training_codes(self, x: Tensor) -> Tensor:
        pre = self.pre_activations(x)
        kept = self.select(pre.detach())
        codes = torch.zeros(pre.numel(), dtype=pre.dtype, device=pre.device)
        return codes.scatter(0, kept, pre.flatten().gather(0, kept).relu()).view_as(pre)

    def loss(self, x: Tensor, silent: Tensor, dead_after: int = NEVER, aux_weight: float = 0.03) -> LossParts:
        rows, n = len(x), self.config.d_sae
        pre = self._training_pre(x)
        kept = self.select(pre.detach())
        values = pre.flatten().gather(0, kept).relu()
        neurons = kept % n

        nested = self._nested_reconstructions(kept, values, rows)  # (B, G, d)
        n_groups = nested.shape[1]
        per_group = (x[:, None] - nested).square().sum(dim=2).mean(dim=0) / n_groups
        x_hat = nested[:, -1].detach()

        fired = torch.bincount(neurons, minlength=n) > 0
        silent = torch.where(fired, 0, silent + rows)
        dead = (silent >= dead_after).nonzero().flatten()
        aux = self._aux_loss(pre, x - x_hat, dead) if aux_weight else torch.zeros_like(per_group[0])

        positive = values.detach()[values.detach() > 0]
        return LossParts(
            total=per_group.mean() + aux_weight * aux,
            reconstruction=per_group.detach(),
            aux=aux.detach(),
            x_hat=x_hat,
            n_active=len(positive),
            n_dead=len(dead),
            silent=silent,
            smallest=positive.min() if len(positive) else None,
        )

    def _training_pre(self, x: Tensor) -> Tensor:
        """`pre_activations`, with the gradient of b_dec by a (F,) x (F, d) product instead of a (B, F) x (F, d) one."""
        fixed = self.b_dec.detach()
        through_b_dec = (self.b_dec - fixed) @ self.W_enc.detach()  # is 0, has the gradient
        return torch.addmm(self.b_enc - through_b_dec, x - fixed, self.W_enc)

    def _nested_reconstructions(self, kept: Tensor, values: Tensor, rows: int) -> Tensor:
        """x_hat_g (B, G, d) from the kept codes alone: one weighted sum of decoder rows per row and group."""
        n, groups = self.config.d_sae, len(self.group_sizes)
        neurons = kept % n
        ends = torch.tensor(self.group_sizes, device=kept.device).cumsum(0)
        bags = (kept // n) * groups + torch.bucketize(neurons, ends, right=True)
        sizes = torch.bincount(bags, minlength=rows * groups)
        own = torch.nn.functional.embedding_bag(
            neurons, self.W_dec, sizes.cumsum(0) - sizes, mode="sum", per_sample_weights=values
        )
        return own.view(rows, groups, -1).cumsum(dim=1) + self.b_dec

    def _aux_loss(self, pre: Tensor, residual: Tensor, dead: Tensor) -> Tensor:
        """L_aux of the class docstring; 0 where no neuron is dead or the residual has no variance."""
        most = min(self.config.d_in // 2, len(dead))
        if most == 0:
            return pre.new_zeros(())
        active = pre[:, dead].relu()
        if int((active > 0).sum(dim=1).max()) > most:
            strongest = active.detach().topk(most, dim=1, sorted=False).indices
            active = active * torch.zeros_like(active).scatter(1, strongest, 1.0)
        missed = (residual - active @ self.W_dec[dead]).square().sum(dim=1).mean()
        spread = (residual - residual.mean(dim=0)).square().sum(dim=1).mean()
        return (missed / spread).nan_to_num(0.0)
