"""The network of ZSDebias: an encoder into two halves, one to keep and one for the group, and the way back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.units import unit

if TYPE_CHECKING:
    import torch

LEAK, DROPPED = 0.3, 0.3
NORM_EPS = 1e-5
PARTS = ("0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias")
"""Linear, LayerNorm, leaky ReLU, dropout, Linear: names as in the recorded values."""
NEAREST = 10
"""Group prompts that stand for the group side of one picture."""
RECONSTRUCTION, GROUP, APART, CONTRAST = 100.0, 10.0, 10.0, 10.0
KL, CYCLE = 0.01, 50
"""Weight of the KL term at the end of each cycle of so many epochs; it starts each at 0."""
SAME = 1e-12
"""Squared distances up to this are of equal rows and tell no scale."""
EPOCHS, PATIENCE, BATCH = 75, 50, 256
RATE, LAST_RATE, DECAY = 1e-3, 1e-8, 1e-5
"""Published: 500 epochs at 1e-4 with batches of 1,024. On the default world 75 epochs at ten times the rate end at the
same loss (43 against 44) in a seventh of the time, and two draws are as far apart: cosine .72 against .66."""
HELD_OUT = 0.1

Weights = Mapping[str, np.ndarray]
Tensors = dict[str, "torch.Tensor"]


@dataclass(frozen=True, eq=False)
class Network:
    """Encoder (d to 2 d: mean and log variance) and decoder (d to d), each Linear, LayerNorm, leaky ReLU, Linear."""

    encoder: Weights
    decoder: Weights
    bounded: bool = True
    """Whether the decoder ends with tanh."""

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for side in (self.encoder, self.decoder) for array in side.values())

    @property
    def d(self) -> int:
        return self.decoder["4.weight"].shape[0]

    def encode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log variance (n, d) of rows (n, d)."""
        both = layers(self.encoder, x)
        return both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]

    def decode(self, z: np.ndarray) -> np.ndarray:
        found = layers(self.decoder, z)
        return np.tanh(found) if self.bounded else found

    def without_group(self, x: np.ndarray, eps: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Unit rows (n, d): the kept half of z = mean + eps e^(logvar / 2) decoded beside noise.

        Parameters
        ----------
        eps : standard normal draws (n, d).
        noise : standard normal draws (n, d - d // 2) in place of the group half.
        """
        mean, logvar = self.encode(x)
        kept = (mean + eps * np.exp(logvar / 2))[:, : self.d // 2]
        return unit(self.decode(np.concatenate([kept, noise], axis=1)))


def layers(weights: Weights, x: np.ndarray) -> np.ndarray:
    """Linear, LayerNorm, leaky ReLU, Linear, without dropout."""
    h = x @ weights["0.weight"].T + weights["0.bias"]
    h = h - h.mean(axis=1, keepdims=True)
    h = h / np.sqrt((h * h).mean(axis=1, keepdims=True) + NORM_EPS) * weights["1.weight"] + weights["1.bias"]
    return np.where(h > 0, h, LEAK * h) @ weights["4.weight"].T + weights["4.bias"]


def ensembles(rows: np.ndarray, texts: np.ndarray, nearest: int = NEAREST) -> np.ndarray:
    """Unit mean (n, d) of the unit texts (m, d) nearest to each unit row (n, d); of equal cosines the earlier text."""
    order = np.argsort(-(rows @ texts.T), axis=1, kind="stable")[:, :nearest]
    return unit(texts[order].mean(axis=1))


# ------------------------------------------------------------------------------------------ losses, in torch


def kernel(x: "torch.Tensor") -> "torch.Tensor":
    """exp(-D / (2 m)) (n, n) of rows (n, c): D squared distances, m the lower median of those above SAME.

    m is a scale and takes no gradient.
    """
    import torch

    squares = (x * x).sum(dim=1)
    D = (squares[:, None] + squares - 2 * x @ x.T).clamp_min(0)
    found = D.detach().flatten()
    alike = int((found <= SAME).sum())
    apart = len(found) - alike
    m = found.kthvalue(alike + (apart + 1) // 2).values if apart else torch.ones((), dtype=x.dtype)
    return torch.exp(-D / (2 * m))


def alignment(K: "torch.Tensor", L: "torch.Tensor") -> "torch.Tensor":
    """CKA of two kernels (n, n), both centred: from 0 (unrelated) to 1 (the same up to scale)."""
    K, L = (one - one.mean(dim=0) - one.mean(dim=1, keepdim=True) + one.mean() for one in (K, L))
    return (K * L).sum() / (((K * K).sum() + 1e-8).sqrt() * ((L * L).sum() + 1e-8).sqrt())


class Code(NamedTuple):
    """What the encoder makes of a batch, (n, d) each."""

    mean: "torch.Tensor"
    logvar: "torch.Tensor"
    z: "torch.Tensor"
    """mean + eps e^(logvar / 2)."""


def terms(
    x: "torch.Tensor",
    code: Code,
    ensemble: "torch.Tensor",
    order: "torch.Tensor",
    decode: Callable[["torch.Tensor"], "torch.Tensor"],
    swapped: bool = False,
) -> Tensors:
    """The five losses of a batch (n, d): sums over dimensions, means over rows.

    Parameters
    ----------
    order : permutation (n,) that pairs each row with another one for the contrast.
    swapped : decode the contrast from [group half, kept half], as the published training does; everything else,
        there too, decodes [kept half, group half].
    """
    import torch

    mean, logvar, z = code
    half = z.shape[1] // 2
    kept, group = z[:, :half], z[:, half:]

    def off(a: "torch.Tensor", b: "torch.Tensor") -> "torch.Tensor":
        return ((decode(torch.cat([b, a] if swapped else [a, b], dim=1)) - x) ** 2).sum(dim=1).mean()

    of_group = kernel(group)
    return {
        "recon": ((decode(z) - x) ** 2).sum(dim=1).mean(),
        "kl": -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(dim=1).mean(),
        "cka_bias": alignment(of_group, kernel(ensemble)),
        "cka_between_halves": alignment(kernel(kept), of_group),
        "cont": off(kept, group[order]) + off(kept[order], group),
    }


def total(found: Tensors, kl: float) -> "torch.Tensor":
    """What is minimised, with the KL term at a weight."""
    return (
        RECONSTRUCTION * found["recon"]
        - GROUP * found["cka_bias"]
        + APART * found["cka_between_halves"]
        + CONTRAST * found["cont"]
        + kl * found["kl"]
    )


def kl_weight(epoch: int) -> float:
    """From 0 to KL in every cycle; epochs count from 1."""
    return KL * ((epoch - 1) % CYCLE) / (CYCLE - 1)


# ------------------------------------------------------------------------------------------ training


def train(
    rows: np.ndarray,
    texts: np.ndarray,
    seed: int = 0,
    epochs: int | None = None,
    rate: float = RATE,
    swapped: bool = False,
) -> Network:
    """The network for pictures (n, d) and group prompts (m, d); equal arguments give equal networks.

    Adam, rates that fade as half a cosine, a tenth of the pictures held out: it ends where their loss, with the KL
    term at its largest weight so that epochs can be compared, has not fallen for PATIENCE epochs, and keeps the best.

    Parameters
    ----------
    epochs : at most; None: EPOCHS.
    swapped : see `terms`.
    """
    import torch
    from torch.nn import functional

    epochs = EPOCHS if epochs is None else epochs
    rows, texts = unit(rows), unit(texts)
    rng, draws = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    d, shuffled = rows.shape[1], rng.permutation(len(rows))
    held = shuffled[: max(1, round(HELD_OUT * len(rows)))]
    kept = shuffled[len(held) :] if len(held) < len(rows) else shuffled
    given = [torch.as_tensor(a, dtype=torch.float32) for a in (rows, ensembles(rows, texts))]
    weights = {f"{side}.{k}": v for side, out in (("encoder", 2 * d), ("decoder", d)) for k, v in _fresh(d, out, draws)}
    optimiser = torch.optim.Adam(weights.values(), lr=rate, weight_decay=DECAY)
    fading = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(epochs, 1), LAST_RATE)

    def run(side: str, x: torch.Tensor, dropping: bool) -> torch.Tensor:
        part = [weights[f"{side}.{name}"] for name in PARTS]
        h = functional.layer_norm(functional.linear(x, part[0], part[1]), (d,), part[2], part[3], NORM_EPS)
        h = functional.leaky_relu(h, LEAK)
        if dropping:
            h = h * (torch.rand(h.shape, generator=draws) >= DROPPED) / (1 - DROPPED)
        return functional.linear(h, part[4], part[5])

    def loss(places: np.ndarray, kl: float, dropping: bool, random: torch.Generator) -> torch.Tensor:
        x, ensemble = (a[torch.as_tensor(places)] for a in given)
        mean, logvar = run("encoder", x, dropping).chunk(2, dim=1)
        z = mean + torch.randn(mean.shape, generator=random) * torch.exp(logvar / 2)
        order = torch.randperm(len(places), generator=random)

        def decode(code: torch.Tensor) -> torch.Tensor:
            return torch.tanh(run("decoder", code, dropping))

        return total(terms(x, Code(mean, logvar, z), ensemble, order, decode, swapped), kl)

    best, left, least = {k: v.detach().clone() for k, v in weights.items()}, PATIENCE, np.inf
    for epoch in range(1, epochs + 1):
        for places in np.array_split(rng.permutation(kept), max(1, round(len(kept) / BATCH))):
            optimiser.zero_grad()
            loss(places, kl_weight(epoch), True, draws).backward()
            optimiser.step()
        fading.step()
        with torch.no_grad():
            now = loss(held[:BATCH], KL, False, torch.Generator().manual_seed(seed)).item()
        if now < least:
            best, left, least = {k: v.detach().clone() for k, v in weights.items()}, PATIENCE, now
        elif (left := left - 1) == 0:
            break
    encoder, decoder = ({k: best[f"{side}.{k}"].double().numpy() for k in PARTS} for side in ("encoder", "decoder"))
    return Network(encoder, decoder)


def _fresh(d: int, out: int, draws: "torch.Generator") -> list[tuple[str, "torch.Tensor"]]:
    """New weights of one side: uniform in +-1 / sqrt(d), LayerNorm at 1 and 0."""
    import torch

    def uniform(*shape: int) -> torch.Tensor:
        return (2 * torch.rand(shape, generator=draws) - 1) / d**0.5

    fresh = (uniform(d, d), uniform(d), torch.ones(d), torch.zeros(d), uniform(out, d), uniform(out))
    return [(name, value.requires_grad_()) for name, value in zip(PARTS, fresh, strict=True)]
