"""How well an SAE reconstructs, and how sparsely: one definition for each number, sums in float64."""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Progress

if TYPE_CHECKING:
    import torch

    from core.saes.base import SAE


EQUAL = 1e-12
"""Share of their length by which rows may differ and be equal: what is left of a sum in float64."""


class ReconstructionSums:
    """Running float64 sums for fvu over batches of any size.

    The rows' spread is summed around the mean of the first batch and corrected at the end, so that data with a large
    common mean (as CLIP embeddings have) loses no digits.
    """

    def __init__(self) -> None:
        self.n = 0
        self._error = 0.0
        self._origin: np.ndarray | None = None
        self._shifted: np.ndarray | float = 0.0
        self._squares = 0.0
        self._lengths = 0.0

    def add(self, x: np.ndarray, x_hat: np.ndarray) -> None:
        """Take in rows x (b, d) and their reconstructions."""
        x = np.asarray(x, dtype=np.float64)
        if self._origin is None:
            self._origin = x.mean(axis=0)
        shifted = x - self._origin
        self.n += len(x)
        self._lengths += float(np.square(x).sum())
        self._error += float(np.square(x - x_hat).sum())
        self._shifted = self._shifted + shifted.sum(axis=0)
        self._squares += float(np.square(shifted).sum())

    @property
    def fvu(self) -> float:
        """Fraction of variance unexplained, see `fvu`; NaN where all rows are equal."""
        if self.n == 0:
            return float("nan")
        spread = self._squares - float(np.square(self._shifted).sum()) / self.n
        return self._error / spread if spread > EQUAL**2 * self._lengths else float("nan")


def fvu(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Fraction of variance unexplained by x_hat (n, d): sum ||x - x_hat||^2 / sum ||x - mean(x)||^2.

    The mean is per dimension over all rows. 0 is a perfect reconstruction, 1 as good as always answering the mean,
    above 1 worse than that; smaller is better. NaN where all rows are equal.
    """
    sums = ReconstructionSums()
    sums.add(x, np.asarray(x_hat, dtype=np.float64))
    return sums.fvu


@dataclass(frozen=True)
class Quality:
    """Reconstruction and sparsity of an SAE on n rows."""

    n: int
    fvu: float
    """Fraction of variance unexplained; 0 perfect, 1 no better than the mean."""
    l0: float
    """Mean number of active neurons per row (a count)."""
    dead_fraction: float
    """Share of the neurons that are active on no row."""
    firing_rate: np.ndarray
    """(F,) share of the rows on which each neuron is active."""

    @classmethod
    def counted(cls, sums: ReconstructionSums, fired: np.ndarray) -> "Quality":
        """From the sums over the rows and the rows (F,) on which each neuron is active; of no rows all is NaN."""
        n = sums.n
        if not n:
            return cls(0, math.nan, math.nan, math.nan, np.full(len(fired), math.nan))
        return cls(n, sums.fvu, int(fired.sum()) / n, float((fired == 0).mean()), fired / n)

    def to_json(self) -> dict[str, Any]:
        """The scalars; null for what is undefined."""
        numbers = {"fvu": self.fvu, "l0": self.l0, "dead_fraction": self.dead_fraction}
        return {name: None if np.isnan(value) else value for name, value in numbers.items()} | {"n": self.n}


def _let_go(x: np.ndarray) -> None:
    """Take what was read of a memory map off this process; it stays in the disk's cache, and is never changed."""
    if isinstance(x, np.memmap) and x.mode == "r" and isinstance(x.base, mmap.mmap) and hasattr(x.base, "madvise"):
        x.base.madvise(mmap.MADV_DONTNEED)


def row_batches(
    x: np.ndarray, rows: np.ndarray | None = None, batch: int = 4096, progress: Progress | None = None, what: str = ""
) -> Iterator["torch.Tensor"]:
    """Float32 tensors of consecutive rows of x (n, d), or of x[rows], read piece by piece from a memory map."""
    import torch

    n = len(x) if rows is None else len(rows)
    for start in range(0, n, batch):
        here = slice(start, min(start + batch, n))
        part = x[here] if rows is None else x[rows[here]]
        yield torch.from_numpy(np.array(part, dtype=np.float32))
        _let_go(x)
        if progress is not None:
            progress(here.stop, n, what)


def quality(
    sae: "SAE",
    x: np.ndarray,
    rows: np.ndarray | None = None,
    batch: int = 4096,
    progress: Progress | None = None,
) -> Quality:
    """Quality of `sae` by its inference rule on x (n, d), or on the given rows of x, streaming."""
    import torch

    sums, fired = ReconstructionSums(), np.zeros(sae.config.d_sae, dtype=np.int64)
    device = sae.b_dec.device
    with torch.inference_mode():
        for part in row_batches(x, rows, batch, progress, "measuring the SAE"):
            z = sae.encode(part.to(device))
            sums.add(part.numpy(), sae.decode(z).cpu().numpy())
            fired += (z != 0).sum(dim=0).cpu().numpy()
    return Quality.counted(sums, fired)
