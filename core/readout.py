"""The rest of a tower after its last block: LayerNorm, then projection. Plain arrays, no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import InputError, lacking_key
from core.reading import read_arrays

ARRAYS = ("ln_weight", "ln_bias", "eps", "projection")


@dataclass(frozen=True, eq=False)
class ReadoutArrays:
    """Readout of a tower: takes the residual of the pooled token to the embedding before L2 normalisation.

    With x (n, d_model), C x = x - mean(x) (per row), sigma = sqrt(mean((C x)^2) + eps):

        readout(x) = ((C x / sigma) * ln_weight + ln_bias) P
                   = linear(x) / sigma + offset,     linear(x) = ((C x) * ln_weight) P,   offset = ln_bias P

    so that apart from one number a row (sigma) it is linear: a change of the residual by a decoder row W_j moves
    `linear` by linear(W_j). Every method computes in the dtype of its input (float32 or float64).
    """

    ln_weight: np.ndarray
    """Gain of the LayerNorm (d_model,)."""
    ln_bias: np.ndarray
    """Bias of the LayerNorm (d_model,)."""
    eps: float
    projection: np.ndarray
    """P (d_model, d)."""

    def __post_init__(self) -> None:
        d_model = len(self.ln_weight)
        if self.projection.ndim != 2 or self.ln_bias.shape != (d_model,) or len(self.projection) != d_model:
            raise InputError(
                f"a readout had ln_weight {self.ln_weight.shape}, ln_bias {self.ln_bias.shape} and projection "
                f"{self.projection.shape}; expected (d_model,), (d_model,) and (d_model, d)"
            )

    @property
    def d_model(self) -> int:
        """Columns of the residual."""
        return self.projection.shape[0]

    @property
    def d(self) -> int:
        """Columns of the embedding."""
        return self.projection.shape[1]

    def centred(self, x: np.ndarray) -> np.ndarray:
        """C x (n, d_model): every row minus its own mean."""
        if x.shape[-1] != self.d_model:
            raise InputError(f"rows of {x.shape[-1]} columns were given to a readout of {self.d_model}")
        return x - x.mean(axis=-1, keepdims=True)

    def sigma(self, x: np.ndarray) -> np.ndarray:
        """The row's scale (n,), larger than 0."""
        return np.sqrt(np.square(self.centred(x)).mean(axis=-1) + x.dtype.type(self.eps))

    def linear(self, x: np.ndarray) -> np.ndarray:
        """The linear part (n, d) before division by sigma; 0 for a row of equal numbers."""
        return (self.centred(x) * self.ln_weight.astype(x.dtype)) @ self.projection.astype(x.dtype)

    @property
    def offset(self) -> np.ndarray:
        """What every embedding has in common (d,): ln_bias P, in float64."""
        return self.ln_bias.astype(np.float64) @ self.projection.astype(np.float64)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Embeddings (n, d), un-normalised, of residuals (n, d_model)."""
        centred = self.centred(x)
        sigma = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + x.dtype.type(self.eps))
        return (centred / sigma * self.ln_weight.astype(x.dtype) + self.ln_bias.astype(x.dtype)) @ (
            self.projection.astype(x.dtype)
        )

    def save(self, path: Path) -> None:
        """Write an .npz without pickle."""
        np.savez(Path(path), ln_weight=self.ln_weight, ln_bias=self.ln_bias, eps=self.eps, projection=self.projection)

    @classmethod
    def load(cls, path: Path) -> "ReadoutArrays":
        """Read what `save` wrote; InputError naming the file where it is something else."""
        expected = f"a readout (.npz with {', '.join(ARRAYS)})"
        arrays = dict(zip(ARRAYS, read_arrays(Path(path), ARRAYS, expected), strict=True))
        try:
            return cls(arrays["ln_weight"], arrays["ln_bias"], float(arrays["eps"]), arrays["projection"])
        except (ValueError, TypeError, IndexError) as error:
            raise InputError(f"{path} is not {expected}{lacking_key(error)}; build the gallery again") from None
