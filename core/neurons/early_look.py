"""What the most active neurons of an unfinished SAE answer to: a glance, while it trains."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.saes.base import SAE

SAMPLE = 1024
"""Items looked at: enough for the strongest few, and encoded in a moment."""
COMMON = 0.5
"""Neurons that fire on more than this share of the sample say what all items share, and are passed over."""


@dataclass(frozen=True)
class EarlyNeuron:
    """A neuron of an SAE that is still being trained."""

    neuron: int
    rate: float
    """Share of the sample on which it fires, by the training rule."""
    rows: tuple[int, ...]
    """Items on which it fires most, strongest first."""


def early_look(
    sae: "SAE", x: np.ndarray, rows: np.ndarray, neurons: int = 6, items: int = 6, seed: int = 0
) -> list[EarlyNeuron]:
    """The neurons that are most active on a random sample of x[rows], each with its strongest items.

    Activity is the sum of the codes by the training rule, which is the only one an unfinished SAE has. The same
    sample for the same seed.
    """
    import torch

    chosen = np.sort(np.random.default_rng(seed).choice(rows, size=min(SAMPLE, len(rows)), replace=False))
    with torch.no_grad():
        z = sae.training_codes(torch.from_numpy(np.array(x[chosen], dtype=np.float32))).numpy()
    fired = (z > 0).sum(axis=0)
    activity = np.where((fired <= COMMON * len(chosen)) & (fired > 0), z.sum(axis=0), 0)
    order = np.argsort(-activity, kind="stable")[:neurons]
    looks = []
    for j in order[activity[order] > 0]:
        strongest = np.argsort(-z[:, j], kind="stable")[: min(items, fired[j])]
        looks.append(EarlyNeuron(int(j), float(fired[j] / len(chosen)), tuple(int(r) for r in chosen[strongest])))
    return looks
