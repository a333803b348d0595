"""A rotation of what a row says in a few directions into one of them."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("turn")
class Turn(Piece):
    """x' = x - x V V^T + |x V| w for an orthonormal basis V (d, r) and a unit vector w (d,) in its span."""

    name = "turn"
    formula = "x' = x - x V V^T + |x V| w"
    shapes: ClassVar = {"V": ("d", "r"), "w": ("d",)}

    @staticmethod
    def rule(x: np.ndarray, a: Arrays) -> np.ndarray:
        inside = x @ a["V"]
        length = np.linalg.norm(inside, axis=1, keepdims=True)
        return x + length * a["w"] - inside @ a["V"].T

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors) -> "Tensor":
        inside = x @ a["V"]
        return x + inside.norm(dim=1, keepdim=True) * a["w"] - inside @ a["V"].T
