"""SEM's scores from prompts alone: how usual a neuron's answer is, how much it tells of the query and of the bias.

R_A(v)_j = share of the rows of A (n, F) whose neuron j is strictly below v_j, in [0, 1]. Medians are lower medians:
element (n - 1) // 2 of the sorted values, never the mean of two. Latents are at least 0, so a silent neuron has
rank 0. Source: SEM, arXiv 2603.19028, section 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.saes.rules import PLAIN

DENSE_SHARE = 0.25
"""Share of active neurons above which one dense product is faster than gathering their decoder rows."""


def lower_median(H: np.ndarray) -> np.ndarray:
    """Column-wise lower median (F,) of latents H (n, F) that are at least 0."""
    middle = (len(H) - 1) // 2
    median = np.zeros(H.shape[1], dtype=H.dtype)
    # a neuron that is silent in more than `middle` rows has median 0: only the others need to be ordered
    often = np.flatnonzero(np.count_nonzero(H, axis=0) >= len(H) - middle)
    median[often] = np.partition(H[:, often], middle, axis=0)[middle]
    return median


@dataclass(frozen=True, eq=False)
class Ranks:
    """R_A of one set of latents, ordered once."""

    ordered: np.ndarray
    """(F, n): for every neuron its values over the rows of A, rising."""

    @classmethod
    def of(cls, H: np.ndarray) -> "Ranks":
        return cls(np.sort(np.ascontiguousarray(H.T), axis=1))

    def __call__(self, v: np.ndarray, neurons: np.ndarray | None = None) -> np.ndarray:
        """R_A(v) in the dtype of v, by bisection in all active neurons at once; 0 where v_j is not above 0.

        v holds all neurons (F,), or those of the given numbers.
        """
        n = self.ordered.shape[1]
        share = np.zeros(len(v), dtype=v.dtype)
        active = np.flatnonzero(v > 0)
        values, flat = v[active], self.ordered.reshape(-1)
        starts = (active if neurons is None else neurons[active]) * n
        low, high = np.zeros(len(active), dtype=np.int64), np.full(len(active), n, dtype=np.int64)
        for _ in range(n.bit_length()):
            middle = np.minimum((low + high) // 2, n - 1)
            below = flat[starts + middle] < values
            open_ = low < high
            low = np.where(open_ & below, middle + 1, low)
            high = np.where(open_ & ~below, middle, high)
        share[active] = low / n
        return share

    @cached_property
    def lower_median(self) -> np.ndarray:
        return np.ascontiguousarray(self.ordered[:, (self.ordered.shape[1] - 1) // 2])


def bias_sensitivity(general: Ranks, classes: Sequence[np.ndarray]) -> np.ndarray:
    """S_b (F,) in [0, 1]: 0 where no class drives the neuron above everyday prompts and above the other classes.

    s_c = min(R_div(m_c), R_others(m_c)), m_c the lower median of class c, "others" the prompts of all other classes
    pooled; S_b = max(0, max_c s_c).

    Parameters
    ----------
    classes : latents (n_c, F) of each class's prompts; at least two classes.
    """
    sensitivity = np.zeros(classes[0].shape[1], dtype=classes[0].dtype)
    for c, of_group in enumerate(classes):
        median = lower_median(of_group)
        others = np.concatenate([H for other, H in enumerate(classes) if other != c])
        # the few neurons that count are those active in the median: only they are ordered
        active = np.flatnonzero(median)
        specific = np.zeros_like(sensitivity)
        specific[active] = (others[:, active] < median[active]).sum(axis=0) / len(others)
        sensitivity = np.maximum(sensitivity, np.minimum(general(median), specific))
    return sensitivity


@dataclass(frozen=True, eq=False)
class ReLUEncoder:
    """h(x) = relu((x - b_dec) W_enc + b_enc) of all neurons or of some, for SAEs that have no other rule."""

    directions: np.ndarray
    """W_enc turned (F, d), so that the directions of some neurons lie together."""
    bias: np.ndarray
    centre: np.ndarray

    @classmethod
    def of(cls, sae: Any) -> "ReLUEncoder | None":
        """None where the SAE's rule is another."""
        if sae.rule is not PLAIN:
            return None
        given = sae.arrays()
        return cls(np.ascontiguousarray(given["W_enc"].T), given["b_enc"], given["b_dec"])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Latents (F,) of one text (d,)."""
        return np.maximum(self.directions @ (x - self.centre).astype(self.bias.dtype) + self.bias, 0)

    def at(self, x: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Latents (n, m) of texts (n, d) at m neurons."""
        centred = (x - self.centre).astype(self.bias.dtype)
        return np.maximum(centred @ self.directions[neurons].T + self.bias[neurons], 0)

    @property
    def nbytes(self) -> int:
        return self.directions.nbytes


@dataclass(frozen=True, eq=False)
class SEMScores:
    """What SEM computes once for an SAE, its everyday prompts and one attribute."""

    diverse: Ranks
    bias: np.ndarray
    """S_b (F,); 0 everywhere where no classes were given."""
    encoder: ReLUEncoder | None = None
    """A faster way to the latents of single neurons, where the SAE allows it."""

    @classmethod
    def of(
        cls, diverse: np.ndarray, classes: Sequence[np.ndarray] = (), encoder: ReLUEncoder | None = None
    ) -> "SEMScores":
        """From the latents of the everyday prompts (n, F) and of every class's prompts."""
        ranks = Ranks.of(diverse)
        silent = np.zeros(diverse.shape[1], dtype=diverse.dtype)
        return cls(ranks, bias_sensitivity(ranks, classes) if classes else silent, encoder)

    @property
    def nbytes(self) -> int:
        return self.diverse.ordered.nbytes + self.bias.nbytes + (self.encoder.nbytes if self.encoder else 0)


def modulation(S_c: np.ndarray, S_b: np.ndarray | None) -> np.ndarray:
    """M = S_c^2 where there is no bias score (SEM_i), (1 + S_c - S_b)^2 where there is one (SEM_b, SEM_bi)."""
    return S_c**2 if S_b is None else (1 + S_c - S_b) ** 2


def modulated(h: np.ndarray, M: np.ndarray, m_div: np.ndarray) -> np.ndarray:
    """h' = h M + (1 - M) m_div; not clamped: M may exceed 1 and h' be negative. M = 1 is exactly h."""
    return h * M + (1 - M) * m_div.astype(h.dtype, copy=False)


def decode(h: np.ndarray, W_dec: np.ndarray, b_dec: np.ndarray) -> np.ndarray:
    """h W_dec + b_dec (d,); reads only the decoder rows of active neurons where these are few."""
    active = np.flatnonzero(h)
    if len(active) > DENSE_SHARE * len(h):
        return h @ W_dec + b_dec
    return h[active] @ W_dec[active] + b_dec
