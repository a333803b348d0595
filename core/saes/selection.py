"""The training loss shared by architectures that keep only the largest activations of a row or of a batch.

With some twenty of some thousand neurons active in a row, all sums but one run over the kept codes alone: only to
find them, the whole product of the batch and the encoder is needed.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from core.saes.base import NEVER, SAE, LossParts
from core.saes.known_gradient import with_gradients
from core.saes.largest import all_above, strongest_of_rows
from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept, Places, order_of, sampled_products, weighted_sums


class NeuronGradients(NamedTuple):
    """Gradients of what belongs to single neurons, a row for each of them."""

    W_enc: Tensor
    """(F, d)."""
    b_enc: Tensor
    """(F,)."""
    W_dec: Tensor
    """(F, d)."""


class SelectionSAE(SAE):
    """Trains on a selection of the activations; subclasses say which are kept.

    With kept codes in nested parts 1..G, here groups of neurons, and x_hat_g the reconstruction from the parts up to g,
      l_g = (1/G) mean_b ||x - x_hat_g||^2,    L = mean_g l_g + aux_weight * L_aux;
    one part that holds all codes gives the plain mean_b ||x - x_hat||^2. L_aux (AuxK): the d/2 most active dead
    neurons of each row reconstruct the residual r = x - x_hat, no gradient through r:
      L_aux = mean_b ||r - r_hat||^2 / mean_b ||r - mean(r)||^2.

    Source: Bussmann et al. 2025 (Matryoshka), Gao et al. 2024 (AuxK), as in saprmarks/dictionary_learning.
    """

    @abstractmethod
    def keep(self, centred: Tensor, share: Share = WHOLE) -> Kept:
        """The codes that training keeps, all above 0, for x - b_dec (B, d)."""

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Neurons in each nested group, first to last."""
        return (self.config.d_sae,)

    @property
    def n_parts(self) -> int:
        """G."""
        return len(self.group_sizes)

    def keep_in_parts(self, centred: Tensor, share: Share = WHOLE) -> tuple[Kept, Tensor]:
        """What `keep` gives, row by row and part by part within a row, and the number of each code's part (m,),
        from 0."""
        kept = self.keep(centred, share)
        ends = torch.tensor(self.group_sizes, device=centred.device).cumsum(0)
        return kept, torch.bucketize(kept.places.columns, ends, right=True)

    def part_losses(self, squares: Tensor) -> Tensor:
        """What the loss adds up of each part (G,), from mean_b ||x - x_hat_g||^2 (G,): linear, so that a part's own
        square alone counts. Here l_g / G."""
        return squares / len(squares) ** 2

    def told_of(self, losses: Tensor) -> Tensor:
        """How the losses of parts (G,) are told: here l_g, whose mean the loss is."""
        return losses * len(losses)

    def aux_scale(self, x: Tensor, share: Share) -> Tensor | float:
        """By what L_aux is multiplied, so that it is measured as the rest of the loss is."""
        return 1.0

    @torch.no_grad()
    def training_codes(self, x: Tensor) -> Tensor:
        places, values = self.keep(x - self.b_dec)
        codes = values.new_zeros(places.shape)
        codes[places.rows, places.columns] = values
        return codes

    def loss(
        self, x: Tensor, silent: Tensor, dead_after: int = NEVER, aux_weight: float = 0.03, share: Share = WHOLE
    ) -> LossParts:
        """See `SAE.loss`. The gradient is worked out beside the loss, in the same sums."""
        with torch.no_grad():
            centred = x - self.b_dec
            kept, part = self.keep_in_parts(centred, share)
            losses, missed, gradient, b_dec = self._nested(centred, kept, part, share)

            fired = share.any(torch.bincount(kept.places.columns, minlength=self.config.d_sae) > 0)
            silent = torch.where(fired, 0, silent + share.rows(x))
            dead = (silent >= dead_after).nonzero().flatten()
            weight = aux_weight * self.aux_scale(x, share) if len(dead) else aux_weight
            aux = self._aux(centred, missed, dead, weight, gradient, share)
            b_dec -= self.W_enc @ gradient.b_enc  # what it does to the codes
        gradients: dict[Tensor, Tensor] = {
            self.W_enc: gradient.W_enc.T,
            self.b_enc: gradient.b_enc,
            self.W_dec: gradient.W_dec,
            self.b_dec: b_dec,
        }
        return LossParts(
            total=with_gradients(losses.sum() + weight * aux, gradients),
            reconstruction=self.told_of(losses),
            aux=aux,
            x_hat=x + missed,
            n_active=share.count(len(kept.values)),
            n_dead=len(dead),
            silent=silent,
            smallest=share.smallest(kept.values),
        )

    def _nested(
        self, centred: Tensor, kept: Kept, part: Tensor, share: Share
    ) -> tuple[Tensor, Tensor, NeuronGradients, Tensor]:
        """Losses of parts (G,), x_hat - x (B, d), the neurons' gradients of their sum, and b_dec's as a part of every
        x_hat_g.

        With e_g = x_hat_g - x and v_g the weight of part g's mean square in the loss, a code of part g moves every
        x_hat_h with h >= g: the gradient of its own part of the reconstruction is (2 / B) sum_{h >= g} v_h e_h.
        """
        rows, d = centred.shape
        weights = self.part_losses(centred.new_ones(self.n_parts)).tolist()
        n, last = len(weights), weights[-1]
        bags = kept.places.rows * n + part
        lengths = torch.bincount(bags, minlength=rows * n)
        errors = weighted_sums(self.W_dec.detach(), kept.places.columns, kept.values, lengths).view(rows, n, d)
        errors[:, 0] -= centred
        for g in range(1, n):
            errors[:, g] += errors[:, g - 1]
        losses = self.part_losses(share.mean(errors.norm(dim=2).square()))

        # from here on weighted sums over later parts, over the last one's weight; the last one's stays what it is
        for g in reversed(range(n - 1)):
            if weights[g] != last:
                errors[:, g] *= weights[g] / last
            errors[:, g] += errors[:, g + 1]
        scale = 2 * last / share.rows(centred)
        gradient = neuron_gradients(centred, kept, errors.view(rows * n, d), bags, self.W_dec.detach(), scale)
        return losses, errors[:, -1], gradient, scale * errors[:, 0].sum(dim=0)

    def _aux(
        self,
        centred: Tensor,
        missed: Tensor,
        dead: Tensor,
        weight: Tensor | float,
        gradient: NeuronGradients,
        share: Share,
    ) -> Tensor:
        """L_aux () of x_hat - x = `missed`, 0 where it is undefined; `gradient` gets `weight` times its gradients."""
        most = min(self.config.d_in // 2, len(dead))
        spread = share.mean((missed - share.mean(missed)).square().sum(dim=1)) if most and weight else None
        if spread is None or not spread > 0:
            return centred.new_zeros(())
        w, b, directions = self.W_enc.T[dead].T, self.b_enc[dead], self.W_dec[dead]
        kept, _ = strongest_of_rows(all_above(centred, w, b, b.new_zeros(())), (most,))
        rows = kept.places.rows
        errors = weighted_sums(directions, kept.places.columns, kept.values, kept.places.row_lengths()) + missed
        scale = 2 * weight / (share.rows(centred) * spread)
        for whole, part in zip(gradient, neuron_gradients(centred, kept, errors, rows, directions, scale), strict=True):
            whole[dead] += part
        return share.mean(errors.square().sum(dim=1)) / spread


def neuron_gradients(
    centred: Tensor, kept: Kept, pulls: Tensor, bags: Tensor, directions: Tensor, scale: float | Tensor
) -> NeuronGradients:
    """Gradients of a loss whose derivative by the reconstruction that code i is part of is scale * pulls[bags[i]].

    A code z_bj = centred_b . W_enc_j + b_enc_j then has the gradient g_bj = scale * pulls . W_dec_j, and its neuron
      W_enc_j: sum_b g_bj centred_b,    b_enc_j: sum_b g_bj,    W_dec_j: scale * sum_b z_bj pulls.

    Parameters
    ----------
    centred : (B, d) x - b_dec.
    kept : the codes, places in (B, F).
    pulls : (bags, d), `bags` (m,) the row of it for each code, ascending.
    directions : (F, d) decoder rows.
    """
    (rows, neurons, (_, n)), values = kept
    along = scale * sampled_products(pulls, directions.T, Places(bags, neurons, (len(pulls), n)))
    by_neuron = order_of(neurons, n)
    lengths = torch.bincount(neurons, minlength=n)
    return NeuronGradients(
        W_enc=weighted_sums(centred, rows[by_neuron], along[by_neuron], lengths),
        b_enc=torch.bincount(neurons, along, minlength=n).to(along.dtype),
        W_dec=weighted_sums(pulls, bags[by_neuron], scale * values[by_neuron], lengths),
    )
