"""PRISM: a linear map, trained on texts alone, that pulls groups together and keeps contents apart."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from core.config import Edit, InputError, Side
from core.interventions.base import INTERVENTIONS, NO_EDIT, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import remainder
from core.portable.pieces import Piece
from core.portable.pieces.matrix import Matrix
from core.saes.folder import Numbers
from core.units import unit

MARGIN = 0.5
STEPS, RATE = 300, 4e-3
FLOOR = 3e-2
"""What Adam adds to a gradient's length before it divides by it. With its usual 1e-8 the directions of which the texts
say nothing are trained as fast as the others, on rounding alone: texts that differ by 1e-6 then gave cosines that
differ by .05, with this floor and steps that fade out by 2e-6."""
MOST_PAIRS = 4096
"""Pairs of one kind that a step looks at; of more, so many are drawn once."""


@dataclass(frozen=True, eq=False)
class PrismMap:
    """The trained map and how its loss fell."""

    W: np.ndarray
    """(d, d), float64; y = W x."""
    losses: np.ndarray
    """Loss before each step and at the end (steps + 1,)."""

    @property
    def nbytes(self) -> int:
        return self.W.nbytes + self.losses.nbytes


@INTERVENTIONS.register("prism")
class Prism(Intervention):
    """z' = W z and x' = W x, W a (d, d) matrix without bias that starts as the identity.

    Loss over pairs of unit texts: mean(1 - cos(W a, W b)) over pairs of one content said of two groups plus mean of
    relu(cos(W a, W b) - 0.5) over pairs of two contents said of one group. Adam, all pairs in every step, steps that
    fade out as half a cosine.
    """

    title = "PRISM"
    plain = (
        "It learns, from sentences alone, a change of all descriptions that makes “a male doctor” and “a female "
        "doctor” alike while a doctor and a pilot stay different. The same change is then applied to the search text "
        "and to every picture."
    )
    formula = (
        r"z' = W z,\; x' = W x, \qquad W = \arg\min\; \overline{1 - \cos(W a, W a^{+})} "
        r"+ \overline{[\cos(W a, W a^{-}) - 0.5]_{+}}"
    )
    paper = "PRISM, arXiv 2507.08979"
    cost = "some seconds of training once, then one d x d product for the gallery"
    changes = "both"
    needs = Needs(prompts=("contents",), training=True)

    def fit(self, evidence: Evidence) -> PrismMap:
        texts = evidence.text("contents")
        return train_prism(texts.pooled, texts.sizes)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: PrismMap | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        return remainder(stored, stored @ fitted.W.T.astype(stored.dtype))

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (Matrix({"P": fitted.W}),)


def train_prism(rows: np.ndarray, sizes: tuple[int, ...], steps: int = STEPS, seed: int = 0) -> PrismMap:
    """The map for texts (n, d) laid out content after content, every content said of the same groups in one order.

    Equal seeds give equal maps; the seed matters only where there are more than MOST_PAIRS pairs of a kind.
    """
    import torch

    each = sizes[0] if sizes else 0
    if len(sizes) < 2 or each < 2 or set(sizes) != {each}:
        raise InputError(
            f"PRISM learns from at least two contents, each said of the same two or more groups; got blocks {sizes}"
        )
    positive, negative = (torch.as_tensor(pairs) for pairs in _pairs(len(sizes), each, np.random.default_rng(seed)))
    x = torch.as_tensor(unit(rows))
    W = torch.eye(x.shape[1], dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([W], lr=RATE, eps=FLOOR)
    fading = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))

    def loss() -> torch.Tensor:
        y = torch.nn.functional.normalize(x @ W.T)
        near, far = (((y[pairs[:, 0]] * y[pairs[:, 1]]).sum(dim=1)) for pairs in (positive, negative))
        return (1 - near).mean() + (far - MARGIN).relu().mean()

    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        now = loss()
        now.backward()
        optimiser.step()
        fading.step()
        losses.append(now.item())
    with torch.no_grad():
        losses.append(loss().item())
    return PrismMap(W.detach().numpy(), np.array(losses))


def _pairs(contents: int, groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pairs of one content and two groups, and of one group and two contents, (m, 2) each."""
    positive = [(c * groups + a, c * groups + b) for c in range(contents) for a, b in combinations(range(groups), 2)]
    negative = [(a * groups + g, b * groups + g) for g in range(groups) for a, b in combinations(range(contents), 2)]
    drawn = []
    for pairs in (np.array(positive), np.array(negative)):
        few = len(pairs) <= MOST_PAIRS
        drawn.append(pairs if few else pairs[np.sort(rng.choice(len(pairs), MOST_PAIRS, replace=False))])
    return drawn[0], drawn[1]
