"""Columns that are left out of the comparison, their length kept where the other side has nothing."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("cut")
class Cut(Piece):
    """x'_j = x_j keep_j, and x'_j += place_j |x - x keep|: 0/1 vectors keep (d,) and place (d,), at most one 1."""

    name = "cut"
    formula = "x' = x keep + |x - x keep| place"
    shapes: ClassVar = {"keep": ("d",), "place": ("d",)}

    @staticmethod
    def rule(x: np.ndarray, a: Arrays) -> np.ndarray:
        kept = x * a["keep"]
        return kept + np.linalg.norm(x - kept, axis=1, keepdims=True) * a["place"]

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors) -> "Tensor":
        kept = x * a["keep"]
        return kept + (x - kept).norm(dim=1, keepdim=True) * a["place"]
