"""What every sparse autoencoder (SAE) has in common: parameters, decoder geometry, and the names of its numbers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from core.config import InputError
from core.registry import Registry
from core.saes.config import SAEConfig, own_settings, require_known
from core.saes.rules import Rule
from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept, places_of

SAES: Registry[type["SAE"]] = Registry("SAE architecture", "core.saes")

NEVER = 10_000_000
"""Rows without firing after which the published recipe calls a neuron dead."""


@dataclass(frozen=True)
class LossParts:
    """The training loss of one batch, and what the training loop wants to know about it.

    `total` carries the gradient; everything else is detached.
    """

    total: Tensor
    """() = mean(reconstruction) + sparsity + aux_weight * aux; MSAE sums its levels, see there."""
    reconstruction: Tensor
    """(G,) reconstruction loss of each nested group, weight included; G = 1 where there are no groups."""
    aux: Tensor
    """() share of the residual's variance that the dead neurons cannot explain; 0 where none is dead."""
    x_hat: Tensor
    """(B, d) full reconstruction of the rows that are here."""
    n_active: int
    """Codes above 0 in the batch; divided by B it is the batch's l0."""
    n_dead: int
    silent: Tensor
    """(F,) rows since each neuron last fired, this batch included."""
    smallest: Tensor | None
    """() smallest positive code that was kept; None where no code was."""
    sparsity: Tensor | None = None
    """() price of active neurons, weight included; None where the rule itself is sparse."""


