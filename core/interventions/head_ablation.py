"""Head ablation: the attention heads that tell the groups apart say of every picture what they say on average."""

from dataclasses import dataclass

import numpy as np

from core.config import Edit
from core.interventions.base import (
    INTERVENTIONS,
    NO_EDIT,
    Evidence,
    Head,
    HeadSample,
    Intervention,
    Material,
    Needs,
)
from core.interventions.subspaces import remainder

HELD = 0.8
"""Share of what all heads add to the difference of the groups that the chosen ones hold together."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """The chosen heads, and what they add together on average."""

    heads: tuple[Head, ...]
    """Those that hold most first."""
    mean: np.ndarray
    """Sum over the chosen heads of their mean part (d,)."""

    @property
    def nbytes(self) -> int:
        return self.mean.nbytes


@INTERVENTIONS.register("head-ablation")
class HeadAblation(Intervention):
    """x' = x - sum over S of (c_lh - mean c_lh), c_lh what head h of layer l adds to the embedding x.

    The embedding of a vision transformer is a sum of what its heads, its MLPs and the direct path add (see
    `core.backbones.heads`). The mean is taken over the labelled pictures of the probe half: zero in its place would
    move everybody. S: heads by their share of the groups' difference (`head_shares`), largest first, the fewest that
    together hold 80 % of the sum of the positive ones. Only what a head adds itself is taken away: what later layers
    read from it stays, and so does the row's scale, which another run of the tower without the head would change a
    little.
    """

    title = "Head ablation"
    plain = (
        "It takes the picture model apart into its attention heads, finds on pictures with known groups the few heads "
        "that tell the groups apart, and lets these say the same of everybody. What other parts of the model say of "
        "the group stays, and so does the search text."
    )
    formula = (
        r"x' = x - \sum_{(l,h) \in S} \bigl(c_{lh} - \bar c_{lh}\bigr), \qquad x = \sum_{l,h} c_{lh} + \text{rest}"
    )
    paper = "decomposition: Gandelsman et al., ICLR 2024, arXiv 2310.05916; audit of heads: arXiv 2603.11793"
    cost = "every picture once more through the model, then one thin sum"
    changes = "items"
    needs = Needs(references=True, heads=True)
    stays = "it reads every picture through the model again, which rows alone do not hold"

    def fit(self, evidence: Evidence) -> Ablation:
        references, sample = evidence.require_references(), evidence.require_heads()
        whole = group_differences(references.pooled, references.labels)
        chosen = holding_most(head_shares(sample, whole))
        means = sample.parts.mean(axis=0, dtype=np.float64)
        mean = np.sum([means[head] for head in chosen], axis=0) if chosen else np.zeros(means.shape[-1])
        return Ablation(chosen, mean)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Ablation | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        if not fitted.heads or not len(stored):
            return stored
        moved = stored - (material.require_heads()(fitted.heads) - fitted.mean).astype(stored.dtype)
        return remainder(stored, moved)

    def remarks(self, material: Material, fitted: Ablation | None = None) -> tuple[str, ...]:
        assert fitted is not None, "it is fitted before it is asked"
        named = ", ".join(f"{layer}.{head}" for layer, head in fitted.heads) or "none"
        return (f"{self.title} silences heads {named} (layer.head, counted from 0)",)


def group_differences(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each group's mean minus the mean of these means (G, ..., d), float64, of rows (n, ..., d)."""
    means = np.stack([rows[labels == g].mean(axis=0, dtype=np.float64) for g in np.unique(labels)])
    return means - means.mean(axis=0)


def head_shares(sample: HeadSample, whole: np.ndarray) -> np.ndarray:
    """Share of every head (layers, heads) in the groups' difference: sum_g D_g,lh . D_g / sum_g |D_g|^2.

    D_g,lh is what the head adds to a group on average minus the mean over groups, D_g the same of the embeddings. Over
    all parts of the embedding, heads or not, the shares add up to 1; below 0: the head works against the difference.
    Zeros where the groups do not differ.

    Parameters
    ----------
    whole : D_g (G, d).
    """
    parts = group_differences(sample.parts, sample.labels)
    size = float((whole * whole).sum())
    return np.einsum("glhd,gd->lh", parts, whole) / size if size > 0 else np.zeros(parts.shape[1:3])


def holding_most(shares: np.ndarray, held: float = HELD) -> tuple[Head, ...]:
    """The fewest heads, largest share first, whose shares reach `held` of the sum of the positive ones; of equal shares
    the earlier head.
    """
    order = np.argsort(-shares, axis=None, kind="stable")
    positive = np.maximum(shares.ravel()[order], 0.0)
    if not positive.any():
        return ()
    n = int(np.searchsorted(np.cumsum(positive), held * positive.sum() * (1 - 1e-12))) + 1
    places = np.unravel_index(order[:n], shares.shape)
    return tuple((int(layer), int(head)) for layer, head in zip(*places, strict=True))
