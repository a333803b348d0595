"""How a change of the edited numbers reaches the score: lengths and inner products at each attach point."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from core.readout import ReadoutArrays

WITNESSES = 2
"""Random directions along which stored embeddings must be what the readout gives."""
SPREAD = 0.1
"""Share of two squares that must be left of their difference for it to be taken without making the vectors."""
Squares = Sequence[np.ndarray] | np.ndarray
"""Forms one after the other, of every row."""
ROUNDING = 64.0
"""Roundings of a number, relative to the row's length, by which the two may differ."""


class Sums(NamedTuple):
    """What is summed over some stored rows x (n, d_in) and their stored pooled embeddings."""

    squares: np.ndarray
    """Forms of x (forms, n)."""
    along_offset: np.ndarray
    """push(x) . offset (n,)."""
    along_stored: np.ndarray
    """push(x) . stored pooled embedding (n,)."""
    agree: bool
    """Whether push(x) of every row follows from its stored pooled embedding."""


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

    def sums(self, x: np.ndarray, pooled: np.ndarray) -> Sums:
        """Sums over some stored rows (n, d_in) and their stored pooled embeddings (n, d)."""
        pushed, agree = self.pushed(x, pooled)
        along = np.einsum("ij,j->i", pushed, self.offset.astype(pushed.dtype))
        return Sums(self.forms(x, x, pushed, pushed), along, np.einsum("ij,ij->i", pushed, pooled), agree)

    @abstractmethod
    def cross(self, w: np.ndarray) -> np.ndarray:
        """Cross vectors (forms, F, d_in) of directions (F, d_in)."""

    @abstractmethod
    def roots(self, w: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """Of every form a number c and what it is c times the square of, linear in directions or rows (F, d_in):
        f(w) = c ||root(w)||^2."""

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

    def roots(self, w: np.ndarray) -> list[tuple[float, np.ndarray]]:
        return [(1.0, w)]

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

    def sums(self, x: np.ndarray, pooled: np.ndarray) -> Sums:
        """The same from numbers of the rows, with p the stored embedding and o the offset, where `pushed` says that
        push(x) = sigma (p - o); no vector is made.

        Of a row whose numbers are nearly all the same, or whose embedding is nearly the offset, differences say too
        little; such rows go through the vectors.
        """
        # np.dot and einsum leave Python's lock to other threads' blocks; `@` and vecdot hold it
        dtype, d_model = x.dtype.type, x.dtype.type(self._readout.d_model)
        offset, common = self.offset.astype(x.dtype), dtype(self.offset @ self.offset)
        pooled = pooled.astype(x.dtype, copy=False)
        r, pulled = (part.astype(x.dtype) for part in self._witnesses)
        total, *pulled_x = np.dot(x, np.column_stack([np.ones_like(x[0]), *pulled])).T
        along, *r_pooled = np.dot(pooled, np.column_stack([offset, *r])).T
        mean, mean_squares = total / d_model, np.einsum("ij,ij->i", x, x) / d_model
        own = np.einsum("ij,ij->i", pooled, pooled)
        centred, spread = mean_squares - mean * mean, own - 2 * along + common
        if not ((centred >= SPREAD * mean_squares).all() and (spread >= SPREAD * (own + common)).all()):  # NaN included
            return super().sums(x, pooled)
        sigma = np.sqrt(centred + dtype(self._readout.eps))
        tolerance = ROUNDING * np.finfo(x.dtype).eps * sigma * np.sqrt(spread)
        for r_offset, r_p, pulled_row in zip(r @ offset, r_pooled, pulled_x, strict=True):
            if not (np.abs(sigma * (r_p - r_offset) - pulled_row) <= tolerance).all():
                return super().sums(x, pooled)
        return Sums(np.stack([centred, sigma * sigma * spread]), sigma * (along - common), sigma * (own - along), True)

    def cross(self, w: np.ndarray) -> np.ndarray:
        return np.stack([self._readout.centred(w) / self._readout.d_model, self.pull(self.push(w))])

    def roots(self, w: np.ndarray) -> list[tuple[float, np.ndarray]]:
        return [(1.0 / self._readout.d_model, self._readout.centred(w)), (1.0, self.push(w))]

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
