"""How a change of the edited numbers reaches the score: lengths and inner products at each attach point."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from core.readout import ReadoutArrays

WITNESSES = 2
"""Random directions along which stored embeddings must be what the readout gives."""
Squares = Sequence[np.ndarray] | np.ndarray
"""Forms one after the other, of every row."""
ROUNDING = 64.0
"""Roundings of a number, relative to the row's length, by which the two may differ."""


class Geometry(ABC):
    """Linear and quadratic forms of an edited row b, from which q . x' and ||x'|| follow.

    Every form is f(b) = ||A_f b||^2 with a fixed linear map A_f; its cross term with a direction w is b . cross(w)_f
    with cross(w)_f = A_f^T A_f w. `push(w)` is what w adds to the pooled embedding before the row's own scale.
    """

    offset: np.ndarray
    """What every pooled embedding has in common (d,)."""

    @abstractmethod
    def push(self, w: np.ndarray) -> np.ndarray:
        """Directions (F, d_in) to what they add to the pooled embedding (F, d), up to the row's scale."""

    @abstractmethod
    def pull(self, q: np.ndarray) -> np.ndarray:
        """The transposed map: pull(q) . b = q . push(b), for queries (m, d); (m, d_in)."""

    @abstractmethod
    def pushed(self, x: np.ndarray, pooled: np.ndarray) -> tuple[np.ndarray, bool]:
        """push(x) of some stored rows (n, d), and whether it follows from their stored embeddings."""

    @abstractmethod
    def cross(self, w: np.ndarray) -> np.ndarray:
        """Cross vectors (forms, F, d_in) of directions (F, d_in)."""

    @abstractmethod
    def forms(self, a: np.ndarray, b: np.ndarray, pushed_a: np.ndarray, pushed_b: np.ndarray) -> np.ndarray:
        """A_f a . A_f b of every row (forms, n), for rows (n, d_in) and what push gives for them."""

    @abstractmethod
    def scales(self, squares: Squares) -> np.ndarray | float:
        """What `push(b)` is divided by (n,), from the forms, (n,) each; one number where it is the same for all rows.

        Arithmetic alone, here and in `lengths`, so that arrays of any library go in and come out.
        """

    @abstractmethod
    def lengths(self, squares: Squares, along_offset: np.ndarray) -> np.ndarray:
        """||x'|| (n,) from the forms and push(b) . offset."""


class Pooled(Geometry):
    """x' = b: one form, the squared length."""

    def __init__(self, d: int) -> None:
        self.offset = np.zeros(d)

    def push(self, w: np.ndarray) -> np.ndarray:
        return w

    def pull(self, q: np.ndarray) -> np.ndarray:
        return q

    def pushed(self, x: np.ndarray, pooled: np.ndarray) -> tuple[np.ndarray, bool]:
        return x, True

    def cross(self, w: np.ndarray) -> np.ndarray:
        return w[None]

    def forms(self, a: np.ndarray, b: np.ndarray, pushed_a: np.ndarray, pushed_b: np.ndarray) -> np.ndarray:
        return np.einsum("ij,ij->i", a, b)[None]

    def scales(self, squares: Squares) -> float:
        return 1.0

    def lengths(self, squares: Squares, along_offset: np.ndarray) -> np.ndarray:
        return squares[0] ** 0.5


class Residual(Geometry):
    """x' = push(b) / sigma + offset, sigma^2 = mean((C b)^2) + eps, push(b) = ((C b) * g) P; C centres a row.

    Two forms: the mean square of C b, and ||push(b)||^2.
    """

    def __init__(self, readout: ReadoutArrays) -> None:
        self._readout = readout
        self.offset = readout.offset

    @cached_property
    def _gain(self) -> np.ndarray:
        return self._readout.ln_weight.astype(np.float64)

    @cached_property
    def _projection(self) -> np.ndarray:
        return self._readout.projection.astype(np.float64)

    def push(self, w: np.ndarray) -> np.ndarray:
        return self._readout.linear(w)

    def pull(self, q: np.ndarray) -> np.ndarray:
        return self._readout.centred((q @ self._projection.T) * self._gain)

    @cached_property
    def _witnesses(self) -> tuple[np.ndarray, np.ndarray]:
        """Random r (WITNESSES, d) and pull(r)."""
        r = np.random.default_rng(0).normal(size=(WITNESSES, len(self.offset)))
        return r, self.pull(r)

    def pushed(self, x: np.ndarray, pooled: np.ndarray) -> tuple[np.ndarray, bool]:
        """sigma (pooled - offset), as x' says, instead of a product of d_in x d numbers a row.

        That holds where the stored embedding is the readout of the stored residual, and random directions r tell:
        r . push(x) = pull(r) . x. Rows of which one differs by more than rounding (embeddings stored as float16, or
        made in a lower precision) all go through the product.
        """
        centred = self._readout.centred(x)
        mean_squares = np.einsum("ij,ij->i", centred, centred) / x.dtype.type(x.shape[1])
        sigma = np.sqrt(mean_squares + x.dtype.type(self._readout.eps))
        pushed = (pooled.astype(x.dtype, copy=False) - self.offset.astype(x.dtype)) * sigma[:, None]
        tolerance = ROUNDING * np.finfo(x.dtype).eps * np.sqrt(np.einsum("ij,ij->i", pushed, pushed))
        for r, pulled in zip(*(part.astype(x.dtype) for part in self._witnesses), strict=True):
            differs = np.einsum("ij,j->i", pushed, r) - np.einsum("ij,j->i", x, pulled)
            if not (np.abs(differs) <= tolerance).all():
                return self.push(x), False
        return pushed, True

    def cross(self, w: np.ndarray) -> np.ndarray:
        return np.stack([self._readout.centred(w) / self._readout.d_model, self.pull(self.push(w))])

    def forms(self, a: np.ndarray, b: np.ndarray, pushed_a: np.ndarray, pushed_b: np.ndarray) -> np.ndarray:
        ours = self._readout.centred(a)
        theirs = ours if a is b else self._readout.centred(b)
        means = np.einsum("ij,ij->i", ours, theirs) / self._readout.d_model
        return np.stack([means, np.einsum("ij,ij->i", pushed_a, pushed_b)])

    def scales(self, squares: Squares) -> np.ndarray:
        return (squares[0] + self._readout.eps) ** 0.5

    def lengths(self, squares: Squares, along_offset: np.ndarray) -> np.ndarray:
        sigma, common = self.scales(squares), float(self.offset @ self.offset)
        return (squares[1] / sigma**2 + 2.0 * along_offset / sigma + common) ** 0.5
