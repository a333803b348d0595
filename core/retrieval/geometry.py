"""How a change of the edited numbers reaches the score: lengths and inner products at each attach point."""

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from core.readout import ReadoutArrays


class Geometry(ABC):
    """Linear and quadratic forms of an edited row b, from which q . x' and ||x'|| follow.

    Every form is f(b) = ||A_f b||^2 with a fixed linear map A_f; its cross term with a direction w is b . cross(w)_f
    with cross(w)_f = A_f^T A_f w. `push(w)` is what w adds to the pooled embedding before the row's own scale.
    """

    @abstractmethod
    def push(self, w: np.ndarray) -> np.ndarray:
        """Directions (F, d_in) to what they add to the pooled embedding (F, d), up to the row's scale."""

    @abstractmethod
    def pull(self, q: np.ndarray) -> np.ndarray:
        """The transposed map: pull(q) . b = q . push(b), for queries (m, d); (m, d_in)."""

    @abstractmethod
    def cross(self, w: np.ndarray) -> np.ndarray:
        """Cross vectors (forms, F, d_in) of directions (F, d_in)."""

    @abstractmethod
    def forms(self, a: np.ndarray, b: np.ndarray, pushed: np.ndarray | None = None) -> np.ndarray:
        """A_f a . A_f b of every row (forms, n), for rows (n, d_in).

        Parameters
        ----------
        pushed : push(a) where it is known.
        """

    @abstractmethod
    def scales(self, squares: np.ndarray) -> np.ndarray:
        """What `push(b)` is divided by (n,), from the forms (forms, n); (1,) where it is the same for every row."""

    @abstractmethod
    def lengths(self, squares: np.ndarray, along_offset: np.ndarray) -> np.ndarray:
        """||x'|| (n,) from the forms and push(b) . offset."""

    offset: np.ndarray
    """What every pooled embedding has in common (d,)."""


class Pooled(Geometry):
    """x' = b: one form, the squared length."""

    def __init__(self, d: int) -> None:
        self.offset = np.zeros(d)

    def push(self, w: np.ndarray) -> np.ndarray:
        return w

    def pull(self, q: np.ndarray) -> np.ndarray:
        return q

    def cross(self, w: np.ndarray) -> np.ndarray:
        return w[None]

    def forms(self, a: np.ndarray, b: np.ndarray, pushed: np.ndarray | None = None) -> np.ndarray:
        return np.einsum("ij,ij->i", a, b)[None]

    def scales(self, squares: np.ndarray) -> np.ndarray:
        return np.ones(1)

    def lengths(self, squares: np.ndarray, along_offset: np.ndarray) -> np.ndarray:
        return np.sqrt(squares[0])


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

    def cross(self, w: np.ndarray) -> np.ndarray:
        return np.stack([self._readout.centred(w) / self._readout.d_model, self.pull(self.push(w))])

    def forms(self, a: np.ndarray, b: np.ndarray, pushed: np.ndarray | None = None) -> np.ndarray:
        means = np.einsum("ij,ij->i", self._readout.centred(a), self._readout.centred(b)) / self._readout.d_model
        ours = self.push(a) if pushed is None else pushed
        theirs = ours if a is b else self.push(b)
        return np.stack([means, np.einsum("ij,ij->i", ours, theirs)])

    def scales(self, squares: np.ndarray) -> np.ndarray:
        return np.sqrt(squares[0] + self._readout.eps)

    def lengths(self, squares: np.ndarray, along_offset: np.ndarray) -> np.ndarray:
        sigma, common = self.scales(squares), float(self.offset @ self.offset)
        return np.sqrt(squares[1] / sigma**2 + 2.0 * along_offset / sigma + common)