class SAE(torch.nn.Module, ABC):
    """A sparse autoencoder: x -> codes z -> x_hat.

    pre = (x - b_dec) W_enc + b_enc,  z = rule(pre) >= 0,  x_hat = z W_dec + b_dec,
    with W_enc (d, F), b_enc (F), W_dec (F, d), b_dec (d). The architecture is the rule. It works on RAW embeddings:
    what training divided them by is folded into the parameters before an SAE leaves the training room.

    Parameters are zero until `initialise` (training) or `load_arrays` (checkpoints, hand-made weights) fills them.
    """

    Config: ClassVar[type[SAEConfig]] = SAEConfig
    """Its configuration: the shape, and settings of its own with their checks."""
    rule: ClassVar[Rule | None] = None
    """Its inference rule in plain NumPy; None: its codes need torch, and what does without it says so."""
    aims_at_k: ClassVar[bool] = True
    """True where some k neurons are active per row in use."""
    straight_through: ClassVar[tuple[str, ...]] = ()
    """Parameters whose gradient is an estimate, because the loss jumps in them."""

    def __init__(self, config: SAEConfig) -> None:
        super().__init__()
        self.config = config
        d, n = config.d_in, config.d_sae
        self.W_enc = torch.nn.Parameter(torch.zeros(n, d).T)  # in memory neuron by neuron, as sparse sums read it
        self.b_enc = torch.nn.Parameter(torch.zeros(n))
        self.W_dec = torch.nn.Parameter(torch.zeros(n, d))
        self.b_dec = torch.nn.Parameter(torch.zeros(d))

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Codes z (..., F) of raw embeddings x (..., d) by the inference rule; exact zeros where a neuron is off."""

    def encode_sparse(self, x: Tensor) -> Kept:
        """The codes of `encode` that are not 0, for rows x (B, d); equal up to rounding."""
        z = self.encode(x)
        places = places_of(z != 0)
        return Kept(places, z[places.rows, places.columns])

    @abstractmethod
    def training_codes(self, x: Tensor) -> Tensor:
        """Codes z (B, F) by the training rule, which may look at the whole batch."""

    @abstractmethod
    def loss(
        self, x: Tensor, silent: Tensor, dead_after: int = NEVER, aux_weight: float = 0.03, share: Share = WHOLE
    ) -> LossParts:
        """Training loss of the batch x (B, d).

        Parameters
        ----------
        silent : (F,) rows since each neuron last fired, before this batch.
        dead_after : a neuron silent for so many rows, this batch included, is dead.
        aux_weight : weight of the part that revives dead neurons.
        share : how much of the batch x is. All numbers of the batch come through it, so that the loss is that of the
            whole batch, and the gradient that of x.
        """

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruction x_hat (..., d) = z W_dec + b_dec."""
        return z @ self.W_dec + self.b_dec

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def pre_activations(self, x: Tensor) -> Tensor:
        """(..., F) = (x - b_dec) W_enc + b_enc."""
        return (x - self.b_dec) @ self.W_enc + self.b_enc

    # Training: geometry and state.

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Kaiming-uniform decoder directions of length 1, the encoder their transpose, biases 0."""
        torch.nn.init.kaiming_uniform_(self.W_dec, generator=generator)
        self.normalise_decoder()
        self.W_enc.copy_(self.W_dec.T)
        self.b_enc.zero_()
        self.b_dec.zero_()

    @torch.no_grad()
    def normalise_decoder(self) -> None:
        """Give every decoder row length 1."""
        tiny = torch.finfo(self.W_dec.dtype).eps
        self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True) + tiny)

    @torch.no_grad()
    def project_decoder_gradient(self) -> None:
        """Remove from the decoder's gradient what would only change the length of a row."""
        if self.W_dec.grad is None:
            return
        unit = self.W_dec / (self.W_dec.norm(dim=1, keepdim=True) + 1e-6)
        along = (self.W_dec.grad * unit).sum(dim=1, keepdim=True)
        self.W_dec.grad.sub_(along * unit)

    def update_threshold(self, smallest: Tensor, beta: float) -> None:
        """Learn the inference threshold from the smallest kept code; nothing to do where the rule has none."""

    @torch.no_grad()
    def scale_inputs(self, factor: float) -> None:
        """Make an SAE of x / factor one of x: codes and reconstructions become `factor` times as large."""
        self.b_enc.mul_(factor)
        self.b_dec.mul_(factor)

    # Arrays: checkpoints and hand-made weights.

    def arrays(self) -> dict[str, np.ndarray]:
        """Every number of the SAE by name: W_enc, b_enc, W_dec, b_dec and what the architecture adds."""
        return {name: value.detach().cpu().numpy() for name, value in self.state_dict().items()}

    def load_arrays(self, arrays: Mapping[str, np.ndarray | Tensor]) -> "SAE":
        """Fill all parameters; InputError naming a missing, surplus or wrongly shaped array."""
        expected = self.state_dict()
        surplus, missing = sorted(set(arrays) - set(expected)), sorted(set(expected) - set(arrays))
        if surplus or missing:
            raise InputError(
                f"SAE weights of {self.config.arch} need the arrays {', '.join(expected)}; "
                f"missing: {', '.join(missing) or 'none'}; not known: {', '.join(surplus) or 'none'}"
            )
        for name, target in expected.items():
            given = torch.as_tensor(arrays[name])
            if given.shape != target.shape:
                raise InputError(
                    f"SAE weights {name} have shape {tuple(given.shape)}; expected {tuple(target.shape)} "
                    f"for d_in = {self.config.d_in}, d_sae = {self.config.d_sae}"
                )
            if not torch.isfinite(given).all():
                raise InputError(f"SAE weights {name} hold NaN or infinity; the file is damaged or training diverged")
            target.copy_(given)
        return self

    def frozen(self) -> "SAE":
        """This SAE in eval mode without gradients: how every other room gets it."""
        return self.requires_grad_(False).eval()


def sae_config(
    arch: str, d_in: int, d_sae: int, k: int, *, stored: Mapping[str, Any] | None = None, **settings: Any
) -> SAEConfig:
    """The configuration of a registered architecture; InputError where it has no such setting, or a value is wrong."""
    kind = SAES.get(arch).Config
    require_known(arch, {setting.name: setting for setting in own_settings(kind)}, settings)
    return kind(arch, d_in, d_sae, k, stored=stored, **settings)


def new_sae(config: SAEConfig) -> SAE:
    """An SAE of the registered architecture `config.arch`, its parameters still zero."""
    return SAES.get(config.arch)(config)


@torch.no_grad()
def geometric_median(x: Tensor, tolerance: float = 1e-5, most: int = 100, share: Share = WHOLE) -> Tensor:
    """The point (d,) with the least summed distance to the rows of x (B, d): a centre that outliers do not move.

    Weiszfeld's iteration from the mean, until a step is shorter than `tolerance` or after `most` steps.
    """
    guess = share.mean(x)
    for _ in range(most):
        before = guess
        weights = 1 / (x - guess).norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny ** 0.5)
        guess = share.total((weights / share.total(weights.sum())) @ x)
        if (guess - before).norm() < tolerance:
            break
    return guess
