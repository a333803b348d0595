"""Which rows a training step sees, read batch by batch from memory-mapped embeddings."""

import numpy as np
import torch
from torch import Tensor

from core.config import InputError
from core.saes.shares import WHOLE, Share
from core.training.config import TrainingConfig

NORM_BATCHES = 100
"""First batches over which the mean squared length of the embeddings is taken, as in the published recipe."""


class RowSampler:
    """Which rows each step sees: every epoch a fresh order of all rows, a function of seed and step alone."""

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.batch, self.seed = n, batch, seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def __call__(self, step: int) -> np.ndarray:
        """Row numbers (batch,) of a step, ascending within an epoch so that a memory map is read forwards."""
        parts, start = [], step * self.batch
        while start < (step + 1) * self.batch:
            epoch, offset = divmod(start, self.n)
            stop = min(offset + (step + 1) * self.batch - start, self.n)
            parts.append(np.sort(self._permutation(epoch)[offset:stop]))
            start += stop - offset
        return np.concatenate(parts)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.n)
        return self._order


class Batches:
    """The training batches of x (n, d), or of its `rows`: float32, divided by the norm factor; or a share of each."""

    def __init__(
        self,
        x: np.ndarray,
        rows: np.ndarray | None,
        training: TrainingConfig,
        device: str | torch.device,
        share: Share = WHOLE,
    ) -> None:
        self.x, self.rows, self.device, self.share = x, rows, device, share
        self.n = len(x) if rows is None else len(rows)
        self.sample = RowSampler(self.n, training.batch, training.seed)
        self.norm = self._norm_factor()

    def __call__(self, step: int) -> Tensor:
        chosen = self.sample(step)
        batch = self._read(chosen[self.share.own(len(chosen))]) / self.norm
        if torch.device(self.device).type == "cuda":
            batch = batch.pin_memory()  # so that the copy runs beside the GPU's work
        return batch.to(self.device, non_blocking=True)

    def _read(self, chosen: np.ndarray) -> Tensor:
        part = self.x[chosen if self.rows is None else self.rows[chosen]]
        return torch.from_numpy(np.array(part, dtype=np.float32))

    def _norm_factor(self) -> float:
        """sqrt(mean ||x||^2) over the rows of the first batches, or over all rows where there are fewer."""
        steps = -(-self.n // self.sample.batch)
        squares, seen = 0.0, 0
        for step in range(min(steps, NORM_BATCHES)):
            chosen = self.sample(step)
            squares += float(self._read(chosen).double().square().sum())
            seen += len(chosen)
        norm = float(np.sqrt(squares / seen))
        if not np.isfinite(norm) or norm == 0:
            raise InputError(f"the embeddings have a mean length of {norm}; expected finite rows that are not all zero")
        return norm
