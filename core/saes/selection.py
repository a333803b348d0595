"""The training loss shared by architectures that keep only the largest activations of a row or of a batch.

With some twenty of some thousand neurons active in a row, all sums but one run over the kept codes alone: only to
find them, the whole product of the batch and the encoder is needed.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from core.saes.aux import aux_loss
from core.saes.base import NEVER, SAE, LossParts
from core.saes.known_gradient import with_gradients
from core.saes.sparse import Kept, Places, sampled_products, weighted_sums


class Gradients(NamedTuple):
    """Gradients of a loss, with one row for each neuron in both matrices."""

    W_enc: Tensor
    """(F, d)."""
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor


class SelectionSAE(SAE):
    """Trains on a selection of the activations; subclasses say which are kept.

    With nested groups of neurons 1..G and x_hat_g the reconstruction from the groups up to g,
      l_g = (1/G) mean_b ||x - x_hat_g||^2,    L = mean_g l_g + aux_weight * L_aux;
    one group that holds all neurons gives the plain mean_b ||x - x_hat||^2. L_aux (AuxK): the d/2 most active dead
    neurons of each row reconstruct the residual, see `core.saes.aux`.

    Source: Bussmann et al. 2025 (Matryoshka), Gao et al. 2024 (AuxK), as in saprmarks/dictionary_learning.
    """

    @abstractmethod
    def keep(self, centred: Tensor) -> Kept:
        """The codes that training keeps, all above 0, for x - b_dec (B, d)."""

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Neurons in each nested group, first to last."""
        return (self.config.d_sae,)

    @torch.no_grad()
    def training_codes(self, x: Tensor) -> Tensor:
        places, values = self.keep(x - self.b_dec)
        codes = values.new_zeros(places.shape)
        codes[places.rows, places.columns] = values
        return codes

    def loss(self, x: Tensor, silent: Tensor, dead_after: int = NEVER, aux_weight: float = 0.03) -> LossParts:
        """See `SAE.loss`. The gradient is worked out beside the loss, where gradients are enabled."""
        wanted = torch.is_grad_enabled()
        with torch.no_grad():
            centred = x - self.b_dec
            kept = self.keep(centred)
            groups = self._groups(kept)
            errors = self._nested_errors(centred, kept, groups)
            per_group = errors.norm(dim=2).square().mean(dim=0) / errors.shape[1]
            missed = errors[:, -1]
            gradients = self._gradients(centred, kept, groups, errors) if wanted else None

            fired = torch.bincount(kept.places.columns, minlength=self.config.d_sae) > 0
            silent = torch.where(fired, 0, silent + len(x))
            dead = (silent >= dead_after).nonzero().flatten()
            aux = self._aux(centred, missed, dead, aux_weight, gradients)
            total = per_group.mean() + aux_weight * aux
        if gradients is not None:
            total = with_gradients(total, self._by_parameter(gradients))
        return LossParts(
            total=total,
            reconstruction=per_group,
            aux=aux,
            x_hat=x + missed,
            n_active=len(kept.values),
            n_dead=len(dead),
            silent=silent,
            smallest=kept.values.min() if len(kept.values) else None,
        )

    def _groups(self, kept: Kept) -> Tensor:
        """(m,) group of each kept code's neuron."""
        ends = torch.tensor(self.group_sizes, device=kept.values.device).cumsum(0)
        return torch.bucketize(kept.places.columns, ends, right=True)

    def _nested_errors(self, centred: Tensor, kept: Kept, groups: Tensor) -> Tensor:
        """x_hat_g - x (B, G, d): each group adds to what those before it have reconstructed."""
        (rows, d), n_groups = centred.shape, len(self.group_sizes)
        lengths = torch.bincount(kept.places.rows * n_groups + groups, minlength=rows * n_groups)
        errors = weighted_sums(self.W_dec.detach(), kept.places.columns, kept.values, lengths).view(rows, n_groups, d)
        errors[:, 0] -= centred
        for g in range(1, n_groups):
            errors[:, g] += errors[:, g - 1]
        return errors

    def _gradients(self, centred: Tensor, kept: Kept, groups: Tensor, errors: Tensor) -> Gradients:
        """Gradients of mean_g l_g; overwrites `errors` but for the last group's.

        With e_g = x_hat_g - x, a code z of group g moves every x_hat_h with h >= g. With
          s_g = (2 / (G^2 B)) sum_{h >= g} e_h
        the gradient of z is s_g . W_dec_j, that of W_dec_j is sum_b z s_g, and that of b_dec (as the last summand of
        every x_hat_h) sum_b s_1.
        """
        rows, n_groups, d = errors.shape
        n = self.config.d_sae
        for g in reversed(range(n_groups - 1)):
            errors[:, g] += errors[:, g + 1]
        later, scale = errors.view(rows * n_groups, d), 2 / (n_groups**2 * rows)

        (at, neurons, _), values = kept.places, kept.values
        bags = at * n_groups + groups
        pull = scale * sampled_products(later, self.W_dec.T, Places(bags, neurons, (rows * n_groups, n)))
        by_neuron = neurons.argsort(stable=True)
        lengths = torch.bincount(neurons, minlength=n)
        b_enc = torch.bincount(neurons, pull, minlength=n).to(pull.dtype)
        return Gradients(
            W_enc=weighted_sums(centred, at[by_neuron], pull[by_neuron], lengths),
            b_enc=b_enc,
            W_dec=weighted_sums(later, bags[by_neuron], scale * values[by_neuron], lengths),
            b_dec=scale * errors[:, 0].sum(dim=0) - self.W_enc @ b_enc,
        )

    def _aux(self, centred: Tensor, missed: Tensor, dead: Tensor, weight: float, gradients: Gradients | None) -> Tensor:
        """L_aux; adds `weight` times its gradients to `gradients`. Dense, but with the dead neurons' columns alone."""
        most = min(self.config.d_in // 2, len(dead))
        if most == 0 or weight == 0:
            return centred.new_zeros(())
        own = [part[dead].requires_grad_(gradients is not None) for part in (self.W_enc.T, self.b_enc, self.W_dec)]
        with torch.set_grad_enabled(gradients is not None):
            W_enc, b_enc, W_dec = own
            aux = aux_loss(torch.addmm(b_enc, centred, W_enc.T).relu(), -missed, W_dec, most)
        if gradients is not None:
            found = [weight * gradient for gradient in torch.autograd.grad(aux, own)]
            for whole, part in zip((gradients.W_enc, gradients.b_enc, gradients.W_dec), found, strict=True):
                whole[dead] += part
            gradients.b_dec.sub_(W_enc.T @ found[1])
        return aux.detach()

    def _by_parameter(self, gradients: Gradients) -> dict[Tensor, Tensor]:
        return {
            self.W_enc: gradients.W_enc.T,
            self.b_enc: gradients.b_enc,
            self.W_dec: gradients.W_dec,
            self.b_dec: gradients.b_dec,
        }
