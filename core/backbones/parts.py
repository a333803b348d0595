"""An embedding as the sum of what the parts of its tower add. No torch."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of embeddings (n, d), un-normalised, through the readout with each row's own scale."""

    heads: np.ndarray
    """(n, layers, heads, d)."""
    mlps: np.ndarray
    """(n, layers, d)."""
    direct: np.ndarray
    """What enters the first block (n, d)."""
    biases: np.ndarray
    """Of the attention outputs, all layers together (n, d)."""
    constant: np.ndarray
    """Of the readout (d,)."""

    @property
    def total(self) -> np.ndarray:
        """The embedding (n, d)."""
        return self.heads.sum(axis=(1, 2)) + self.mlps.sum(axis=1) + self.direct + self.biases + self.constant
