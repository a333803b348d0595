"""A trained or solved linear map of whole rows."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("matrix")
class Matrix(Piece):
    """x' = x P^T."""

    name = "matrix"
    formula = "x' = x P^T"
    shapes: ClassVar = {"P": ("d", "d")}

    @staticmethod
    def rule(x: np.ndarray, a: Arrays) -> np.ndarray:
        return x @ a["P"].T

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors) -> "Tensor":
        return x @ a["P"].T
