"""Which tokens of an item are kept for training on tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TokenDraw:
    """Random tokens of each item, drawn by its own key: batches, order and neighbours play no part."""

    per_item: int
    seed: int
    keys: Sequence[int]
    """A number for each item, from its id."""

    def positions(self, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Token positions (b, per_item) of the items `rows`, each below its length.

        Without repeats where an item has tokens enough.
        """
        drawn = np.empty((len(rows), self.per_item), dtype=np.int64)
        for at, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            rng = np.random.default_rng([self.seed, self.keys[int(row)]])
            drawn[at] = rng.choice(int(length), self.per_item, replace=self.per_item > length)
        return drawn
