"""Rows without, or with another, part in a few directions: projections, erasers and replaced columns."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("low-rank")
class LowRank(Piece):
    """x' = x + (|x| c - x R) W: what R (d, r) reads of a row is taken out along W (r, d), c (r,) is put in its place.

    With R = V, W = V^T and c = 0 it is the projection x - x V V^T.
    """

    name = "low-rank"
    formula = "x' = x + (|x| c - x R) W"
    shapes: ClassVar = {"R": ("d", "r"), "c": ("r",), "W": ("r", "d")}

    @staticmethod
    def rule(x: np.ndarray, a: Arrays) -> np.ndarray:
        length = np.linalg.norm(x, axis=1, keepdims=True)
        return x + (length * a["c"] - x @ a["R"]) @ a["W"]

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors) -> "Tensor":
        length = x.norm(dim=1, keepdim=True)
        return x + (length * a["c"] - x @ a["R"]) @ a["W"]


def without(V: np.ndarray) -> LowRank:
    """x - x V V^T for an orthonormal basis V (d, r)."""
    return LowRank({"R": V, "c": np.zeros(V.shape[1]), "W": V.T})


def strengthened(V: np.ndarray) -> LowRank:
    """x + x V V^T for an orthonormal basis V (d, r)."""
    return LowRank({"R": -V, "c": np.zeros(V.shape[1]), "W": V.T})


def replaced(columns: np.ndarray, values: np.ndarray, d: int) -> LowRank:
    """x'_j = |x| v_j in some columns j (m,), with values v (m,) for a row of length one."""
    chosen = np.eye(d, dtype=np.float32)[columns]
    return LowRank({"R": chosen.T, "c": values, "W": chosen})
